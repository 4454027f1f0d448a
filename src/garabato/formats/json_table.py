"""JSON objects that hold a table, as pandas and the viewer of Hugging Face's data sets write them.

    {"word": {"0": "cat", ...}, "drawing": {"0": [[[x, ...], [y, ...]], ...], ...}}  pandas' default
    {"columns": ["word", "drawing"], "index": [0, ...], "data": [["cat", ...], ...]} orient="split"
    {"0": {"word": "cat", "drawing": ...}, ...}                                      orient="index"
    {"schema": {...}, "data": [{"word": "cat", "drawing": ...}, ...]}                orient="table"
    {"features": [...], "rows": [{"row": {"word": "cat", "drawing": ...}}, ...]}     the viewer

Source: https://pandas.pydata.org/docs/reference/api/pandas.DataFrame.to_json.html.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from garabato.drawing import Drawing, DrawingBatch
from garabato.formats import ndjson
from garabato.formats.json_document import load_object
from garabato.formats.ndjson import ALIASES, read_fields
from garabato.formats.stream import Input, Reject, in_batches

MAX_BYTES = 32 * 2**20
_DRAWING = "|".join(ALIASES["drawing"]).encode()
_OTHERS = "|".join(
    name for key, names in ALIASES.items() if key != "drawing" for name in names
).encode()
_START = re.compile(
    rb'\s*\{\s*(?:"columns"\s*:\s*\[|"schema"\s*:\s*\{|"features"\s*:\s*\[|'
    rb'"(?:' + _OTHERS + rb')"\s*:\s*\{|'
    rb'"[^"\\]*"\s*:\s*\{\s*(?:"\d+"\s*:|[^{}]*?"(?:' + _DRAWING + rb')"\s*:|'
    rb'("[^"\\]*")\s*:[^{}]*\}\s*,\s*"[^"\\]*"\s*:\s*\{\s*\1\s*:|'  # two columns
    rb"[^{}]+\Z))"  # a column that is longer than the head
)
#: A whole object in the first line, and the start of another: ndjson.
_LINES = re.compile(rb"\s*\{[^\n]*\}[ \t\r,]*\n\s*\{")


def looks_like(head: bytes) -> bool:
    """True if `head` begins a JSON object that holds a table."""
    return _START.match(head) is not None and _LINES.match(head) is None


def read(source: Input, reject: Reject) -> Iterator[DrawingBatch]:
    """Yield batches of the rows' drawings; rows that cannot be read are rejected one by one.

    Raises FormatError for files of more than 32 MiB, which are held in memory. Files with one
    object a line whose first line is longer than their head are read as ndjson.
    """
    start = source.read(MAX_BYTES + 1)
    source = source.with_put_back(start)
    if _LINES.match(start):
        return ndjson.read(source, reject)
    remedy = 'write one object a line (pandas: orient="records", lines=True)'
    return in_batches(_drawings(load_object(source, MAX_BYTES, remedy), source, reject))


def _drawings(document: dict[str, Any], source: Input, reject: Reject) -> Iterator[Drawing]:
    for name, row in _rows(document):
        yield from read_fields(row, f"row {name}", source, reject)


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
