"""Bitmaps -> strokes, so that drawings that only exist as pictures are rendered like all others.

The ink of a bitmap is thinned to centre lines, which become polylines. Line width, position and
size of the picture no longer matter, and rendering, augmentation and search handle one kind of
drawing. Filled areas become outlines; isolated dots become strokes of one point.
"""

from __future__ import annotations

import numpy as np

from garabato.drawing import ByteArray, DrawingBatch, FloatArray, IntArray
from garabato.drawing._simplify import corners
from garabato.errors import DrawingError
from garabato.tracing._fit import fit_lines
from garabato.tracing._graph import Graphs, graphs
from garabato.tracing._ink import inks
from garabato.tracing._thin import skeletons
from garabato.tracing._walk import polylines

#: The tolerance of Ramer-Douglas-Peucker: a share of the drawing's longer side (Google's is
#: 2 / 255), and the least number of px of the bitmap.
_TOLERANCE, _TOLERANCE_PX = 0.008, 0.35
#: Smaller bitmaps count as this large, since a single dot may fill them.
_MIN_SIDE_PX = 16
#: Bitmaps are traced in portions of this many px, which limits the memory for intermediate results.
_PORTION_PX = 2**20


def trace_bitmap(bitmap: ByteArray) -> tuple[FloatArray, IntArray]:
    """The centre lines of the ink of `bitmap` (H, W) uint8, ink 255.

    Returns points (P, 2) float32 and stroke_starts (S + 1,) int64. Points are in px of the bitmap,
    whose first pixel extends from (0, 0) to (1, 1). A bitmap with ink has at least one stroke.
    Raises DrawingError for another shape or type.
    """
    bitmap = np.asarray(bitmap)
    if bitmap.ndim != 2 or bitmap.dtype != np.uint8:
        raise DrawingError(
            f"a bitmap is an (H, W) uint8 array, this one is {bitmap.shape} {bitmap.dtype}"
        )
    traced = _trace(bitmap[None])
    return traced.points, traced.stroke_starts


def trace_batch(batch: DrawingBatch) -> DrawingBatch:
    """The drawings of `batch` as strokes, fitted into 0..255 (as by `Drawing.normalised`).

    Metadata is kept. A batch of strokes is returned unchanged. Runs on one core and releases the
    GIL, so several threads can share the work.
    """
    bitmaps = batch.bitmaps
    if bitmaps is None:
        return batch
    n_portion = max(1, _PORTION_PX // max(1, bitmaps.shape[1] * bitmaps.shape[2]))
    portions = []
    for first in range(0, len(batch), n_portion):
        portions.append(_trace(bitmaps[first : first + n_portion]).normalised())
    traced = DrawingBatch.concatenate(portions)
    return batch.replace(
        points=traced.points,
        stroke_starts=traced.stroke_starts,
        drawing_starts=traced.drawing_starts,
        bitmaps=None,
    )


def _trace(bitmaps: ByteArray) -> DrawingBatch:
    """(N, H, W) -> strokes in px of the bitmaps."""
    ink, ink_starts, strides, fits = inks(np.ascontiguousarray(bitmaps))
    sides = max(*bitmaps.shape[1:], _MIN_SIDE_PX) * fits[:, 2]
    pixels, depths, starts, radii = skeletons(ink, ink_starts, strides, sides)
    found = Graphs(*graphs(pixels, depths, starts, strides, np.diff(ink_starts), fits, radii))
    dense = DrawingBatch(*polylines(found, radii))
    n_strokes = np.diff(dense.drawing_starts)
    epsilons = np.maximum(_TOLERANCE * dense.extents, _TOLERANCE_PX).astype(np.float32)
    is_corner = corners(dense.points, dense.stroke_starts, np.repeat(epsilons, n_strokes))
    radii_px = np.repeat(radii / fits[:, 2], n_strokes)
    points, stroke_starts = fit_lines(dense.points, is_corner, dense.stroke_starts, radii_px)
    np.clip(points, 0, bitmaps.shape[:0:-1], out=points)
    return DrawingBatch(points, stroke_starts, dense.drawing_starts)
