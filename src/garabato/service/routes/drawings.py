"""/v1/drawings: store, list, look at, delete."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response

from garabato.drawing import Drawing, DrawingBatch
from garabato.gallery.packing import with_key_ids
from garabato.service.bodies import read_json, to_drawing
from garabato.service.census import Entry
from garabato.service.documents import drawing_document
from garabato.service.problems import ProblemError
from garabato.service.routes.shared import ANY, ServiceOf, answer, body_of, problems
from garabato.service.schemas import Add, Added, KeyId, Name, NewDrawing, Page, StoredDrawing
from garabato.service.service import Service

router = APIRouter(prefix="/v1/drawings", tags=["drawings"])
KeyIdInPath = Annotated[KeyId, Path(description="The drawing's key_id.")]
WRITE = (401, 403, 429, 507, *ANY)


@router.post(
    "",
    status_code=201,
    response_model=Added,
    responses=problems(400, 413, 415, 422, *WRITE),
    openapi_extra=body_of("Add"),
)
async def add(request: Request, service: ServiceOf) -> Response:
    """Store one drawing, or a list of them under `drawings`. The answer comes when they are
    durable and will be found. The same strokes are stored once: their key_id is made from them."""
    service.access.check_write(request)
    gallery = service.gallery
    given = await read_json(request, Add)
    drawings, tags = _drawings(given, service)

    def store() -> list[str]:
        batch = with_key_ids(DrawingBatch.from_drawings(drawings).on_grid())
        for tag_set in dict.fromkeys(tags):
            rows = [i for i, own in enumerate(tags) if own == tag_set]
            gallery.add([batch[i] for i in rows], tags=tag_set)
        key_ids = [str(key_id) for key_id in batch.key_ids]
        entries = [Entry(category, None) for category in batch.categories]
        service.census.added(zip(key_ids, entries, strict=True))
        service.metrics.drawings.set(service.census.n_in_gallery)
        return key_ids

    return answer({"key_ids": await service.writing(store)}, 201)


@router.get("", response_model=Page, responses=problems(422, *ANY))
async def list_drawings(
    service: ServiceOf,
    category: Annotated[Name | None, Query(description="Only of this category.")] = None,
    country: Annotated[Name | None, Query(description="Only from this country.")] = None,
    limit: Annotated[int, Query(ge=1, le=500, description="The most to give.")] = 50,
    after: Annotated[KeyId | None, Query(description="`next` of the page before.")] = None,
) -> Response:
    """List drawings in the order of their key_ids, page by page."""
    service.recount_if_needed()
    census = service.counted

    def list_them() -> dict[str, Any]:
        key_ids = census.page(
            service.hidden.key_ids,
            category=category, country=country, after=after, limit=limit + 1,
        )  # fmt: skip
        shown = key_ids[:limit]
        return {
            "drawings": [drawing_document(drawing) for drawing in service.stored(shown)],
            "next": shown[-1] if len(key_ids) > limit else None,
        }

    return answer(await service.searching(list_them))


@router.get("/{key_id}", response_model=StoredDrawing, responses=problems(404, 422, *ANY))
async def get_drawing(key_id: KeyIdInPath, service: ServiceOf) -> Response:
    """One drawing."""
    return answer(drawing_document(await service.searching(service.stored_one, key_id)))


@router.delete("/{key_id}", status_code=204, responses=problems(404, 422, *WRITE))
async def delete(key_id: KeyIdInPath, request: Request, service: ServiceOf) -> Response:
    """Delete a drawing for good."""
    service.access.check_write(request)

    def remove() -> None:
        if not service.gallery.delete([key_id]):
            raise ProblemError(404, f"there is no drawing with the key_id {key_id!r}")
        service.census.deleted(key_id)
        service.metrics.drawings.set(service.census.n_in_gallery)

    await service.writing(remove)
    return Response(status_code=204)


def _drawings(given: Add, service: Service) -> tuple[list[Drawing], list[tuple[str, ...]]]:
    """What is to be stored, and the tags of each. Raises ProblemError that names the field."""
    if (given.drawing is None) == (given.drawings is None):
        raise ProblemError.of_field("drawing", "give drawing or drawings, one of the two")
    if given.drawings is None:
        assert given.drawing is not None
        named = [
            ("drawing", NewDrawing(drawing=given.drawing, category=given.category, tags=given.tags))
        ]
    elif given.category is not None or given.tags is not None:
        raise ProblemError.of_field("category", "category and tags stand in each of drawings")
    else:
        named = [(f"drawings.{i}.drawing", new) for i, new in enumerate(given.drawings)]
    drawings = [
        to_drawing(new.drawing, service.settings, field).replace(category=new.category)
        for field, new in named
    ]
    return drawings, [tuple(new.tags or ()) for _, new in named]
