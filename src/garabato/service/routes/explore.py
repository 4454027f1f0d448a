"""/v1/categories and /v1/map: the gallery at a glance."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Request, Response

from garabato.service.http.problems import ANY, problems
from garabato.service.http.requests import Name
from garabato.service.http.responses import Categories, CategoryPage, Map, Progressing
from garabato.service.http.serializers import json_response
from garabato.service.jobs.category_pages import CategoryPages
from garabato.service.jobs.gallery_map import GalleryMap
from garabato.service.service import CurrentService
from garabato.service.state.progress import READY

router = APIRouter(prefix="/v1", tags=["explore"])


@router.get("/categories", response_model=Categories, responses=problems(*ANY))
async def categories(service: CurrentService) -> Response:
    """List the gallery's categories with their numbers of drawings, its countries, and the
    categories that the encoder knows."""
    _ = service.gallery  # 503 until it is there

    def list_them() -> dict[str, Any]:
        counts = service.count_by("category")
        names = sorted(name for name in counts if name is not None)
        countries = service.count_by("country")
        return {
            "categories": [{"category": name, "n_drawings": counts[name]} for name in names],
            "countries": sorted(name for name in countries if name is not None),
            "known": service.encoder.categories,
        }

    return json_response(await service.searching(list_them))


@router.get(
    "/categories/{category:text}", response_model=CategoryPage, responses=problems(404, *ANY)
)
async def category_page(
    category: Annotated[Name, Path(description="The category's name.")],
    request: Request,
    service: CurrentService,
) -> Response:
    """A category: typical drawings, odd ones, and the categories it is confused with."""
    _ = service.gallery  # 503 until it is there
    pages: CategoryPages = request.app.state.category_pages
    return json_response(await service.slowly(pages.page, category))


@router.get("/map", response_model=Map, responses=problems(501, *ANY))
async def gallery_map(request: Request, service: CurrentService) -> Response:
    """The position of each drawing on a map where similar drawings are close together. Making the
    map takes minutes; until it is ready, 503 gives the progress."""
    content = await service.slowly(_map(request).content)
    return content.to_response(request)


@router.get("/map/state", response_model=Progressing, responses=problems(*ANY))
async def map_state(request: Request, service: CurrentService) -> Response:
    """Progress of the map; the first request starts making it. Always 200."""
    stage = await service.slowly(_map(request).stage)
    return json_response(stage.to_dict() | {"ready": stage is READY})


def _map(request: Request) -> GalleryMap:
    made: GalleryMap = request.app.state.gallery_map
    return made
