"""Clusters and blocks of rows, which show which rows can be near a query without reading them.

Each embedding belongs to the cluster with the nearest centre, and its angle to the centre is known.
If the angle between a query and that centre differs from it by d, the query is at least d away from
the row (the triangle inequality on the sphere). Rows are sorted by cluster and angle, in blocks, so
the smallest and largest angle of a block tell whether it can hold a near row. With trained
embeddings, at most one block in a hundred can.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from garabato.drawing import FloatArray, IntArray
from garabato.gallery.exact.half_precision import join

#: The largest number of rows in a block.
BLOCK = 32
#: The largest number of clusters, and the number of rows that each is learned from.
_MAX_CLUSTERS, _ROWS_PER_CLUSTER = 1_024, 40
#: Iterations of k-means.
_N_ITERATIONS = 6
#: Rows processed at a time.
_CHUNK = 8_192


@dataclass(frozen=True, eq=False)
class Clusters:
    """Clusters of embeddings, given by their centres (C, D) float32 of length 1."""

    centres: FloatArray

    @classmethod
    def of(cls, stored: npt.NDArray[np.float16]) -> Clusters:
        """About sqrt(N) clusters, learned from embeddings (N, D) by k-means on the sphere."""
        n, dim = stored.shape
        n_clusters = min(_MAX_CLUSTERS, max(1, round(n**0.5)))
        if n == 0:
            return cls(np.eye(1, dim, dtype=np.float32))
        rng = np.random.default_rng(0)
        sample = rng.choice(n, min(n, _ROWS_PER_CLUSTER * n_clusters), replace=False)
        rows = unit_rows(stored[np.sort(sample)])
        centres = rows[rng.choice(len(rows), n_clusters, replace=False)]
        for _ in range(_N_ITERATIONS):
            nearest = np.argmax(rows @ centres.T, axis=1)
            order = np.argsort(nearest, kind="stable")
            taken, first = np.unique(nearest[order], return_index=True)
            centres[taken] = unit_rows(np.add.reduceat(rows[order], first))
        return cls(centres)

    def assign(
        self, stored: npt.NDArray[np.float16], rest: npt.NDArray[np.int8]
    ) -> tuple[IntArray, FloatArray]:
        """The clusters (N,) int64 of embeddings split by `half_precision.split`, and their angles
        (N,) to the centres."""
        clusters = np.empty(len(stored), np.int64)
        cosines = np.empty(len(stored), np.float32)
        for first in range(0, len(stored), _CHUNK):
            part = slice(first, first + _CHUNK)
            clusters[part], cosines[part] = self.nearest(unit_rows(join(stored[part], rest[part])))
        return clusters, angles(cosines)

    def nearest(self, rows: FloatArray) -> tuple[IntArray, FloatArray]:
        """The nearest clusters (n,) to rows (n, D) of length 1, and the cosines (n,) of the rows
        with their centres."""
        clusters = np.empty(len(rows), np.int64)
        cosines = np.empty(len(rows), np.float32)
        for first in range(0, len(rows), _CHUNK):
            part = slice(first, first + _CHUNK)
            near = rows[part] @ self.centres.T
            clusters[part], cosines[part] = near.argmax(axis=1), near.max(axis=1)
        return clusters, cosines


@dataclass(frozen=True, eq=False)
class Blocks:
    """Blocks of sorted rows.

    The rows at positions `starts[i]` to `starts[i + 1]` belong to cluster `clusters[i]`, and their
    angles to its centre are between `low[i]` and `high[i]`, float32.
    """

    starts: IntArray
    clusters: IntArray
    low: FloatArray
    high: FloatArray

    def __len__(self) -> int:
        return len(self.clusters)

    @cached_property
    def runs(self) -> IntArray:
        """(R + 1,): blocks `runs[i]` to `runs[i + 1]` belong to one cluster, sorted by angle."""
        is_first = np.ones(len(self), bool)
        is_first[1:] = (
            (self.clusters[1:] != self.clusters[:-1])
            | (self.low[1:] < self.low[:-1])
            | (self.high[1:] < self.high[:-1])
        )
        return np.append(np.flatnonzero(is_first), len(self))

    @classmethod
    def of(cls, clusters: IntArray, angles: FloatArray) -> Blocks:
        """The blocks of rows (N,) that are sorted by cluster and angle."""
        n = len(clusters)
        is_first = np.ones(n, bool)
        is_first[1:] = clusters[1:] != clusters[:-1]
        firsts = np.flatnonzero(is_first)
        within = np.arange(n) - np.repeat(firsts, np.diff(np.append(firsts, n)))
        starts = np.flatnonzero(within % BLOCK == 0)
        ends = np.append(starts[1:], n) if n else starts
        return cls(
            np.append(starts, n), clusters[starts], angles[starts], angles[np.maximum(ends - 1, 0)]
        )

    def joined(self, other: Blocks) -> Blocks:
        """These blocks, followed by `other`, whose positions come after them."""
        return Blocks(
            np.concatenate([self.starts, other.starts[1:] + self.starts[-1]]),
            np.concatenate([self.clusters, other.clusters]),
            np.concatenate([self.low, other.low]),
            np.concatenate([self.high, other.high]),
        )

    def subset(self, positions: npt.NDArray[np.integer]) -> Blocks:
        """The blocks that hold any of `positions` (n,), which are sorted. The new `starts` are
        indices into `positions`."""
        if len(positions) > len(self):
            starts = np.searchsorted(positions, self.starts)
            held = np.flatnonzero(np.diff(starts))
            starts = starts[held]
        else:
            holding = np.searchsorted(self.starts, positions, "right") - 1
            starts = np.flatnonzero(np.diff(holding, prepend=-1))
            held = holding[starts]
        starts = np.append(starts, len(positions))
        return Blocks(starts, self.clusters[held], self.low[held], self.high[held])


def angles(cosines: FloatArray) -> FloatArray:
    """The angles of cosines, which may exceed 1 by a rounding error."""
    clipped: FloatArray = np.arccos(np.clip(cosines, -1, 1))
    return clipped


def unit_rows(rows: npt.NDArray[np.floating | np.integer]) -> FloatArray:
    """Rows (n, D) as float32, scaled to length 1."""
    unit = rows.astype(np.float32)
    unit /= np.maximum(np.linalg.norm(unit, axis=1, keepdims=True), 1e-12)
    return unit
