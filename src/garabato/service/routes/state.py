"""/v1/state and /v1/map/state: for the page, which asks again and again, always 200."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from garabato.service.http.responses import Progressing, State
from garabato.service.routes.shared import ANY, ServiceOf, answer, problems
from garabato.service.state.progress import READY

router = APIRouter(prefix="/v1", tags=["operations"])


@router.get("/state", response_model=State, responses=problems(*ANY))
async def state(request: Request, service: ServiceOf) -> Response:
    """How far the service is, and what you may do here (with the token you give, if any)."""
    ready, counted = service.progress, service.counting
    stage = counted.stage if ready.is_ready else ready.stage
    document = stage.to_dict() | {
        "ready": ready.is_ready,
        "counted": ready.is_ready and counted.is_ready,
        "may": service.access.rights(request),
    }
    return answer(document)


@router.get("/map/state", response_model=Progressing, responses=problems(*ANY))
async def map_state(service: ServiceOf) -> Response:
    """How far the map is, which is begun when it is asked about first."""
    stage = await service.slowly(service.sketch_map.stage)
    return answer(stage.to_dict() | {"ready": stage is READY})
