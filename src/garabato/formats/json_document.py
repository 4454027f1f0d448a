"""JSON files that are not ndjson: an array of drawings, or one object over several lines.

    [{"word": "cat", "drawing": [[[x, ...], [y, ...]], ...]}, ...]     objects as in ndjson
    [[[[x, ...], [y, ...]], ...], ...]                                 drawings
    [[[x, ...], [y, ...]], ...]                                        the strokes of one drawing
    {"word": "cat",
     "drawing": ...}                                                   one object

An array is read element by element, so that it may be larger than memory.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import orjson

from garabato.drawing import Drawing, DrawingBatch
from garabato.errors import FormatError
from garabato.formats.ndjson import MAX_LINE_BYTES, parse_fields
from garabato.formats.stream import Input, Reject, in_batches

_BOM = b"\xef\xbb\xbf"
_BLOCK_BYTES = 256 * 2**10
#: An object that goes on after its first line, or an array.
_START = re.compile(rb"\s*(\{\s*\r?\n|\[\s*[\[{]|\[\s*\r?\n|\[\s*\]\s*$)")
#: Brackets, and whole strings, whose brackets do not count.
_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+"|[\[\]{},"]', re.DOTALL)


def looks_like(head: bytes) -> bool:
    """True if `head` begins a JSON array or an object written over several lines."""
    return _START.match(head.removeprefix(_BOM)) is not None


def read(source: Input, reject: Reject) -> Iterator[DrawingBatch]:
    """Yield batches of the drawings; elements that cannot be read are rejected one by one."""
    if source.head.removeprefix(_BOM).lstrip().startswith(b"{"):
        return in_batches(iter([_one_object(source)]))
    return in_batches(_elements(source, reject))


def load_object(source: Input, max_bytes: int) -> dict[str, Any]:
    """Read a file that is one JSON object. Raises FormatError for anything else."""
    content = source.read_whole(max_bytes).removeprefix(_BOM)
    try:
        document = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise source.error(
            f"broken JSON ({error.msg})", f"line {error.lineno}, column {error.colno}"
        ) from None
    if not isinstance(document, dict):
        raise source.error("a JSON object was expected")
    return document


def _one_object(source: Input) -> Drawing:
    return parse_fields(
        load_object(source, MAX_LINE_BYTES), path=source.name, position="line 1", notes=source.notes
    )


def _elements(source: Input, reject: Reject) -> Iterator[Drawing]:
    strokes: list[Any] = []
    for number, text in enumerate(_split(source), start=1):
        position = f"element {number}"
        try:
            element = orjson.loads(text)
        except orjson.JSONDecodeError as error:
            problem = source.error(f"broken JSON ({error.msg})", position)
        else:
            if _is_stroke(element):
                strokes.append(element)
                continue
            fields = {"drawing": element} if isinstance(element, list) else element
            try:
                yield parse_fields(fields, path=source.name, position=position, notes=source.notes)
                continue
            except FormatError as error:
                problem = error
        reject(problem)
    if strokes:
        yield parse_fields(
            {"drawing": strokes}, path=source.name, position="the one drawing", notes=source.notes
        )


def _is_stroke(element: Any) -> bool:
    """True for [[x, ...], [y, ...]], False for anything deeper or shallower."""
    if not isinstance(element, list) or not element:
        return False
    return all(
        isinstance(row, list) and not any(isinstance(value, list) for value in row[:1])
        for row in element
    )


def _split(source: Input) -> Iterator[bytes]:
    """Yield the text of each element of the array."""
    text = source.read(_BLOCK_BYTES).removeprefix(_BOM).lstrip()[1:]
    depth = scanned = 0
    while True:
        start, n_complete = 0, len(text)
        for token in _TOKEN.finditer(text, scanned):
            if token[0] == b'"':  # a string that goes on in the next block
                n_complete = token.start()
                break
            if token[0] in (b"[", b"{"):
                depth += 1
            elif token[0] in (b"]", b"}"):
                depth -= 1
            if depth < 0 or (token[0] == b"," and depth == 0):
                if element := text[start : token.start()].strip():
                    yield element
                start = token.end()
                if depth < 0:
                    _check_end(text[start:] + source.read(_BLOCK_BYTES), source)
                    return
        block = source.read(_BLOCK_BYTES)
        if not block:
            raise source.error("the file ends inside an array; fetch it again")
        text, scanned = text[start:] + block, n_complete - start
        if len(text) > MAX_LINE_BYTES + _BLOCK_BYTES:
            raise source.error(
                f"an element is larger than {MAX_LINE_BYTES // 2**20} MiB; "
                "an array of drawings was expected"
            )


def _check_end(rest: bytes, source: Input) -> None:
    if rest.strip():
        raise source.error("there is text after the array; one JSON array a file was expected")
