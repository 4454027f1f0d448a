"""/v1/encoder/categories: teach the encoder categories from a few drawings each."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Request, Response

from garabato.encoder.few_shot import AddedCategory, check_name
from garabato.errors import InputError
from garabato.service.http.parsing import StrictRoute, read_json, to_drawing
from garabato.service.http.problems import ANY, WRITE, ProblemError, problems
from garabato.service.http.requests import Name, NewName, Teach, body_of
from garabato.service.http.responses import TaughtCategory, TaughtList
from garabato.service.http.serializers import json_response
from garabato.service.service import CurrentService

router = APIRouter(route_class=StrictRoute, prefix="/v1/encoder/categories", tags=["encoder"])


@router.get("", response_model=TaughtList, responses=problems(*ANY))
async def list_taught(service: CurrentService) -> Response:
    """List the taught categories and the number of drawings each was made from."""
    return json_response({"categories": [_document(one) for one in service.taught.all()]})


@router.put(
    "/{category:text}",
    response_model=TaughtCategory,
    responses=problems(400, 413, 415, *WRITE),
    openapi_extra=body_of("Teach"),
)
async def teach(
    category: Annotated[NewName, Path(description="The name of the new category.")],
    request: Request,
    service: CurrentService,
) -> Response:
    """Teach the encoder a category from drawings of it, without training; five to ten are enough.
    Classification knows it at once, in all galleries. A taught category of this name is replaced;
    one of the encoder's own cannot be."""
    service.access.check_write(request)
    taught = service.taught
    given = await read_json(request, Teach)
    try:
        check_name(category)
        if category in service.encoder.categories and category not in taught:
            raise InputError(f"the encoder has a category {category!r}; choose another name")
    except InputError as error:
        raise ProblemError.of_field("category", str(error)) from None
    traced = [False] * len(given.drawings) if given.traced is None else given.traced
    if len(traced) != len(given.drawings):
        raise ProblemError.of_field("traced", "give one value for each drawing")

    def do() -> AddedCategory:
        drawings = [
            to_drawing(strokes, service.settings, f"drawings.{i}").replace(traced=traced[i])
            for i, strokes in enumerate(given.drawings)
        ]
        new = taught.teach(category, drawings)
        service.set_encoder(taught.encoder)
        return new

    return json_response(_document(await service.writing(do)))


@router.delete("/{category:text}", status_code=204, responses=problems(404, *WRITE))
async def forget(
    category: Annotated[Name, Path(description="The name of a taught category.")],
    request: Request,
    service: CurrentService,
) -> Response:
    """Remove a taught category."""
    service.access.check_write(request)
    taught = service.taught

    def do() -> None:
        if not taught.forget(category):
            raise ProblemError.of_missing(f"no category {category!r} was taught", "category")
        service.set_encoder(taught.encoder)

    await service.writing(do)
    return Response(status_code=204)


def _document(one: AddedCategory) -> dict[str, str | int]:
    return {"category": one.name, "n_drawings": one.n_drawings}
