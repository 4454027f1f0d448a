"""CSV files with a column `drawing`, as Kaggle's Quick, Draw! competition has them.

    countrycode,drawing,key_id,recognized,timestamp,word
    US,"[[[60, 45, ...], [130, 90, ...]], ...]",5152802093400064,True,2017-03-09 00:28:55.637750,cat

The columns are named after the keys of Google's ndjson (or as in `ALIASES`) and may come in any
order; `drawing` holds the strokes as JSON, quoted or not. All other columns may be missing. Fields
are separated by commas, semicolons, tabs or bars. Source: https://www.kaggle.com/c/quickdraw-doodle-recognition/data.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import NamedTuple

from garabato.drawing import Drawing, DrawingBatch
from garabato.formats.ndjson import ALIASES, MAX_LINE_BYTES, iter_blocks, read_fields
from garabato.formats.stream import Input, in_batches

_LINE_END = re.compile(rb"\r\n?|\n")


def looks_like(head: bytes) -> bool:
    """True if the first line of `head` names a column `drawing`."""
    return _header(head) is not None


def read(source: Input) -> Iterator[DrawingBatch]:
    """Yield batches of the rows' drawings; rows that cannot be read are rejected one by one."""
    header = _header(source.head)
    assert header is not None
    csv.field_size_limit(max(MAX_LINE_BYTES, csv.field_size_limit()))
    return in_batches(_drawings(source, header))


def _header(head: bytes) -> _Header | None:
    """The columns and the delimiter; None if no column can hold drawings."""
    lines = [line.decode(errors="replace").strip() for line in _LINE_END.split(head, 2)[:2]]
    n_lines, delimiters = 1, ",;\t|"
    if lines[0].lower().startswith("sep=") and len(lines) > 1:  # as Excel writes it
        n_lines, delimiters = 2, lines[0][4:] or "\t"
    for delimiter in delimiters:
        names = [name.strip().strip("\"'").lower() for name in lines[n_lines - 1].split(delimiter)]
        drawing = next((names.index(name) for name in ALIASES["drawing"] if name in names), None)
        has_strokes = lines[-1].lstrip("\"' ").startswith("[")
        if drawing is not None and (len(names) > 1 or has_strokes):
            return _Header(names, delimiter, n_lines, drawing)
    return None


class _Header(NamedTuple):
    columns: list[str]
    delimiter: str
    n_lines: int
    #: Index of the column that holds the strokes.
    drawing: int


def _drawings(source: Input, header: _Header) -> Iterator[Drawing]:
    for number, row in _rows(source, header):
        position = f"line {number}"
        row = _with_joined_strokes(row, header)
        if len(row) != len(header.columns):
            found = f"{position}, {len(row)} fields, {len(header.columns)} expected"
            source.reject(source.error("the number of fields differs from the header", found))
            continue
        fields = {key: text for key, text in zip(header.columns, row, strict=True) if text}
        yield from read_fields(fields, position, source)


def _rows(source: Input, header: _Header) -> Iterator[tuple[int, list[str]]]:
    """The number of each row's first line, and the row's fields.

    A quoted field may have several lines. If its quote is never closed, the row ends where another
    one begins, so that only one is lost.
    """
    lines = enumerate(_lines(source), start=1)
    ahead = next(islice(lines, header.n_lines, None), None)

    def lines_of_row() -> Iterator[str]:
        nonlocal ahead
        while ahead is not None:
            line = ahead[1]
            ahead = next(lines, None)
            yield line
            if ahead is not None and _is_row(ahead[1], header):
                return

    while ahead is not None:
        number = ahead[0]
        try:
            row = next(_csv_reader(lines_of_row(), header))
        except csv.Error as error:
            source.reject(source.error(f"broken CSV ({error})", f"line {number}"))
            continue
        if row:
            yield number, row


def _lines(source: Input) -> Iterator[str]:
    for _, block in iter_blocks(source):
        for line in block.splitlines(keepends=True):
            yield line.decode("utf-8", errors="surrogateescape").replace("\0", "\ufffd")


def _is_row(line: str, header: _Header) -> bool:
    """Whether a line alone is a whole row with strokes."""
    if "[[[" not in line:
        return False
    try:
        row = next(_csv_reader([line], header))
    except csv.Error:
        return False
    return len(row) == len(header.columns) and row[header.drawing].startswith("[[[")


def _csv_reader(lines: Iterable[str], header: _Header) -> Iterator[list[str]]:
    return csv.reader(lines, delimiter=header.delimiter, skipinitialspace=True)


def _with_joined_strokes(row: list[str], header: _Header) -> list[str]:
    """The row with its strokes as one field, if they are split because nothing quotes them."""
    n_more = len(row) - len(header.columns)
    if n_more <= 0:
        return row
    end = header.drawing + n_more + 1
    strokes = header.delimiter.join(row[header.drawing : end]).strip(" '")
    if not (strokes.startswith("[") and strokes.endswith("]")):
        return row
    return [*row[: header.drawing], strokes, *row[end:]]
