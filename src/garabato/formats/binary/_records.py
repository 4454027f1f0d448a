"""Google's binary records to columns, compiled."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from garabato.drawing import MAX_POINTS, FloatArray, IntArray
from garabato.host.kernels import inner_kernel, kernel

#: Why the scanner stopped.
COMPLETE, NEEDS_MORE, TOO_MANY_POINTS, BAD_COUNTRY, BAD_RECOGNIZED = range(5)
#: Bytes of a record before its strokes: key_id 8, country 2, recognized 1, timestamp 4, count 2.
HEADER_BYTES = 17

_U0, _U1, _U2 = np.uintp(0), np.uintp(1), np.uintp(2)


class Scan(NamedTuple):
    """Where the whole records at the beginning of a block lie.

    `firsts` (N + 1,) int64: their first bytes, closed by the byte behind the last. `why` the
    scanner stopped, and the byte where the next record's `fault` lies.
    """

    firsts: IntArray
    n_strokes: int
    n_points: int
    why: int
    fault: int


class Headers(NamedTuple):
    """Columns (N,): the country's two bytes are one little-endian number, seconds since 1970."""

    key_ids: npt.NDArray[np.uint64]
    countries: npt.NDArray[np.uint16]
    recognized: npt.NDArray[np.int8]
    seconds: npt.NDArray[np.uint32]


def scan(data: npt.NDArray[np.uint8]) -> Scan:
    """Check and count the records at the beginning of `data` (n,) uint8."""
    return Scan(*_scan_records(data))


def strokes(data: npt.NDArray[np.uint8], found: Scan) -> tuple[FloatArray, IntArray, IntArray]:
    """points (P, 2) float32, stroke_starts and drawing_starts of the records of a scan."""
    points = np.empty((found.n_points, 2), np.float32)
    stroke_starts = np.zeros(found.n_strokes + 1, np.int64)
    drawing_starts = np.zeros(len(found.firsts), np.int64)
    _fill_strokes(data, found.firsts, points, stroke_starts, drawing_starts)
    return points, stroke_starts, drawing_starts


def headers(data: npt.NDArray[np.uint8], found: Scan) -> Headers:
    """The headers of the records of a scan."""
    n = len(found.firsts) - 1
    fields = Headers(
        np.empty(n, np.uint64), np.empty(n, np.uint16), np.empty(n, np.int8), np.empty(n, np.uint32)
    )
    _fill_headers(data, found.firsts, *fields)
    return fields


@kernel
def _scan_records(data):  # type: ignore[no-untyped-def]
    n_bytes = len(data)
    firsts = np.empty(n_bytes // HEADER_BYTES + 2, np.int64)
    n_records = 0
    n_strokes = 0
    n_points = 0
    at = 0
    why = COMPLETE
    fault = n_bytes
    while at < n_bytes:
        if at + HEADER_BYTES > n_bytes:
            why = NEEDS_MORE
            break
        if not (_is_country_byte(data[at + 8]) and _is_country_byte(data[at + 9])):
            why = BAD_COUNTRY
            fault = at + 8
            break
        if 1 < data[at + 10] < 255:
            why = BAD_RECOGNIZED
            fault = at + 10
            break
        read = at + HEADER_BYTES
        own_strokes = 0
        own_points = 0
        for _ in range(_two_bytes(data, at + HEADER_BYTES - 2)):
            if read + 2 > n_bytes:
                why = NEEDS_MORE
                break
            n = _two_bytes(data, read)
            own_points += n
            if own_points > MAX_POINTS:
                why = TOO_MANY_POINTS
                fault = read
                break
            own_strokes += n > 0  # strokes without points are dropped, as Drawing does
            read += 2 + 2 * n
        if why == COMPLETE and read > n_bytes:
            why = NEEDS_MORE
        if why != COMPLETE:
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
    # unsigned, so that numba need not look whether an index counts from the end
    n_points = _U0
    n_strokes = _U0
    for record in range(len(firsts) - 1):
        read = np.uintp(firsts[record] + HEADER_BYTES)
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


@kernel
def _fill_headers(data, firsts, key_ids, countries, recognized, seconds):  # type: ignore[no-untyped-def]
    for record in range(len(firsts) - 1):
        at = firsts[record]
        key_id = np.uint64(0)
        for i in range(8):
            key_id |= np.uint64(data[at + i]) << np.uint64(8 * i)
        key_ids[record] = key_id
        countries[record] = _two_bytes(data, at + 8)
        recognized[record] = np.int8(data[at + 10])
        seconds[record] = _two_bytes(data, at + 11) | (_two_bytes(data, at + 13) << 16)
