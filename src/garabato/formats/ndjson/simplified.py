"""One drawing as a JSON object with Google's keys: a line of ndjson or a row of a table.

`{"word": "cat", "countrycode": "DE", "timestamp": "...", "recognized": true, "key_id": "5356",
"drawing": [[[x0, x1, ...], [y0, y1, ...]], ...]}`; every key but `drawing` may be missing or null.
Raw drawings come as the device sent them: strokes are `[[x, ...], [y, ...], [t, ...]]`, with x and
y in pixels and t in milliseconds, and are simplified on reading (`Drawing.simplified`).
Source: https://github.com/googlecreativelab/quickdraw-dataset.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import orjson

from garabato.drawing import Drawing
from garabato.drawing.arrays import as_rows
from garabato.errors import DrawingError, FormatError


def parse_line(
    line: bytes, *, path: str, line_number: int, notes: Counter[str] | None = None
) -> Drawing:
    """Parse one line; raw drawings are simplified.

    Raises FormatError with `path`, the line and, if one stroke is wrong, its number.
    """
    position = f"line {line_number}"
    try:
        fields = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        problem, column = _json_problem(line, error)
        raise FormatError(problem, path=path, position=f"{position}, column {column}") from None
    return parse_fields(fields, path=path, position=position, notes=notes)


def parse_fields(
    fields: Any, *, path: str, position: str, notes: Counter[str] | None = None
) -> Drawing:
    """Parse a mapping with Google's keys, for example a row of a table.

    Strokes may be lists of points, and `drawing` may be JSON text. Metadata that cannot be read is
    left out and counted in `notes`. Raises FormatError with `path`, `position` and, if one stroke
    is wrong, its number.
    """
    try:
        return _parse_object(fields, notes)
    except _LineError as error:
        where = position if error.stroke is None else f"{position}, stroke {error.stroke}"
        raise FormatError(error.problem, path=path, position=where) from None


def format_line(drawing: Drawing) -> bytes:
    """Format a drawing as one line with a newline, on Google's grid 0..255."""
    metadata = {
        "word": drawing.category,
        "countrycode": drawing.country,
        "timestamp": drawing.timestamp,
        "recognized": drawing.recognized,
        "key_id": drawing.key_id,
    }
    document: dict[str, Any] = {key: value for key, value in metadata.items() if value is not None}
    document["drawing"] = drawing.on_grid().to_lists()
    return orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE)


class _LineError(Exception):
    def __init__(self, problem: str, stroke: int | None = None) -> None:
        super().__init__(problem)
        self.problem = problem
        self.stroke = stroke


def _parse_object(document: Any, notes: Counter[str] | None) -> Drawing:
    if not isinstance(document, dict):
        raise _LineError('expected a JSON object such as {"word": ..., "drawing": ...}')
    if "drawing" not in document:
        raise _LineError('the key "drawing" is missing')
    strokes = document["drawing"]
    if isinstance(strokes, str):  # as in BigQuery and Kaggle's CSV
        try:
            strokes = orjson.loads(strokes)
        except orjson.JSONDecodeError:
            raise _LineError(
                '"drawing" is text but not JSON; [[[x, ...], [y, ...]], ...] was expected'
            ) from None
    try:
        if isinstance(strokes, list):
            strokes = as_rows(strokes)
        is_raw = _check_strokes(strokes)
        drawing = Drawing(strokes, **_metadata(document, notes))
    except DrawingError as error:
        problem = str(error)
        if found := re.match(r"stroke (\d+) ", problem):
            raise _LineError("the stroke " + problem[found.end() :], int(found[1])) from None
        raise _LineError(problem) from None
    return drawing.simplified() if is_raw else drawing


def _metadata(document: dict[str, Any], notes: Counter[str] | None) -> dict[str, Any]:
    """The readable metadata; other fields are counted in `notes`."""
    metadata: dict[str, Any] = {}
    for key, name, read in _FIELDS:
        value = document.get(key)
        if value is None:
            continue
        metadata[name] = read(value)
        if metadata[name] is None and notes is not None:
            notes[f'"{key}" cannot be read and is left out, as {str(value)[:40]!r}'] += 1
    return metadata


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _key_id(value: Any) -> str | None:
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value) if type(value) in (str, int) else None


def _recognized(value: Any) -> bool | None:
    if isinstance(value, bool):
        return value
    return {"true": True, "1": True, "1.0": True, "false": False, "0": False, "0.0": False}.get(
        str(value).strip().lower()
    )


def _timestamp(value: Any) -> str | None:
    """Text is kept; a number is seconds, milli-, micro- or nanoseconds since 1970."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e20:
        return None
    while value >= 1e11:
        value /= 1000
    return f"{datetime.fromtimestamp(value, UTC):%Y-%m-%d %H:%M:%S.%f} UTC"


#: Key of the JSON object, attribute of Drawing, function that reads the value.
_FIELDS: tuple[tuple[str, str, Callable[[Any], Any]], ...] = (
    ("key_id", "key_id", _key_id),
    ("word", "category", _text),
    ("countrycode", "country", _text),
    ("recognized", "recognized", _recognized),
    ("timestamp", "timestamp", _timestamp),
)


def _check_strokes(strokes: Any) -> bool:
    """Check the strokes; returns whether they are raw: with times, or with float coordinates."""
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
        is_raw = is_raw or len(stroke) > 2 or float in kinds
    return is_raw


def _json_problem(line: bytes, error: orjson.JSONDecodeError) -> tuple[str, int]:
    """The problem with a line that is not JSON, and its column (from 1)."""
    rest = line[error.pos :].lstrip(b" -+[,")
    if rest.startswith((b"NaN", b"Inf")):
        return "NaN and Infinity are not JSON numbers", error.colno
    return f"broken JSON ({error.msg})", error.colno
