"""Google's binary format (`.bin`): records without separators, little-endian, unaligned.

key_id uint64, country 2 bytes, recognized int8, timestamp uint32 (seconds since 1970), number of
strokes uint16; each stroke: number of points uint16, its xs uint8 each, its ys uint8 each.
Source: https://github.com/googlecreativelab/quickdraw-dataset (README and
examples/binary_file_parser.py). garabato writes unknown values as 0 (country: two NUL bytes;
recognized: -1) and reads these as unknown.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, overload

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

from garabato.drawing import MAX_POINTS, Drawing, DrawingBatch, IntArray
from garabato.drawing.times import normal_time
from garabato.errors import FormatError, InputError
from garabato.formats.stream import Input, Writable
from garabato.host.kernels import inner_kernel, kernel

#: About a thousand drawings; larger blocks don't fit in the processor's cache.
BLOCK_BYTES = 128 * 2**10
#: A record before its strokes: key_id, country, recognized, timestamp, number of strokes.
HEADER = struct.Struct("<Q2sbIH")
_HEADER_BYTES = HEADER.size
#: The same as columns; a country's two bytes are one number.
_COLUMNS = np.dtype(
    [("key_id", "<u8"), ("country", "<u2"), ("recognized", "i1"), ("seconds", "<u4"), ("n", "<u2")]
)
_COUNT = struct.Struct("<H")
_MAX_COUNT = 2**16 - 1

#: Why the scanner stopped.
_COMPLETE, _NEEDS_MORE, _TOO_MANY_POINTS, _BAD_COUNTRY, _BAD_RECOGNIZED = range(5)
_U0, _U1, _U2 = np.uintp(0), np.uintp(1), np.uintp(2)


def looks_like(head: bytes) -> bool:
    """True if `head`, the first bytes of a file, can be the beginning of a record."""
    if len(head) < HEADER.size + _COUNT.size:
        return False
    _, country, recognized, _, n_strokes = HEADER.unpack_from(head)
    (n_points,) = _COUNT.unpack_from(head, HEADER.size)
    known = country.isalpha() and country.isupper()
    return (known or country == b"\0\0") and recognized in (-1, 0, 1) and n_strokes * n_points > 0


def read(source: Input) -> Iterator[DrawingBatch]:
    """Yield batches. Records have no separators, so reading ends at the first damage."""
    offset = 0
    data = source.read(BLOCK_BYTES)
    while data:
        block = np.frombuffer(data, np.uint8)
        firsts, n_strokes, n_points, why, fault = _scan_records(block)
        used = int(firsts[-1])
        if used:
            yield _batch(block, firsts, n_strokes, n_points)
        if why not in (_COMPLETE, _NEEDS_MORE):
            source.reject(_damage(source, offset + fault, offset + used, why))
            return
        more = source.read(BLOCK_BYTES)
        if why == _NEEDS_MORE and not more:
            source.reject(
                source.error(
                    "the file ends inside a drawing; fetch it again",
                    f"byte {offset + len(data)} (the drawing begins at byte {offset + used})",
                )
            )
            return
        offset += used
        data = data[used:] + more


def write(file: Writable, drawings: Iterable[Drawing]) -> int:
    """Write drawings, on the grid 0..255; returns the number written.

    Raises InputError for a key_id that is not a whole number, and for more strokes or points than
    uint16 can count.
    """
    n_written = 0
    for drawing in drawings:
        file.write(_record(drawing.on_grid()))
        n_written += 1
    return n_written


def timestamp_texts(seconds: npt.NDArray[np.uint32]) -> list[str]:
    """Seconds since 1970 as "2017-01-28 00:32:43 UTC"."""
    times = np.datetime_as_string(seconds.astype("datetime64[s]")).tolist()
    return [f"{time[:10]} {time[11:]} UTC" for time in times]


def _batch(
    block: npt.NDArray[np.uint8], firsts: IntArray, n_strokes: int, n_points: int
) -> DrawingBatch:
    points = np.empty((n_points, 2), np.float32)
    stroke_starts = np.zeros(n_strokes + 1, np.int64)
    drawing_starts = np.zeros(len(firsts), np.int64)
    _fill_strokes(block, firsts, points, stroke_starts, drawing_starts)
    heads = sliding_window_view(block, HEADER.size)[firsts[:-1]].view(_COLUMNS)[:, 0]
    return DrawingBatch(
        points=points,
        stroke_starts=stroke_starts,
        drawing_starts=drawing_starts,
        key_ids=_Texts(heads["key_id"], lambda numbers: list(map(str, numbers.tolist()))),
        countries=list(map(_COUNTRIES.__getitem__, heads["country"].tolist())),
        recognized=_booleans(heads["recognized"]),
        timestamps=_Texts(heads["seconds"], timestamp_texts),
    )


class _Countries(dict[int, str | None]):
    """A country's two bytes, as a little-endian number -> its code; filled on demand."""

    def __missing__(self, number: int) -> str | None:
        code = number.to_bytes(2, "little").rstrip(b"\0").decode("ascii") or None
        self[number] = code
        return code


