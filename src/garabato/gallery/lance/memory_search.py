"""The exact nearest of many embeddings held in memory, found by looking at few of them.

Rows lie in blocks of such as are alike (see `clusters`), and most blocks cannot hold any of the k
nearest. In the others, embeddings are turned onto their principal axes, so that their first
dimensions (the head) hold most of what tells them apart, and rounded to int8. How much the rest of
a row can add to a score by its head is known (Cauchy-Schwarz: the length of its tail times that of
the query's), and so is how far rounding can be off. What is still in question is scored as stored
(float16). The answer is that of an exact scan; a test holds it against one.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from garabato.drawing import FloatArray, IntArray
from garabato.gallery.lance.clusters import BLOCK, Blocks, Cells, angles
from garabato.host.machine import memory_bytes, n_cores

#: Rows a core looks at in some twenty milliseconds where no block can be left out, bytes a row
#: takes with what is held beside it (see `memory_table`), and the share of the machine's
#: memory a gallery may take.
ROWS_PER_CORE, BYTES_PER_ROW, MEMORY_SHARE = 4_000_000, 600, 0.25
#: Rows a thread should have at least: below, starting threads costs more than it saves.
ROWS_PER_THREAD = 250_000
#: The share of the embeddings' energy that heads hold, and what their length is a multiple of.
HEAD_SHARE, HEAD_STEP = 0.6, 32
#: Rows from which the axes are learned, at most.
_SAMPLE = 65_536
_CODE_MAX = 127
# Codes reach 127 and queries 4,000: a sum of 4,096 such products stays below 2^31.
_QUERY_MAX = 4_000
#: Blocks looked at first, at least.
_FIRST = 64
#: What float32 rounds, at most.
_SLACK = 1e-5
#: Rows converted at a time.
_CHUNK = 8_192
#: Stands for the places of all rows.
_EVERY = np.zeros(0, np.int32)


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


def scannable_rows() -> int:
    """How many rows this machine can hold and look at in a time that nobody waits for."""
    return min(ROWS_PER_CORE * _n_threads(), int(MEMORY_SHARE * memory_bytes() / BYTES_PER_ROW))


class ResidentVectors:
    """Embeddings (N, D), D at most 4,096, stored as float16, arranged to be searched.

    All arrays are in the order of places: `rows` (N,) int32 says which row lies at each.

    Scores are cosine similarities: rows are compared by direction, whatever rounding did to their
    length. Immutable; `keep` and `joined` make new ones.
    """

    _room: _Room | None = None

    def __init__(
        self,
        stored: npt.NDArray[np.float16],
        axes: Axes | None = None,
        cells: Cells | None = None,
    ) -> None:
        self.axes = Axes.of(stored) if axes is None else axes
        self.cells = Cells.of(stored) if cells is None else cells
        n, n_head = len(stored), self.axes.n_head
        of_rows, to_centres = self.cells.place(stored)
        order = np.lexsort((to_centres, of_rows))
        self.blocks = Blocks.of(of_rows[order], to_centres[order])
        self.rows = order.astype(np.int32)
        self.stored = stored[order]
        self.inverse_lengths = np.empty(n, np.float32)
        self.heads = np.empty((n, n_head), np.int8)
        self.tails = np.empty((n, stored.shape[1] - n_head), np.int8)
        self.head_scales = np.empty(n, np.float32)
        self.tail_scales = np.empty(n, np.float32)
        self.tail_lengths = np.empty(n, np.float32)
        self.rounding = np.empty(n, np.float32)
        self.head_rounding = 0.0
        for first in range(0, n, _CHUNK):
            part = slice(first, first + _CHUNK)
            exact = self.stored[part].astype(np.float32)
            self.inverse_lengths[part] = 1 / np.maximum(np.linalg.norm(exact, axis=1), 1e-12)
            turned = (exact @ self.axes.matrix) * self.inverse_lengths[part][:, None]
            head, tail = turned[:, :n_head], turned[:, n_head:]
            self.tail_lengths[part] = np.linalg.norm(tail, axis=1)
            of_heads = _round(head, self.heads[part], self.head_scales[part])
            of_tails = _round(tail, self.tails[part], self.tail_scales[part])
            self.rounding[part] = np.hypot(of_heads, of_tails)
            self.head_rounding = max(self.head_rounding, float(of_heads.max()))

    def __len__(self) -> int:
        return len(self.stored)

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return sum(getattr(self, name).nbytes for name in _ARRAYS)

    def keep(self, rows: npt.NDArray[np.bool_]) -> ResidentVectors:
        """Those where `rows` (N,) is true."""
        places = np.flatnonzero(rows[self.rows])
        made = self._made_of({name: getattr(self, name)[places] for name in _ARRAYS})
        made.rows = (np.cumsum(rows) - 1)[made.rows].astype(np.int32)
        made.blocks = self.blocks.some(places)
        return made

    def joined(self, stored: npt.NDArray[np.float16]) -> ResidentVectors:
        """These, then others (n, D); all is arranged anew once there are twice as many."""
        n = len(self) + len(stored)
        if n > 2 * self.axes.n_learned_from:
            return ResidentVectors(np.concatenate([self.as_given(), stored]))
        other = ResidentVectors(stored, self.axes, self.cells)
        other.rows += np.int32(len(self))
        room = self._room
        if room is None or not room.fits(len(self), n):
            room = _Room(self, n + n // 2)
        made = self._made_of(room.put(other, n), room)
        made.head_rounding = max(self.head_rounding, other.head_rounding)
        made.blocks = self.blocks.joined(other.blocks)
        return made

    def as_given(self) -> npt.NDArray[np.float16]:
        """The embeddings (N, D) in the order of their rows."""
        given = np.empty_like(self.stored)
        given[self.rows] = self.stored
        return given

    def some(self, places: npt.NDArray[np.integer]) -> Some:
        """The rows at these places, which are sorted, to search among them alone."""
        return Some(places, self.blocks.some(places))

    def nearest(
        self, query: FloatArray, k: int, some: Some | None = None
    ) -> tuple[IntArray, FloatArray]:
        """The k nearest rows (among `some` only, where given) and their cosine similarities.

        `query` (D,) float32 of length 1. Best first; equal ones in the order of their rows.
        """
        places, blocks = (_EVERY, self.blocks) if some is None else (some.places, some.blocks)
        if len(blocks) == 0:
            return np.zeros(0, np.int64), np.zeros(0, np.float32)
        found = self._candidates(_Asked(self, query), k, places, blocks)
        exact = (self.stored[found].astype(np.float32) @ query) * self.inverse_lengths[found]
        rows = self.rows[found]
        best = np.lexsort((rows, -exact))[:k]
        return rows[best].astype(np.int64), exact[best]

    def _candidates(
        self, asked: _Asked, k: int, places: npt.NDArray[np.integer], blocks: Blocks
    ) -> npt.NDArray[np.integer]:
        """The places of all rows that could be among the k nearest, and few others."""
        n = int(blocks.starts[-1])
        if k >= n:
            return places if len(places) else np.arange(n)
        # Where the best are likely, scored by all dimensions: so good the k-th is at least.
        first = blocks.likely(asked.to_centres, max(_FIRST, 2 * k))
        found, better = self._score_blocks(asked, first, places, blocks, -np.inf)
        least = _kth_best(better - asked.off(self.rounding[found]), k)
        promising = blocks.promising(asked.to_centres, least - _SLACK)
        found, better = self._score_blocks(asked, promising, places, blocks, least - asked.head_off)
        off = asked.off(self.rounding[found])
        candidates: IntArray = found[better + off >= _kth_best(better - off, k)]
        return candidates

    def _score_blocks(
        self,
        asked: _Asked,
        chosen: IntArray,
        places: npt.NDArray[np.integer],
        blocks: Blocks,
        least: float,
    ) -> tuple[IntArray, FloatArray]:
        """Rows in the `chosen` of `blocks` that can reach `least`, and their scores by int8."""
        from garabato.gallery.lance._dot_products import score_blocks

        parts: dict[int, tuple[IntArray, FloatArray]] = {}

        def score(first: int, last: int) -> None:
            found = np.empty((last - first) * BLOCK, np.int64)
            scores = np.empty((last - first) * BLOCK, np.float32)
            n_found = score_blocks(
                *(chosen[first:last], blocks.starts, places),
                *(self.heads, self.tails, self.head_scales, self.tail_scales, self.tail_lengths),
                *(asked.steps, asked.unit, asked.weight, np.float32(least), found, scores),
            )
            parts[first] = found[:n_found], scores[:n_found]

        _in_threads(score, len(chosen), ROWS_PER_THREAD // BLOCK)
        found, scores = zip(*(parts[first] for first in sorted(parts)), strict=True)
        return np.concatenate(found), np.concatenate(scores)

    def _made_of(self, arrays: dict[str, Any], room: _Room | None = None) -> ResidentVectors:
        made = object.__new__(ResidentVectors)
        made.__dict__.update(self.__dict__ | arrays)
        made._room = room
        return made


@dataclass(frozen=True, eq=False)
class Some:
    """Some of the rows: their places, sorted, and the blocks that hold them."""

    places: npt.NDArray[np.integer]
    blocks: Blocks


class _Room:
    """Arrays with space at their ends, so that adding a few rows doesn't copy a million."""

    def __init__(self, vectors: ResidentVectors, n: int) -> None:
        self._n_taken = len(vectors)
        self._arrays: dict[str, Any] = {}
        for name in _ARRAYS:
            array = getattr(vectors, name)
            self._arrays[name] = np.empty((n, *array.shape[1:]), array.dtype)
            self._arrays[name][: len(array)] = array

    def fits(self, n_before: int, n: int) -> bool:
        """Whether the rows behind the first `n_before` are nobody's yet, and there are enough."""
        return self._n_taken == n_before and n <= len(self._arrays["stored"])

    def put(self, vectors: ResidentVectors, n: int) -> dict[str, Any]:
        """All arrays, `n` rows long, ending with these."""
        for name in _ARRAYS:
            self._arrays[name][self._n_taken : n] = getattr(vectors, name)
        self._n_taken = n
        return {name: array[:n] for name, array in self._arrays.items()}


