"""Bitmaps -> strokes, so that drawings that exist only as pictures are drawn like all others.

A bitmap's ink is thinned to centre lines, which become polylines: line width, position and size of
the picture play no part any more, and rendering, augmentation and search know one kind of drawing.
Filled areas become outlines, isolated dots strokes of one point.
"""

from __future__ import annotations

import numpy as np

from garabato.drawing import GRID, ByteArray, DrawingBatch, FloatArray, IntArray
from garabato.drawing._simplify import corners
from garabato.errors import DrawingError
from garabato.tracing._fit import fit_lines
from garabato.tracing._graph import graphs
from garabato.tracing._ink import inks
from garabato.tracing._thin import skeletons
from garabato.tracing._walk import polylines

#: Ramer-Douglas-Peucker's tolerance: a share of the drawing's longer side (Google's is 2 / 255),
#: and at least so many px of the bitmap.
_TOLERANCE, _TOLERANCE_PX = 0.008, 0.35
#: A smaller bitmap may be filled by one dot.
_SMALLEST_SIDE_PX = 16
#: Bitmaps are traced in portions of this many px, which bounds the memory for what is between.
_PORTION_PX = 2**20


def trace_bitmap(bitmap: ByteArray) -> tuple[FloatArray, IntArray]:
    """Centre lines of the ink of `bitmap` (H, W) uint8, ink 255.

    Returns (points (P, 2) float32 in px of the bitmap, whose first pixel reaches from (0, 0) to
    (1, 1); stroke_starts (S + 1,) int64). A bitmap without ink has no strokes, any other at least
    one. Raises DrawingError where `bitmap` is of another shape or type.
    """
    bitmap = np.asarray(bitmap)
    if bitmap.ndim != 2 or bitmap.dtype != np.uint8:
        raise DrawingError(
            f"a bitmap is an (H, W) uint8 array, this one is {bitmap.shape} {bitmap.dtype}"
        )
    points, starts, _ = _trace(bitmap[None])
    return points, starts


def trace_batch(batch: DrawingBatch) -> DrawingBatch:
    """The drawings of `batch` as strokes on the 0..255 frame (as `Drawing.normalised`).

    What is known of them is kept. A batch that has strokes is returned as it is. Runs on one core
    and releases the GIL, so threads may share the work.
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
    ink, ink_starts, strides, places = inks(np.ascontiguousarray(bitmaps))
    sides = max(*bitmaps.shape[1:], _SMALLEST_SIDE_PX) * places[:, 2]
    pixels, depths, starts, radii = skeletons(ink, ink_starts, strides, sides)
    chains, chain_starts, kinds, ends, nodes, through, first_chains, first_nodes = graphs(
        pixels, depths, starts, strides, np.diff(ink_starts), places, radii
    )
    points, stroke_starts, drawing_starts = polylines(
        chains, chain_starts, kinds, ends, nodes, through, first_chains, first_nodes, radii
    )
    n_strokes = np.diff(drawing_starts)
    extents = _extents(points, stroke_starts[drawing_starts])
    epsilons = np.maximum(_TOLERANCE * extents, _TOLERANCE_PX).astype(np.float32)
    is_corner = corners(points, stroke_starts, np.repeat(epsilons, n_strokes))
    radii_px = np.repeat(radii / places[:, 2], n_strokes)
    points, stroke_starts = fit_lines(points, is_corner, stroke_starts, radii_px)
    np.clip(points, 0, bitmaps.shape[:0:-1], out=points)
    return points, stroke_starts, drawing_starts


def _extents(points: FloatArray, starts: IntArray) -> FloatArray:
    """The longer sides (N,) of drawings, points[starts[i]:starts[i + 1]]; 0 of those without."""
    extents = np.zeros(len(starts) - 1, np.float32)
    inked = np.diff(starts) > 0  # reduceat knows no empty ranges
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
