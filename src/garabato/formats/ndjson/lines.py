"""Reads and writes ndjson: lines are bounded, unreadable lines are reported and skipped."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator

from garabato.drawing import Drawing, DrawingBatch
from garabato.errors import FormatError
from garabato.formats.ndjson.simplified import format_line, parse_line
from garabato.formats.stream import Input, Reject, Writable

#: Longer lines are rejected without parsing; 200,000 points take about 2 MB as text.
MAX_LINE_BYTES = 8 * 2**20
#: A few hundred drawings, which fit in the processor's cache while they are parsed.
BLOCK_BYTES = 256 * 2**10
#: Shorter files are not worth the second it takes to load the compiled scanner.
SMALL_BYTES = 64 * 2**10
_SCANNER = "garabato.formats.ndjson._columns"


def read(source: Input, reject: Reject) -> Iterator[DrawingBatch]:
    """Yield the drawings of an ndjson file in batches; each line is simplified or raw.

    Compiled code scans lines in Google's own form; other lines, and small files, go through
    `simplified.parse_line`. Both give the same drawings.
    """
    parser = None
    for first_line, block in iter_blocks(source, reject):
        if parser is None and (len(block) > SMALL_BYTES or _SCANNER in sys.modules):
            from garabato.formats.ndjson._columns import BlockParser

            parser = BlockParser(MAX_LINE_BYTES)
        if parser is None:
            columns = DrawingBatch.from_drawings([])
            others = _line_spans(block)
        else:
            columns, others = parser.parse(block)
        yield from _with_other_lines(columns, others, block, first_line, source, reject)


def write(file: Writable, drawings: Iterable[Drawing]) -> int:
    """Write drawings as Google's simplified ndjson; returns the number written."""
    n_written = 0
    for drawing in drawings:
        file.write(format_line(drawing))
        n_written += 1
    return n_written


def iter_blocks(source: Input, reject: Reject) -> Iterator[tuple[int, bytes]]:
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
            reject(_too_long(source, number))
            skipping, rest = True, b""
        block = source.read(BLOCK_BYTES)
    if rest:
        yield number, rest + b"\n"


def _line_spans(block: bytes) -> list[tuple[int, int, int, int]]:
    """All lines of a block as `_columns.OtherLine`s."""
    spans = []
    first = 0
    for number, line in enumerate(block.split(b"\n")[:-1]):
        spans.append((number, first, first + len(line), 0))
        first += len(line) + 1
    return spans


def _with_other_lines(
    columns: DrawingBatch,
    others: list[tuple[int, int, int, int]],
    block: bytes,
    first_line: int,
    source: Input,
    reject: Reject,
) -> Iterator[DrawingBatch]:
    """Merge `columns` with the drawings of the `others` (`_columns.OtherLine`), in line order."""
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
            run.append(parse_line(text, number, source))
        except FormatError as error:
            try:
                reject(error)
            except FormatError:
                yield from _joined([*pieces, DrawingBatch.from_drawings(run)])
                raise
    if not others:
        yield from _joined([columns])
    else:
        yield from _joined([*pieces, DrawingBatch.from_drawings(run), columns[n_taken:]])


def _too_long(source: Input, number: int) -> FormatError:
    return source.error(
        f"the line is longer than {MAX_LINE_BYTES // 2**20} MiB; one drawing per line was expected",
        f"line {number}",
    )


def _joined(pieces: list[DrawingBatch]) -> Iterator[DrawingBatch]:
    pieces = [piece for piece in pieces if len(piece)]
    if pieces:
        yield pieces[0] if len(pieces) == 1 else DrawingBatch.concatenate(pieces)
