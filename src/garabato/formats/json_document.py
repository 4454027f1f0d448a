"""JSON files that are not ndjson: arrays of drawings, or objects over several lines.

    [{"word": "cat", "drawing": [[[x, ...], [y, ...]], ...]}, ...]     objects as in ndjson
    [[[[x, ...], [y, ...]], ...], ...]                                 drawings
    [[[x, ...], [y, ...]], ...]                                        the strokes of one drawing,
                                                                       or one such array a line
    {"drawings": [...]}                                                an array in an object
    {"word": "cat",
     "drawing": ...}                                                   objects, one or more

Files are read element by element, so that they may be larger than memory.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from typing import Any

import orjson

from garabato.drawing import Drawing, DrawingBatch
from garabato.formats.ndjson import MAX_LINE_BYTES, load_json, read_fields
from garabato.formats.stream import Input, Reject, in_batches

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


def looks_like(head: bytes) -> bool:
    """True if `head` begins a JSON array or an object written over several lines."""
    text = head.removeprefix(codecs.BOM_UTF8)
    return _START.match(text) is not None or _WRAPPER.match(text) is not None


def read(source: Input, reject: Reject) -> Iterator[DrawingBatch]:
    """Yield batches of the drawings; elements that cannot be read are rejected one by one."""
    return in_batches(_elements(source, reject))


def load_object(source: Input, max_bytes: int, remedy: str = "") -> dict[str, Any]:
    """Read a file that is one JSON object. Raises FormatError for anything else.

    `remedy` says what to do about files of more than `max_bytes`.
    """
    content = source.read_whole(max_bytes, remedy).removeprefix(codecs.BOM_UTF8)
    try:
        document = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise source.error(
            f"broken JSON ({error.msg})", f"line {error.lineno}, column {error.colno}"
        ) from None
    if not isinstance(document, dict):
        raise source.error("a JSON object was expected")
    return document


def _elements(source: Input, reject: Reject) -> Iterator[Drawing]:
    strokes: list[Any] = []
    number = n_arrays = 0
    for text in _split(source):
        if text == _ARRAY_END:
            n_arrays += 1
            if strokes:
                array = f"array {n_arrays}"
                yield from read_fields({"drawing": strokes}, array, source, reject)
            strokes = []
            continue
        number += 1
        position = f"element {number}"
        try:
            element = load_json(text)
        except orjson.JSONDecodeError as error:
            reject(source.error(f"broken JSON ({error.msg})", position))
            continue
        if _is_stroke(element):
            strokes.append(element)
            continue
        fields = {"drawing": element} if isinstance(element, list) else element
        yield from read_fields(fields, position, source, reject)
    if strokes:
        yield from read_fields({"drawing": strokes}, "the one drawing", source, reject)


def _split(source: Input) -> Iterator[bytes]:
    """Yield the text of each element of the array, or of each object where there is no array.

    Where an array ends, _ARRAY_END follows; there may be several.
    """
    text = source.read(_BLOCK_BYTES).removeprefix(codecs.BOM_UTF8)
    wrapper = _WRAPPER.match(source.head.removeprefix(codecs.BOM_UTF8))
    is_array = wrapper is not None or text.lstrip().startswith(b"[")
    while wrapper is not None and len(text) < wrapper.end():
        text += source.read(_BLOCK_BYTES)
    text = text[wrapper.end() :] if wrapper else text.lstrip()[1:] if is_array else text
    depth = scanned = n_elements = 0
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
            if is_array and (depth < 0 or (token[0] == b"," and depth == 0)):
                if element := text[start : token.start()].strip():
                    n_elements += 1
                    yield element
                start = token.end()
                if depth < 0:
                    yield _ARRAY_END
                    break
            elif not is_array and depth <= 0 and token[0] in (b"]", b"}"):
                yield text[start : token.end()].strip()
                start, depth = token.end(), 0
        if depth < 0:
            if wrapper is not None:
                return
            while not (rest := text[start:].lstrip()) and (block := source.read(_BLOCK_BYTES)):
                text, start = block, 0
            if not rest:
                return
            if not rest.startswith(b"["):
                raise source.error(
                    "there is text after the array; only more arrays were expected, one a line"
                )
            text, depth, scanned = rest[1:], 0, 0
            continue
        block = source.read(_BLOCK_BYTES)
        if not block:
            if is_array:
                raise source.error(
                    "the file ends inside an array; fetch it again", f"element {n_elements + 1}"
                )
            if rest := text[start:].strip():
                yield rest  # cut off, or no JSON: the parser says what is wrong
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
            {"x", "y"} <= element.keys() or isinstance(element.get("points"), list)
        )
    if not isinstance(element, list) or not element:
        return False
    return all(
        (isinstance(row, list) and not any(isinstance(value, list | dict) for value in row[:1]))
        or (isinstance(row, dict) and {"x", "y"} <= row.keys() and not isinstance(row["x"], list))
        for row in element
    )
