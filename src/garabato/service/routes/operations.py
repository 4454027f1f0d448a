"""/healthz, /readyz, /metrics and /v1/state: for monitoring."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from garabato.service.http.parsing import StrictRoute
from garabato.service.http.problems import ANY, problems
from garabato.service.http.responses import Ready, State
from garabato.service.http.serializers import json_response
from garabato.service.service import CurrentService

probes = APIRouter(tags=["operations"])
router = APIRouter(route_class=StrictRoute, prefix="/v1", tags=["operations"])


@probes.get("/healthz", response_model=Ready)
async def healthz() -> Response:
    """200 while the service runs."""
    return json_response({"status": "ok"})


@probes.get("/readyz", response_model=Ready, responses={503: {"model": Ready}})
async def readyz(service: CurrentService) -> Response:
    """200 once the service is ready; 503 with the progress until then."""
    is_ready = service.progress.is_ready
    return json_response(service.progress.stage.to_dict(), 200 if is_ready else 503)


@probes.get("/metrics", response_class=Response)
async def metrics(service: CurrentService) -> Response:
    """Metrics in Prometheus' text format."""
    return Response(service.metrics.text(), media_type="text/plain; version=0.0.4")


@router.get("/state", response_model=State, responses=problems(*ANY))
async def state(request: Request, service: CurrentService) -> Response:
    """Progress of the start, and what you may do with the token you send, if any. Always 200."""
    progress = service.progress
    document = progress.stage.to_dict() | {
        "ready": progress.is_ready,
        "counted": progress.is_ready,
        "may": service.access.rights(request),
    }
    return json_response(document)
