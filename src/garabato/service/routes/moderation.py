"""Hiding drawings that should not be shown, and reporting them to the operator."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from fastapi import APIRouter, Request, Response

from garabato.gallery import Hidden
from garabato.service.http.parsing import MAX_VALUES, StrictRoute, read_json
from garabato.service.http.problems import ANY, WRITE, ProblemError, problems
from garabato.service.http.requests import Hide, KeyIdInPath, body_of
from garabato.service.http.responses import HiddenList, ReportedList
from garabato.service.http.serializers import drawing_document, json_response
from garabato.service.service import CurrentGallery, CurrentService, ServedGallery
from garabato.service.state import Reported

router = APIRouter(route_class=StrictRoute, prefix="/v1", tags=["moderation"])
_WITH_REASON: dict[str, Any] = {
    "status_code": 204,
    "responses": problems(400, 404, 413, 415, *WRITE),
    "openapi_extra": body_of("Hide", is_required=False),
}


@router.post("/drawings/{key_id:text}/hide", **_WITH_REASON)
async def hide(
    key_id: KeyIdInPath, request: Request, service: CurrentService, served: CurrentGallery
) -> Response:
    """Hide a drawing from all results until it is restored."""
    service.access.check_write(request, visitors=service.settings.visitors_may_hide)
    given = await read_json(request, Hide, may_be_empty=True, max_values=MAX_VALUES)

    def do() -> None:
        if all(one.key_id != key_id for one in served.gallery.hidden()):
            served.stored(key_id)
            with served.changing() as gallery:
                gallery.hide(key_id, reason=given.reason)
            if served.reports.remove([key_id]):
                served.reports_changed()

    await service.writing(do)
    return Response(status_code=204)


@router.post("/drawings/{key_id:text}/restore", status_code=204, responses=problems(404, *WRITE))
async def restore(
    key_id: KeyIdInPath, request: Request, service: CurrentService, served: CurrentGallery
) -> Response:
    """Show a hidden drawing again. For the operator."""
    service.access.check_write(request)

    def do() -> None:
        with served.changing() as gallery:
            n_shown = gallery.restore(key_id)
        if not n_shown:
            raise ProblemError.of_missing(f"the drawing {key_id!r} is not hidden")

    await service.writing(do)
    return Response(status_code=204)


@router.get("/hidden", response_model=HiddenList, responses=problems(401, 404, *ANY))
async def list_hidden(
    request: Request, service: CurrentService, served: CurrentGallery
) -> Response:
    """List hidden drawings, most recently hidden first. For the operator."""
    service.access.check_operator(request)

    def list_them() -> list[dict[str, Any]]:
        return _with_drawings(served, served.gallery.hidden()[::-1])

    return json_response({"hidden": await service.searching(list_them)})


@router.post("/drawings/{key_id:text}/report", **_WITH_REASON)
async def report(
    key_id: KeyIdInPath, request: Request, service: CurrentService, served: CurrentGallery
) -> Response:
    """Report a drawing to the operator. It stays visible until the operator hides it. Needs no
    token."""
    service.access.check_write(request, visitors=True)
    given = await read_json(request, Hide, may_be_empty=True, max_values=MAX_VALUES)

    def do() -> None:
        served.stored(key_id)
        served.reports.report(key_id, given.reason)
        served.reports_changed()

    await service.writing(do)
    return Response(status_code=204)


@router.delete("/drawings/{key_id:text}/report", status_code=204, responses=problems(404, *WRITE))
async def dismiss(
    key_id: KeyIdInPath, request: Request, service: CurrentService, served: CurrentGallery
) -> Response:
    """Dismiss the reports of a drawing, which stays visible. For the operator."""
    service.access.check_write(request)

    def do() -> None:
        if not served.reports.remove([key_id]):
            raise ProblemError.of_missing(f"the drawing {key_id!r} is not reported")
        served.reports_changed()

    await service.writing(do)
    return Response(status_code=204)


@router.get("/reported", response_model=ReportedList, responses=problems(401, 404, *ANY))
async def list_reported(
    request: Request, service: CurrentService, served: CurrentGallery
) -> Response:
    """List reported drawings that are not hidden, most often reported first. For the operator."""
    service.access.check_operator(request)

    def list_them() -> list[dict[str, Any]]:
        served.drop_reports_of_deleted()  # another process may have deleted some
        hidden = {one.key_id for one in served.gallery.hidden()}
        reported = [one for one in served.reports.all().values() if one.key_id not in hidden]
        reported.sort(key=lambda one: -one.n_reports)
        return _with_drawings(served, reported)

    return json_response({"reported": await service.searching(list_them)})


def _with_drawings(
    served: ServedGallery, entries: Sequence[Hidden | Reported]
) -> list[dict[str, Any]]:
    """Each entry without unknown fields, with its drawing if it is still stored."""
    key_ids = [entry.key_id for entry in entries]
    drawings = {d.key_id: d for d in served.gallery.get(key_ids, with_hidden=True)}
    documents = []
    for entry in entries:
        document = {name: value for name, value in asdict(entry).items() if value is not None}
        if entry.key_id in drawings:
            document |= drawing_document(drawings[entry.key_id])
        documents.append(document)
    return documents
