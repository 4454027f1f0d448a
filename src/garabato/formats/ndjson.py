"""Lines of newline-delimited JSON: bounded, numbered, the unreadable ones told and passed over."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from garabato.drawing import Drawing, DrawingBatch
from garabato.errors import FormatError
from garabato.formats.simplified import parse_line
from garabato.formats.stream import Input

#: Longer lines are refused unread: 200,000 points weigh some 2 MB as text.
MAX_LINE_BYTES = 8 * 2**20
BLOCK_BYTES = 4 * 2**20
BATCH = 4096
BOM = b"\xef\xbb\xbf"

#: Takes what cannot be read: raises (strict) or counts.
Reject = Callable[[FormatError], None]


def read(source: Input, reject: Reject) -> Iterator[DrawingBatch]:
    """Batches of the drawings of a simplified or raw ndjson file, told apart line by line."""
    drawings: list[Drawing] = []
    for number, line in _iter_lines(source, reject):
        try:
            drawings.append(parse_line(line, path=source.name, line_number=number))
        except FormatError as error:
            reject(error)
        if len(drawings) == BATCH:
            yield DrawingBatch.from_drawings(drawings)
            drawings = []
    if drawings:
        yield DrawingBatch.from_drawings(drawings)


def _iter_lines(source: Input, reject: Reject) -> Iterator[tuple[int, bytes]]:
    """(line number, line) of all lines but blank ones and those longer than MAX_LINE_BYTES."""
    number = 0
    rest = b""
    too_long = False
    while block := source.read(BLOCK_BYTES):
        if number == 0 and not rest and block.startswith(BOM):
            block = block[len(BOM) :]
        lines = (rest + block).split(b"\n")
        rest = lines.pop()
        for line in lines:
            number += 1
            if too_long or len(line) > MAX_LINE_BYTES:
                too_long = False
                reject(_too_long(source, number))
            elif line.strip():
                yield number, line
        if too_long or len(rest) > MAX_LINE_BYTES:
            too_long, rest = True, b""
    if too_long:
        reject(_too_long(source, number + 1))
    elif rest.strip():
        yield number + 1, rest


def _too_long(source: Input, number: int) -> FormatError:
    return source.error(
        f"the line is longer than {MAX_LINE_BYTES // 2**20} MiB; one drawing a line was expected",
        f"line {number}",
    )
