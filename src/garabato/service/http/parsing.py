"""Parses requests: JSON bodies, forms with a file, query parameters."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, TypeVar

from fastapi import Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from garabato.drawing import Drawing
from garabato.errors import DrawingError
from garabato.service.http.problems import ProblemError
from garabato.service.jobs.file_reader import FileQuery, FileReader
from garabato.service.settings import Settings

M = TypeVar("M", bound=BaseModel)
_MAX_FIELDS = 20
#: Lists and objects in a JSON body: while it is parsed, all other requests wait, 0.2 s for as many.
_MAX_NESTED = 200_000
#: Values in a JSON body that needs no token, beside a drawing's coordinates. While they are parsed,
#: all other requests wait, in a thread, too: 8 MiB of them take a second.
MAX_VALUES = 20_000


async def read_json(
    request: Request,
    model: type[M],
    *,
    may_be_empty: bool = False,
    max_values: float = math.inf,
) -> M:
    """The body as `model`. Raises ProblemError, and ValidationError, which becomes one."""
    kind = media_type(request)
    body = await request.body()
    if may_be_empty and not body:
        body = b"{}"
    elif kind != "application/json" and not kind.endswith("+json"):
        raise ProblemError(
            415,
            "the body must be JSON, sent with the header Content-Type: application/json, not "
            f"{kind[:100] or 'without one'}",
        )
    elif "content-encoding" in request.headers:
        raise ProblemError(415, "the body must not be compressed: send it without Content-Encoding")
    elif body.count(b"[") + body.count(b"{") > _MAX_NESTED:
        raise ProblemError(
            413,
            f"the body has more than {_MAX_NESTED:,} lists and objects; send fewer drawings",
        )
    elif body.count(b",") > max_values:
        raise ProblemError(413, f"the body has more than {max_values:,} values; send fewer")
    return model.model_validate_json(body)


async def read_form(request: Request) -> tuple[bytes, bool, dict[str, str]]:
    """The field `file` of a multipart body, whether its media type is a picture's, and the other
    fields. Raises ProblemError."""
    try:
        form = await request.form(max_files=1, max_fields=_MAX_FIELDS, max_part_size=2**16)
    except HTTPException as error:
        raise ProblemError(400, f"malformed multipart body: {error.detail}") from None
    except (ClientDisconnect, ProblemError):
        raise
    except Exception as error:  # a body that breaks the parser is the client's fault
        raise ProblemError(400, f"malformed multipart body: {error}") from None
    try:
        file = form.get("file")
        if not isinstance(file, UploadFile):
            raise ProblemError.of_field("file", "a file is expected in this field of the form")
        content = await file.read()
        fields = {name: value for name, value in form.items() if isinstance(value, str)}
        kind = (file.content_type or "").lower()
        is_picture = kind.startswith("image/") and not kind.startswith("image/svg")
        return content, is_picture, fields
    finally:
        await form.close()


def media_type(request: Request) -> str:
    """The body's media type, lower case, without parameters."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def to_drawing(
    strokes: list[list[list[float]]], settings: Settings, field: str = "drawing"
) -> Drawing:
    """A drawing of these strokes. Raises ProblemError, which names the field, beyond the limits."""
    if len(strokes) > settings.max_strokes:
        raise ProblemError.of_field(field, f"more than {settings.max_strokes:,} strokes")
    if sum(len(stroke[0]) for stroke in strokes) > settings.max_points:
        raise ProblemError.of_field(field, f"more than {settings.max_points:,} points")
    try:
        return Drawing(strokes)
    except DrawingError as error:
        raise ProblemError.of_field(field, str(error)) from None


async def first_drawing(
    request: Request, content: bytes, reader: FileReader, *, is_picture: bool
) -> FileQuery:
    """The first drawing of the file that `request` uploaded; `is_picture`, as it said.

    Raises ProblemError, and ClientDisconnect if the client goes away first.
    """
    reading = asyncio.ensure_future(reader.first_drawing(content))
    leaving = asyncio.ensure_future(request.receive())  # the body has been read
    try:
        await asyncio.wait([reading, leaving], return_when=asyncio.FIRST_COMPLETED)
        if not reading.done():
            raise ClientDisconnect
        return await reading
    except ProblemError as problem:
        if is_picture and "JSON" in problem.detail:  # taken for text of no known format
            raise ProblemError.of_field(
                "file", "not a picture garabato can read; save it as PNG, JPEG or WebP", 415
            ) from None
        raise
    finally:
        reading.cancel()
        leaving.cancel()


class StrictRoute(APIRoute):
    """A route that refuses query parameters it does not have, with ProblemError for the first.

    An ignored misspelt filter would let everything pass.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        respond = super().get_route_handler()
        known = list(_query_parameters(self.dependant))

        async def respond_if_known(request: Request) -> Response:
            for name in request.query_params:
                if name not in known:
                    takes = f"known are: {', '.join(known)}" if known else "this route has none"
                    raise ProblemError.of_field(name[:100], f"unknown parameter; {takes}")
            return await respond(request)

        return respond_if_known


def _query_parameters(dependant: Dependant) -> Iterator[str]:
    """The query parameters of a route and of what it depends on."""
    yield from (parameter.alias for parameter in dependant.query_params)
    for needed in dependant.dependencies:
        yield from _query_parameters(needed)
