"""Exact search in memory that looks at few of the embeddings.

Rows lie in blocks of similar ones (see `clusters`), and most blocks cannot hold any of the k
nearest (see `_nearest`). In the others, embeddings are rotated onto their principal axes, so that
the first dimensions (the head) hold most of the variance, and heads are quantized to int8. How much
the rest of a row (the tail) can add to the score of its head is bounded by Cauchy-Schwarz: the
length of the tail times that of the query's. A row that can still be among the k nearest is scored
as float16, within a known error. The few candidates that remain are scored with full precision, so
the result is that of ranking everything; tests compare it with float64 brute force.

`benchmarks/gallery_search.py` and `benchmarks/search_many.py` run faiss side by side.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from garabato.drawing import BoolArray, FloatArray, IntArray
from garabato.gallery.exact.clusters import Blocks, Clusters, angles, unit_rows
from garabato.gallery.exact.half_precision import join
from garabato.host.machine import n_cores

if TYPE_CHECKING:  # numba is imported by the first search
    from garabato.gallery.exact._nearest import Queries, Rows, Runs

#: Rows of one query that a thread should have at least: fewer take less time than threads.
ROWS_PER_THREAD = 250_000
MAX_THREADS = 32
#: Clusters that a query goes through first, nearest first.
N_NEAR = 16
#: Queries of `nearest_many` that a thread takes at a time, and hits that these may have together.
QUERIES_AT_ONCE, _CANDIDATES_AT_ONCE = 256, 2**15
#: The share of the embeddings' energy that heads hold, and what their length is a multiple of.
HEAD_SHARE, HEAD_STEP = 0.6, 32
#: Rows from which the axes are learned, at most.
_SAMPLE = 65_536
_CODE_MAX = 127
#: Rows converted at a time.
_CHUNK = 8_192
#: Stands for all positions.
_ALL = np.zeros(0, np.int32)
#: The arrays of an index that have an entry for each position.
_ARRAYS = ("rows", "stored", "rest", "heads", "head_scales", "tail_lengths", "lengths")


@dataclass(frozen=True, eq=False)
class Axes:
    """The principal axes (D, D) of embeddings, strongest first; `n_head` of them make a head."""

    matrix: FloatArray
    n_head: int
    n_learned_from: int

    @classmethod
    def of(cls, stored: npt.NDArray[np.float16]) -> Axes:
        """Learned from embeddings (N, D)."""
        n, dim = stored.shape
        if n == 0:
            return cls(np.eye(dim, dtype=np.float32), dim, 0)
        sample = stored[:: max(1, -(-n // _SAMPLE))].astype(np.float64)
        energies, matrix = np.linalg.eigh(sample.T @ sample)
        share = np.cumsum(energies[::-1]) / max(energies.sum(), 1e-12)
        needed = 1 + int(np.searchsorted(share, HEAD_SHARE))
        n_head = min(dim, -(-needed // HEAD_STEP) * HEAD_STEP)
        return cls(np.ascontiguousarray(matrix[:, ::-1], np.float32), n_head, n)


class MemoryIndex:
    """Embeddings (N, D), arranged for search.

    They are given as `half_precision.split` makes them: float16, and the rest as int8. All arrays
    are sorted by cluster and angle; `rows` (N,) int32 is the row at each position. Scores are
    cosine similarities. Immutable; `keep` and `joined` return new ones.
    """

    _arrays: GrowableArrays | None = None

    def __init__(
        self,
        stored: npt.NDArray[np.float16],
        rest: npt.NDArray[np.int8] | None = None,
        *,
        axes: Axes | None = None,
        clusters: Clusters | None = None,
    ) -> None:
        rest = np.zeros(stored.shape, np.int8) if rest is None else rest
        self.axes = Axes.of(stored) if axes is None else axes
        self.clusters = Clusters.of(stored) if clusters is None else clusters
        n, n_head = len(stored), self.axes.n_head
        cluster_of, to_centres = self.clusters.assign(stored, rest)
        order = np.lexsort((to_centres, cluster_of))
        self.blocks = Blocks.of(cluster_of[order], to_centres[order])
        self.rows = order.astype(np.int32)
        self.stored, self.rest = stored[order], rest[order]
        self.heads = np.empty((n, n_head), np.int8)
        self.head_scales = np.empty(n, np.float32)
        self.tail_lengths = np.empty(n, np.float32)
        self.lengths = np.empty(n, np.float32)
        self.head_rounding = 0.0
        for first in range(0, n, _CHUNK):
            part = slice(first, first + _CHUNK)
            rotated = unit_rows(join(self.stored[part], self.rest[part])) @ self.axes.matrix
            self.tail_lengths[part] = np.linalg.norm(rotated[:, n_head:], axis=1)
            errors = _quantize(rotated[:, :n_head], self.heads[part], self.head_scales[part])
            self.head_rounding = max(self.head_rounding, float(errors.max()))
            lengths = np.linalg.norm(self.stored[part].astype(np.float32), axis=1)
            self.lengths[part] = np.maximum(lengths, 1e-12)

    def __len__(self) -> int:
        return len(self.stored)

    @property
    def nbytes(self) -> int:
        return sum(getattr(self, name).nbytes for name in _ARRAYS)

    def keep(self, rows: BoolArray) -> MemoryIndex:
        """The rows where `rows` (N,) is true."""
        positions = np.flatnonzero(rows[self.rows])
        made = self._with({name: getattr(self, name)[positions] for name in _ARRAYS})
        made.rows = (np.cumsum(rows) - 1)[made.rows].astype(np.int32)
        made.blocks = self.blocks.subset(positions)
        return made

    def joined(
        self, stored: npt.NDArray[np.float16], rest: npt.NDArray[np.int8] | None = None
    ) -> MemoryIndex:
        """These rows, then others (n, D). Once there are twice as many, all are arranged again."""
        rest = np.zeros(stored.shape, np.int8) if rest is None else rest
        n = len(self) + len(stored)
        if n > 2 * self.axes.n_learned_from:
            old_stored, old_rest = self.as_given()
            return MemoryIndex(
                np.concatenate([old_stored, stored]), np.concatenate([old_rest, rest])
            )
        other = MemoryIndex(stored, rest, axes=self.axes, clusters=self.clusters)
        other.rows += np.int32(len(self))
        arrays = self._arrays
        if arrays is None or not arrays.fits(len(self), n):
            arrays = GrowableArrays(self, n + n // 2)
        made = self._with(arrays.put(other, n), arrays)
        made.head_rounding = max(self.head_rounding, other.head_rounding)
        made.blocks = self.blocks.joined(other.blocks)
        return made

    def as_given(self) -> tuple[npt.NDArray[np.float16], npt.NDArray[np.int8]]:
        """The embeddings (N, D) in the order of their rows, as they were given."""
        stored, rest = np.empty_like(self.stored), np.empty_like(self.rest)
        stored[self.rows], rest[self.rows] = self.stored, self.rest
        return stored, rest

    def subset(self, positions: npt.NDArray[np.integer]) -> RowSubset:
        """The rows at these sorted positions, to search among them only."""
        return RowSubset(positions.astype(np.int32), self.blocks.subset(positions))

    def nearest(
        self, query: FloatArray, k: int, subset: RowSubset | None = None
    ) -> tuple[IntArray, FloatArray]:
        """The k nearest rows (of `subset` only, if given) and their cosine similarities.

        `query` (D,) float32 of length 1. Best first; equal scores in the order of their rows.
        """
        k = min(k, len(self) if subset is None else len(subset))
        if k == 0:
            return np.zeros(0, np.int64), np.zeros(0, np.float32)
        found = self._candidates(self._prepared(query[None]), k, self._runs(subset))
        rows, scores = self._score(found, np.array([len(found)]), query[None], k, -np.inf)
        return rows[0], scores[0]

    def nearest_many(
        self,
        queries: FloatArray,
        k: int,
        subset: RowSubset | None = None,
        *,
        least: float | None = None,
    ) -> tuple[IntArray, FloatArray]:
        """`nearest` for each of `queries` (Q, D): rows and scores (Q, k), or fewer columns if there
        are fewer rows. Threads share the queries.

        With `least`, only rows that score at least that much are found, much faster if it is high.
        The places of the others hold row -1.
        """
        k = min(k, len(self) if subset is None else len(subset))
        found_rows = np.empty((len(queries), k), np.int64)
        found_scores = np.empty((len(queries), k), np.float32)
        if k == 0 or len(queries) == 0:
            return found_rows, found_scores
        # Queries of one cluster one after the other: its rows stay in the processor's cache.
        order = np.argsort(self.clusters.nearest(queries)[0], kind="stable")
        rows, runs = self._rows(), self._runs(subset)
        n_together = max(1, min(QUERIES_AT_ONCE, _CANDIDATES_AT_ONCE // k))

        def search(first: int, last: int) -> None:
            from garabato.gallery.exact._nearest import NO_SCORE, search_each

            start_at = NO_SCORE if least is None else least
            for start in range(first, last, n_together):
                chosen = order[start : min(start + n_together, last)]
                part = queries[chosen]
                found, counts = search_each(rows, runs, self._prepared(part), k, start_at, N_NEAR)
                scored = self._score(found, counts, part, k, start_at)
                found_rows[chosen], found_scores[chosen] = scored

        _in_threads(search, len(queries))
        return found_rows, found_scores

    def _candidates(self, query: Queries, k: int, runs: Runs) -> npt.NDArray[np.integer]:
        """The positions of all rows that could be among the k nearest, and of few others."""
        from garabato.gallery.exact._nearest import (
            NO_SCORE,
            count_promising,
            look_first,
            search_each,
            search_runs,
            split_runs,
        )

        rows = self._rows()
        if n_cores() == 1 or runs.block_starts[-1] < 2 * ROWS_PER_THREAD:
            found: IntArray = search_each(rows, runs, query, k, NO_SCORE, N_NEAR)[0]
            return found
        near, far = split_runs(runs, query.to_centres[0], N_NEAR)
        best = look_first(rows, runs, near, query, 0, k, NO_SCORE)
        parts = [search_runs(rows, runs, near, query, 0, best)]
        n_promising = count_promising(runs, far, query, 0, best[0])
        n_parts = max(1, min(MAX_THREADS, n_cores(), n_promising // ROWS_PER_THREAD))
        if n_parts == 1:
            parts.append(search_runs(rows, runs, far, query, 0, best))
            least = best[0]
        else:
            bests = [best.copy() for _ in range(n_parts)]
            shares = [far[n::n_parts] for n in range(n_parts)]
            parts += _threads().map(
                lambda chosen, held: search_runs(rows, runs, chosen, query, 0, held), shares, bests
            )
            least = max(held[0] for held in bests)
        return np.concatenate([near[upper >= least] for near, upper in parts])

    def _score(
        self,
        found: npt.NDArray[np.integer],
        counts: IntArray,
        queries: FloatArray,
        k: int,
        least: float,
    ) -> tuple[IntArray, FloatArray]:
        """Rows and scores (Q, k) of the best of the positions `found`, of which query i has the
        next counts[i]. Those that score less than `least` are left out."""
        exact = join(self.stored[found], self.rest[found]).astype(np.float64)
        of_query = np.repeat(np.arange(len(queries)), counts)
        scores = np.einsum("nd,nd->n", exact, queries[of_query].astype(np.float64))
        scores /= np.maximum(np.sqrt(np.einsum("nd,nd->n", exact, exact)), 1e-12)
        rows = self.rows[found]
        order = np.lexsort((rows, -scores, of_query))
        rank = np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts)
        kept = (rank < k) & (scores[order] >= least)
        order, rank = order[kept], rank[kept]
        best_rows = np.full((len(queries), k), -1, np.int64)
        best_scores = np.full((len(queries), k), least, np.float32)
        best_rows[of_query[order], rank] = rows[order]
        best_scores[of_query[order], rank] = scores[order]
        return best_rows, best_scores

    def _prepared(self, queries: FloatArray) -> Queries:
        """Queries (Q, D) as the kernels take them."""
        from garabato.gallery.exact._nearest import Queries

        rotated = queries @ self.axes.matrix
        return Queries(
            exact=np.ascontiguousarray(queries, np.float32),
            heads=np.ascontiguousarray(rotated[:, : self.axes.n_head], np.float32),
            tail_lengths=np.linalg.norm(rotated[:, self.axes.n_head :], axis=1).astype(np.float32),
            to_centres=angles(queries @ self.clusters.centres.T),
        )

    def _rows(self) -> Rows:
        from garabato.gallery.exact._nearest import FLOAT_PRECISION, SLACK, Rows

        return Rows(
            heads=self.heads,
            halves=self.stored.view(np.uint16),
            head_scales=self.head_scales,
            tail_lengths=self.tail_lengths,
            lengths=self.lengths,
            head_error=np.float32(self.head_rounding + SLACK + self.axes.n_head * FLOAT_PRECISION),
        )

    def _runs(self, subset: RowSubset | None) -> Runs:
        """What to search: all rows, or some."""
        from garabato.gallery.exact._nearest import Runs

        positions, blocks = (
            (_ALL, self.blocks) if subset is None else (subset.positions, subset.blocks)
        )
        runs = blocks.runs
        return Runs(
            runs, blocks.clusters[runs[:-1]], blocks.starts, blocks.low, blocks.high, positions
        )

    def _with(self, arrays: dict[str, Any], growable: GrowableArrays | None = None) -> MemoryIndex:
        made = object.__new__(MemoryIndex)
        made.__dict__.update(self.__dict__ | arrays)
        made._arrays = growable
        return made


@dataclass(frozen=True, eq=False)
class RowSubset:
    """Some of the rows: their sorted positions and the blocks that hold them."""

    positions: npt.NDArray[np.int32]
    blocks: Blocks

    def __len__(self) -> int:
        return len(self.positions)


class GrowableArrays:
    """Arrays with space at their ends, so that adding a few rows doesn't copy a million."""

    def __init__(self, index: MemoryIndex, n: int) -> None:
        self._n_taken = len(index)
        self._arrays: dict[str, Any] = {}
        for name in _ARRAYS:
            array = getattr(index, name)
            self._arrays[name] = np.empty((n, *array.shape[1:]), array.dtype)
            self._arrays[name][: len(array)] = array

    def fits(self, n_before: int, n: int) -> bool:
        """Whether the space behind the first `n_before` rows is free and enough for `n` in all."""
        return self._n_taken == n_before and n <= len(self._arrays["stored"])

    def put(self, index: MemoryIndex, n: int) -> dict[str, Any]:
        """All arrays, `n` rows long, ending with these."""
        for name in _ARRAYS:
            self._arrays[name][self._n_taken : n] = getattr(index, name)
        self._n_taken = n
        return {name: array[:n] for name, array in self._arrays.items()}


def _quantize(exact: FloatArray, codes: npt.NDArray[np.int8], scales: FloatArray) -> FloatArray:
    """Quantize rows to int8 codes times a scale, in place. Returns the length of the error."""
    scales[:] = np.abs(exact).max(axis=1, initial=0) / _CODE_MAX
    codes[:] = np.rint(exact / np.maximum(scales, 1e-12)[:, None])
    lengths: FloatArray = np.linalg.norm(exact - codes * scales[:, None], axis=1)
    return lengths


def _in_threads(work: Callable[[int, int], None], n: int) -> None:
    """Call work(first, last) for parts of range(n), one a thread."""
    n_parts = min(MAX_THREADS, n_cores(), n)
    if n_parts == 1:
        work(0, n)
    else:
        ends = np.linspace(0, n, n_parts + 1).astype(int).tolist()
        list(_threads().map(work, ends[:-1], ends[1:]))


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(min(MAX_THREADS, n_cores()), thread_name_prefix="garabato-search")
