"""Newline-delimited JSON: Google's simplified and raw drawings, one JSON object per line.

`{"word": "cat", "countrycode": "DE", "timestamp": "...", "recognized": true, "key_id": "5356",
"drawing": [[[x0, x1, ...], [y0, y1, ...]], ...]}`; every key but `drawing` may be missing or null.
Raw drawings come as the device sent them: strokes are `[[x, ...], [y, ...], [t, ...]]`, with x and
y in pixels and t in milliseconds, and are simplified on reading (`Drawing.simplified`). Our own key
`"traced": true` marks strokes traced from a picture. Rows of tables and other JSON files are
objects with the same keys (`parse_fields`). Lines are bounded; those that cannot be read are
reported and skipped. Source: https://github.com/googlecreativelab/quickdraw-dataset.
"""

from __future__ import annotations

import codecs
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar
from unicodedata import normalize

import orjson

from garabato.drawing import Drawing, DrawingBatch
from garabato.drawing.arrays import MAX_ROWS, as_rows
from garabato.errors import DrawingError, FormatError
from garabato.formats._ndjson import BlockParser, OtherLine, scan_block
from garabato.formats.stream import Input, Writable
from garabato.host.kernels import COMPILES

T = TypeVar("T")

#: Longer lines are rejected without parsing; 200,000 points take about 2 MB as text.
MAX_LINE_BYTES = 8 * 2**20
#: A few hundred drawings, which fit in the processor's cache while they are parsed.
BLOCK_BYTES = 256 * 2**10
#: Shorter files are not worth the second it takes to load the compiled scanner.
SMALL_BYTES = 64 * 2**10

#: Google's key -> the names that a file may have for it, in order of preference.
ALIASES = {
    "drawing": ("drawing", "strokes"),
    "word": ("word", "category", "label"),
    "key_id": ("key_id",),
    "countrycode": ("countrycode", "country"),
    "recognized": ("recognized",),
    "timestamp": ("timestamp",),
    "traced": ("traced",),
}
#: The names that an object for a stroke may have for its points (`paths`: react-sketch-canvas).
POINTS = ("points", "paths")
#: Half a character: what a lone \ud800 or text that is not UTF-8 is read as.
_SURROGATE = re.compile("[\ud800-\udfff]")
#: Keys of the objects that libraries for drawing in web pages write.
_CANVASES = (({"version", "objects"}, "Fabric.js"), ({"attrs", "className"}, "Konva"))
_TUPLES_TO_LISTS = str.maketrans("()", "[]")
_TRUE, _FALSE = {"true", "t", "yes", "y", "1", "1.0"}, {"false", "f", "no", "n", "0", "0.0"}


def read(source: Input) -> Iterator[DrawingBatch]:
    """Yield the drawings of an ndjson file in batches; each line is simplified or raw.

    Compiled code scans lines in Google's own form; other lines, and small files, go through
    `_parse_line`. Both give the same drawings.
    """
    parser = None
    for first_line, block in iter_blocks(source):
        is_worth_it = COMPILES and (len(block) > SMALL_BYTES or scan_block.is_compiled)
        if parser is None and is_worth_it:
            parser = BlockParser(MAX_LINE_BYTES)
        if parser is None:
            columns = DrawingBatch.from_drawings([])
            others = _line_spans(block)
        else:
            columns, others = parser.parse(block)
        yield from _with_other_lines(columns, others, block, first_line, source)


def write(file: Writable, drawings: Iterable[Drawing]) -> int:
    """Write drawings as Google's simplified ndjson; returns the number written."""
    n_written = 0
    for drawing in drawings:
        file.write(format_line(drawing))
        n_written += 1
    return n_written


def format_line(drawing: Drawing) -> bytes:
    """Format a drawing as one line with a newline, on Google's grid 0..255."""
    metadata = {
        "word": drawing.category,
        "countrycode": drawing.country,
        "timestamp": drawing.timestamp,
        "recognized": drawing.recognized,
        "key_id": drawing.key_id,
        "traced": drawing.traced,
    }
    document: dict[str, Any] = {key: value for key, value in metadata.items() if value is not None}
    document["drawing"] = drawing.on_grid().to_lists()
    return orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE)


