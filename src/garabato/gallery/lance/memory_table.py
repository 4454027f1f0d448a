"""Rows of a Lance table in memory: all of them, kept up to date as the table changes, or a sample.

A sample of a large table tells how far from a query the rows that pass a filter lie.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from garabato.drawing import BoolArray, FloatArray, IntArray
from garabato.drawing.times import NORMAL_TIME, normal_if_time
from garabato.gallery.exact.clusters import unit_rows
from garabato.gallery.exact.memory_index import MemoryIndex, RowSubset
from garabato.gallery.filters import Filter, has_tag, has_text, is_true
from garabato.gallery.lance.table import EMBEDDING, embedding_columns, read_embeddings
from garabato.gallery.rows import Nearest, described_by

#: Columns whose values repeat; positions are listed by value.
LISTED = ("category", "country")
#: Rows of a sample.
N_SAMPLED = 32_768
#: The nearest rows of the sample that pass, counted from 1, between which the number of rows that
#: pass is assumed to grow as a power of the number of all rows. The first varies too much.
_FROM, _TO = 2, 8
#: The columns that filters use.
_FILTERED = ("key_id", "category", "country", "recognized", "timestamp", "tags", "title")


@dataclass(frozen=True, eq=False)
class MemoryTable:
    """All rows of one version of a table. `row_ids` (N,) uint64, sorted, are Lance's."""

    version: int
    row_ids: npt.NDArray[np.uint64]
    rows: pa.Table
    index: MemoryIndex
    #: The rows that pass a filter, cached for the last 16 filters.
    passing: Callable[[Filter], RowSubset] = field(init=False)

    def __post_init__(self) -> None:
        cached = lru_cache(maxsize=16)(MemoryFilter(self.rows, self.index))
        object.__setattr__(self, "passing", cached)

    @property
    def nbytes(self) -> int:
        return int(self.index.nbytes + self.rows.nbytes + self.row_ids.nbytes)

    def search(self, queries: FloatArray, k: int, condition: Filter) -> Nearest:
        """The k nearest rows that pass to each of `queries` (Q, D), best first."""
        subset = None if condition.is_empty else self.passing(condition)
        if len(queries) == 1:
            found, scores = self.index.nearest(queries[0], k, subset)
            counts = np.array([len(found)])
        else:
            found, scores = self.index.nearest_many(queries, k, subset)
            counts = np.full(len(found), found.shape[1])
        return Nearest(self.rows.take(pa.array(found.reshape(-1))), scores.reshape(-1), counts)


def load(table: Any, version: int) -> MemoryTable:
    """Read all rows of a Lance table."""
    row_ids, rows, stored, rest = _read(table, None)
    return MemoryTable(version, row_ids, rows, MemoryIndex(stored, rest))


def refresh(held: MemoryTable, table: Any, version: int) -> MemoryTable:
    """The rows of a newer version. Only rows that were added are read from disk.

    Rows never change in place: an upsert writes a new row and marks the old one deleted, and a
    compaction gives rows new ids in new fragments (the upper half of a row id).
    """
    live = table.search().with_row_id(True).select(["_rowid"]).to_arrow()["_rowid"].to_numpy()
    live = np.sort(live)
    kept = np.isin(held.row_ids, live, assume_unique=True)
    new = live[~np.isin(live, held.row_ids, assume_unique=True)]
    columns = list(described_by(table.schema.names))
    if len(new) > len(live) // 2 or columns != held.rows.column_names:
        return load(table, version)
    row_ids, rows, index = held.row_ids, held.rows, held.index
    if not kept.all():
        row_ids, index = row_ids[kept], index.keep(kept)
        rows = rows.filter(pa.array(kept))
    if len(new):
        more_ids, more_rows, stored, rest = _read(table, f"_rowid >= {new[0]}")
        fresh = np.isin(more_ids, new, assume_unique=True)
        row_ids = np.concatenate([row_ids, more_ids[fresh]])
        index = index.joined(stored[fresh], rest[fresh])
        rows = pa.concat_tables([rows, more_rows.filter(pa.array(fresh))], promote_options="none")
        # In one chunk: to take rows from several chunks, Arrow would first concatenate all.
        rows = rows.unify_dictionaries().combine_chunks()
    return MemoryTable(version, row_ids, rows, index)


def compact(rows: pa.Table) -> pa.Table:
    """The rows in one chunk, with dictionaries for columns whose values repeat."""
    rows = rows.replace_schema_metadata(None).combine_chunks()
    times = rows["timestamp"]
    is_normal = pc.match_like(times, NORMAL_TIME)
    if not pc.all(is_normal, min_count=0).as_py():  # earlier versions stored other forms
        normal = pa.array(map(normal_if_time, times.to_pylist()), pa.string())
        at = rows.schema.get_field_index("timestamp")
        rows = rows.set_column(at, "timestamp", pa.chunked_array([normal]))
    for name in LISTED:
        i = rows.schema.get_field_index(name)
        rows = rows.set_column(i, name, rows[name].combine_chunks().dictionary_encode())
    return rows


