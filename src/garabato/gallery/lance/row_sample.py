"""Random rows of a large table, in memory: they tell how far from a query the rows that pass a
filter lie."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from garabato.drawing import BoolArray, FloatArray
from garabato.gallery.filters import Filter
from garabato.gallery.lance.memory_table import LISTED, compact, meets
from garabato.gallery.lance.table import EMBEDDING, read_embeddings

#: Rows of a sample.
N_SAMPLED = 32_768
#: The nearest rows of the sample that pass, counted from 1, between which the number of rows that
#: pass is assumed to grow as a power of the number of all rows. The first varies too much.
_FROM, _TO = 2, 8
#: The columns that filters use.
_FILTERED = ("key_id", "category", "country", "recognized", "timestamp", "tags", "title")


class RowSample:
    """A sample of the `n_rows` of a version of a table."""

    def __init__(self, table: Any) -> None:
        self.table = table
        self.version, self.n_rows = int(table.version), int(table.count_rows())
        rng = np.random.default_rng(0)
        chosen = rng.choice(self.n_rows, min(N_SAMPLED, self.n_rows), replace=False)
        columns = [name for name in _FILTERED if name in table.schema.names]
        offsets = np.sort(chosen).tolist()
        read = table.take_offsets(offsets).select([*columns, EMBEDDING]).to_arrow()
        embeddings: FloatArray = read_embeddings(read)[0].astype(np.float32)
        embeddings /= np.maximum(np.linalg.norm(embeddings, axis=1, keepdims=True), 1e-12)
        self._embeddings, self._rows = embeddings, compact(read.select(columns))
        self._passing = lru_cache(maxsize=16)(self._find_passing)

    @property
    def nbytes(self) -> int:
        return int(self._embeddings.nbytes + self._rows.nbytes)

    def is_outdated(self, condition: Filter, n_passing: int) -> bool:
        """Whether the table has changed and the share of rows that pass with it: now `n_passing` of
        all rows pass."""
        if self.version == self.table.version:
            return False
        share = len(self._embeddings) / self.n_rows
        fewer, more = sorted((self._passing(condition).sum(), n_passing * share))
        return bool(more >= 2 * _TO and fewer < more / 2)

    def rank_of_passing(self, k: int, embedding: FloatArray, condition: Filter) -> float:
        """About how many rows are as near to an embedding (D,) as the k-th of those that pass.

        All rows, if too few of the sample pass to tell.
        """
        passes = self._passing(condition)
        if passes.sum() < _TO:
            return float(self.n_rows)
        # Not by BLAS, whose threads would wait busily for more work and slow down what follows.
        scores = np.einsum("nd,d->n", self._embeddings, embedding)
        rows_each = self.n_rows / len(passes)
        n_wanted = k / rows_each
        if n_wanted >= _FROM:
            n_passing = min(round(n_wanted), int(passes.sum()))
            nearest = float(_rank_of_nth(n_passing, scores, passes))
        else:
            first, last = (_rank_of_nth(n, scores, passes) for n in (_FROM, _TO))
            # 1 if rows that pass are everywhere as frequent, more if there are none near the query.
            power = max(1.0, np.log(_TO / _FROM) / np.log(max(last, first + 1) / first))
            nearest = first * (n_wanted / _FROM) ** (1 / power)
        return float(max(k, nearest * rows_each))

    def _find_passing(self, condition: Filter) -> BoolArray:
        """(n,): which rows of the sample pass."""
        passes = meets(self._rows, condition)
        for column, values in zip(LISTED, (condition.categories, condition.countries), strict=True):
            if values is not None:
                wanted = pa.array(values, pa.string())
                found = pc.is_in(self._rows[column].cast(pa.string()), value_set=wanted)
                passes &= found.to_numpy()
        return passes


def _rank_of_nth(n: int, scores: FloatArray, passes: BoolArray) -> int:
    """The rank among all, from 1, of the n-th best of those that pass."""
    nth = np.partition(scores[passes], -n)[-n]
    return int((scores >= nth).sum())
