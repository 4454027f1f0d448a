"""A Lance gallery's rows held in memory, kept up with the table as it changes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from garabato.drawing import FloatArray
from garabato.gallery.filters import Filter
from garabato.gallery.lance.memory_filter import LISTED, Passing
from garabato.gallery.lance.memory_search import ResidentVectors, Some

#: What is held beside the embeddings.
COLUMNS = ("key_id", "category", "country", "recognized", "timestamp", "tags", "strokes")


@dataclass(frozen=True, eq=False)
class Resident:
    """All rows of one version of a table. `row_ids` (N,) uint64 are Lance's, sorted."""

    version: int
    row_ids: npt.NDArray[np.uint64]
    rows: pa.Table
    vectors: ResidentVectors
    #: The rows that pass a filter; remembered for those asked last, as long as these are held.
    passing: Callable[[Filter], Some] = field(init=False)

    def __post_init__(self) -> None:
        remembered = lru_cache(maxsize=16)(Passing(self.rows, self.vectors))
        object.__setattr__(self, "passing", remembered)

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return int(self.vectors.nbytes + self.rows.nbytes + self.row_ids.nbytes)

    def search(self, query: FloatArray, k: int, condition: Filter) -> tuple[pa.Table, FloatArray]:
        """The k nearest rows that pass (COLUMNS), best first, and their cosine similarities."""
        some = None if condition.is_empty else self.passing(condition)
        found, scores = self.vectors.nearest(query, k, some)
        return self.rows.take(pa.array(found)), scores


def load(table: Any, version: int) -> Resident:
    """Read all rows of a Lance table."""
    row_ids, rows, stored = _read(table, None)
    return Resident(version, row_ids, rows, ResidentVectors(stored))


def refresh(resident: Resident, table: Any, version: int) -> Resident:
    """The rows of a newer version, reading from disk only those that were added.

    A row never changes where it lies: an upsert writes it anew and marks the old one deleted, and
    a compaction gives its rows new ids in new fragments (the upper half of a row id).
    """
    live = table.search().with_row_id(True).select(["_rowid"]).to_arrow()["_rowid"].to_numpy()
    live = np.sort(live)
    kept = np.isin(resident.row_ids, live, assume_unique=True)
    new = live[~np.isin(live, resident.row_ids, assume_unique=True)]
    if len(new) > len(live) // 2:
        return load(table, version)
    row_ids, rows, vectors = resident.row_ids, resident.rows, resident.vectors
    if not kept.all():
        row_ids, vectors = row_ids[kept], vectors.keep(kept)
        rows = rows.filter(pa.array(kept))
    if len(new):
        more_ids, more_rows, more_stored = _read(table, f"_rowid >= {new[0]}")
        fresh = np.isin(more_ids, new, assume_unique=True)
        row_ids = np.concatenate([row_ids, more_ids[fresh]])
        vectors = vectors.joined(more_stored[fresh])
        rows = pa.concat_tables([rows, more_rows.filter(pa.array(fresh))], promote_options="none")
        # In one chunk: to take a few rows of several, Arrow would first copy all of them together.
        rows = rows.unify_dictionaries().combine_chunks()
    return Resident(version, row_ids, rows, vectors)


def _read(
    table: Any, condition: str | None
) -> tuple[npt.NDArray[np.uint64], pa.Table, npt.NDArray[np.float16]]:
    """row ids (N,), rows and embeddings (N, D), in the order of the ids."""
    query = table.search().with_row_id(True).select([*COLUMNS, "embedding", "_rowid"])
    if condition is not None:
        query = query.where(condition)
    batches = list(query.to_batches())
    schema = table.schema
    dim = schema.field("embedding").type.list_size
    if not batches:
        rows = pa.schema([schema.field(name) for name in COLUMNS]).empty_table()
        return np.zeros(0, np.uint64), _compact(rows), np.zeros((0, dim), np.float16)
    read = pa.Table.from_batches(batches)
    stored = read["embedding"].combine_chunks().flatten().to_numpy().reshape(-1, dim)
    row_ids = read["_rowid"].to_numpy()
    order = np.argsort(row_ids)
    rows = read.select(COLUMNS)
    if (np.diff(order) != 1).any():
        row_ids, stored, rows = row_ids[order], stored[order], rows.take(pa.array(order))
    return row_ids, _compact(rows), np.ascontiguousarray(stored)


def _compact(rows: pa.Table) -> pa.Table:
    """Names that repeat as dictionaries, all in one chunk."""
    rows = rows.replace_schema_metadata(None).combine_chunks()
    for name in LISTED:
        i = rows.schema.get_field_index(name)
        rows = rows.set_column(i, name, rows[name].combine_chunks().dictionary_encode())
    return rows
