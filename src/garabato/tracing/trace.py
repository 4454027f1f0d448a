"""Bitmaps -> strokes, so that drawings that only exist as pictures are rendered like all others.

The ink of a bitmap is thinned to centre lines, which become polylines. Line width, position and
size of the picture no longer matter, and rendering, augmentation and search handle one kind of
drawing. Filled areas become outlines; isolated dots become strokes of one point.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from garabato.drawing import ByteArray, DrawingBatch, FloatArray, IntArray
from garabato.drawing._simplify import mark_corners
from garabato.errors import DrawingError
from garabato.host.kernels import Kernels
from garabato.tracing._graph import Graphs, find_graphs
from garabato.tracing._lines import find_polylines, fit_lines
from garabato.tracing._skeleton import skeletons, working_images

#: The tolerance of Ramer-Douglas-Peucker: a share of the drawing's longer side (Google's is
#: 2 / 255), and the least number of px of the bitmap.
_TOLERANCE, _TOLERANCE_PX = 0.008, 0.35
#: Smaller bitmaps count as this large, since a single dot may fill them.
_MIN_SIDE_PX = 16
#: Bitmaps are traced in portions of this many px, which limits the memory for intermediate results.
_PORTION_PX = 2**17
#: Python handles skeletons of this many px in about 0.5 s. Compiling the kernels takes 15 s.
_KERNELS = Kernels(find_graphs, find_polylines, mark_corners, fit_lines, interpreted_work=20_000)


def trace_bitmap(bitmap: ByteArray) -> tuple[FloatArray, IntArray]:
    """The centre lines of the ink of `bitmap` (H, W) uint8, ink 255.

    Returns points (P, 2) float32 and stroke_starts (S + 1,) int64. Points are in px of the bitmap,
    whose first pixel extends from (0, 0) to (1, 1). A bitmap with ink has at least one stroke.
    Raises DrawingError for another shape or type.
    """
    bitmap = np.asarray(bitmap)
    if bitmap.ndim != 2 or bitmap.dtype != np.uint8:
        raise DrawingError(
            f"a bitmap must be an (H, W) uint8 array, not {bitmap.shape} {bitmap.dtype}"
        )
    traced = _trace(bitmap[None])
    return traced.points, traced.stroke_starts


def trace_batch(batch: DrawingBatch) -> DrawingBatch:
    """The drawings of `batch` as strokes, fitted into 0..255 (as by `Drawing.normalised`).

    `traced` becomes True; other metadata is kept. A batch of strokes is returned unchanged. Runs on
    one core and mostly releases the GIL, so several threads can share the work.
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
        traced=[True] * len(batch),
        bitmaps=None,
    )


def load_kernels() -> None:
    """Load or compile the kernels, so that no later call has to."""
    with _KERNELS.loading() as kernels:
        _trace(np.full((1, 2, 2), 255, np.uint8), kernels)


def _trace(
    bitmaps: ByteArray, kernels: tuple[Callable[..., Any], ...] | None = None
) -> DrawingBatch:
    """(N, H, W) -> strokes in px of the bitmaps."""
    images = working_images(np.ascontiguousarray(bitmaps))
    factors = images.fits[:, 2]
    found = skeletons(images, max(*bitmaps.shape[1:], _MIN_SIDE_PX) * factors)
    to_graphs, to_polylines, to_corners, to_lines = kernels or _KERNELS.choose(len(found.pixels))
    graphs = Graphs(*to_graphs(found, images.first_rows, images.ink.shape[1], images.fits))
    points, stroke_starts, drawing_starts = to_polylines(graphs, found.radii)
    n_strokes = np.diff(drawing_starts)
    extents = DrawingBatch(points, stroke_starts, drawing_starts).extents
    epsilons_px = np.maximum(_TOLERANCE * extents, _TOLERANCE_PX).astype(np.float64)
    is_corner = to_corners(points, stroke_starts, np.repeat(epsilons_px, n_strokes))
    radii_px = np.repeat(found.radii / factors, n_strokes)
    points, stroke_starts = to_lines(points, is_corner, stroke_starts, radii_px)
    np.clip(points, 0, bitmaps.shape[:0:-1], out=points)
    return DrawingBatch(points, stroke_starts, drawing_starts)
