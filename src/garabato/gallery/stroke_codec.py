"""Drawings as small byte strings, the form galleries store.

Byte 0 is the width w of the counts: 1, 2 or 4. Then, unsigned and little-endian, w bytes each:
the number of strokes and the number of points of each stroke; then the xs of all points, one byte
each, then the ys. Coordinates are on Google's grid (whole numbers 0..255); drawings that are not
are brought onto it, which keeps their shape. Where byte 0 is 0 it is a bitmap: height and width
(4 bytes each), then its pixels row by row, deflated.
A drawing of 6 strokes and 45 points takes 98 bytes.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from garabato.drawing import Drawing, DrawingBatch, IntArray

_BITMAP = 0


def pack_batch(batch: DrawingBatch) -> pa.Array:
    """A binary array with one packed drawing a row."""
    if batch.bitmaps is not None:
        return pa.array([pack(drawing) for drawing in batch], pa.binary())
    narrow = _is_narrow(batch)
    if narrow.all():
        return _pack_narrow(batch)
    # The few that take wider counts or lie off the grid one by one, then all in their order.
    wide = [pack(drawing) for drawing in batch.take(np.flatnonzero(~narrow))]
    packed = [_pack_narrow(batch.take(np.flatnonzero(narrow))), pa.array(wide, pa.binary())]
    places = np.argsort(np.argsort(~narrow, kind="stable"), kind="stable")
    return pa.concat_arrays(packed).take(pa.array(places))


def _is_narrow(batch: DrawingBatch) -> npt.NDArray[np.bool_]:
    """(N,) bool: drawings on the grid whose counts all fit a byte."""
    points, strokes = batch.points, batch.drawing_starts
    off_grid = ((points < 0) | (points > 255) | (np.rint(points) != points)).any(axis=1)
    is_long = np.diff(batch.stroke_starts) > 255
    narrow: npt.NDArray[np.bool_] = (
        (np.diff(strokes) <= 255)
        & (np.diff(_before(off_grid)[batch.stroke_starts[strokes]]) == 0)
        & (np.diff(_before(is_long)[strokes]) == 0)
    )
    return narrow


def _before(mask: npt.NDArray[np.bool_]) -> IntArray:
    """(n + 1,): how many of `mask` (n,) are true before each place, and in all."""
    return np.concatenate([[0], np.cumsum(mask)])


def _pack_narrow(batch: DrawingBatch) -> pa.Array:
    """The same for drawings that are all narrow, all at once."""
    starts = batch.stroke_starts
    n_strokes = np.diff(batch.drawing_starts)
    first, last = starts[batch.drawing_starts[0]], starts[batch.drawing_starts[-1]]
    n_points = np.diff(starts[batch.drawing_starts])
    ends = np.cumsum(2 + n_strokes + 2 * n_points)
    firsts = ends - (2 + n_strokes + 2 * n_points)
    packed = np.empty(int(ends[-1]) if len(batch) else 0, np.uint8)
    packed[firsts] = 1
    packed[firsts + 1] = n_strokes
    counts = np.diff(starts[batch.drawing_starts[0] : batch.drawing_starts[-1] + 1])
    packed[_places(firsts + 2, n_strokes)] = counts
    xs = _places(firsts + 2 + n_strokes, n_points)
    packed[xs] = batch.points[first:last, 0]
    packed[xs + np.repeat(n_points, n_points)] = batch.points[first:last, 1]
    offsets = np.concatenate([[0], ends]).astype(np.int32)
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(packed)]
    return pa.Array.from_buffers(pa.binary(), len(batch), buffers)


def pack(drawing: Drawing) -> bytes:
    """One drawing."""
    if drawing.bitmap is not None:
        shape = np.array(drawing.bitmap.shape, "<u4").tobytes()
        return bytes([_BITMAP]) + shape + zlib.compress(drawing.bitmap.tobytes())
    drawing = drawing.on_grid()
    counts = np.diff(drawing.stroke_starts)
    largest = max(len(counts), int(counts.max(initial=0)))
    width = 1 if largest < 2**8 else 2 if largest < 2**16 else 4
    head = np.concatenate([[len(counts)], counts]).astype(f"<u{width}")
    return bytes([width]) + head.tobytes() + drawing.points.T.astype(np.uint8).tobytes()


def unpack(packed: bytes, **known: Any) -> Drawing:
    """The drawing, with what is known of it. Raises ValueError for bytes that are none."""
    width = packed[0] if packed else -1
    if width == _BITMAP:
        height, columns = (int(n) for n in np.frombuffer(packed, "<u4", 2, 1))
        pixels = np.frombuffer(zlib.decompress(packed[9:]), np.uint8)
        return Drawing(bitmap=pixels.reshape(height, columns), **known)
    if width not in (1, 2, 4):
        raise ValueError("these bytes are not a packed drawing")
    if width == 1:
        n_strokes = packed[1]
        ends = [0, *accumulate(packed[2 : 2 + n_strokes])]
    else:
        n_strokes = int(np.frombuffer(packed, f"<u{width}", 1, 1)[0])
        counts = np.frombuffer(packed, f"<u{width}", n_strokes, 1 + width)
        ends = [0, *accumulate(counts.tolist())]
    if len(ends) != n_strokes + 1:
        raise ValueError("these bytes are not a packed drawing")
    first = 1 + width * (1 + n_strokes)
    points = np.frombuffer(packed, np.uint8, 2 * ends[-1], first).reshape(2, -1)
    starts = np.array(ends, np.int64)
    return Drawing.from_points(points.T.astype(np.float32), starts, **known)


def of_one_kind(drawings: Sequence[Drawing]) -> list[IntArray]:
    """The places of drawings that can share a batch: those with strokes, bitmaps of each size."""
    kinds: dict[tuple[int, ...] | None, list[int]] = {}
    for place, drawing in enumerate(drawings):
        kind = None if drawing.bitmap is None else drawing.bitmap.shape
        kinds.setdefault(kind, []).append(place)
    return [np.array(places, np.int64) for places in kinds.values()]


def _places(firsts: IntArray, counts: IntArray) -> IntArray:
    """firsts[0], firsts[0] + 1, ... (counts[0] of them), firsts[1], ...: (sum of counts,)."""
    before = np.cumsum(counts) - counts
    places: IntArray = np.arange(counts.sum()) + np.repeat(firsts - before, counts)
    return places
