"""Which of the rows held in memory pass a filter, without looking at all of them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from garabato.drawing import IntArray
from garabato.gallery.filters import Filter
from garabato.gallery.lance.memory_search import ResidentVectors, Some

#: Columns whose values repeat, so that rows are listed by them.
LISTED = ("category", "country")


@dataclass(frozen=True, eq=False)
class Passing:
    """The `rows` (N,) of a table whose embeddings are `vectors`, found by filters."""

    rows: pa.Table
    vectors: ResidentVectors

    def __call__(self, condition: Filter) -> Some:
        """Those that pass."""
        places: IntArray | None = None
        for listed, values in (
            ("_categories", condition.categories),
            ("_countries", condition.countries),
        ):
            if values is not None:
                lists: _Lists = getattr(self, listed)
                places = lists.all_of(values) if places is None else lists.those(places, values)
        if places is None:
            places = np.flatnonzero(_meets(self.rows, condition)[self.vectors.rows])
        elif condition != Filter(condition.categories, condition.countries):
            rows = self.rows.drop_columns([*LISTED, "strokes"])
            rows = rows.take(pa.array(self.vectors.rows[places]))
            places = places[_meets(rows, condition)]
        return self.vectors.some(places)

    @cached_property
    def _categories(self) -> _Lists:
        return _Lists.of(self.rows["category"], self.vectors.rows)

    @cached_property
    def _countries(self) -> _Lists:
        return _Lists.of(self.rows["country"], self.vectors.rows)


@dataclass(frozen=True, eq=False)
class _Lists:
    """Places by the value that their rows have in a column of dictionaries.

    Those of value i are `places[starts[i] : starts[i + 1]]`, sorted; `codes` (N,) are the values
    of all places, null the last.
    """

    values: dict[str, int]
    codes: npt.NDArray[np.integer]
    places: npt.NDArray[np.int32]
    starts: IntArray

    @classmethod
    def of(cls, column: pa.ChunkedArray, rows: npt.NDArray[np.int32]) -> _Lists:
        """Of a column, where `rows` (N,) says which of its rows lies at each place."""
        # the same names in all chunks, of which there may be none
        names = column.chunk(0).dictionary.to_pylist() if column.num_chunks else []
        indices = pa.chunked_array([chunk.indices for chunk in column.chunks], pa.int32())
        if indices.null_count:
            indices = pc.fill_null(indices, len(names))
        # of 16 bits, sorting takes a tenth of the time
        codes = indices.to_numpy().astype(np.int16 if len(names) < 2**15 else np.int32)[rows]
        places = np.argsort(codes, kind="stable").astype(np.int32)
        starts = np.searchsorted(codes, np.arange(len(names) + 1), sorter=places)
        return cls({name: i for i, name in enumerate(names)}, codes, places, starts)

    def all_of(self, values: tuple[str, ...]) -> IntArray:
        """The places, sorted, of all that have one of the values."""
        parts = [
            self.places[self.starts[i] : self.starts[i + 1]]
            for i in map(self.values.get, values)
            if i is not None
        ]
        places: IntArray = np.sort(np.concatenate([np.zeros(0, np.int32), *parts]))
        return places

    def those(self, places: IntArray, values: tuple[str, ...]) -> IntArray:
        """Those of `places` that have one of the values."""
        wanted = np.zeros(len(self.values) + 1, bool)
        wanted[[i for i in map(self.values.get, values) if i is not None]] = True
        kept: IntArray = places[wanted[self.codes[places]]]
        return kept


def _meets(rows: pa.Table, condition: Filter) -> npt.NDArray[np.bool_]:
    """(n,): whether rows meet what the filter says of columns that are not listed."""
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
    if condition.recognized is not None:
        mask &= _true(pc.equal(rows["recognized"], condition.recognized))
    if condition.after is not None:
        mask &= _true(pc.greater_equal(rows["timestamp"], condition.after))
    if condition.before is not None:
        mask &= _true(pc.less(rows["timestamp"], condition.before))
    return mask


def _true(values: Any) -> npt.NDArray[np.bool_]:
    """An Arrow array of booleans as numpy's, null as False."""
    return np.asarray(pc.fill_null(values, False), bool)
