"""A table's drawings, sorted by category: it is parsed once, not once for each category."""

from __future__ import annotations

import pickle
import tempfile
import weakref
from collections.abc import Iterator

import numpy as np

from garabato.drawing import DrawingBatch
from garabato.drawing.batch import regrouped
from garabato.errors import storage_errors

#: Drawings that are sorted at once, and sorted tables up to this size stay in memory.
_SORTED_AT_ONCE, _IN_MEMORY_BYTES = 4096, 64 * 2**20


class SortedTable:
    """Keeps the drawings in a temporary file; those without a category get `fallback`."""

    def __init__(self, batches: Iterator[DrawingBatch], fallback: str) -> None:
        self._offsets: dict[str, list[int]] = {}
        with storage_errors(tempfile.gettempdir()):
            self._file = tempfile.SpooledTemporaryFile(_IN_MEMORY_BYTES)  # noqa: SIM115
            weakref.finalize(self, self._file.close)
            for batch in regrouped(batches, _SORTED_AT_ONCE):
                self._store(batch, fallback)

    def read(self, category: str) -> Iterator[DrawingBatch]:
        """The drawings of one category, in the order of the table."""
        for offset in self._offsets.get(category, ()):
            self._file.seek(offset)
            yield pickle.load(self._file)

    def _store(self, batch: DrawingBatch, fallback: str) -> None:
        rows: dict[str, list[int]] = {}
        for row, own in enumerate(batch.categories):
            rows.setdefault(own or fallback, []).append(row)
        for category, taken in rows.items():
            piece = batch.take(np.array(taken, np.int64))
            self._offsets.setdefault(category, []).append(self._file.tell())
            pickle.dump(piece.replace(categories=[category] * len(piece)), self._file)
