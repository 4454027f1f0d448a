"""JSON files that are not ndjson: arrays of drawings, objects over several lines, and tables.

    [{"word": "cat", "drawing": [[[x, ...], [y, ...]], ...]}, ...]     objects as in ndjson
    [[[[x, ...], [y, ...]], ...], ...]                                 drawings
    [[[x, ...], [y, ...]], ...]                                        the strokes of one drawing,
                                                                       or one such array per line
    {"drawings": [...]}                                                an array in an object
    {"word": "cat",
     "drawing": ...}                                                   objects, one or more

These are read element by element, so that they may be larger than memory. Tables are held in
memory, as pandas (its `to_json`) and the viewer of Hugging Face's data sets write them:

    {"word": {"0": "cat", ...}, "drawing": {"0": [[[x, ...], [y, ...]], ...], ...}}  pandas' default
    {"columns": ["word", "drawing"], "index": [0, ...], "data": [["cat", ...], ...]} orient="split"
    {"0": {"word": "cat", "drawing": ...}, ...}                                      orient="index"
    {"schema": {...}, "data": [{"word": "cat", "drawing": ...}, ...]}                orient="table"
    {"features": [...], "rows": [{"row": {"word": "cat", "drawing": ...}}, ...]}     the viewer
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Literal

import orjson

from garabato.drawing import Drawing, DrawingBatch
from garabato.formats import ndjson
from garabato.formats.ndjson import ALIASES, MAX_LINE_BYTES, POINTS, load_json, read_fields
from garabato.formats.stream import Input, in_batches

_BLOCK_BYTES = 256 * 2**10
#: An object that goes on after its first line, or an array.
_START = re.compile(rb"\s*(\{\s*\r?\n|\[\s*[\[{]|\[\s*\r?\n|\[\s*\]\s*$)")
#: An object with an array of drawings, after fields that hold at most a flat object or list.
_WRAPPER = re.compile(
    rb"""\s*\{(?:[^{}\[\]]|\{[^{}\[\]]*\}|\[[^{}\[\]]*\])*?"""
    rb'"(?:drawings|data|examples|hits|items|rows|samples)"\s*:\s*\[(?=\s*[\[{\]])'
)
#: Brackets, and whole strings, whose brackets do not count.
_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+"|[\[\]{},"]', re.DOTALL)

_ARRAY_END = b"]"

MAX_TABLE_BYTES = 32 * 2**20
_DRAWING_NAMES = "|".join(ALIASES["drawing"]).encode()
_OTHER_NAMES = "|".join(
    name for key, names in ALIASES.items() if key != "drawing" for name in names
).encode()
_TABLE_START = re.compile(
    rb'\s*\{\s*(?:"columns"\s*:\s*\[|"schema"\s*:\s*\{|"features"\s*:\s*\[|'
    rb'"(?:' + _OTHER_NAMES + rb')"\s*:\s*\{|'
    rb'"[^"\\]*"\s*:\s*\{\s*(?:"\d+"\s*:|[^{}]*?"(?:' + _DRAWING_NAMES + rb')"\s*:|'
    rb'("[^"\\]*")\s*:[^{}]*\}\s*,\s*"[^"\\]*"\s*:\s*\{\s*\1\s*:|'  # two columns
    rb"[^{}]+\Z))"  # a column that is longer than the head
)
#: A whole object in the first line, and the start of another: ndjson.
_LINES = re.compile(rb"\s*\{[^\n]*\}[ \t\r,]*\n\s*\{")


def looks_like(head: bytes) -> bool:
    """True if `head` begins a JSON array or an object written over several lines."""
    return _START.match(head) is not None or _WRAPPER.match(head) is not None


def read(source: Input) -> Iterator[DrawingBatch]:
    """Yield batches of the drawings; elements that cannot be read are rejected one by one."""
    return in_batches(_elements(source))


def load_object(source: Input, max_bytes: int, remedy: str = "") -> dict[str, Any]:
    """Read a file that is one JSON object. Raises FormatError for anything else.

    `remedy` says what to do about files of more than `max_bytes`.
    """
    try:
        document = orjson.loads(source.read_whole(max_bytes, remedy))
    except orjson.JSONDecodeError as error:
        raise source.error(
            f"broken JSON ({error.msg})", f"line {error.lineno}, column {error.colno}"
        ) from None
    if not isinstance(document, dict):
        raise source.error("a JSON object was expected")
    return document


def looks_like_table(head: bytes) -> bool:
    """True if `head` begins a JSON object that holds a table."""
    return _TABLE_START.match(head) is not None and _LINES.match(head) is None


def read_table(source: Input) -> Iterator[DrawingBatch]:
    """Yield batches of the rows' drawings; rows that cannot be read are rejected one by one.

    Raises FormatError for files of more than 32 MiB, which are held in memory. Files with one
    object per line whose first line is longer than their head are read as ndjson.
    """
    start = source.read(MAX_TABLE_BYTES + 1)
    source = source.with_put_back(start)
    if _LINES.match(start):
        return ndjson.read(source)
    remedy = 'write one object per line (pandas: orient="records", lines=True)'
    document = load_object(source, MAX_TABLE_BYTES, remedy)
    return in_batches(
        drawing
        for name, row in _rows(document)
        for drawing in read_fields(row, f"row {name}", source)
    )


def _elements(source: Input) -> Iterator[Drawing]:
    strokes: list[Any] = []
    number = n_arrays = 0
    for text in _split(source):
        if text == _ARRAY_END:
            n_arrays += 1
            if strokes:
                array = f"array {n_arrays}"
                yield from read_fields({"drawing": strokes}, array, source)
            strokes = []
            continue
        number += 1
        position = f"element {number}"
        try:
            element = load_json(text)
        except orjson.JSONDecodeError as error:
            source.reject(source.error(f"broken JSON ({error.msg})", position))
            continue
        if _is_stroke(element):
            strokes.append(element)
            continue
        fields = {"drawing": element} if isinstance(element, list) else element
        yield from read_fields(fields, position, source)
    if strokes:
        yield from read_fields({"drawing": strokes}, "the one drawing", source)


def _split(source: Input) -> Iterator[bytes]:
    """Yield the text of each element of the array, or of each object where there is no array.

    Where an array ends, _ARRAY_END follows; there may be several.
    """
    text = source.read(_BLOCK_BYTES)
    wrapper = _WRAPPER.match(source.head)
    while wrapper is not None and len(text) < wrapper.end():
        text += source.read(_BLOCK_BYTES)
    if wrapper is not None:
        yield from _array_elements(source, text[wrapper.end() :], is_wrapped=True)
    elif text.lstrip().startswith(b"["):
        yield from _array_elements(source, text)
    else:
        # What is cut off at the end or is no JSON is yielded, too: the parser says what is wrong.
        yield from filter(None, (piece.strip() for piece, _ in _pieces(source, text, "objects")))


def _array_elements(source: Input, text: bytes, *, is_wrapped: bool = False) -> Iterator[bytes]:
    """The elements of arrays, or of the one array that an object wraps, which `text` is inside."""
    is_inside = is_wrapped
    n_elements = 0
    for piece, token in _pieces(source, text, "elements", depth=int(is_wrapped)):
        element = piece.removesuffix(token).strip()
        if not is_inside:
            if element or token not in (b"[", b""):
                raise source.error(
                    "there is text after the array; only more arrays were expected, one per line"
                )
            is_inside = True
            continue
        if not token:
            raise source.error(
                "the file ends inside an array; fetch it again", f"element {n_elements + 1}"
            )
        if element:
            n_elements += 1
            yield element
        if token != b",":
            yield _ARRAY_END
            is_inside = False
            if is_wrapped:
                return


def _pieces(
    source: Input, text: bytes, of: Literal["objects", "elements"], depth: int = 0
) -> Iterator[tuple[bytes, bytes]]:
    """Cut the file, which goes on after `text`, behind every outermost bracket that closes.

    For "elements", also behind those that open and behind the commas directly inside them. Yields
    each piece and the token it ends with, then the rest and b"". `depth` brackets are open before
    `text`.
    """
    scanned = 0
    while True:
        start, n_complete = 0, len(text)
        for found in _TOKEN.finditer(text, scanned):
            token = found[0]
            if token == b'"':  # a string that goes on in the next block
                n_complete = found.start()
                break
            is_end = token == b"," and depth == 1 and of == "elements"
            if token in (b"[", b"{"):
                is_end = depth == 0 and of == "elements"
                depth += 1
            elif token in (b"]", b"}"):
                depth = max(0, depth - 1)
                is_end = depth == 0
            if is_end:
                yield text[start : found.end()], token
                start = found.end()
        block = source.read(_BLOCK_BYTES)
        if not block:
            yield text[start:], b""
            return
        text, scanned = text[start:] + block, n_complete - start
        if len(text) > MAX_LINE_BYTES + _BLOCK_BYTES:
            raise source.error(
                f"an element is larger than {MAX_LINE_BYTES // 2**20} MiB; "
                "an array of drawings was expected"
            )


def _is_stroke(element: Any) -> bool:
    """True for [[x, ...], [y, ...]] and the same as objects, False for whole drawings."""
    if isinstance(element, dict):
        return "drawing" not in element and (
            {"x", "y"} <= element.keys()
            or any(isinstance(element.get(name), list) for name in POINTS)
        )
    if not isinstance(element, list) or not element:
        return False
    return all(
        (isinstance(row, list) and not any(isinstance(value, list | dict) for value in row[:1]))
        or (isinstance(row, dict) and {"x", "y"} <= row.keys() and not isinstance(row["x"], list))
        for row in element
    )


def _rows(document: dict[str, Any]) -> Iterator[tuple[object, Any]]:
    """The name of each row, and its fields."""
    columns = {str(name).lower(): column for name, column in document.items()}
    names, data, rows = (columns.get(key) for key in ("columns", "data", "rows"))
    first = next((columns[name] for name in ALIASES["drawing"] if name in columns), None)
    if isinstance(names, list) and isinstance(data, list):
        for number, values in enumerate(data):
            is_row = isinstance(values, list) and len(values) == len(names)
            yield number, dict(zip(map(str, names), values, strict=True)) if is_row else values
    elif isinstance(rows, list):
        for number, row in enumerate(rows):
            yield number, row.get("row", row) if isinstance(row, dict) else row
    elif isinstance(data, list):
        yield from enumerate(data)
    elif isinstance(first, dict):
        for key in first:
            yield key, {n: c[key] for n, c in columns.items() if isinstance(c, dict) and key in c}
    elif first is not None:
        yield 0, document
    else:
        yield from document.items()
