"""Compiled kernels of simplified ndjson: a block of lines -> flat columns.

The scanner understands only what Google's files contain: plain keys in any order, ASCII strings
without escapes, strokes of two equally long rows of whole numbers. `ndjson.py` parses every
other line and decides whether it is valid.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from garabato.drawing import MAX_POINTS, DrawingBatch, FloatArray, IntArray
from garabato.host.kernels import inner_kernel, kernel

#: Columns of the text spans.
WORD, COUNTRY, TIMESTAMP, KEY_ID = range(4)
_RECOGNIZED, _DRAWING = 4, 5

_MAX_DIGITS = np.uintp(7)  # below 2^24: float32 holds it exactly, and Drawing takes it

_SPACE, _TAB, _RETURN, NEWLINE = (np.uint8(ord(c)) for c in " \t\r\n")
_QUOTE, _BACKSLASH, _COMMA, _COLON = (np.uint8(ord(c)) for c in '"\\,:')
_OPEN, _CLOSE, _OPEN_OBJECT, _CLOSE_OBJECT = (np.uint8(ord(c)) for c in "[]{}")
_ZERO = np.uint8(ord("0"))
_DIGIT_0, _N_DIGITS = np.uint32(ord("0")), np.uint32(10)
_U0, _U1 = np.uintp(0), np.uintp(1)

#: The keys of a line, by their numbers above.
_KEYS = tuple(
    np.frombuffer(key, np.uint8)
    for key in (b"word", b"countrycode", b"timestamp", b"key_id", b"recognized", b"drawing")
)
_TRUE = np.frombuffer(b"true", np.uint8)
_FALSE = np.frombuffer(b"false", np.uint8)

_RECOGNIZED_VALUES = (False, True, None)

#: The shortest text of a point ("1,1," over both rows) and of a stroke ("[[],[]],").
_BYTES_PER_POINT, _BYTES_PER_STROKE = 4, 8

#: A line that the scanner did not understand: its number in the block (from 0), its first byte, its
#: end, and the number of drawings of the batch that come before it.
OtherLine = tuple[int, int, int, int]


class BlockParser:
    """Parses blocks one by one, reusing its memory. Not thread-safe."""

    def __init__(self, max_line_bytes: int) -> None:
        self._max_line_bytes = max_line_bytes
        self._grow(n_bytes=0, n_lines=0)

    def parse(self, block: bytes) -> tuple[DrawingBatch, list[OtherLine]]:
        """Parse lines of ndjson; each, including the last, ends with a line end.

        Returns the drawings, and the lines that were not understood or are longer than
        `max_line_bytes`. Blank lines are skipped.
        """
        data = np.frombuffer(block, np.uint8)
        line_ends = np.flatnonzero(data == NEWLINE)
        if len(data) > self._n_bytes or len(line_ends) > self._n_lines:
            self._grow(n_bytes=len(data), n_lines=len(line_ends))
        n_drawings, n_others = scan_block(data, line_ends, self._columns, self._max_line_bytes)
        points, stroke_starts, drawing_starts, spans, recognized, other_lines = self._columns
        n_strokes = drawing_starts[n_drawings]
        texts = [_texts(data, spans[:n_drawings, column]) for column in range(4)]
        batch = DrawingBatch(
            points=points[: stroke_starts[n_strokes]].copy(),
            stroke_starts=stroke_starts[: n_strokes + 1].copy(),
            drawing_starts=drawing_starts[: n_drawings + 1].copy(),
            key_ids=texts[KEY_ID],
            categories=_interned(texts[WORD]),
            countries=_interned(texts[COUNTRY]),
            timestamps=texts[TIMESTAMP],
            recognized=[_RECOGNIZED_VALUES[value] for value in recognized[:n_drawings].tolist()],
        )
        return batch, [tuple(line) for line in other_lines[:n_others].tolist()]

    def _grow(self, *, n_bytes: int, n_lines: int) -> None:
        self._n_bytes, self._n_lines = n_bytes, n_lines
        self._columns = Columns(
            points=np.empty((n_bytes // _BYTES_PER_POINT + 1, 2), np.float32),
            stroke_starts=np.empty(n_bytes // _BYTES_PER_STROKE + 2, np.int64),
            drawing_starts=np.empty(n_lines + 1, np.int64),
            spans=np.empty((n_lines, 4, 2), np.int64),
            recognized=np.empty(n_lines, np.int8),
            other_lines=np.empty((n_lines, 4), np.int64),
        )


@kernel
def copy_spans(data, spans):  # type: ignore[no-untyped-def]
    """The bytes of all spans, one span per line."""
    n_bytes = len(spans)
    for row in range(len(spans)):
        n_bytes += spans[row, 1] - spans[row, 0]
    lines = np.empty(n_bytes, np.uint8)
    n = _U0
    for row in range(len(spans)):
        first = np.uintp(spans[row, 0])
        for i in range(spans[row, 1] - spans[row, 0]):
            lines[n] = data[first + np.uintp(i)]
            n += _U1
        lines[n] = NEWLINE
        n += _U1
    return lines


class Columns(NamedTuple):
    """What `scan_block` fills, long enough for any block of its size.

    `spans` (N, 4, 2): first byte and end of each text, -1 if missing. `recognized` (N,) int8: 0
    false, 1 true, 2 unknown. `other_lines` (N, 4): lines that were not understood (`OtherLine`).
    """

    points: FloatArray
    stroke_starts: IntArray
    drawing_starts: IntArray
    spans: IntArray
    recognized: npt.NDArray[np.int8]
    other_lines: IntArray


@kernel
def scan_block(data, line_ends, columns, max_line_bytes):  # type: ignore[no-untyped-def]
    """Fill the columns; returns the number of drawings and of lines that were not understood."""
    drawing_starts, other_lines = columns.drawing_starts, columns.other_lines
    n_drawings = 0
    n_others = 0
    drawing_starts[0] = 0
    columns.stroke_starts[0] = 0
    at = _U0
    for line in range(len(line_ends)):
        end = np.uintp(line_ends[line])
        first = _skip_blank(data, at)
        if first < end:
            n_strokes = -1
            if np.int64(end - at) <= max_line_bytes:
                n_strokes = _scan_line(data, first, end, columns, n_drawings)
            if n_strokes >= 0:
                n_drawings += 1
                drawing_starts[n_drawings] = n_strokes
            else:
                other_lines[n_others, 0] = line
                other_lines[n_others, 1] = np.int64(at)
                other_lines[n_others, 2] = np.int64(end)
                other_lines[n_others, 3] = n_drawings
                n_others += 1
        at = end + _U1
    return n_drawings, n_others


def _texts(data: npt.NDArray[np.uint8], spans: npt.NDArray[np.int64]) -> list[str | None]:
    """The strings at `spans` (N, 2); None if missing or empty."""
    lines = copy_spans(data, spans).tobytes().decode("ascii")
    texts: list[str | None] = lines.split("\n")[:-1]
    for row in np.flatnonzero((spans[:, 0] < 0) | (spans[:, 0] == spans[:, 1])).tolist():
        texts[row] = None
    return texts


def _interned(texts: list[str | None]) -> list[str | None]:
    """The same texts; equal ones become one object."""
    unique: dict[str | None, str | None] = {}
    return list(map(unique.setdefault, texts, texts))


# No index below is compared with the end of the line: the line end itself is not a blank, a digit
# or part of a token, so it stops every loop and fails every comparison. Indices are unsigned, which
# spares numba the check for negative ones; 0 means "not understood".


@inner_kernel(inline="always")
def _skip_blank(data, at):  # type: ignore[no-untyped-def]
    while data[at] == _SPACE or data[at] == _TAB or data[at] == _RETURN:
        at += _U1
    return at


@inner_kernel
def _scan_line(data, at, end, columns, row):  # type: ignore[no-untyped-def]
    """Scan one line into `row`; returns the new number of strokes, -1 if it is not understood."""
    points, stroke_starts = columns.points, columns.stroke_starts
    spans = columns.spans[row]
    n_strokes = columns.drawing_starts[row]
    spans[:] = -1
    columns.recognized[row] = 2
    seen = 0
    if data[at] != _OPEN_OBJECT:
        return -1
    while True:
        at = _skip_blank(data, at + _U1)
        if data[at] != _QUOTE:
            return -1
        key_end = _string_end(data, at + _U1)
        if key_end == _U0:
            return -1
        key = _which_key(data, at + _U1, key_end)
        if key < 0 or (seen >> key) & 1:
            return -1
        seen |= 1 << key
        at = _skip_blank(data, key_end + _U1)
        if data[at] != _COLON:
            return -1
        at = _skip_blank(data, at + _U1)
        if key == _DRAWING:
            at, n_strokes = _scan_drawing(data, at, points, stroke_starts, n_strokes)
            if at == _U0:
                return -1
        elif key == _RECOGNIZED:
            if _starts_with(data, at, _TRUE):
                columns.recognized[row] = 1
                at += np.uintp(len(_TRUE))
            elif _starts_with(data, at, _FALSE):
                columns.recognized[row] = 0
                at += np.uintp(len(_FALSE))
            else:
                return -1
        else:
            if data[at] != _QUOTE:
                return -1
            value_end = _string_end(data, at + _U1)
            if value_end == _U0 or (key == TIMESTAMP and _is_digits(data, at + _U1, value_end)):
                return -1
            spans[key, 0] = np.int64(at + _U1)
            spans[key, 1] = np.int64(value_end)
            at = value_end + _U1
        at = _skip_blank(data, at)
        if data[at] != _COMMA:
            break
    if data[at] != _CLOSE_OBJECT or not (seen >> _DRAWING) & 1:
        return -1
    return n_strokes if _skip_blank(data, at + _U1) == end else -1


@inner_kernel
def _string_end(data, at):  # type: ignore[no-untyped-def]
    """The index of the quote that closes a plain ASCII string begun before `at`, or 0."""
    while True:
        byte = data[at]
        if byte == _QUOTE:
            return at
        if byte < 32 or byte > 126 or byte == _BACKSLASH:
            return _U0
        at += _U1


@inner_kernel
def _which_key(data, at, end):  # type: ignore[no-untyped-def]
    """The number of the key data[at:end], or -1 if it is unknown."""
    for key in range(len(_KEYS)):
        if end - at == np.uintp(len(_KEYS[key])) and _starts_with(data, at, _KEYS[key]):
            return key
    return -1


@inner_kernel
def _starts_with(data, at, text):  # type: ignore[no-untyped-def]
    for i in range(len(text)):  # noqa: SIM110 - numba has no generators
        if data[at + np.uintp(i)] != text[i]:
            return False
    return True


@inner_kernel
def _scan_drawing(data, at, points, stroke_starts, n_strokes):  # type: ignore[no-untyped-def]
    """Scan the strokes at `at`; returns the index behind them (or 0) and the number of strokes."""
    first_point = stroke_starts[n_strokes]
    if data[at] != _OPEN:
        return _U0, n_strokes
    at = _skip_blank(data, at + _U1)
    if data[at] == _CLOSE:
        return at + _U1, n_strokes
    while True:
        n_points = stroke_starts[n_strokes]
        if data[at] != _OPEN:
            return _U0, n_strokes
        at, n_xs = _scan_row(data, _skip_blank(data, at + _U1), points[n_points:, 0])
        if at == _U0:
            return _U0, n_strokes
        at = _skip_blank(data, at)
        if data[at] != _COMMA:
            return _U0, n_strokes
        at, n_ys = _scan_row(data, _skip_blank(data, at + _U1), points[n_points:, 1])
        if at == _U0 or n_xs != n_ys or n_points + n_xs - first_point > MAX_POINTS:
            return _U0, n_strokes
        at = _skip_blank(data, at)
        if data[at] != _CLOSE:
            return _U0, n_strokes
        if n_xs > 0:  # strokes without points are dropped, as Drawing does
            n_strokes += 1
            stroke_starts[n_strokes] = n_points + n_xs
        at = _skip_blank(data, at + _U1)
        if data[at] == _CLOSE:
            return at + _U1, n_strokes
        if data[at] != _COMMA:
            return _U0, n_strokes
        at = _skip_blank(data, at + _U1)


@inner_kernel
def _scan_row(data, at, values):  # type: ignore[no-untyped-def]
    """Scan a flat list of whole numbers; returns the index behind it (or 0) and its length."""
    if data[at] != _OPEN:
        return _U0, 0
    at = _skip_blank(data, at + _U1)
    if data[at] == _CLOSE:
        return at + _U1, 0
    n = _U0
    while n < np.uintp(len(values)):
        first = at
        value = np.uint32(0)
        digit = np.uint32(data[at]) - _DIGIT_0
        while digit < _N_DIGITS:  # unsigned: all other bytes are far above
            value = value * _N_DIGITS + digit
            at += _U1
            digit = np.uint32(data[at]) - _DIGIT_0
        n_digits = at - first
        if n_digits == _U0 or n_digits > _MAX_DIGITS:
            return _U0, 0
        if n_digits > _U1 and data[first] == _ZERO:
            return _U0, 0
        values[n] = value
        n += _U1
        at = _skip_blank(data, at)
        if data[at] != _COMMA:
            return (at + _U1, np.int64(n)) if data[at] == _CLOSE else (_U0, 0)
        at = _skip_blank(data, at + _U1)
    return _U0, 0


@inner_kernel
def _is_digits(data, at, end):  # type: ignore[no-untyped-def]
    """Whether data[at:end] is a number, such as the milliseconds of a timestamp."""
    first = at
    while np.uint32(data[at]) - _DIGIT_0 < _N_DIGITS:
        at += _U1
    return at == end and end > first
