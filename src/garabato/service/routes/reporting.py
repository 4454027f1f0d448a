"""Reporting drawings to the operator, which anybody may."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response

from garabato.service.http.parsing import read_json
from garabato.service.http.problems import ProblemError
from garabato.service.http.requests import Hide
from garabato.service.http.responses import ReportedList
from garabato.service.routes.drawings import WRITE, KeyIdInPath
from garabato.service.routes.hiding import HIDE_BODY, with_drawings
from garabato.service.routes.shared import ANY, ServiceOf, answer, problems

router = APIRouter(prefix="/v1", tags=["hiding"])


@router.post(
    "/drawings/{key_id:path}/report",
    status_code=204,
    responses=problems(400, 404, 413, 415, *WRITE),
    openapi_extra=HIDE_BODY,
)
async def report(key_id: KeyIdInPath, request: Request, service: ServiceOf) -> Response:
    """Tell the operator that a drawing should not be shown. It is shown until the operator hides
    it. Needs no token."""
    service.access.check_write(request, visitors=True)
    reports = service.reports
    given = await read_json(request, Hide, may_be_empty=True)

    def do() -> None:
        service.stored_one(key_id)
        reports.report(key_id, given.reason)
        service.metrics.reported.set(len(reports.key_ids))

    await service.writing(do)
    return Response(status_code=204)


@router.delete("/drawings/{key_id:path}/report", status_code=204, responses=problems(404, *WRITE))
async def forget(key_id: KeyIdInPath, request: Request, service: ServiceOf) -> Response:
    """Forget what was reported of a drawing, which stays as it is. For the operator."""
    service.access.check_write(request)
    reports = service.reports
    if not await service.writing(reports.remove, key_id):
        raise ProblemError(404, f"the drawing {key_id!r} is not reported")
    service.metrics.reported.set(len(reports.key_ids))
    return Response(status_code=204)


@router.get("/reported", response_model=ReportedList, responses=problems(401, *ANY))
async def list_reported(request: Request, service: ServiceOf) -> Response:
    """All reported drawings that are not hidden, those reported most often first. For the
    operator."""
    service.access.check_operator(request)

    def list_them() -> list[dict[str, Any]]:
        hidden = service.hidden.key_ids
        reported = [one for one in service.reports.all().values() if one.key_id not in hidden]
        reported.sort(key=lambda one: -one.n_reports)
        return with_drawings(service, reported)

    return answer({"reported": await service.searching(list_them)})
