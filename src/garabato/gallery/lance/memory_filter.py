"""Apply filters to the rows held in memory without reading all of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from garabato.drawing import IntArray
from garabato.gallery.exact.memory_index import MemoryIndex, RowSubset
from garabato.gallery.filters import Filter, has_text
from garabato.gallery.times import NORMAL_TIME

#: Columns whose values repeat; positions are listed by value.
LISTED = ("category", "country")


@dataclass(frozen=True, eq=False)
class MemoryFilter:
    """Applies filters to the `rows` (N,) of a table whose embeddings are in `index`."""

    rows: pa.Table
    index: MemoryIndex
    _lists: dict[str, _ByValue] = field(default_factory=dict, init=False)

    def __call__(self, condition: Filter) -> RowSubset:
        """The rows that pass."""
        positions: IntArray | None = None
        for column, values in zip(LISTED, (condition.categories, condition.countries), strict=True):
            if values is not None:
                listed = self._by_value(column)
                positions = (
                    listed.all_of(values) if positions is None else listed.among(positions, values)
                )
        if positions is None:
            positions = np.flatnonzero(_meets(self.rows, condition)[self.index.rows])
        elif condition != Filter(condition.categories, condition.countries):
            rows = self.rows.drop_columns(["country", "strokes"])
            rows = rows.take(pa.array(self.index.rows[positions]))
            positions = positions[_meets(rows, condition)]
        return self.index.subset(positions)

    def _by_value(self, column: str) -> _ByValue:
        if column not in self._lists:
            self._lists[column] = _ByValue.of(self.rows[column], self.index.rows)
        return self._lists[column]


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


def _meets(rows: pa.Table, condition: Filter) -> npt.NDArray[np.bool_]:
    """(n,) bool: whether rows meet the conditions on columns that are not in LISTED."""
    mask = np.ones(rows.num_rows, bool)
    if condition.key_ids is not None:
        wanted = pa.array(condition.key_ids, pa.string())
        mask &= _true(pc.is_in(rows["key_id"], value_set=wanted))
    if condition.tags is not None:
        listed = rows["tags"].combine_chunks()
        wanted = pc.is_in(pc.list_flatten(listed), value_set=pa.array(condition.tags, pa.string()))
        has_one = np.zeros(rows.num_rows, bool)
        has_one[pc.list_parent_indices(listed).to_numpy()[_true(wanted)]] = True
        mask &= has_one
    if condition.text is not None:
        mask &= has_text(rows, condition.text)
    if condition.recognized is not None:
        mask &= _true(pc.equal(rows["recognized"], condition.recognized))
    if condition.after is not None or condition.before is not None:
        mask &= _true(pc.match_like(rows["timestamp"], NORMAL_TIME))
    if condition.after is not None:
        mask &= _true(pc.greater_equal(rows["timestamp"], condition.after))
    if condition.before is not None:
        mask &= _true(pc.less(rows["timestamp"], condition.before))
    return mask


def _true(values: Any) -> npt.NDArray[np.bool_]:
    """An Arrow array of booleans as a NumPy array; null becomes False."""
    return np.asarray(pc.fill_null(values, False), bool)
