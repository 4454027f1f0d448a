"""/healthz, /readyz and /metrics."""

from __future__ import annotations

from fastapi import APIRouter, Response

from garabato.service.http.responses import Ready
from garabato.service.routes.shared import ServiceOf, answer

router = APIRouter(tags=["operations"])


@router.get("/healthz", response_model=Ready)
async def healthz() -> Response:
    """200 as long as the service runs."""
    return answer({"status": "ok"})


@router.get("/readyz", response_model=Ready, responses={503: {"model": Ready}})
async def readyz(service: ServiceOf) -> Response:
    """200 once queries are answered at full speed; before, 503 and how far it is."""
    is_ready = service.progress.is_ready
    return answer(service.progress.stage.to_dict(), 200 if is_ready else 503)


@router.get("/metrics", response_class=Response)
async def metrics(service: ServiceOf) -> Response:
    """For Prometheus."""
    return Response(service.metrics.text(), media_type="text/plain; version=0.0.4")
