"""Errors as RFC 9457 problem documents that name the field."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import orjson
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.exceptions import HTTPException

from garabato.errors import GalleryError, InputError, StorageError
from garabato.service.http.responses import ProblemDocument

MEDIA_TYPE = "application/problem+json"
_log = logging.getLogger("garabato.service")
#: More errors of a request are only counted: to list millions takes minutes.
_MAX_ERRORS = 10_000
_DESCRIPTIONS = {
    400: "The body is malformed.",
    401: "The token is missing or wrong.",
    403: "Not allowed.",
    404: "Not found.",
    408: "The request took too long to arrive.",
    413: "The body is too large.",
    415: "The body's media type is not supported.",
    422: "A field or a parameter is invalid; `errors` names it.",
    429: "Too many changes; Retry-After says when to try again.",
    503: "Not ready, or too many queries are waiting; Retry-After says when to try again.",
    507: "The disk is full.",
}
#: Problems of any route, and of routes that change something.
ANY = (403, 408, 422, 503)
WRITE = (401, 403, 429, 507, *ANY)


class ProblemError(Exception):
    """An error response. `errors` name fields: `{"field": "where.tags", "detail": ...}`.

    `more` is added to the document (progress, for example).
    """

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        errors: Sequence[Mapping[str, str]] = (),
        more: Mapping[str, Any] | None = None,
        retry_after_s: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.errors = list(errors)
        self.more = dict(more or {})
        self.headers = dict(headers or {})
        if retry_after_s is not None:
            self.headers["retry-after"] = str(retry_after_s)

    @classmethod
    def of_field(cls, field: str, detail: str, status: int = 422) -> ProblemError:
        """A problem with one field of a request."""
        return cls(status, f"{field}: {detail}", errors=[{"field": field, "detail": detail}])

    @classmethod
    def of_missing(cls, detail: str, field: str = "key_id") -> ProblemError:
        """A 404 that says what there is not; `field` of the request names it."""
        return cls(404, detail, errors=[{"field": field, "detail": detail}])

    def to_response(self) -> Response:
        document: dict[str, Any] = {
            "type": "about:blank",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
        }
        if self.errors:
            document["errors"] = self.errors
        document |= {name: value for name, value in self.more.items() if name not in document}
        content = orjson.dumps(document, default=str)
        return Response(content, self.status, self.headers, MEDIA_TYPE)


def of_validation(errors: Sequence[Mapping[str, Any]]) -> ProblemError:
    """Validation errors of pydantic, field by field (the first twenty)."""
    listed = [{"field": _field(error["loc"]), "detail": _words(error)} for error in errors[:20]]
    first = listed[0]
    is_invalid_json = errors[0].get("type") == "json_invalid"
    text = first["detail"] if first["field"] == "body" else f"{first['field']}: {first['detail']}"
    return ProblemError(400 if is_invalid_json else 422, text, errors=listed)


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """FastAPI's `responses` argument for a route with these error statuses."""
    content = {MEDIA_TYPE: {"schema": ProblemDocument.model_json_schema()}}
    return {
        status: {"description": _DESCRIPTIONS[status], "content": content} for status in statuses
    }


def install(app: FastAPI) -> None:
    """Turn every error of `app` into a problem document."""

    async def respond(request: Request, error: Exception) -> Response:
        return _problem_of(request, error).to_response()

    for kind in _HANDLED:
        app.add_exception_handler(kind, respond)


_HANDLED = (
    ProblemError,
    RequestValidationError,
    ValidationError,
    HTTPException,
    InputError,
    StorageError,
    GalleryError,
)


def _field(location: Sequence[Any]) -> str:
    names = [str(part) for part in location if part not in ("body", "query", "path")]
    return ".".join(names) or "body"


def _words(error: Mapping[str, Any]) -> str:
    if error["type"] == "string_pattern_mismatch":  # the only pattern in `requests`
        return "control characters are not allowed"
    if error["type"] == "extra_forbidden":
        return "there is no such field; /v1/openapi.json lists them"
    text, names = str(error["msg"]), [part for part in error["loc"] if isinstance(part, str)]
    is_of_list = error["type"] in ("too_long", "too_short", "list_type")
    if is_of_list and names[-1] in ("drawing", "drawings"):
        inside = len(error["loc"]) - 1 - error["loc"].index(names[-1])
        if names[-1] == "drawings":  # of `Teach`
            inside -= 1
        if inside == 0 and error["type"] == "too_short":
            return "the drawing is empty; draw at least one stroke"
        if inside == 0:
            return f"{text}; a drawing is [[[x, ...], [y, ...]], ...]"
        if inside > 0:  # points [[x, y], ...], perhaps
            return f"{text}; a stroke is [[x, ...], [y, ...]]"
    return text


def _problem_of(request: Request, error: Exception) -> ProblemError:
    match error:
        case ProblemError():
            return error
        case ValidationError() if error.error_count() > _MAX_ERRORS:
            text = (
                f"{error.error_count():,} fields are invalid; /v1/openapi.json has the valid ones"
            )
            return ProblemError(422, text)
        case RequestValidationError() | ValidationError():
            return of_validation(error.errors())
        case HTTPException(status_code=404):
            return ProblemError(404, f"there is no page or route at {request.url.path[:200]}")
        case HTTPException(status_code=405):
            return _not_supported(request, error)
        case HTTPException():
            return ProblemError(error.status_code, str(error.detail), headers=error.headers)
        case StorageError():
            _log.error("storage: %s", error)
            return ProblemError(
                507, "the server cannot store anything now; the operator's log says why"
            )
        case GalleryError():
            _log.error("gallery: %s", error)
            return ProblemError(
                503, "the gallery cannot be used now; the operator's log says why", retry_after_s=10
            )
        case _:
            return ProblemError(422, str(error))


def _not_supported(request: Request, error: HTTPException) -> ProblemError:
    """405, with all methods of the path and the routes next below that do what the method says."""
    path, wanted = request.url.path, request.method
    here: set[str] = set()
    below: list[str] = []
    for route, operations in request.app.openapi()["paths"].items():
        methods = [method.upper() for method in operations]
        if re.fullmatch(re.sub(r"\\{\w+\\}", ".+", re.escape(route)), path):
            here.update(methods)
        elif route == f"{path}/{wanted.lower()}":
            below += [f"{method} {route}" for method in methods]
        elif route.rpartition("/")[0] == path and wanted in methods:
            below.append(f"{wanted} {route}")
    detail = f"{path[:200]} does not support {wanted}"
    if below:
        detail += f"; use {' or '.join(below)}"
    headers = {"allow": ", ".join(sorted(here))} if here else error.headers
    return ProblemError(405, detail, headers=headers)
