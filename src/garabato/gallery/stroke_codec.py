"""Drawings as short byte strings, the form in which galleries store them.

Byte 0 is w, the width of the counts in bytes: 1, 2 or 4; plus 128 if the strokes were traced from a
picture. Counts follow, unsigned and little-endian: the number of strokes, then the number of points
of each stroke. Then come the xs of all points, one byte each, then the ys. Coordinates are on
Google's grid (whole numbers from 0 to 255); other drawings are scaled to it first. If byte 0 is 0,
the drawing is a bitmap: height and width (4 bytes each), then the pixels row by row, deflated. A
drawing of 6 strokes and 45 points takes 98 bytes.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate
from typing import Any

import numpy as np
import pyarrow as pa

from garabato.drawing import BoolArray, Drawing, DrawingBatch, FloatArray, IntArray
from garabato.drawing.arrays import ranges

_BITMAP = 0
_TRACED = 128
#: Unpacking fewer rows one by one takes less time.
_MIN_TOGETHER = 24


def pack_batch(batch: DrawingBatch) -> pa.Array:
    """A binary array with one packed drawing per row."""
    if batch.bitmaps is not None:
        return pa.array([pack(drawing) for drawing in batch], pa.binary())
    narrow = _is_narrow(batch)
    if narrow.all():
        return _pack_narrow(batch)
    # The few that need wider counts or are off the grid are packed one by one.
    others = [pack(drawing) for drawing in batch.take(np.flatnonzero(~narrow))]
    packed = [_pack_narrow(batch.take(np.flatnonzero(narrow))), pa.array(others, pa.binary())]
    positions = np.argsort(np.argsort(~narrow, kind="stable"), kind="stable")
    return pa.concat_arrays(packed).take(pa.array(positions))


def pack(drawing: Drawing) -> bytes:
    """Pack one drawing."""
    if drawing.bitmap is not None:
        shape = np.array(drawing.bitmap.shape, "<u4").tobytes()
        return bytes([_BITMAP]) + shape + zlib.compress(drawing.bitmap.tobytes())
    drawing = drawing.on_grid()
    counts = np.diff(drawing.stroke_starts)
    largest = max(len(counts), int(counts.max(initial=0)))
    width = 1 if largest < 2**8 else 2 if largest < 2**16 else 4
    head = bytes([width | _TRACED if drawing.traced else width])
    numbers = np.concatenate([[len(counts)], counts]).astype(f"<u{width}")
    return head + numbers.tobytes() + drawing.points.T.astype(np.uint8).tobytes()


def unpack(packed: bytes, **metadata: Any) -> Drawing:
    """The drawing, with this metadata. Raises ValueError for bytes that `pack` did not make."""
    head = packed[0] if packed else -1
    if head == _BITMAP:
        height, columns = (int(n) for n in np.frombuffer(packed, "<u4", 2, 1))
        pixels = np.frombuffer(zlib.decompress(packed[9:]), np.uint8)
        return Drawing(bitmap=pixels.reshape(height, columns), **metadata)
    width = head & ~_TRACED
    if width not in (1, 2, 4) or len(packed) < 2:
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
    if len(packed) != first + 2 * ends[-1]:
        raise ValueError("these bytes are not a packed drawing")
    points = np.frombuffer(packed, np.uint8, 2 * ends[-1], first).reshape(2, -1)
    starts = np.array(ends, np.int64)
    traced = head > _TRACED or None
    return Drawing.from_points(points.T.astype(np.float32), starts, traced=traced, **metadata)


def unpack_batch(packed: pa.Array, metadata: Iterable[Mapping[str, Any]]) -> list[Drawing]:
    """`unpack` for all rows of a binary array. Drawings with narrow counts are unpacked together
    and share their arrays."""
    if len(packed) < _MIN_TOGETHER:
        return [
            unpack(row, **known) for row, known in zip(packed.to_pylist(), metadata, strict=True)
        ]
    shapes = _unpack_narrow(packed)
    return [
        unpack(packed[row].as_py(), **known)
        if shape is None
        else Drawing.from_points(shape[0], shape[1], traced=shape[2], **known)
        for row, (shape, known) in enumerate(zip(shapes, metadata, strict=True))
    ]


def group_by_kind(drawings: Sequence[Drawing]) -> list[IntArray]:
    """The positions of drawings that can share a batch: of strokes, and of each bitmap size."""
    kinds: dict[tuple[int, ...] | None, list[int]] = {}
    for position, drawing in enumerate(drawings):
        kinds.setdefault(drawing.bitmap_shape, []).append(position)
    return [np.array(positions, np.int64) for positions in kinds.values()]


def _is_narrow(batch: DrawingBatch) -> BoolArray:
    """(N,) bool: whether a drawing is on the grid and all its counts fit in a byte."""
    points, strokes = batch.points, batch.drawing_starts
    off_grid = ((points < 0) | (points > 255) | (np.rint(points) != points)).any(axis=1)
    is_long = np.diff(batch.stroke_starts) > 255
    narrow: BoolArray = (
        (np.diff(strokes) <= 255)
        & (np.diff(_n_true_before(off_grid)[batch.stroke_starts[strokes]]) == 0)
        & (np.diff(_n_true_before(is_long)[strokes]) == 0)
    )
    return narrow


def _n_true_before(mask: BoolArray) -> IntArray:
    """(n + 1,): how many of `mask` (n,) are true before each position, and in total."""
    return np.concatenate([[0], np.cumsum(mask)])


def _pack_narrow(batch: DrawingBatch) -> pa.Array:
    """`pack_batch` for narrow drawings, all at once."""
    starts = batch.stroke_starts
    n_strokes = np.diff(batch.drawing_starts)
    first, last = starts[batch.drawing_starts[0]], starts[batch.drawing_starts[-1]]
    n_points = np.diff(starts[batch.drawing_starts])
    ends = np.cumsum(2 + n_strokes + 2 * n_points)
    firsts = ends - (2 + n_strokes + 2 * n_points)
    packed = np.empty(int(ends[-1]) if len(batch) else 0, np.uint8)
    packed[firsts] = np.where(batch.has_order, 1, 1 | _TRACED)
    packed[firsts + 1] = n_strokes
    counts = np.diff(starts[batch.drawing_starts[0] : batch.drawing_starts[-1] + 1])
    packed[ranges(firsts + 2, n_strokes)] = counts
    xs = ranges(firsts + 2 + n_strokes, n_points)
    packed[xs] = batch.points[first:last, 0]
    packed[xs + np.repeat(n_points, n_points)] = batch.points[first:last, 1]
    offsets = np.concatenate([[0], ends]).astype(np.int32)
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(packed)]
    return pa.Array.from_buffers(pa.binary(), len(batch), buffers)


def _unpack_narrow(packed: pa.Array) -> list[tuple[FloatArray, IntArray, bool | None] | None]:
    """The points, stroke starts and `traced` of each row; None for those without narrow counts."""
    _, offsets, content = packed.buffers()
    if content is None:
        return [None] * len(packed)
    data = np.frombuffer(content, np.uint8)
    ends = np.frombuffer(offsets, np.int32)[packed.offset : packed.offset + len(packed) + 1]
    firsts, lengths = ends[:-1].astype(np.int64), np.diff(ends)
    rows = np.flatnonzero(lengths >= 2)
    rows = rows[data[firsts[rows]] & ~np.uint8(_TRACED) == 1]
    firsts, lengths = firsts[rows], lengths[rows]
    n_strokes = data[firsts + 1].astype(np.int64)
    if (lengths < 2 + n_strokes).any():
        raise ValueError("these bytes are not a packed drawing")
    counts = data[ranges(firsts + 2, n_strokes)]
    n_before = np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])
    first_strokes = np.cumsum(n_strokes) - n_strokes
    first_points = n_before[first_strokes]
    n_points = n_before[first_strokes + n_strokes] - first_points
    if (lengths != 2 + n_strokes + 2 * n_points).any():
        raise ValueError("these bytes are not a packed drawing")
    starts = n_before[ranges(first_strokes, n_strokes + 1)]
    starts -= np.repeat(first_points, n_strokes + 1)
    coordinates = data[ends[0] : ends[-1]].astype(np.float32)
    first_xs = firsts + 2 + n_strokes - ends[0]
    shapes: list[tuple[FloatArray, IntArray, bool | None] | None] = [None] * len(packed)
    c = 0
    layout = np.stack([rows, first_xs, n_points, n_strokes, data[firsts] > _TRACED], axis=1)
    for row, a, n, m, traced in layout.tolist():
        points = coordinates[a : a + 2 * n].reshape(2, n).T
        shapes[row] = points, starts[c : c + m + 1], bool(traced) or None
        c += m + 1
    return shapes
