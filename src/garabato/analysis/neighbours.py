"""Nearest neighbours of all drawings of a gallery.

Reads all embeddings into memory, as float32 and in the index of Lance galleries, whichever backend
stores the gallery.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from garabato.drawing import FloatArray, IntArray
from garabato.gallery.base import Gallery
from garabato.gallery.filters import Where
from garabato.gallery.lance.memory_search import MemoryIndex
from garabato.gallery.lance.table import split
from garabato.gallery.rows import embeddings_of

#: Drawings whose neighbours are searched at once.
AT_ONCE = 16_384
#: Neighbours that `pairs` asks for at first.
_FIRST = 8

#: `progress(n_done, n)`, in drawings.
Progress = Callable[[int, int], None]


@dataclass(frozen=True, eq=False)
class Embeddings:
    """Key_ids, categories and embeddings (N, D) of N drawings."""

    key_ids: list[str]
    categories: list[str | None]
    embeddings: FloatArray

    @classmethod
    def of(cls, gallery: Gallery, where: Where | None) -> Embeddings:
        """All drawings of a gallery that match `where`."""
        key_ids: list[str] = []
        categories: list[str | None] = []
        parts = [np.zeros((0, gallery.info().encoder.embedding_dim), np.float32)]
        for rows in gallery.columns("key_id", "category", "embedding", where=where):
            key_ids += rows["key_id"].to_pylist()
            categories += rows["category"].to_pylist()
            parts.append(embeddings_of(rows))
        return cls(key_ids, categories, np.concatenate(parts))

    def __len__(self) -> int:
        return len(self.key_ids)

    def nearest(self, k: int, progress: Progress | None) -> Iterator[tuple[int, IntArray]]:
        """Yield each row with the rows of its k nearest neighbours, best first: (row, (k,))."""
        k = min(k, len(self) - 1)
        for first in range(0, len(self), AT_ONCE):
            part = self.embeddings[first : first + AT_ONCE]
            found, _ = self._index.nearest_many(part, k + 1)
            for row, neighbours in enumerate(found, start=first):
                yield row, neighbours[neighbours != row][:k]
            if progress is not None:
                progress(first + len(part), len(self))

    def pairs(
        self, least: float, progress: Progress | None
    ) -> Iterator[tuple[IntArray, IntArray, FloatArray]]:
        """Yield the pairs of rows with a cosine similarity of at least `least`, each once.

        As arrays (n,): the first rows, the second rows, their similarities.
        """
        for first in range(0, len(self), AT_ONCE):
            rows = np.arange(first, min(first + AT_ONCE, len(self)))
            k = _FIRST
            while len(rows):
                found, scores = self._index.nearest_many(self.embeddings[rows], k, least=least)
                has_more = (found[:, -1] >= 0) & (k < len(self))
                one, column = np.nonzero((found > rows[:, None]) & ~has_more[:, None])
                yield rows[one], found[one, column], scores[one, column]
                rows, k = rows[has_more], 4 * k
            if progress is not None:
                progress(min(first + AT_ONCE, len(self)), len(self))

    @cached_property
    def _index(self) -> MemoryIndex:
        return MemoryIndex(*split(self.embeddings))