def iter_blocks(source: Input) -> Iterator[tuple[int, bytes]]:
    """Yield blocks of whole lines with the number of their first line; reject too long lines."""
    number = 1
    rest = b""
    skipping = False  # inside a line that is too long
    block = source.read(BLOCK_BYTES)
    ends_with_cr = b"\n" not in block and b"\r" in block[:-1]  # as old Macs wrote lines
    while block:
        if ends_with_cr:
            block = block.replace(b"\r", b"\n")
        if skipping:
            _, line_end, block = block.partition(b"\n")
            if line_end:
                skipping = False
                number += 1
        lines, line_end, tail = (rest + block).rpartition(b"\n")
        if line_end:
            yield number, lines + line_end
            number += lines.count(b"\n") + 1
        rest = b"" if skipping else tail
        if len(rest) > MAX_LINE_BYTES:
            source.reject(_too_long(source, number))
            skipping, rest = True, b""
        block = source.read(BLOCK_BYTES)
    if rest:
        yield number, rest + b"\n"


def load_json(text: bytes) -> Any:
    """Parse JSON, also with NaN and Infinity, as Python's `json` and pandas write them.

    Bytes that are not UTF-8 become surrogates. Raises orjson.JSONDecodeError.
    """
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        try:
            return json.loads(text.decode("utf-8", errors="surrogateescape"))
        except (ValueError, RecursionError):
            raise error from None


def by_alias(given: Mapping[str, T], aliases: Mapping[str, Iterable[str]]) -> dict[str, T]:
    """Key -> what is given under the first of its names that is there."""
    found = {key: [name for name in names if name in given] for key, names in aliases.items()}
    return {key: given[names[0]] for key, names in found.items() if names}


def read_fields(fields: Any, position: str, source: Input) -> Iterator[Drawing]:
    """Yield the drawing of `parse_fields`; reject it if it cannot be read."""
    try:
        yield parse_fields(fields, position, source)
    except FormatError as error:
        source.reject(error)


def parse_fields(fields: Any, position: str, source: Input) -> Drawing:
    """Parse a mapping with Google's keys, for example a row of a table.

    Keys may also have the names in ALIASES. Strokes may be lists of points, or objects such as
    {"x": [...], "y": [...]}, and `drawing` may be JSON text. Metadata that cannot be read is left
    out and counted in the notes of `source`. Raises FormatError with `position` and, if one stroke
    is wrong, its number.
    """
    try:
        return _parse_object(fields, source.notes)
    except FormatError as error:
        where = f"{position}, {error.position}" if error.position else position
        raise source.error(error.problem, where) from None


def _line_spans(block: bytes) -> list[OtherLine]:
    """All lines of a block."""
    spans = []
    first = 0
    for number, line in enumerate(block.split(b"\n")[:-1]):
        spans.append((number, first, first + len(line), 0))
        first += len(line) + 1
    return spans


def _with_other_lines(
    columns: DrawingBatch,
    others: list[OtherLine],
    block: bytes,
    first_line: int,
    source: Input,
) -> Iterator[DrawingBatch]:
    """Merge `columns` with the drawings of the lines `others`, in line order."""
    pieces: list[DrawingBatch] = []
    run: list[Drawing] = []
    n_taken = 0
    for line, first, last, n_before in others:
        if n_before > n_taken:
            pieces += [DrawingBatch.from_drawings(run), columns[n_taken:n_before]]
            run, n_taken = [], n_before
        text = block[first:last]
        if not text.strip():
            continue
        number = first_line + line
        try:
            if len(text) > MAX_LINE_BYTES:
                raise _too_long(source, number)
            run.append(_parse_line(text, number, source))
        except FormatError as error:
            try:
                source.reject(error)
            except FormatError:
                yield from _joined([*pieces, DrawingBatch.from_drawings(run)])
                raise
    if run:
        pieces.append(DrawingBatch.from_drawings(run))
    pieces.append(columns[n_taken:] if n_taken else columns)  # a slice is a copy
    yield from _joined(pieces)


def _too_long(source: Input, number: int) -> FormatError:
    return source.error(
        f"the line is longer than {MAX_LINE_BYTES // 2**20} MiB; one drawing per line was expected",
        f"line {number}",
    )


