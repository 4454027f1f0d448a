"""The rows of a Lance table held in memory, kept up to date as the table changes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from garabato.drawing import FloatArray
from garabato.gallery.exact.memory_index import MemoryIndex, RowSubset
from garabato.gallery.filters import Filter
from garabato.gallery.lance.memory_filter import LISTED, MemoryFilter
from garabato.gallery.lance.table import columns_of, embedding_columns, read_embeddings
from garabato.gallery.rows import Nearest
from garabato.gallery.times import NORMAL_TIME, normal_if_time


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
        """Bytes of memory."""
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
    if len(new) > len(live) // 2 or columns_of(table) != tuple(held.rows.schema.names):
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


def _read(
    table: Any, condition: str | None
) -> tuple[npt.NDArray[np.uint64], pa.Table, npt.NDArray[np.float16], npt.NDArray[np.int8]]:
    """Row ids (N,), rows, and embeddings (N, D) split as by
    `half_precision.split`; sorted by row id."""
    drawing_columns = columns_of(table)
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
    return row_ids, _compact(rows), np.ascontiguousarray(stored), rest


def _compact(rows: pa.Table) -> pa.Table:
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
