"""/v1/galleries, /v1/categories and /v1/map: the galleries at a glance."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Request, Response

from garabato.service.http.parsing import StrictRoute
from garabato.service.http.problems import ANY, ProblemError, problems
from garabato.service.http.requests import Name
from garabato.service.http.responses import Categories, CategoryPage, Galleries, Map, Progressing
from garabato.service.http.serializers import json_response
from garabato.service.service import CurrentGallery, CurrentService, GalleryName
from garabato.service.state import READY

router = APIRouter(route_class=StrictRoute, prefix="/v1", tags=["explore"])


@router.get("/galleries", response_model=Galleries, responses=problems(*ANY))
async def galleries(service: CurrentService) -> Response:
    """List the galleries with their numbers of drawings. The first is the default of all routes
    that take `gallery`."""
    listed = service.galleries

    def list_them() -> dict[str, Any]:
        return {
            "galleries": [
                {"name": one.name, "n_drawings": sum(one.count_by("category").values())}
                for one in listed
            ]
        }

    return json_response(await service.searching(list_them))


@router.get("/categories", response_model=Categories, responses=problems(404, *ANY))
async def categories(service: CurrentService, served: CurrentGallery) -> Response:
    """List the gallery's categories with their numbers of drawings, its countries, and the
    categories that the encoder knows."""

    def list_them() -> dict[str, Any]:
        counts = served.count_by("category")
        names = sorted(name for name in counts if name is not None)
        countries = served.count_by("country")
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
    service: CurrentService,
    served: CurrentGallery,
) -> Response:
    """A category: typical drawings, odd ones, and the categories it is confused with."""
    return json_response(await service.slowly(served.category_page, category))


@router.get("/map", response_model=Map, responses=problems(404, *ANY))
async def gallery_map(
    request: Request, service: CurrentService, served: CurrentGallery
) -> Response:
    """The position of each drawing on a map where similar drawings are close together. Making the
    map takes minutes; until it is ready, 503 gives the progress."""
    content = await service.slowly(served.map.content)
    return content.to_response(request)


@router.get("/map/state", response_model=Progressing, responses=problems(404, *ANY))
async def map_state(service: CurrentService, gallery: GalleryName = None) -> Response:
    """Progress of the map; the first request starts making it. 200 from the start on."""
    try:
        stage = await service.slowly(service.gallery(gallery).map.stage)
    except ProblemError:
        if service.progress.is_ready:
            raise
        stage = service.progress.stage
    return json_response(stage.to_dict() | {"ready": stage is READY})