def _joined(pieces: list[DrawingBatch]) -> Iterator[DrawingBatch]:
    pieces = [piece for piece in pieces if len(piece)]
    if pieces:
        yield pieces[0] if len(pieces) == 1 else DrawingBatch.concatenate(pieces)


def _parse_line(line: bytes, line_number: int, source: Input) -> Drawing:
    """Parse one line; raw drawings are simplified.

    Raises FormatError with the line and, if one stroke is wrong, its number.
    """
    position = f"line {line_number}"
    try:
        # a mark: files put one after the other; a comma: a line of an array
        fields = load_json(line.removeprefix(codecs.BOM_UTF8).rstrip(b", \t\r\n"))
    except orjson.JSONDecodeError as error:
        problem, column = _json_problem(line, error)
        raise source.error(problem, f"{position}, column {column}") from None
    return parse_fields(fields, position, source)


def _json_problem(line: bytes, error: orjson.JSONDecodeError) -> tuple[str, int]:
    """The problem with a line that is not JSON, and its column (from 1)."""
    if "UTF-8" in error.msg:
        return "the text is not UTF-8; save it as UTF-8", error.colno
    if line.strip()[:1] not in (b"{", b"[", b'"') and error.colno == 1:
        return "broken JSON (plain text, no JSON object)", error.colno
    if error.msg.startswith("unexpected content after"):
        return "there is text after the JSON object; one drawing per line was expected", error.colno
    return f"broken JSON ({error.msg})", error.colno


def _parse_object(document: Any, notes: Counter[str]) -> Drawing:
    if not isinstance(document, dict):
        raise FormatError('expected a JSON object such as {"word": ..., "drawing": ...}')
    if not document.keys() <= ALIASES.keys():
        document = _with_googles_keys(document)
    if "drawing" not in document:
        for names, program in _CANVASES:
            if names <= document.keys():
                raise FormatError(f"a canvas of {program}; export it as SVG or PNG")
        keys = ", ".join(f'"{str(key)[:20]}"' for key in list(document)[:5]) or "none"
        raise FormatError(f'the key "drawing" is missing; the keys are {keys}')
    strokes = document["drawing"]
    if isinstance(strokes, str):  # as in BigQuery and Kaggle's CSV
        try:
            strokes = orjson.loads(strokes.translate(_TUPLES_TO_LISTS))
            if isinstance(strokes, str):  # text of text, which a second export makes of it
                strokes = orjson.loads(strokes)
        except (orjson.JSONDecodeError, UnicodeEncodeError):
            raise FormatError(
                '"drawing" is text but not JSON; [[[x, ...], [y, ...]], ...] was expected'
            ) from None
    if isinstance(strokes, dict) and not {"x", "y"} <= strokes.keys():
        raise FormatError(_object_problem(strokes))
    try:
        strokes = _without_objects(strokes)
        if isinstance(strokes, list):
            strokes = as_rows(strokes)
        is_raw = _check_strokes(strokes)
        drawing = Drawing(strokes, **_metadata(document, notes))
    except DrawingError as error:
        problem = str(error)
        if found := re.match(r"stroke (\d+) ", problem):
            raise _stroke_error(problem[found.end() :], int(found[1])) from None
        raise FormatError(problem) from None
    return drawing.simplified() if is_raw else drawing


def _with_googles_keys(document: dict[str, Any]) -> dict[str, Any]:
    given = document if "drawing" in document else {str(k).lower(): v for k, v in document.items()}
    renamed = by_alias(given, ALIASES)
    return renamed if "drawing" in renamed else document


def _object_problem(strokes: dict[str, Any]) -> str:
    problem = '"drawing" is an object, not a list of strokes [[x, ...], [y, ...]]'
    if strokes and all(str(key).isdecimal() for key in strokes):
        problem += '; write one object for each drawing (pandas: orient="records", lines=True)'
    return problem


