"""Hiding drawings that should not be shown, and reporting them to the operator."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from fastapi import APIRouter, Request, Response

from garabato.gallery import Hidden
from garabato.service.http.parsing import read_json
from garabato.service.http.problems import ANY, WRITE, ProblemError, problems
from garabato.service.http.requests import Hide, KeyIdInPath, body_of
from garabato.service.http.responses import HiddenList, ReportedList
from garabato.service.http.serializers import drawing_document, json_response
from garabato.service.service import CurrentService, Service
from garabato.service.state.reports import Reported

router = APIRouter(prefix="/v1", tags=["moderation"])
_BODY = body_of("Hide", is_required=False)
_PROBLEMS = problems(400, 404, 413, 415, *WRITE)


@router.post(
    "/drawings/{key_id:text}/hide", status_code=204, responses=_PROBLEMS, openapi_extra=_BODY
)
async def hide(key_id: KeyIdInPath, request: Request, service: CurrentService) -> Response:
    """Hide a drawing from all results until it is restored."""
    service.access.check_write(request, visitors=service.settings.visitors_may_hide)
    gallery = service.gallery
    given = await read_json(request, Hide, may_be_empty=True)

    def do() -> None:
        if all(one.key_id != key_id for one in gallery.hidden()):
            service.stored_one(key_id)
            gallery.hide(key_id, reason=given.reason)
            service.drawings_changed()
            if service.reports.remove([key_id]):
                service.metrics.reported.set(len(service.reports.key_ids))

    await service.writing(do)
    return Response(status_code=204)


@router.post("/drawings/{key_id:text}/restore", status_code=204, responses=problems(404, *WRITE))
async def restore(key_id: KeyIdInPath, request: Request, service: CurrentService) -> Response:
    """Show a hidden drawing again. For the operator."""
    service.access.check_write(request)
    gallery = service.gallery

    def do() -> None:
        if not gallery.unhide(key_id):
            raise ProblemError(404, f"the drawing {key_id!r} is not hidden")
        service.drawings_changed()

    await service.writing(do)
    return Response(status_code=204)


@router.get("/hidden", response_model=HiddenList, responses=problems(401, *ANY))
async def list_hidden(request: Request, service: CurrentService) -> Response:
    """List hidden drawings, most recently hidden first. For the operator."""
    service.access.check_operator(request)

    def list_them() -> list[dict[str, Any]]:
        return _with_drawings(service, service.gallery.hidden()[::-1])

    return json_response({"hidden": await service.searching(list_them)})


@router.post(
    "/drawings/{key_id:text}/report", status_code=204, responses=_PROBLEMS, openapi_extra=_BODY
)
async def report(key_id: KeyIdInPath, request: Request, service: CurrentService) -> Response:
    """Report a drawing to the operator. It stays visible until the operator hides it. Needs no
    token."""
    service.access.check_write(request, visitors=True)
    reports = service.reports
    given = await read_json(request, Hide, may_be_empty=True)

    def do() -> None:
        service.stored_one(key_id)
        reports.report(key_id, given.reason)
        service.metrics.reported.set(len(reports.key_ids))

    await service.writing(do)
    return Response(status_code=204)


@router.delete("/drawings/{key_id:text}/report", status_code=204, responses=problems(404, *WRITE))
async def dismiss(key_id: KeyIdInPath, request: Request, service: CurrentService) -> Response:
    """Dismiss the reports of a drawing, which stays visible. For the operator."""
    service.access.check_write(request)
    reports = service.reports
    if not await service.writing(reports.remove, [key_id]):
        raise ProblemError(404, f"the drawing {key_id!r} is not reported")
    service.metrics.reported.set(len(reports.key_ids))
    return Response(status_code=204)


@router.get("/reported", response_model=ReportedList, responses=problems(401, *ANY))
async def list_reported(request: Request, service: CurrentService) -> Response:
    """List reported drawings that are not hidden, most often reported first. For the operator."""
    service.access.check_operator(request)

    def list_them() -> list[dict[str, Any]]:
        hidden = {one.key_id for one in service.gallery.hidden()}
        reported = [one for one in service.reports.all().values() if one.key_id not in hidden]
        reported.sort(key=lambda one: -one.n_reports)
        return _with_drawings(service, reported)

    return json_response({"reported": await service.searching(list_them)})


def _with_drawings(service: Service, entries: Sequence[Hidden | Reported]) -> list[dict[str, Any]]:
    """Each entry without unknown fields, with its drawing if it is still stored."""
    gallery, key_ids = service.gallery, [entry.key_id for entry in entries]
    drawings = {d.key_id: d for d in gallery.get(key_ids, with_hidden=True)}
    documents = []
    for entry in entries:
        document = {name: value for name, value in asdict(entry).items() if value is not None}
        if entry.key_id in drawings:
            document |= drawing_document(drawings[entry.key_id])
        documents.append(document)
    return documents
