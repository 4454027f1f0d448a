"""Random rows of a large table in memory: they tell how far from a query those lie that pass."""

from __future__ import annotations

from typing import Any

import numpy as np

from garabato.drawing import FloatArray
from garabato.gallery.filters import Filter
from garabato.gallery.lance.memory_table import MemoryTable, read_sample

#: Rows of a sample: 20 MB. Sorting them by their distance takes 2 ms.
N_SAMPLED = 32_768
#: The nearest rows of the sample that pass, counted from 1, between which the number of rows that
#: pass is assumed to grow as a power of the number of all rows. The first varies too much.
_FROM, _TO = 2, 8


class RowSample:
    """A sample of the `n_rows` of a table."""

    def __init__(self, table: Any) -> None:
        self.n_rows = int(table.count_rows())
        self._held: MemoryTable = read_sample(table, N_SAMPLED)
        index = self._held.index
        self._embeddings: FloatArray = index.stored.astype(np.float32) / index.lengths[:, None]

    def rank_of_passing(self, k: int, embedding: FloatArray, condition: Filter) -> float:
        """About how many rows are as near to an embedding (D,) as the k-th of those that pass.

        All rows, if too few of the sample pass to tell.
        """
        positions = self._held.passing(condition).positions
        if len(positions) < _TO:
            return float(self.n_rows)
        passes = np.zeros(len(self._embeddings), bool)
        passes[positions] = True
        ranks = 1 + np.flatnonzero(passes[np.argsort(-(self._embeddings @ embedding))])
        rows_each = self.n_rows / len(passes)
        n_wanted = k / rows_each
        if n_wanted >= _FROM:
            nearest = ranks[min(round(n_wanted), len(ranks)) - 1]
        else:
            first, last = ranks[_FROM - 1], ranks[_TO - 1]
            # 1 if rows that pass are everywhere as frequent, more if there are none near the query.
            power = max(1.0, np.log(_TO / _FROM) / np.log(last / first))
            nearest = first * (n_wanted / _FROM) ** (1 / power)
        return float(max(k, nearest * rows_each))
