"""A Lance gallery's rows held in memory, kept up with the table as it changes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from garabato.drawing import FloatArray
from garabato.gallery.filters import Filter
from garabato.gallery.scan import ResidentVectors, Some

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
        remembered = lru_cache(maxsize=16)(partial(_passing, self.rows, self.vectors))
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


def _passing(rows: pa.Table, vectors: ResidentVectors, condition: Filter) -> Some:
    mask = np.ones(rows.num_rows, bool)
    for column, values in (
        ("category", condition.categories),
        ("country", condition.countries),
    ):
        if values is not None:
            mask &= _is_one_of(rows[column], values)
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
    return vectors.some(mask)


def _is_one_of(column: pa.ChunkedArray, values: Sequence[str]) -> npt.NDArray[np.bool_]:
    """(N,) bool for a column of dictionaries: one look into a table a row, and no text compared."""
    if column.num_chunks == 0:
        return np.zeros(0, bool)
    names = column.chunk(0).dictionary.to_pylist()  # the same in all chunks
    wanted = np.array([*(name in set(values) for name in names), False])
    # "clip" spares a look at every index for one that is out of range; there is none
    return np.concatenate(
        [np.take(wanted, _indices(chunk, len(names)), mode="clip") for chunk in column.chunks]
    )


def _indices(chunk: pa.DictionaryArray, null: int) -> npt.NDArray[np.int32]:
    indices = chunk.indices
    if indices.null_count:
        indices = indices.fill_null(null)
    return np.asarray(indices.to_numpy(zero_copy_only=False), np.int32)


def _true(values: Any) -> npt.NDArray[np.bool_]:
    """An Arrow array of booleans as numpy's, null as False."""
    return np.asarray(pc.fill_null(values, False), bool)


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
        rows = rows.unify_dictionaries()
        if rows["key_id"].num_chunks > 64:
            rows = rows.combine_chunks()
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
    for name in ("category", "country"):
        i = rows.schema.get_field_index(name)
        rows = rows.set_column(i, name, rows[name].combine_chunks().dictionary_encode())
    return rows
