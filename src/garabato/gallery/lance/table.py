"""The table of a Lance gallery: its columns, its metadata, and conversion from and to rows.

Embeddings are stored as float16 (`embedding`) and their rounding errors as int8
(`embedding_rest`), together nearly as precise as float32: ranking in memory uses the first, and the
final candidates are scored with both. Older galleries have no `embedding_rest`.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from garabato.errors import GalleryError, StorageError, storage_errors
from garabato.gallery.exact.clusters import unit_rows
from garabato.gallery.exact.half_precision import join, split
from garabato.gallery.lance.folder import TABLE, connect, is_gallery, lance_errors, writing
from garabato.gallery.records import FilledBy
from garabato.gallery.rows import COLUMNS, DETAILS, ORIGINAL, row_schema, to_matrix

_ID = "garabato.id"
_TIMES = "garabato.times"
EMBEDDING, REST = "embedding", "embedding_rest"


def create_table(uri: str, filled_by: FilledBy) -> Any:
    """Create the folder and an empty table in it. Processes that do so at the same time get the
    same table."""
    dim = filled_by.embedding_dim
    metadata = {
        "garabato": json.dumps(filled_by.to_document()),
        _ID: secrets.token_hex(8),
        _TIMES: "normal",
    }
    schema = row_schema(COLUMNS, dim)
    schema = schema.append(pa.field(EMBEDDING, pa.list_(pa.float16(), dim)))
    schema = schema.append(pa.field(REST, pa.list_(pa.int8(), dim))).with_metadata(metadata)
    folder = Path(uri)
    try:
        with storage_errors(uri):
            folder.mkdir(parents=True, exist_ok=True)
    except StorageError:
        raise
    except OSError as error:
        raise StorageError(f"cannot create the folder {uri}: {error.strerror}") from error
    with lance_errors(uri), writing(folder):
        if is_gallery(folder):  # created by another process meanwhile
            return connect(folder).open_table(TABLE)
        return connect(folder).create_table(TABLE, schema=schema)


def read_metadata(uri: str, table: Any) -> FilledBy:
    """The encoder that filled the gallery. Raises GalleryError for another format."""
    written = (table.schema.metadata or {}).get(b"garabato", b"")
    try:
        return FilledBy.from_document(json.loads(written), uri)
    except (TypeError, ValueError, KeyError):
        raise GalleryError(
            f"{uri} holds a Lance table that garabato did not create; give a new folder"
        ) from None


def read_id(table: Any) -> str | None:
    """An id that tells a table from a later one in its place; None for tables of old versions."""
    found = (table.schema.metadata or {}).get(_ID.encode())
    return None if found is None else str(found, "ascii")


def has_normal_times(table: Any) -> bool:
    """Whether all times of the table are stored in the normal form (see `times`)."""
    return _TIMES.encode() in (table.schema.metadata or {})


def embedding_columns(table: Any) -> tuple[str, ...]:
    """The columns that hold embeddings in this table."""
    return (EMBEDDING, REST) if REST in table.schema.names else (EMBEDDING,)


def make_columns(table: Any, rows: pa.Table) -> None:
    """Add the columns of details to a table that lacks them, if these rows have them."""
    if ORIGINAL in rows.schema.names and ORIGINAL not in table.schema.names:
        table.add_columns(pa.schema([rows.schema.field(name) for name in (*DETAILS, ORIGINAL)]))


def to_table(rows: pa.Table, schema: pa.Schema) -> pa.Table:
    """Rows (`rows.to_rows`) as the table stores them."""
    stored, rest = split(read_embeddings(rows)[0].astype(np.float32))
    dim = stored.shape[1]
    columns = {name: rows[name] for name in rows.schema.names}
    columns[EMBEDDING] = pa.FixedSizeListArray.from_arrays(pa.array(stored.reshape(-1)), dim)
    columns[REST] = pa.FixedSizeListArray.from_arrays(pa.array(rest.reshape(-1)), dim)
    for name in {*DETAILS, ORIGINAL}.intersection(schema.names) - columns.keys():
        columns[name] = pa.nulls(rows.num_rows, schema.field(name).type)
    return pa.table([columns[name] for name in schema.names], schema=schema)


def from_table(rows: pa.RecordBatch, columns: Sequence[str]) -> pa.RecordBatch:
    """Stored rows as rows with `columns`; embeddings are float32 of length 1."""
    if EMBEDDING in columns:
        embeddings = unit_rows(join(*read_embeddings(rows)))
        dim = embeddings.shape[1]
        joined = pa.FixedSizeListArray.from_arrays(pa.array(embeddings.reshape(-1)), dim)
        rows = rows.set_column(rows.schema.get_field_index(EMBEDDING), EMBEDDING, joined)
    return rows.select(list(columns))


def read_embeddings(
    rows: pa.RecordBatch | pa.Table,
) -> tuple[npt.NDArray[np.floating], npt.NDArray[np.int8]]:
    """The stored embeddings (N, D) of rows, and their rounding errors (N, D) int8."""
    stored = to_matrix(rows[EMBEDDING])
    if REST not in rows.schema.names:
        return stored, np.zeros(stored.shape, np.int8)
    rest = rows[REST]
    if rest.null_count:  # rows written by an older version, which does not know this column
        dim = stored.shape[1]
        zeros = pa.FixedSizeListArray.from_arrays(pa.array(np.zeros(dim, np.int8)), dim)
        rest = rest.fill_null(zeros[0])
    return stored, to_matrix(rest)