def _without_objects(strokes: Any) -> Any:
    """Strokes and points given as objects become lists.

    A stroke may be {"x": [...], "y": [...]} or {"points": [...]}, a point {"x": 1, "y": 2}, and a
    whole drawing {"x": [[...], ...], "y": [[...], ...]}.
    """
    if isinstance(strokes, dict):
        rows = _values(strokes) or [None]
        if not all(isinstance(row, list) for row in rows) or len(set(map(len, rows))) > 1:
            raise FormatError('"x" and "y" of "drawing" are not lists with a list for each stroke')
        return list(map(list, zip(*rows, strict=True)))
    if not isinstance(strokes, list):
        return strokes
    plain = []
    for stroke in strokes:
        if isinstance(stroke, dict):
            if stroke.get("drawMode") is False:  # an eraser
                continue
            stroke = _values(stroke) or next(
                (stroke[name] for name in POINTS if name in stroke), stroke
            )
        if isinstance(stroke, list) and stroke and isinstance(stroke[0], dict):
            stroke = [
                (_values(point) or point) if type(point) is dict else point for point in stroke
            ]
        plain.append(stroke)
    return plain


def _values(given: dict[str, Any]) -> list[Any] | None:
    """[x, y] or [x, y, t] of an object with these keys."""
    if given.get("x") is None or given.get("y") is None:
        return None
    return [given[axis] for axis in ("x", "y", "t") if given.get(axis) is not None]


def _check_strokes(strokes: Any) -> bool:
    """Check the strokes; returns whether they are raw: with times, or coordinates like 1.5."""
    if not isinstance(strokes, list):
        raise FormatError('"drawing" is not a list of strokes [[x, ...], [y, ...]]')
    is_raw = False
    for number, stroke in enumerate(strokes, start=1):
        if stroke == []:
            continue
        if not isinstance(stroke, list) or not 2 <= len(stroke) <= MAX_ROWS:
            raise _stroke_error("is not a pair [[x, ...], [y, ...]]", number)
        xs, ys = stroke[:2]
        if not (isinstance(xs, list) and isinstance(ys, list)):
            raise _stroke_error("is not a pair [[x, ...], [y, ...]]", number)
        kinds = set(map(type, xs)) | set(map(type, ys))
        if not kinds <= {int, float}:
            raise _stroke_error("has coordinates that are not numbers", number)
        if len(xs) != len(ys):
            raise _stroke_error("has unequal numbers of xs and ys", number)
        is_raw = is_raw or len(stroke) > 2 or (float in kinds and any(v % 1 for v in xs + ys))
    return is_raw


def _stroke_error(problem: str, number: int) -> FormatError:
    return FormatError(f"the stroke {problem}", position=f"stroke {number}")


def _metadata(document: dict[str, Any], notes: Counter[str]) -> dict[str, Any]:
    """The readable metadata; other fields are counted in `notes`."""
    metadata: dict[str, Any] = {}
    for key, name, read, expected in _FIELDS:
        value = document.get(key)
        if value is None or value == "" or value != value:  # NaN is pandas' null
            continue
        is_odd = isinstance(value, str) and _SURROGATE.search(value)
        metadata[name] = None if is_odd else read(value)
        if metadata[name] is None:
            what = "UTF-8 text (save the file as UTF-8)" if is_odd else expected
            notes[f'"{key}" is not {what} and is left out'] += 1
    return metadata


def _text(value: Any) -> str | None:
    return normalize("NFC", value) if isinstance(value, str) else None


def _key_id(value: Any) -> str | None:
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value) if type(value) in (str, int) else None


def _boolean(value: Any) -> bool | None:
    if isinstance(value, bool):
        return value
    text = str(value).strip().lower()
    return True if text in _TRUE else False if text in _FALSE else None


def _timestamp(value: Any) -> str | None:
    """Text is kept; a number is seconds, milli-, micro- or nanoseconds since 1970."""
    if isinstance(value, str) and value.isdecimal() and 9 <= len(value) <= 19:
        value = int(value)
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e20:
        return None
    while value >= 1e11:
        value /= 1000
    return f"{datetime.fromtimestamp(value, UTC):%Y-%m-%d %H:%M:%S.%f} UTC"


#: Key of the JSON object, attribute of Drawing, function that reads the value, what it reads.
_FIELDS: tuple[tuple[str, str, Callable[[Any], Any], str], ...] = (
    ("key_id", "key_id", _key_id, "text or a whole number"),
    ("word", "category", _text, "text"),
    ("countrycode", "country", _text, "text"),
    ("recognized", "recognized", _boolean, "true or false"),
    ("timestamp", "timestamp", _timestamp, "a time"),
    ("traced", "traced", _boolean, "true or false"),
)