@dataclass(frozen=True, eq=False)
class MemoryFilter:
    """Applies filters to the `rows` (N,) of a table whose embeddings are in `index`."""

    rows: pa.Table
    index: MemoryIndex
    _lists: dict[str, _ByValue] = field(default_factory=dict, init=False)

    def __call__(self, condition: Filter) -> RowSubset:
        positions: IntArray | None = None
        for column, values in zip(LISTED, (condition.categories, condition.countries), strict=True):
            if values is not None:
                listed = self._by_value(column)
                positions = (
                    listed.all_of(values) if positions is None else listed.among(positions, values)
                )
        if positions is None:
            positions = np.flatnonzero(meets(self.rows, condition)[self.index.rows])
        elif not (rest := replace(condition, categories=None, countries=None)).is_empty:
            rows = self.rows.drop_columns(["country", "strokes"])
            rows = rows.take(pa.array(self.index.rows[positions]))
            positions = positions[meets(rows, rest)]
        return self.index.subset(positions)

    def _by_value(self, column: str) -> _ByValue:
        if column not in self._lists:
            self._lists[column] = _ByValue.of(self.rows[column], self.index.rows)
        return self._lists[column]


def meets(rows: pa.Table, condition: Filter) -> BoolArray:
    """(n,) bool: whether rows pass."""
    mask = np.ones(rows.num_rows, bool)
    for column, values in (
        ("category", condition.categories),
        ("country", condition.countries),
        ("key_id", condition.key_ids),
    ):
        if values is not None:
            wanted = pa.array(values, pa.string())
            mask &= is_true(pc.is_in(rows[column].cast(pa.string()), value_set=wanted))
    if condition.tags is not None:
        wanted = pa.array(condition.tags, pa.string())
        mask &= has_tag(rows, lambda tags: pc.is_in(tags, value_set=wanted))
    if condition.text is not None:
        mask &= has_text(rows, condition.text)
    if condition.recognized is not None:
        mask &= is_true(pc.equal(rows["recognized"], condition.recognized))
    if condition.after is not None or condition.before is not None:
        mask &= is_true(pc.match_like(rows["timestamp"], NORMAL_TIME))
    if condition.after is not None:
        mask &= is_true(pc.greater_equal(rows["timestamp"], condition.after))
    if condition.before is not None:
        mask &= is_true(pc.less(rows["timestamp"], condition.before))
    return mask


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
        self._embeddings = unit_rows(read_embeddings(read)[0])
        self._rows = compact(read.select(columns))
        #: (n,): which rows of the sample pass a filter.
        self._passing = lru_cache(maxsize=16)(partial(meets, self._rows))

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


def _read(
    table: Any, condition: str | None
) -> tuple[npt.NDArray[np.uint64], pa.Table, npt.NDArray[np.float16], npt.NDArray[np.int8]]:
    """Row ids (N,), rows, and embeddings (N, D) split as by `half_precision.split`; sorted by row
    id."""
    drawing_columns = described_by(table.schema.names)
    columns = [*drawing_columns, *embedding_columns(table), "_rowid"]
    query = table.search().with_row_id(True).select(columns)
    if condition is not None:
        query = query.where(condition)
    read = query.to_arrow()
    row_ids = read["_rowid"].to_numpy()
    stored, rest = read_embeddings(read)
    rows = read.select(drawing_columns)
    order = np.argsort(row_ids)
    if (np.diff(order) != 1).any():
        row_ids, stored, rest = row_ids[order], stored[order], rest[order]
        rows = rows.take(pa.array(order))
    return row_ids, compact(rows), np.ascontiguousarray(stored), rest


@dataclass(frozen=True, eq=False)
class _ByValue:
    """The positions of rows by their value in a dictionary-encoded column.

    Value i is at `positions[starts[i] : starts[i + 1]]`, sorted. `codes` (N,) are the values at all
    positions; null is the last.
    """

    values: dict[str, int]
    codes: npt.NDArray[np.integer]
    positions: npt.NDArray[np.int32]
    starts: IntArray

    @classmethod
    def of(cls, column: pa.ChunkedArray, rows: npt.NDArray[np.int32]) -> _ByValue:
        """List the positions of a column; `rows` (N,) are its rows in the order of positions."""
        # All chunks, if any, have the same dictionary.
        names = column.chunk(0).dictionary.to_pylist() if column.num_chunks else []
        indices = pa.chunked_array([chunk.indices for chunk in column.chunks], pa.int32())
        if indices.null_count:
            indices = pc.fill_null(indices, len(names))
        # Sorting 16-bit codes takes a tenth of the time.
        codes = indices.to_numpy().astype(np.int16 if len(names) < 2**15 else np.int32)[rows]
        positions = np.argsort(codes, kind="stable").astype(np.int32)
        starts = np.searchsorted(codes, np.arange(len(names) + 1), sorter=positions)
        return cls({name: i for i, name in enumerate(names)}, codes, positions, starts)

    def all_of(self, values: tuple[str, ...]) -> IntArray:
        """The positions, sorted, of all rows that have one of the values."""
        parts = [
            self.positions[self.starts[i] : self.starts[i + 1]]
            for i in map(self.values.get, values)
            if i is not None
        ]
        positions: IntArray = np.sort(np.concatenate([np.zeros(0, np.int32), *parts]))
        return positions

    def among(self, positions: IntArray, values: tuple[str, ...]) -> IntArray:
        """The `positions` that have one of the values."""
        wanted = np.zeros(len(self.values) + 1, bool)
        wanted[[i for i in map(self.values.get, values) if i is not None]] = True
        kept: IntArray = positions[wanted[self.codes[positions]]]
        return kept


def _rank_of_nth(n: int, scores: FloatArray, passes: BoolArray) -> int:
    """The rank among all, from 1, of the n-th best of those that pass."""
    nth = np.partition(scores[passes], -n)[-n]
    return int((scores >= nth).sum())