_COUNTRIES = _Countries()


class _Texts(Sequence[str | None]):
    """Numbers as texts, 0 as None; converted when the first one is read."""

    def __init__(
        self, numbers: npt.NDArray[Any], to_texts: Callable[[npt.NDArray[Any]], list[str]]
    ) -> None:
        self._numbers = numbers
        self._to_texts = to_texts
        self._made: list[str | None] | None = None

    def __len__(self) -> int:
        return len(self._numbers)

    @overload
    def __getitem__(self, which: int) -> str | None: ...
    @overload
    def __getitem__(self, which: slice) -> list[str | None]: ...
    def __getitem__(self, which: int | slice) -> str | list[str | None] | None:
        return self._texts[which]

    def __iter__(self) -> Iterator[str | None]:
        return iter(self._texts)

    def __eq__(self, other: object) -> bool:
        return self._texts == (list(other) if isinstance(other, Sequence) else other)

    def __repr__(self) -> str:
        return repr(self._texts)

    @property
    def _texts(self) -> list[str | None]:
        if self._made is None:
            self._made = [*self._to_texts(self._numbers)]
            for row in np.flatnonzero(self._numbers == 0).tolist():
                self._made[row] = None
        return self._made


def _booleans(recognized: npt.NDArray[np.int8]) -> list[bool | None]:
    values: list[bool | None] = (recognized == 1).tolist()
    for row in np.flatnonzero(recognized < 0).tolist():
        values[row] = None
    return values


def _damage(source: Input, fault: int, first: int, why: int) -> FormatError:
    problem = {
        _TOO_MANY_POINTS: "the drawing has more than 200,000 points",
        _BAD_COUNTRY: "the country code is not two ASCII characters",
        _BAD_RECOGNIZED: '"recognized" is neither 0 nor 1',
    }[why]
    return source.error(
        f"{problem}; the file is damaged from here on, or is not a .bin file",
        f"byte {fault} (the drawing begins at byte {first})",
    )


def _record(drawing: Drawing) -> bytes:
    if drawing.bitmap is not None:
        raise InputError(f"drawing {drawing.key_id}: a .bin file holds strokes, not bitmaps")
    strokes = drawing.strokes
    if len(strokes) > _MAX_COUNT or any(stroke.shape[1] > _MAX_COUNT for stroke in strokes):
        raise InputError(
            f"drawing {drawing.key_id}: a .bin file holds up to {_MAX_COUNT:,} strokes, and as "
            "many points per stroke; write ndjson"
        )
    recognized = -1 if drawing.recognized is None else int(drawing.recognized)
    parts = [
        HEADER.pack(
            _key_number(drawing.key_id),
            _country_bytes(drawing.country),
            recognized,
            _seconds(drawing.timestamp),
            len(strokes),
        )
    ]
    for stroke in strokes:
        parts += [_COUNT.pack(stroke.shape[1]), stroke.astype(np.uint8).tobytes()]
    return b"".join(parts)


def _key_number(key_id: str | None) -> int:
    if key_id is None:
        return 0
    is_whole = key_id.isascii() and key_id.isdigit() and len(key_id) <= 20
    if not (is_whole and 0 < int(key_id) < 2**64):
        raise InputError(
            f"key_id {key_id!r}: a .bin file holds only whole numbers from 1 to 2^64 - 1; "
            "write ndjson or change the key_ids"
        )
    return int(key_id)


