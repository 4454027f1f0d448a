"""Bitmaps -> strokes, so that drawings that only exist as pictures are rendered like all others.

The ink of a bitmap is thinned to centre lines, which become polylines. Line width, position and
size of the picture no longer matter, and rendering, augmentation and search handle one kind of
drawing. Filled areas become outlines; isolated dots become strokes of one point.
"""

from __future__ import annotations

import numpy as np

from garabato.drawing import GRID, ByteArray, DrawingBatch, FloatArray, IntArray
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
    points, starts, _ = _trace(bitmap[None])
    return points, starts


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
        points, stroke_starts, drawing_starts = _trace(bitmaps[first : first + n_portion])
        _normalise(points, stroke_starts[drawing_starts])
        portions.append(
            DrawingBatch(points=points, stroke_starts=stroke_starts, drawing_starts=drawing_starts)
        )
    traced = DrawingBatch.concatenate(portions)
    return batch.replace(
        points=traced.points,
        stroke_starts=traced.stroke_starts,
        drawing_starts=traced.drawing_starts,
        bitmaps=None,
    )


def _trace(bitmaps: ByteArray) -> tuple[FloatArray, IntArray, IntArray]:
    """(N, H, W) -> points in px of the bitmaps, stroke_starts, drawing_starts."""
    ink, ink_starts, strides, fits = inks(np.ascontiguousarray(bitmaps))
    sides = max(*bitmaps.shape[1:], _MIN_SIDE_PX) * fits[:, 2]
    pixels, depths, starts, radii = skeletons(ink, ink_starts, strides, sides)
    traced = Graphs(*graphs(pixels, depths, starts, strides, np.diff(ink_starts), fits, radii))
    points, stroke_starts, drawing_starts = polylines(traced, radii)
    n_strokes = np.diff(drawing_starts)
    extents = _extents(points, stroke_starts[drawing_starts])
    epsilons = np.maximum(_TOLERANCE * extents, _TOLERANCE_PX).astype(np.float32)
    is_corner = corners(points, stroke_starts, np.repeat(epsilons, n_strokes))
    radii_px = np.repeat(radii / fits[:, 2], n_strokes)
    points, stroke_starts = fit_lines(points, is_corner, stroke_starts, radii_px)
    np.clip(points, 0, bitmaps.shape[:0:-1], out=points)
    return points, stroke_starts, drawing_starts


def _extents(points: FloatArray, starts: IntArray) -> FloatArray:
    """The longer sides (N,) of drawings, points[starts[i]:starts[i + 1]]; 0 without points."""
    extents = np.zeros(len(starts) - 1, np.float32)
    inked = np.diff(starts) > 0  # reduceat cannot handle empty ranges
    if inked.any():
        first = starts[:-1][inked]
        highest, lowest = np.maximum.reduceat(points, first), np.minimum.reduceat(points, first)
        extents[inked] = (highest - lowest).max(axis=1)
    return extents


def _normalise(points: FloatArray, starts: IntArray) -> None:
    """Move drawings, points[starts[i]:starts[i + 1]], to the top left; scale to GRID. In place."""
    extents = _extents(points, starts)
    n_points = np.diff(starts)
    inked = n_points > 0
    if not inked.any():
        return
    lowest = np.minimum.reduceat(points, starts[:-1][inked])
    scales = np.divide(GRID, extents, out=np.ones_like(extents), where=extents > 0)
    points -= np.repeat(lowest, n_points[inked], axis=0)
    points *= np.repeat(scales, n_points)[:, None]
