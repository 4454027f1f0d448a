"""Drawings that occur more than once, exactly or nearly."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable

import numpy as np
import numpy.typing as npt

from garabato.drawing import DrawingBatch, FloatArray, IntArray

#: Largest difference between coordinates of near-duplicates, both scaled to 255. Rounding at half
#: the size causes differences of up to 2.
TOLERANCE = 3.0


def equal_groups(values: Iterable[Hashable]) -> list[IntArray]:
    """Groups of indices (n,) int64 of equal values, for values that occur more than once."""
    indices: defaultdict[Hashable, list[int]] = defaultdict(list)
    for index, value in enumerate(values):
        indices[value].append(index)
    return [np.array(found, np.int64) for found in indices.values() if len(found) > 1]


def near_groups(batch: DrawingBatch) -> list[IntArray]:
    """Groups of drawings (rows, (n,) int64) with the same strokes after moving and scaling.

    They have the same numbers of strokes and points, and, aligned to the top left and scaled to
    255, no coordinate differs by more than TOLERANCE from the first drawing of the group.
    Drawings without extent (empty, dots) are in no group, and no drawing is in two.
    """
    scaled = batch.normalised()
    lengths = np.diff(scaled.stroke_starts)
    starts = scaled.stroke_starts[scaled.drawing_starts]
    rows = np.flatnonzero(scaled.extents > 0)
    signatures = (
        lengths[scaled.drawing_starts[row] : scaled.drawing_starts[row + 1]].tobytes()
        for row in rows
    )
    groups: list[IntArray] = []
    for alike in equal_groups(signatures):
        members = rows[alike]
        n_points = starts[members[0] + 1] - starts[members[0]]
        points = scaled.points[starts[members][:, None] + np.arange(n_points)]
        close = _balls(points.reshape(len(members), -1), TOLERANCE)
        groups += [members[indices] for indices in close]
    return groups


def _balls(vectors: FloatArray, radius: float) -> list[IntArray]:
    """Groups of rows of (n, d) within `radius` of a first row in every coordinate; disjoint."""
    widest = int(vectors.std(axis=0).argmax())
    order = np.argsort(vectors[:, widest], kind="stable")
    sorted_vectors = vectors[order]
    values = sorted_vectors[:, widest]
    ends = np.searchsorted(values, values + np.float32(radius), side="right")
    free: npt.NDArray[np.bool_] = np.ones(len(order), np.bool_)
    groups = []
    for first, end in enumerate(ends):
        if not free[first]:
            continue
        window = np.arange(first, end)[free[first:end]]
        close = (np.abs(sorted_vectors[window] - sorted_vectors[first]) <= radius).all(axis=1)
        free[window[close]] = False
        if close.sum() > 1:
            groups.append(np.sort(order[window[close]]))
    return groups
