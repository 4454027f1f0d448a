"""CSV files with a column `drawing`, as Kaggle's Quick, Draw! competition has them.

    countrycode,drawing,key_id,recognized,timestamp,word
    US,"[[[60, 45, ...], [130, 90, ...]], ...]",5152802093400064,True,2017-03-09 00:28:55.637750,cat

The columns are named after the keys of Google's ndjson and may come in any order; `drawing` holds
the strokes as JSON. All other columns may be missing. Fields are separated by commas, semicolons
or tabs. Source: https://www.kaggle.com/c/quickdraw-doodle-recognition/data.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator

from garabato.drawing import Drawing, DrawingBatch
from garabato.errors import FormatError
from garabato.formats.ndjson import MAX_LINE_BYTES, iter_blocks, parse_fields
from garabato.formats.stream import Input, Reject, in_batches

_BOM = b"\xef\xbb\xbf"


def looks_like(head: bytes) -> bool:
    """True if the first line of `head` names a column `drawing` and at least one other."""
    return _columns(head)[0] is not None


def read(source: Input, reject: Reject) -> Iterator[DrawingBatch]:
    """Yield batches of the rows' drawings; rows that cannot be read are rejected one by one."""
    columns, delimiter = _columns(source.head)
    assert columns is not None
    csv.field_size_limit(max(MAX_LINE_BYTES, csv.field_size_limit()))
    return in_batches(_drawings(source, reject, columns, delimiter))


def _columns(head: bytes) -> tuple[list[str] | None, str]:
    """The names of the columns and the delimiter; None if this is no such header."""
    line = head.removeprefix(_BOM).partition(b"\n")[0]
    try:
        text = line.decode().strip()
    except UnicodeDecodeError:
        return None, ""
    for delimiter in ",;\t":
        names = [name.strip().strip('"').lower() for name in text.split(delimiter)]
        if "drawing" in names and len(names) > 1:
            return names, delimiter
    return None, ""


def _drawings(
    source: Input, reject: Reject, columns: list[str], delimiter: str
) -> Iterator[Drawing]:
    rows = csv.reader(_lines(source, reject), delimiter=delimiter)
    next(rows)
    while True:
        first_line = rows.line_num + 1
        position = f"line {first_line}"
        try:
            row = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            reject(source.error(f"broken CSV ({error})", position))
            continue
        if not row:
            continue
        try:
            if len(row) != len(columns):
                raise source.error(
                    "the number of fields differs from the header",
                    f"{position}, {len(row)} fields, {len(columns)} expected",
                )
            fields = {key: text for key, text in zip(columns, row, strict=True) if text}
            yield parse_fields(fields, path=source.name, position=position, notes=source.notes)
        except FormatError as error:
            reject(error)


def _lines(source: Input, reject: Reject) -> Iterator[str]:
    for _, block in iter_blocks(source, reject):
        for line in block.splitlines(keepends=True):
            yield line.decode("utf-8", errors="replace").replace("\0", "\ufffd")
