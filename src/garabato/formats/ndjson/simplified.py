"""Google's simplified ndjson, and any line of drawings as JSON: one object a line.

`{"word": "cat", "countrycode": "DE", "timestamp": "...", "recognized": true, "key_id": "5356",
"drawing": [[[x0, x1, ...], [y0, y1, ...]], ...]}`; every key but `drawing` may be missing or null.
Source: https://github.com/googlecreativelab/quickdraw-dataset.
"""

from __future__ import annotations

import re
from typing import Any

import orjson

from garabato.drawing import Drawing
from garabato.errors import DrawingError, FormatError
from garabato.formats.ndjson import raw


def parse_line(line: bytes, *, path: str, line_number: int) -> Drawing:
    """The drawing of one line; a raw one (see `formats.raw`) is simplified.

    Raises FormatError naming `path`, the line and, where it is one, the stroke.
    """
    position = f"line {line_number}"
    try:
        known = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        problem, column = _json_problem(line, error)
        raise FormatError(problem, path=path, position=f"{position}, column {column}") from None
    return parse_fields(known, path=path, position=position)


def parse_fields(fields: Any, *, path: str, position: str) -> Drawing:
    """The drawing of one JSON object, row of a table or the like: Google's keys and their values.

    Raises FormatError naming `path`, `position` and, where it is one, the stroke.
    """
    try:
        return _parse_object(fields)
    except _LineError as error:
        where = position if error.stroke is None else f"{position}, stroke {error.stroke}"
        raise FormatError(error.problem, path=path, position=where) from None


def format_line(drawing: Drawing) -> bytes:
    """One line, newline included, as Google writes it: on the grid of 0..255."""
    known = {
        "word": drawing.category,
        "countrycode": drawing.country,
        "timestamp": drawing.timestamp,
        "recognized": drawing.recognized,
        "key_id": drawing.key_id,
    }
    document: dict[str, Any] = {key: value for key, value in known.items() if value is not None}
    document["drawing"] = drawing.on_grid().to_lists()
    return orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE)


class _LineError(Exception):
    def __init__(self, problem: str, stroke: int | None = None) -> None:
        super().__init__(problem)
        self.problem = problem
        self.stroke = stroke


def _parse_object(document: Any) -> Drawing:
    if not isinstance(document, dict):
        raise _LineError('a JSON object was expected, as {"word": ..., "drawing": ...}')
    if "drawing" not in document:
        raise _LineError('the key "drawing" is missing')
    key_id = document.get("key_id")
    if type(key_id) is int:
        key_id = str(key_id)
    elif not (key_id is None or isinstance(key_id, str)):
        raise _LineError('"key_id" is neither a string nor a whole number')
    recognized = document.get("recognized")
    if not (recognized is None or isinstance(recognized, bool)):
        raise _LineError('"recognized" is neither true nor false')
    strokes = document["drawing"]
    is_raw = _check_strokes(strokes)
    try:
        drawing = Drawing(
            strokes,
            key_id=key_id,
            category=_text(document, "word"),
            country=_text(document, "countrycode"),
            recognized=recognized,
            timestamp=_text(document, "timestamp"),
        )
    except DrawingError as error:
        problem = str(error)
        if found := re.match(r"stroke (\d+) ", problem):
            raise _LineError("the stroke " + problem[found.end() :], int(found[1])) from None
        raise _LineError(problem) from None
    return drawing.simplified() if is_raw else drawing


def _text(document: dict[str, Any], key: str) -> str | None:
    value = document.get(key)
    if value is None or isinstance(value, str):
        return value
    raise _LineError(f'"{key}" is not a string')


def _check_strokes(strokes: Any) -> bool:
    """Refuse what are not strokes; True where they are Google's raw ones."""
    if not isinstance(strokes, list):
        raise _LineError('"drawing" is not a list of strokes [[x, ...], [y, ...]]')
    is_raw = False
    for number, stroke in enumerate(strokes, start=1):
        if not isinstance(stroke, list) or len(stroke) < 2:
            raise _LineError("the stroke is not a pair [[x, ...], [y, ...]]", number)
        xs, ys = stroke[:2]
        if not (isinstance(xs, list) and isinstance(ys, list)):
            raise _LineError("the stroke is not a pair [[x, ...], [y, ...]]", number)
        kinds = set(map(type, xs)) | set(map(type, ys))
        if not kinds <= {int, float}:
            raise _LineError("the stroke has coordinates that are not numbers", number)
        if len(xs) != len(ys):
            raise _LineError("the stroke has unequal numbers of xs and ys", number)
        is_raw = is_raw or raw.is_raw(len(stroke), kinds)
    return is_raw


def _json_problem(line: bytes, error: orjson.JSONDecodeError) -> tuple[str, int]:
    """What is wrong with a line that is not JSON, and at which column (from 1)."""
    rest = line[error.pos :].lstrip(b" -+[,")
    if rest.startswith((b"NaN", b"Inf")):
        return "NaN and Infinity are not JSON, nor places on paper", error.colno
    return f"broken JSON ({error.msg})", error.colno
