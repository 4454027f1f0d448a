"""/v1/categories and /v1/map: what is in the gallery."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Request, Response

from garabato.service.http.problems import ProblemError
from garabato.service.http.requests import Name
from garabato.service.http.responses import Categories, CategoryPage, Map
from garabato.service.routes.shared import ANY, ServiceOf, answer, problems

router = APIRouter(prefix="/v1", tags=["explore"])


@router.get("/categories", response_model=Categories, responses=problems(*ANY))
async def categories(service: ServiceOf) -> Response:
    """The gallery's categories with how many drawings each has, its countries, and the categories
    the encoder knows."""
    service.recount_if_needed()
    census = service.counted

    def list_them() -> dict[str, Any]:
        counts = census.categories(service.hidden.key_ids)
        return {
            "categories": [{"category": name, "n_drawings": n} for name, n in counts.items()],
            "countries": census.countries(),
            "known": service.encoder.categories,
        }

    return answer(await service.searching(list_them))


@router.get(
    "/categories/{category:path}", response_model=CategoryPage, responses=problems(404, *ANY)
)
async def category_page(
    category: Annotated[Name, Path(description="The category's name.")], service: ServiceOf
) -> Response:
    """A category: its typical drawings, its odd ones, what it is confused with."""
    service.recount_if_needed()
    if category not in service.counted.categories(frozenset()):
        raise ProblemError(404, f"the gallery has no drawing of {category!r}")
    return answer(await service.slowly(service.portraits.of, category))


@router.get("/map", response_model=Map, responses=problems(501, *ANY))
async def sketch_map(request: Request, service: ServiceOf) -> Response:
    """Where each drawing of the gallery lies on a map on which like drawings are near each other.
    It is made once, which takes minutes; until then, 503 tells how far it is."""
    asset = await service.slowly(service.sketch_map.asset)
    return asset.answer(request)
