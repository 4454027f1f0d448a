"""/v1/drawings: store, list, get, delete."""

from __future__ import annotations

import base64
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from garabato.drawing import SVG_TYPE, Drawing, DrawingBatch
from garabato.drawing.drawing import media_type_of
from garabato.errors import InputError
from garabato.formats.svg.clean import clean_svg
from garabato.service.http.middleware import ORIGINAL_POLICY
from garabato.service.http.parsing import StrictRoute, read_json, to_drawing
from garabato.service.http.problems import ANY, WRITE, ProblemError, problems
from garabato.service.http.requests import (
    Add,
    Delete,
    KeyIdInPath,
    Name,
    NewDrawing,
    Strokes,
    Text,
    Timestamp,
    body_of,
)
from garabato.service.http.responses import Added, Deleted, Page, StoredDrawing
from garabato.service.http.serializers import CachedContent, drawing_document, json_response
from garabato.service.service import CurrentGallery, CurrentService, Service

router = APIRouter(route_class=StrictRoute, prefix="/v1/drawings", tags=["drawings"])
_Listed = Annotated[list[Name] | None, Query(max_length=500)]


@router.post(
    "",
    status_code=201,
    response_model=Added,
    responses=problems(400, 404, 413, 415, *WRITE),
    openapi_extra=body_of("Add"),
)
async def add(request: Request, service: CurrentService, served: CurrentGallery) -> Response:
    """Store one drawing, or a list under `drawings`. The response comes when they are durable and
    can be found. A drawing replaces the stored one with its key_id; without a key_id it gets one
    made from its strokes, so the same strokes are stored once."""
    service.access.check_write(request)
    given = await read_json(request, Add)

    def store() -> list[str]:
        drawings = _drawings(given, service)
        batch = DrawingBatch.from_drawings(drawings).on_grid().with_key_ids()
        key_ids = [str(key_id) for key_id in batch.key_ids]
        with served.changing() as gallery:
            gallery.add(batch)
        return key_ids

    return json_response({"key_ids": await service.writing(store)}, 201)


@router.post(
    "/delete",
    response_model=Deleted,
    responses=problems(400, 404, 413, 415, *WRITE),
    openapi_extra=body_of("Delete"),
)
async def delete_several(
    request: Request, service: CurrentService, served: CurrentGallery
) -> Response:
    """Delete drawings permanently: those with these `key_ids`, or all that pass `where`. Returns
    how many were deleted."""
    service.access.check_write(request)
    given = await read_json(request, Delete)
    if (given.key_ids is None) == (given.where is None):
        raise ProblemError.of_field("key_ids", "give either key_ids or where")
    where = None if given.where is None else given.where.model_dump(exclude_none=True)
    if where == {}:
        raise ProblemError.of_field("where", "an empty filter would delete every drawing")

    def remove() -> int:
        with served.changing() as gallery:
            n_deleted = gallery.delete(given.key_ids, where=where)
        served.drop_reports_of_deleted()
        return n_deleted

    return json_response({"n_deleted": await service.writing(remove)})


@router.get("", response_model=Page, responses=problems(404, *ANY))
async def list_drawings(
    service: CurrentService,
    served: CurrentGallery,
    category: Annotated[_Listed, Query(description="Only of these categories.")] = None,
    country: Annotated[_Listed, Query(description="Only from these countries.")] = None,
    key_id: Annotated[_Listed, Query(description="Only with these key_ids.")] = None,
    tags: Annotated[_Listed, Query(description="Only with one of these tags.")] = None,
    recognized: Annotated[
        bool | None, Query(description="Whether Quick, Draw! recognised the drawing.")
    ] = None,
    timestamp_after: Annotated[
        Timestamp | None, Query(description="At or after this time.")
    ] = None,
    timestamp_before: Annotated[Timestamp | None, Query(description="Before this time.")] = None,
    text: Annotated[
        Text | None,
        Query(description="Each of its words begins a word of the title, category or a tag."),
    ] = None,
    limit: Annotated[int, Query(ge=1, le=500, description="Drawings per page.")] = 50,
    after: Annotated[Name | None, Query(description="`next` of the previous page.")] = None,
) -> Response:
    """List drawings ordered by key_id, page by page."""
    span = {"after": timestamp_after, "before": timestamp_before}
    where = {
        "category": category,
        "country": country,
        "key_id": key_id,
        "tags": tags,
        "recognized": recognized,
        "timestamp": {end: time for end, time in span.items() if time is not None} or None,
        "text": text,
    }

    def list_them() -> dict[str, Any]:
        found = served.gallery.list(after=after, limit=limit + 1, where=where)
        shown = found[:limit]
        return {
            "drawings": [drawing_document(drawing) for drawing in shown],
            "next": shown[-1].key_id if len(found) > limit else None,
        }

    return json_response(await service.searching(list_them))