def _country_bytes(country: str | None) -> bytes:
    code = (country or "\0\0").encode()
    if len(code) != 2 or not code.isascii():
        raise InputError(f"country {country!r}: a .bin file holds only codes of two letters")
    return code


def _seconds(timestamp: str | None) -> int:
    """Whole seconds since 1970; 0 for None."""
    if timestamp is None:
        return 0
    try:
        seconds = int(datetime.fromisoformat(f"{normal_time(timestamp)[:19]}Z").timestamp())
    except ValueError:
        seconds = -1
    if not 0 <= seconds < 2**32:
        raise InputError(
            f"timestamp {timestamp!r}: a .bin file holds times from 1970 to 2106, such as "
            '"2017-01-28 00:32:43 UTC"'
        )
    return seconds


@kernel
def _scan_records(data):  # type: ignore[no-untyped-def]
    """Check and count the N whole records at the beginning of `data` (n,) uint8.

    Returns their first bytes (N + 1,) int64, closed by the byte behind the last; their numbers of
    strokes and points; why the scanner stopped; and the byte where the next record's fault lies.
    """
    n_bytes = len(data)
    firsts = np.empty(n_bytes // _HEADER_BYTES + 2, np.int64)
    n_records = 0
    n_strokes = 0
    n_points = 0
    at = 0
    why = _COMPLETE
    fault = n_bytes
    while at < n_bytes:
        if at + _HEADER_BYTES > n_bytes:
            why = _NEEDS_MORE
            break
        if not (_is_country_byte(data[at + 8]) and _is_country_byte(data[at + 9])):
            why = _BAD_COUNTRY
            fault = at + 8
            break
        if 1 < data[at + 10] < 255:
            why = _BAD_RECOGNIZED
            fault = at + 10
            break
        read = at + _HEADER_BYTES
        own_strokes = 0
        own_points = 0
        for _ in range(_two_bytes(data, at + _HEADER_BYTES - 2)):
            if read + 2 > n_bytes:
                why = _NEEDS_MORE
                break
            n = _two_bytes(data, read)
            own_points += n
            if own_points > MAX_POINTS:
                why = _TOO_MANY_POINTS
                fault = read
                break
            own_strokes += n > 0  # strokes without points are dropped, as Drawing does
            read += 2 + 2 * n
        if why == _COMPLETE and read > n_bytes:
            why = _NEEDS_MORE
        if why != _COMPLETE:
            break
        firsts[n_records] = at
        n_records += 1
        n_strokes += own_strokes
        n_points += own_points
        at = read
    firsts[n_records] = at
    return firsts[: n_records + 1].copy(), n_strokes, n_points, why, fault


@inner_kernel
def _is_country_byte(byte):  # type: ignore[no-untyped-def]
    return byte == 0 or 32 <= byte <= 126


@inner_kernel
def _two_bytes(data, at):  # type: ignore[no-untyped-def]
    return np.int64(data[at]) | (np.int64(data[at + 1]) << 8)


@kernel
def _fill_strokes(data, firsts, points, stroke_starts, drawing_starts):  # type: ignore[no-untyped-def]
    """Fill points (P, 2) float32, and the starts of strokes and drawings.

    Indices are unsigned, so that numba need not look whether one counts from the end.
    """
    n_points = _U0
    n_strokes = _U0
    for record in range(len(firsts) - 1):
        read = np.uintp(firsts[record] + _HEADER_BYTES)
        end = np.uintp(firsts[record + 1])
        while read < end:
            n = np.uintp(data[read]) | (np.uintp(data[read + _U1]) << np.uintp(8))
            read += _U2
            for k in range(n):
                i = np.uintp(k)
                points[n_points + i, _U0] = data[read + i]
                points[n_points + i, _U1] = data[read + n + i]
            if n > _U0:
                n_points += n
                n_strokes += _U1
                stroke_starts[n_strokes] = np.int64(n_points)
            read += _U2 * n
        drawing_starts[record + 1] = np.int64(n_strokes)
