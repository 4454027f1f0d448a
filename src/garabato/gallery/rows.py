"""Drawings as Arrow rows, the form in which galleries pass them to a backend and get them back."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from garabato.drawing import Drawing, DrawingBatch, FloatArray
from garabato.errors import InputError
from garabato.gallery.records import Hit, Stored, StoredDrawing
from garabato.gallery.stroke_codec import of_one_kind, pack_batch, unpack
from garabato.gallery.times import normal_if_time, normal_time

#: What describes a drawing. `strokes` are packed by `stroke_codec`; `embedding` is one column more.
COLUMNS = ("key_id", "category", "country", "recognized", "timestamp", "tags", "strokes")
#: The columns that are fields of a Drawing.
_METADATA = ("key_id", "category", "country", "recognized", "timestamp")


def row_schema(embedding_dim: int) -> pa.Schema:
    """The columns of a row; embeddings are float32 of length 1."""
    return pa.schema(
        [
            pa.field("key_id", pa.string(), nullable=False),
            pa.field("category", pa.string()),
            pa.field("country", pa.string()),
            pa.field("recognized", pa.bool_()),
            pa.field("timestamp", pa.string()),
            pa.field("tags", pa.list_(pa.string())),
            pa.field("strokes", pa.binary()),
            pa.field("embedding", pa.list_(pa.float32(), embedding_dim)),
        ]
    )


def to_rows(batch: DrawingBatch, embeddings: FloatArray, tags: tuple[str, ...]) -> pa.Table:
    """Drawings, all with ink and a key_id, and their embeddings (N, D) as rows.

    Raises InputError for metadata of the wrong type.
    """
    schema = row_schema(embeddings.shape[1])
    vectors = pa.array(np.ascontiguousarray(embeddings, np.float32).reshape(-1))
    return pa.table(
        [
            _column("key_id", batch.key_ids, pa.string()),
            _column("category", [_nfc(name) for name in batch.categories], pa.string()),
            _column("country", [_nfc(name) for name in batch.countries], pa.string()),
            _column("recognized", batch.recognized, pa.bool_()),
            _column("timestamp", _times(batch), pa.string()),
            _column("tags", [[_nfc(tag) for tag in tags]] * len(batch), pa.list_(pa.string())),
            pack_batch(batch),
            pa.FixedSizeListArray.from_arrays(vectors, embeddings.shape[1]),
        ],
        schema=schema,
    )


def _nfc(text: Any) -> Any:
    """Text in the composed form, so that it compares equal however it was typed."""
    return unicodedata.normalize("NFC", text) if isinstance(text, str) else text


def _times(batch: DrawingBatch) -> list[Any]:
    times: list[Any] = []
    for key_id, text in zip(batch.key_ids, batch.timestamps, strict=True):
        try:
            times.append(normal_time(text) if isinstance(text, str) else text)
        except ValueError:
            raise InputError(
                f"the timestamp of drawing {key_id!r} is not a time: {text!r}; write it as "
                "2017-03-29 00:29:12, with an offset as +02:00 if it is not UTC"
            ) from None
    return times


def _column(name: str, values: Any, kind: pa.DataType) -> pa.Array:
    try:
        return pa.array(values, kind)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise InputError(f"a drawing's {name} cannot be stored: {error}") from None
    except UnicodeEncodeError as error:
        raise InputError(
            f"a drawing's {name} cannot be stored: {error.object[:80]!r} is not valid text "
            f"({error.reason})"
        ) from None


def embeddings_of(rows: pa.RecordBatch | pa.Table) -> FloatArray:
    """The `embedding` column of rows as (N, D)."""
    column = rows["embedding"]
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    embeddings: FloatArray = column.flatten().to_numpy().reshape(-1, column.type.list_size)
    return embeddings


def to_drawings(rows: pa.RecordBatch | pa.Table) -> list[StoredDrawing]:
    """The drawings of rows with COLUMNS, with their tags."""
    return [
        StoredDrawing(_drawing(row), tuple(row["tags"] or ()))
        for row in rows.select(list(COLUMNS)).to_pylist()
    ]


def to_hits(rows: pa.Table, scores: FloatArray) -> list[Hit]:
    """Hits of rows with COLUMNS, in their order."""
    return [
        Hit(
            key_id=row["key_id"],
            category=row["category"],
            score=min(1.0, score),
            drawing=_drawing(row),
            country=row["country"],
            recognized=row["recognized"],
            timestamp=normal_if_time(row["timestamp"]),
            tags=tuple(row["tags"] or ()),
        )
        for row, score in zip(rows.to_pylist(), scores.tolist(), strict=True)
    ]


def to_stored(rows: pa.RecordBatch) -> Iterator[Stored]:
    """Rows with COLUMNS and embeddings as batches: strokes and bitmaps of each size apart."""
    drawings, tags = zip(*to_drawings(rows), strict=True)
    embeddings = embeddings_of(rows)
    for alike in of_one_kind(drawings):
        yield Stored(
            DrawingBatch.from_drawings([drawings[i] for i in alike]),
            embeddings[alike],
            [tags[i] for i in alike],
        )


def select_rows(rows: pa.Table, chosen: Sequence[int]) -> pa.Table:
    """The rows at these positions."""
    return rows.take(pa.array(chosen, pa.int64()))


def _drawing(row: dict[str, Any]) -> Drawing:
    metadata = {name: row[name] for name in _METADATA}
    metadata["timestamp"] = normal_if_time(metadata["timestamp"])
    return unpack(row["strokes"], **metadata)
