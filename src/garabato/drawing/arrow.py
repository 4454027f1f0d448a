"""DrawingBatch <-> Arrow tables, as prepared data sets and galleries store them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from garabato.drawing.arrays import ByteArray, IntArray
from garabato.drawing.batch import DrawingBatch

_LINE = pa.list_(pa.field("item", pa.uint8(), nullable=False))
_STROKE = pa.struct([pa.field("x", _LINE, nullable=False), pa.field("y", _LINE, nullable=False)])
#: The strokes of a drawing: list<struct<x: list<uint8>, y: list<uint8>>>.
STROKES = pa.list_(pa.field("item", _STROKE, nullable=False))


#: What is known of a drawing, and which split it is in.
_KNOWN = [
    pa.field("key_id", pa.string(), nullable=False),
    pa.field("category", pa.string(), nullable=False),
    pa.field("split", pa.string(), nullable=False),
    pa.field("country", pa.string()),
    pa.field("recognized", pa.bool_()),
    pa.field("timestamp", pa.string()),
]


def to_table(batch: DrawingBatch, split: str = "") -> pa.Table:
    """A batch on the grid (see `DrawingBatch.on_grid`) as a table.

    Its columns: key_id, category, split, country, recognized, timestamp, and strokes, or for
    bitmaps `bitmap`, their bytes by rows, with height_px and width_px in the field's metadata.
    """
    if batch.bitmaps is None:
        ink, ink_field = _strokes(batch), pa.field("strokes", STROKES, nullable=False)
    else:
        _, height, width = batch.bitmaps.shape
        shape = {"height_px": str(height), "width_px": str(width)}
        ink, kind = _bitmaps(batch.bitmaps), pa.binary(height * width)
        ink_field = pa.field("bitmap", kind, nullable=False, metadata=shape)
    return pa.Table.from_arrays(
        [
            pa.array(batch.key_ids, pa.string()),
            pa.array(batch.categories, pa.string()),
            pa.repeat(pa.scalar(split), len(batch)),
            pa.array(batch.countries, pa.string()),
            pa.array(batch.recognized, pa.bool_()),
            pa.array(batch.timestamps, pa.string()),
            ink,
        ],
        schema=pa.schema([*_KNOWN, ink_field]),
    )


def with_split(table: pa.Table, split: str) -> pa.Table:
    """The same drawings, in `split`."""
    place = table.schema.get_field_index("split")
    column = pa.repeat(pa.scalar(split), table.num_rows)
    return table.set_column(place, table.schema.field(place), column)


def bitmap_shape(schema: pa.Schema) -> tuple[int, int] | None:
    """(height, width) in px of the bitmaps of a table, None where it holds strokes."""
    ink = schema.field(len(schema) - 1)
    if ink.name != "bitmap":
        return None
    return int(ink.metadata[b"height_px"]), int(ink.metadata[b"width_px"])


def from_table(table: pa.Table) -> DrawingBatch:
    """The drawings of a table as `to_table` makes; points are copied once, into float32."""
    known: dict[str, Any] = {
        "key_ids": table["key_id"].to_pylist(),
        "categories": table["category"].to_pylist(),
        "countries": table["country"].to_pylist(),
        "recognized": table["recognized"].to_pylist(),
        "timestamps": table["timestamp"].to_pylist(),
    }
    shape = bitmap_shape(table.schema)
    if shape is not None:
        return _with_bitmaps(table["bitmap"], shape, known)
    batches = [_with_strokes(chunk) for chunk in table["strokes"].chunks]
    points = DrawingBatch.concatenate(batches)
    return points.replace(**known) if len(points) else points


def _strokes(batch: DrawingBatch) -> pa.Array:
    values = batch.points.astype(np.uint8)
    line_starts = pa.array(batch.stroke_starts.astype(np.int32))
    xs, ys = (
        pa.ListArray.from_arrays(line_starts, np.ascontiguousarray(values[:, axis]), type=_LINE)
        for axis in (0, 1)
    )
    strokes = pa.StructArray.from_arrays([xs, ys], fields=list(_STROKE))
    starts = pa.array(batch.drawing_starts.astype(np.int32))
    return pa.ListArray.from_arrays(starts, strokes, type=STROKES)


def _bitmaps(bitmaps: ByteArray) -> pa.Array:
    n, height, width = bitmaps.shape
    content = pa.py_buffer(np.ascontiguousarray(bitmaps))
    return pa.FixedSizeBinaryArray.from_buffers(pa.binary(height * width), n, [None, content])


def _with_strokes(strokes: pa.ListArray) -> DrawingBatch:
    drawing_starts, lines = opened_lists(strokes)
    stroke_starts, xs = opened_lists(lines.field("x"))
    _, ys = opened_lists(lines.field("y"))
    points = np.empty((len(xs), 2), np.float32)
    points[:, 0] = xs.to_numpy()
    points[:, 1] = ys.to_numpy()
    return DrawingBatch(points, stroke_starts, drawing_starts)


def opened_lists(lists: pa.ListArray) -> tuple[IntArray, pa.Array]:
    """Where the lists start among their values (closed by the end), and those values."""
    starts = lists.offsets.to_numpy().astype(np.int64)
    return starts - starts[0], lists.values[starts[0] : starts[-1]]


def _with_bitmaps(
    column: pa.ChunkedArray, shape: tuple[int, int], known: dict[str, Any]
) -> DrawingBatch:
    size = shape[0] * shape[1]
    images = [
        np.frombuffer(chunk.buffers()[1], np.uint8)[
            chunk.offset * size : (chunk.offset + len(chunk)) * size
        ].reshape(-1, *shape)
        for chunk in column.chunks
    ]
    bitmaps = np.concatenate(images) if images else np.zeros((0, *shape), np.uint8)
    return DrawingBatch(
        points=np.zeros((0, 2), np.float32),
        stroke_starts=np.zeros(1, np.int64),
        drawing_starts=np.zeros(len(bitmaps) + 1, np.int64),
        bitmaps=bitmaps,
        **known,
    )
