"""All embeddings of a gallery in memory, to find the nearest neighbours of each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa

from garabato.drawing import FloatArray, IntArray
from garabato.gallery.exact.half_precision import split
from garabato.gallery.exact.memory_index import MemoryIndex
from garabato.gallery.rows import to_matrix

#: Drawings whose neighbours are searched at once.
AT_ONCE = 16_384
#: Neighbours that `pairs` asks for at first.
_FIRST = 8

#: `progress(n_done, n)`, in drawings.
CountProgress = Callable[[int, int], None]


@dataclass(frozen=True, eq=False)
class Embeddings:
    """Key_ids, categories and embeddings (N, D) float32 of length 1 of N drawings.

    Neighbours are the true nearest. Drawings are given by their row, 0 to N - 1.
    """

    key_ids: list[str]
    categories: list[str | None]
    embeddings: FloatArray

    @classmethod
    def read(
        cls,
        batches: Iterable[pa.RecordBatch],
        dim: int,
        n_expected: int,
        progress: CountProgress | None = None,
    ) -> Embeddings:
        """Read rows with key_id, category and embedding (`dim` numbers), about `n_expected`."""
        key_ids: list[str] = []
        categories: list[str | None] = []
        parts = [np.zeros((0, dim), np.float32)]
        for rows in batches:
            key_ids += rows["key_id"].to_pylist()
            categories += rows["category"].to_pylist()
            parts.append(to_matrix(rows["embedding"]))
            if progress is not None:
                progress(len(key_ids), max(n_expected, len(key_ids)))
        return cls(key_ids, categories, np.concatenate(parts))

    def __repr__(self) -> str:
        n, dim = self.embeddings.shape
        return f"Embeddings({n:,} drawings, {dim}-d)"

    def __len__(self) -> int:
        return len(self.key_ids)

    def take(self, rows: IntArray) -> Embeddings:
        """The drawings of these rows."""
        return Embeddings(
            [self.key_ids[row] for row in rows],
            [self.categories[row] for row in rows],
            self.embeddings[rows],
        )

    def nearest(self, k: int, progress: CountProgress | None = None) -> tuple[IntArray, FloatArray]:
        """The rows (N, k) of the k nearest neighbours of each drawing, best first, and their cosine
        similarities (N, k) float32. There are N - 1 columns if k is larger."""
        report_progress = progress or (lambda n_done, n: None)
        n = len(self)
        k = max(0, min(k, n - 1))
        neighbours = np.empty((n, k), np.int64)
        scores = np.empty((n, k), np.float32)
        for first in range(0, n, AT_ONCE):
            report_progress(first, n)
            part = slice(first, min(first + AT_ONCE, n))
            found, found_scores = self._index.nearest_many(self.embeddings[part], k + 1)
            # Each is among its own neighbours, first unless it has copies; of many copies, it may
            # not be.
            is_own = found == np.arange(part.start, part.stop)[:, None]
            others = np.argsort(is_own, axis=1, kind="stable")[:, :k]
            neighbours[part] = np.take_along_axis(found, others, axis=1)
            scores[part] = np.take_along_axis(found_scores, others, axis=1)
        report_progress(n, n)
        return neighbours, scores

    def pairs(
        self, least: float, progress: CountProgress | None = None
    ) -> Iterator[tuple[IntArray, IntArray, FloatArray]]:
        """Yield the pairs of rows with a cosine similarity of at least `least`, each once.

        As arrays (n,): the first rows, the second rows, their similarities.
        """
        report_progress = progress or (lambda n_done, n: None)
        for first in range(0, len(self), AT_ONCE):
            rows = np.arange(first, min(first + AT_ONCE, len(self)))
            k = _FIRST
            while len(rows):
                found, scores = self._index.nearest_many(self.embeddings[rows], k, least=least)
                has_more = (found[:, -1] >= 0) & (k < len(self))
                one, column = np.nonzero((found > rows[:, None]) & ~has_more[:, None])
                yield rows[one], found[one, column], scores[one, column]
                rows, k = rows[has_more], 4 * k
            report_progress(min(first + AT_ONCE, len(self)), len(self))

    @cached_property
    def _index(self) -> MemoryIndex:
        return MemoryIndex(*split(self.embeddings))
