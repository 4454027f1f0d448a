"""The table of a Lance gallery: its columns, its metadata, and drawings to rows and back."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from garabato.drawing import Drawing, DrawingBatch, FloatArray
from garabato.errors import GalleryError, InputError, StorageError, storage_errors
from garabato.gallery.base import FilledBy, Stored
from garabato.gallery.filters import quote
from garabato.gallery.lance.folder import TABLE, connect, is_gallery, lance_errors, writing
from garabato.gallery.lance.memory_table import COLUMNS
from garabato.gallery.stroke_codec import of_one_kind, pack_batch, unpack

_KEYS_PER_CONDITION = 1_000
_ID = "garabato.id"
_KNOWN = ("key_id", "category", "country", "recognized", "timestamp")


def create_table(uri: str, filled_by: FilledBy) -> Any:
    """Make the folder and an empty table in it; of two processes that do, both get the one made."""
    schema = pa.schema(
        [
            pa.field("key_id", pa.string(), nullable=False),
            pa.field("category", pa.string()),
            pa.field("country", pa.string()),
            pa.field("recognized", pa.bool_()),
            pa.field("timestamp", pa.string()),
            pa.field("tags", pa.list_(pa.string())),
            pa.field("strokes", pa.binary()),
            pa.field("embedding", pa.list_(pa.float16(), filled_by.embedding_dim)),
        ],
        metadata={
            "garabato": json.dumps(filled_by.to_document()),
            _ID: secrets.token_hex(8),
        },
    )
    folder = Path(uri)
    try:
        with storage_errors(uri):
            folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"cannot make the folder {uri}: {error.strerror}") from error
    with lance_errors(uri), writing(folder):
        if is_gallery(folder):  # made by another process meanwhile
            return connect(folder).open_table(TABLE)
        return connect(folder).create_table(TABLE, schema=schema)


def read_metadata(uri: str, table: Any) -> FilledBy:
    """The encoder that filled the gallery. Raises GalleryError for another format."""
    written = (table.schema.metadata or {}).get(b"garabato", b"")
    try:
        return FilledBy.from_document(json.loads(written), uri)
    except (TypeError, ValueError, KeyError):
        raise GalleryError(
            f"{uri} holds a Lance table that is not garabato's; give a new folder"
        ) from None


def read_id(table: Any) -> str | None:
    """What tells a table from one made anew in its place; None for one of before there were ids."""
    found = (table.schema.metadata or {}).get(_ID.encode())
    return None if found is None else str(found, "ascii")


def to_rows(
    batch: DrawingBatch, embeddings: FloatArray, tags: tuple[str, ...], schema: pa.Schema
) -> pa.Table:
    """Drawings, all with ink and a key_id, and their embeddings (N, D) as rows.

    Raises InputError for what is known of them and is of another kind than its column.
    """
    vectors = pa.array(embeddings.astype(np.float16).reshape(-1))
    return pa.table(
        [
            pa.array(batch.key_ids, pa.string()),
            _column("category", batch.categories, pa.string()),
            _column("country", batch.countries, pa.string()),
            _column("recognized", batch.recognized, pa.bool_()),
            _column("timestamp", batch.timestamps, pa.string()),
            pa.array([tags] * len(batch), pa.list_(pa.string())),
            pack_batch(batch),
            pa.FixedSizeListArray.from_arrays(vectors, embeddings.shape[1]),
        ],
        schema=schema,
    )


def _column(name: str, values: Any, kind: pa.DataType) -> pa.Array:
    try:
        return pa.array(values, kind)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise InputError(f"a drawing's {name} cannot be stored: {error}") from None


def to_drawing(row: dict[str, Any]) -> Drawing:
    """The drawing of a row with COLUMNS."""
    return unpack(row["strokes"], **{name: row[name] for name in _KNOWN})


def parts_of(key_ids: Sequence[str]) -> Iterator[Sequence[str]]:
    """The key_ids in parts that a condition can name."""
    return (
        key_ids[first : first + _KEYS_PER_CONDITION]
        for first in range(0, len(key_ids), _KEYS_PER_CONDITION)
    )


def is_one_of(key_ids: Sequence[str]) -> str:
    """The SQL condition."""
    return f"key_id IN ({', '.join(map(quote, key_ids))})"


def to_stored(rows: pa.RecordBatch, dim: int) -> Iterator[Stored]:
    """Rows with COLUMNS and embedding, as the contract gives them: strokes and bitmaps apart."""
    drawings = [to_drawing(row) for row in rows.select(list(COLUMNS)).to_pylist()]
    embeddings = rows["embedding"].flatten().to_numpy().reshape(-1, dim).astype(np.float32)
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    tags = [tuple(listed or ()) for listed in rows["tags"].to_pylist()]
    for places in of_one_kind(drawings):
        yield Stored(
            DrawingBatch.from_drawings([drawings[i] for i in places]),
            embeddings[places],
            [tags[i] for i in places],
        )