@router.get(
    "/{key_id:text}/original",
    response_class=Response,
    responses={200: {"content": {"image/*": {}}}, **problems(404, *ANY)},
)
async def get_original(
    key_id: KeyIdInPath, request: Request, service: CurrentService, served: CurrentGallery
) -> Response:
    """The original file of a drawing, if one is kept: an SVG, cleaned, or a small picture."""
    found = await service.searching(served.gallery.original, key_id)
    if found is None:
        # A stored key_id may end in /original itself.
        stored = await service.searching(served.gallery.get, f"{key_id}/original")
        if stored is not None:
            return json_response(drawing_document(stored))
        raise ProblemError.of_missing(f"no original file is kept of {key_id!r}")
    content = CachedContent.of(found.content, found.media_type, is_kept=False)
    response = content.to_response(request)
    response.headers["content-security-policy"] = ORIGINAL_POLICY
    response.headers["content-disposition"] = "inline"
    return response


@router.get("/{key_id:text}", response_model=StoredDrawing, responses=problems(404, *ANY))
async def get_drawing(
    key_id: KeyIdInPath, service: CurrentService, served: CurrentGallery
) -> Response:
    """One drawing."""
    return json_response(drawing_document(await service.searching(served.stored, key_id)))


@router.delete("/{key_id:text}", status_code=204, responses=problems(404, *WRITE))
async def delete(
    key_id: KeyIdInPath, request: Request, service: CurrentService, served: CurrentGallery
) -> Response:
    """Delete a drawing permanently."""
    service.access.check_write(request)

    def remove() -> None:
        with served.changing() as gallery:
            n_deleted = gallery.delete([key_id])
        served.drop_reports_of_deleted()
        if not n_deleted:
            raise ProblemError.of_missing(f"there is no drawing with the key_id {key_id!r}")

    await service.writing(remove)
    return Response(status_code=204)


def _drawings(given: Add, service: Service) -> list[Drawing]:
    """The drawings to store. Raises ProblemError, which names the field."""
    if (given.drawing is None) == (given.drawings is None):
        raise ProblemError.of_field("drawing", "give either drawing or drawings")
    named: list[tuple[str, Strokes, Add | NewDrawing]] = []
    if given.drawing is not None:
        named.append(("drawing", given.drawing, given))
    for i, new in enumerate(given.drawings or ()):
        named.append((f"drawings.{i}.drawing", new.drawing, new))
    if given.drawing is None:
        for field in given.model_dump(exclude={"drawings"}, exclude_none=True):
            raise ProblemError.of_field(field, "with drawings, set this field in each of them")
    return [
        to_drawing(strokes, service.settings, field).replace(**_metadata(new, field))
        for field, strokes, new in named
    ]


def _metadata(new: Add | NewDrawing, field: str) -> dict[str, Any]:
    """The metadata given with a drawing, which is in this field. Raises ProblemError that names the
    field of the original."""
    metadata = new.model_dump(exclude={"drawing", "drawings"}, exclude_none=True)
    if new.original is not None:
        try:
            original = base64.b64decode(new.original, validate=True)
            is_svg = media_type_of(original) == SVG_TYPE
            metadata["original"] = clean_svg(original) if is_svg else original
        except ValueError as error:
            problem = str(error) if isinstance(error, InputError) else "is not base64"
            name = f"{field.removesuffix('drawing')}original"
            raise ProblemError.of_field(name, problem) from None
    return metadata
