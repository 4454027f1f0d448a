"""What routes have in common: reaching the service, answers, the documented errors."""

from __future__ import annotations

from typing import Annotated, Any

import orjson
from fastapi import Depends, Request, Response

from garabato.service.http.problems import ProblemError
from garabato.service.http.responses import ProblemDocument
from garabato.service.service import Service


def _service(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


ServiceOf = Annotated[Service, Depends(_service)]


def answer(document: Any, status: int = 200) -> Response:
    """A JSON answer."""
    return Response(orjson.dumps(document), status, media_type="application/json")


def only_known_parameters(request: Request) -> None:
    """Refuse parameters that the route does not take: ignored, a misspelt filter would pass
    everything. Raises ProblemError that names the first."""
    taken = [parameter.alias for parameter in request.scope["route"].dependant.query_params]
    for name in request.query_params:
        if name not in taken:
            takes = f"it takes {', '.join(taken)}" if taken else "it takes none"
            raise ProblemError.of_field(name[:100], f"no parameter of this address; {takes}")


_TEXTS = {
    400: "The body is malformed.",
    401: "The token is missing or wrong.",
    403: "Not allowed here.",
    404: "There is no such thing.",
    408: "The request took too long to arrive.",
    413: "The body is too big.",
    415: "The body's type is not taken.",
    422: "A field or a parameter is wrong; `errors` name it.",
    429: "Too many changes; Retry-After says when to try again.",
    501: "Not installed; the detail says what to install.",
    503: "Not ready, or too many queries wait; Retry-After says when to try again.",
    507: "The disk is full.",
}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """`responses` of a route for these statuses, all problem documents."""
    content = {"application/problem+json": {"schema": ProblemDocument.model_json_schema()}}
    return {status: {"description": _TEXTS[status], "content": content} for status in statuses}


#: What any route may answer.
ANY = (403, 408, 422, 503)


def body_of(model: str, *fields: str) -> dict[str, Any]:
    """`openapi_extra` of a route that takes JSON (`model` of the schemas) or a form with a file
    and `fields`."""
    form = {"file": {"type": "string", "contentMediaType": "application/octet-stream"}}
    content: dict[str, Any] = {
        "application/json": {"schema": {"$ref": f"#/components/schemas/{model}"}}
    }
    if fields:
        properties: dict[str, Any] = form | {name: {"type": "string"} for name in fields}
        content["multipart/form-data"] = {
            "schema": {"type": "object", "required": ["file"], "properties": properties}
        }
    return {"requestBody": {"required": True, "content": content}}