class _Asked:
    """A query (D,) turned and rounded, and how far off the scores by it can be."""

    def __init__(self, vectors: ResidentVectors, query: FloatArray) -> None:
        turned = query @ vectors.axes.matrix
        n_head = vectors.axes.n_head
        self.unit = np.float32(float(np.abs(turned).max()) / _QUERY_MAX)
        self.steps = np.rint(turned / self.unit).astype(np.int16)
        self.weight = np.float32(np.linalg.norm(turned[n_head:]))
        self._rounding = float(np.linalg.norm(turned - self.steps * self.unit))
        #: Its angles to the cells' centres (C,).
        self.to_centres = angles(vectors.cells.centres @ query)
        #: Bounds by heads are too low by at most this.
        self.head_off = float(self.off(np.float32(vectors.head_rounding)))

    def off(self, of_rows: Any) -> Any:
        """How far scores can be off where the rows themselves (of length 1) are off by `of_rows`.

        By Cauchy-Schwarz; the last term is float32's own rounding.
        """
        return of_rows + self._rounding * (1 + of_rows) + _SLACK


_ARRAYS = (
    *("rows", "stored", "inverse_lengths", "heads", "tails"),
    *("head_scales", "tail_scales", "tail_lengths", "rounding"),
)


def _round(exact: FloatArray, codes: npt.NDArray[np.int8], scales: FloatArray) -> FloatArray:
    """Round rows to int8 codes times a scale, in place; the length of what that took away."""
    scales[:] = np.abs(exact).max(axis=1, initial=0) / _CODE_MAX
    codes[:] = np.rint(exact / np.maximum(scales, 1e-12)[:, None])
    lengths: FloatArray = np.linalg.norm(exact - codes * scales[:, None], axis=1)
    return lengths


def _kth_best(scores: FloatArray, k: int) -> float:
    return float(np.partition(scores, len(scores) - k)[len(scores) - k])


def _in_threads(work: Callable[[int, int], None], n: int, least: int) -> None:
    """Call work(first, last) for parts of range(n), in threads where each has `least` to do."""
    n_parts = min(_n_threads(), max(1, n // max(1, least)))
    if n_parts == 1:
        work(0, n)
    else:
        ends = np.linspace(0, n, n_parts + 1).astype(int).tolist()
        list(_threads().map(work, ends[:-1], ends[1:]))


def _n_threads() -> int:
    return min(32, n_cores())


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(_n_threads(), thread_name_prefix="garabato-scan")
