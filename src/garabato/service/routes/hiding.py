"""Hiding drawings that should not be shown, and bringing them back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from fastapi import APIRouter, Request, Response

from garabato.service.http.parsing import read_json
from garabato.service.http.problems import ProblemError
from garabato.service.http.requests import Hide
from garabato.service.http.responses import HiddenList
from garabato.service.http.serializers import drawing_document
from garabato.service.routes.drawings import WRITE, KeyIdInPath
from garabato.service.routes.shared import ANY, ServiceOf, answer, problems
from garabato.service.service import Service
from garabato.service.state.hidden import Hidden
from garabato.service.state.reports import Reported

router = APIRouter(prefix="/v1", tags=["hiding"])
HIDE_BODY = {
    "requestBody": {
        "required": False,
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Hide"}}},
    }
}


@router.post(
    "/drawings/{key_id:path}/hide",
    status_code=204,
    responses=problems(400, 404, 413, 415, *WRITE),
    openapi_extra=HIDE_BODY,
)
async def hide(key_id: KeyIdInPath, request: Request, service: ServiceOf) -> Response:
    """Take a drawing out of all results, from now on, until it is restored."""
    service.access.check_write(request, visitors=service.settings.visitors_may_hide)
    hidden = service.hidden
    given = await read_json(request, Hide, may_be_empty=True)

    def do() -> None:
        if key_id not in hidden.key_ids:
            service.stored_one(key_id)
            hidden.hide(key_id, given.reason)
            service.metrics.hidden.set(len(hidden.key_ids))
            if service.reports.remove(key_id):
                service.metrics.reported.set(len(service.reports.key_ids))

    await service.writing(do)
    return Response(status_code=204)


@router.post("/drawings/{key_id:path}/restore", status_code=204, responses=problems(404, *WRITE))
async def restore(key_id: KeyIdInPath, request: Request, service: ServiceOf) -> Response:
    """Show a hidden drawing again. For the operator."""
    service.access.check_write(request)
    hidden = service.hidden
    if not await service.writing(hidden.restore, key_id):
        raise ProblemError(404, f"the drawing {key_id!r} is not hidden")
    service.metrics.hidden.set(len(hidden.key_ids))
    return Response(status_code=204)


@router.get("/hidden", response_model=HiddenList, responses=problems(401, *ANY))
async def list_hidden(request: Request, service: ServiceOf) -> Response:
    """All hidden drawings, the last hidden first. For the operator."""
    service.access.check_operator(request)

    def list_them() -> list[dict[str, Any]]:
        return with_drawings(service, list(service.hidden.all().values())[::-1])

    return answer({"hidden": await service.searching(list_them)})


def with_drawings(service: Service, entries: Sequence[Hidden | Reported]) -> list[dict[str, Any]]:
    """Each entry's fields that say something, and its drawing where it is still stored."""
    drawings = {d.key_id: d for d in service.gallery.get([entry.key_id for entry in entries])}
    documents = []
    for entry in entries:
        document = {name: value for name, value in asdict(entry).items() if value is not None}
        if entry.key_id in drawings:
            document |= drawing_document(drawings[entry.key_id])
        documents.append(document)
    return documents
