"""DrawingBatch <-> Arrow tables, the form of prepared data sets."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from garabato.drawing.arrays import MAX_COORDINATE, MIN_COORDINATE, ByteArray, IntArray
from garabato.drawing.batch import COLUMN_OF, DrawingBatch
from garabato.drawing.drawing import DETAIL_NAMES
from garabato.errors import DrawingError, first_line

#: The columns of the metadata of drawings, with their types, and those of their `Details`.
METADATA_TYPES = {
    "key_id": pa.string(),
    "category": pa.string(),
    "country": pa.string(),
    "recognized": pa.bool_(),
    "timestamp": pa.string(),
    "traced": pa.bool_(),
}
DETAIL_TYPES = {
    **dict.fromkeys(DETAIL_NAMES, pa.string()),
    "tags": pa.list_(pa.string()),
    "original": pa.binary(),
}
#: Drawings per row group of a Parquet file: some 3 MB, with embeddings 20 MB. Large enough to
#: compress well, small enough to read in parts.
ROW_GROUP = 2**15
#: Columns that prepared data sets fill for every drawing; their third column is `split`.
_REQUIRED, _SPLIT_COLUMN = ("key_id", "category"), 2


def _strokes_of(number: pa.DataType) -> pa.DataType:
    line = pa.list_(pa.field("item", number, nullable=False))
    stroke = pa.struct([pa.field("x", line, nullable=False), pa.field("y", line, nullable=False)])
    return pa.list_(pa.field("item", stroke, nullable=False))


#: The strokes of a drawing: list<struct<x: list<uint8>, y: list<uint8>>>.
STROKES = _strokes_of(pa.uint8())


def to_table(batch: DrawingBatch, split: str = "") -> pa.Table:
    """A batch on the grid (see `DrawingBatch.on_grid`) as a table.

    Columns: key_id, category, split, country, recognized, timestamp, traced, and `strokes`, or for
    bitmaps `bitmap`, bytes by rows, with height_px and width_px in the field's metadata.
    """
    if batch.bitmaps is None:
        ink, ink_field = _strokes(batch), pa.field("strokes", STROKES, nullable=False)
    else:
        ink, ink_field = _bitmap_column(batch.bitmaps)
    arrays, fields = _metadata(batch, required=_REQUIRED)
    arrays.insert(_SPLIT_COLUMN, pa.repeat(pa.scalar(split), len(batch)))
    fields.insert(_SPLIT_COLUMN, pa.field("split", pa.string(), nullable=False))
    return pa.Table.from_arrays([*arrays, ink], schema=pa.schema([*fields, ink_field]))


def with_split(table: pa.Table, split: str) -> pa.Table:
    """The same table with this split."""
    index = table.schema.get_field_index("split")
    column = pa.repeat(pa.scalar(split), table.num_rows)
    return table.set_column(index, table.schema.field(index), column)


def row_groups(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """The same rows in tables of at least ROW_GROUP rows, except the last."""
    waiting: list[pa.Table] = []
    for table in tables:
        waiting.append(table)
        if sum(t.num_rows for t in waiting) >= ROW_GROUP:
            yield pa.concat_tables(waiting)
            waiting = []
    if waiting:
        yield pa.concat_tables(waiting)


def stored_bitmap_shape(schema: pa.Schema) -> tuple[int, int] | None:
    """(height, width) in px of the bitmaps of a table; None if it holds strokes."""
    if "bitmap" not in schema.names:
        return None
    shape = described_shape(schema.field("bitmap"))
    if shape is None:
        raise DrawingError(
            "the column `bitmap` has lost its metadata height_px and width_px; "
            "keep the Arrow schema"
        )
    return shape


def described_shape(field: pa.Field) -> tuple[int, int] | None:
    """(height, width) in px from the metadata of a field of bitmaps; None if it has none."""
    try:
        shape = int(field.metadata[b"height_px"]), int(field.metadata[b"width_px"])
    except (TypeError, KeyError, ValueError):
        return None
    return shape if min(shape) > 0 else None


def to_any_table(batch: DrawingBatch) -> pa.Table:
    """Like `to_table`, for any drawings and without `split`; float32 unless all are on the grid."""
    points = batch.points
    if batch.bitmaps is not None:
        column, field = _bitmap_column(batch.bitmaps)
    else:
        fits = (points >= 0) & (points <= 255) & (np.rint(points) == points)
        column = _strokes(batch, None if fits.all() else pa.float32())
        field = pa.field("strokes", column.type, nullable=False)
    arrays, fields = _metadata(batch)
    return pa.Table.from_arrays([*arrays, column], schema=pa.schema([*fields, field]))


def from_any_table(frame: Any) -> DrawingBatch:
    """Like `from_table`, for tables of other programs: checks them; metadata may be missing.

    Raises DrawingError.
    """
    try:
        table = pa.table(frame)
    except (TypeError, ValueError) as error:
        raise DrawingError(
            f"cannot read this {type(frame).__name__} as a table ({first_line(error)}); give an "
            "Arrow table, or a frame of pandas or polars"
        ) from None
    if "strokes" in table.schema.names:
        _check_strokes(table["strokes"])
    elif "bitmap" not in table.schema.names:
        raise DrawingError(
            f"the table has no column `strokes` or `bitmap`, only {', '.join(table.schema.names)}"
        )
    batch = from_table(_with_types(table))
    # As in `Drawing`: strokes without points are dropped, tiny coordinates are 0.
    n_points = np.diff(batch.stroke_starts)
    return batch.replace(
        points=np.where(np.abs(batch.points) < MIN_COORDINATE, 0, batch.points),
        stroke_starts=np.append(0, np.cumsum(n_points[n_points > 0])),
        drawing_starts=np.append(0, np.cumsum(n_points > 0))[batch.drawing_starts],
    )


def from_table(table: pa.Table) -> DrawingBatch:
    """The drawings of a table of `to_table`; points are copied once, into float32."""
    metadata: dict[str, Any] = {
        COLUMN_OF[column]: table[column].to_pylist()
        for column in METADATA_TYPES
        if column in table.schema.names
    }
    shape = stored_bitmap_shape(table.schema)
    if shape is not None:
        return _with_bitmaps(table["bitmap"], shape, metadata)
    batch = DrawingBatch.concatenate([_with_strokes(chunk) for chunk in table["strokes"].chunks])
    return batch.replace(**metadata) if len(batch) else batch


def opened_lists(lists: pa.ListArray) -> tuple[IntArray, pa.Array]:
    """The starts of the lists among their values (plus the end), and these values."""
    starts = lists.offsets.to_numpy().astype(np.int64)
    return starts - starts[0], lists.values[starts[0] : starts[-1]]


def _strokes(batch: DrawingBatch, number: pa.DataType | None = None) -> pa.Array:
    """The strokes of a batch, with coordinates of type `number`, by default uint8."""
    kind = STROKES if number is None else _strokes_of(number)
    stroke = kind.value_type
    values = batch.points.astype(np.uint8 if number is None else number.to_pandas_dtype())
    line_starts = pa.array(batch.stroke_starts.astype(np.int32))
    xs, ys = (
        pa.ListArray.from_arrays(
            line_starts, np.ascontiguousarray(values[:, axis]), type=stroke.field(axis).type
        )
        for axis in (0, 1)
    )
    strokes = pa.StructArray.from_arrays([xs, ys], fields=list(stroke))
    starts = pa.array(batch.drawing_starts.astype(np.int32))
    return pa.ListArray.from_arrays(starts, strokes, type=kind)


def _bitmap_column(bitmaps: ByteArray) -> tuple[pa.Array, pa.Field]:
    n, height, width = bitmaps.shape
    kind = pa.binary(height * width)
    content = pa.py_buffer(np.ascontiguousarray(bitmaps))
    shape = {"height_px": str(height), "width_px": str(width)}
    field = pa.field("bitmap", kind, nullable=False, metadata=shape)
    return pa.FixedSizeBinaryArray.from_buffers(kind, n, [None, content]), field


def _metadata(
    batch: DrawingBatch, *, required: Collection[str] = ()
) -> tuple[list[pa.Array], list[pa.Field]]:
    """The columns of metadata, and their fields."""
    arrays = [
        pa.array(getattr(batch, COLUMN_OF[name]), kind) for name, kind in METADATA_TYPES.items()
    ]
    fields = [
        pa.field(name, kind, nullable=name not in required) for name, kind in METADATA_TYPES.items()
    ]
    return arrays, fields


def _check_strokes(column: pa.ChunkedArray) -> None:
    """Raise DrawingError, naming the column, for invalid strokes."""
    expected = "expected list<struct<x: list<number>, y: list<number>>>"
    for chunk in column.chunks:
        kind = chunk.type
        if not (_is_list(kind) and pa.types.is_struct(kind.value_type)):
            raise DrawingError(f"the column `strokes` is {kind}; {expected}")
        names = [field.name for field in kind.value_type]
        if not {"x", "y"} <= {*names} or not all(
            _is_list(kind.value_type.field(axis).type) for axis in ("x", "y")
        ):
            raise DrawingError(f"the column `strokes` is {kind}; {expected}")
        _, lines = opened_lists(chunk)
        (x_starts, xs), (y_starts, ys) = (opened_lists(lines.field(axis)) for axis in ("x", "y"))
        parts = (chunk, lines, lines.field("x"), lines.field("y"), xs, ys)
        if any(part.null_count for part in parts):
            raise DrawingError("the column `strokes` has missing values; fill or drop those rows")
        if not np.array_equal(x_starts, y_starts):
            raise DrawingError("a stroke in the column `strokes` has unequal numbers of xs and ys")
        for values in (xs, ys):
            numbers = values.to_numpy(zero_copy_only=False).astype(np.float64)
            if not np.isfinite(numbers).all() or np.abs(numbers).max(initial=0) > MAX_COORDINATE:
                raise DrawingError(
                    "the column `strokes` has a coordinate that is NaN, infinite or beyond 2^24"
                )


def _with_types(table: pa.Table) -> pa.Table:
    """The table with columns of the types that `to_any_table` gives them: numbers and texts such as
    "true" become booleans, numbers and times text, and bitmaps have one size.

    Raises DrawingError, naming the column.
    """
    for i, field in enumerate(table.schema):
        kind = METADATA_TYPES.get(field.name)
        expected = "true and false" if kind == pa.bool_() else "text"
        shape = stored_bitmap_shape(table.schema) if field.name == "bitmap" else None
        if shape is not None:
            kind, expected = pa.binary(shape[0] * shape[1]), f"{shape[0] * shape[1]} bytes each"
            if table[i].null_count:
                raise DrawingError("the column `bitmap` has missing values; drop those rows")
        if kind is None or field.type == kind:
            continue
        column = table[i]
        try:
            if kind == pa.string() and pa.types.is_floating(field.type):
                column = column.cast(pa.int64())  # pandas' whole numbers, if some are missing
            table = table.set_column(i, field.with_type(kind), column.cast(kind))
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            problem = f"the column `{field.name}` is {field.type}; expected {expected}"
            raise DrawingError(problem) from None
    return table


def _is_list(kind: pa.DataType) -> bool:
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind))


def _with_bitmaps(
    column: pa.ChunkedArray, shape: tuple[int, int], metadata: dict[str, Any]
) -> DrawingBatch:
    size = shape[0] * shape[1]
    images = [
        np.frombuffer(chunk.buffers()[1], np.uint8)[
            chunk.offset * size : (chunk.offset + len(chunk)) * size
        ].reshape(-1, *shape)
        for chunk in column.chunks
    ]
    bitmaps = np.concatenate(images) if images else np.zeros((0, *shape), np.uint8)
    return DrawingBatch.from_bitmaps(bitmaps, **metadata)


def _with_strokes(strokes: pa.ListArray) -> DrawingBatch:
    drawing_starts, lines = opened_lists(strokes)
    stroke_starts, xs = opened_lists(lines.field("x"))
    _, ys = opened_lists(lines.field("y"))
    points = np.empty((len(xs), 2), np.float32)
    points[:, 0] = xs.to_numpy(zero_copy_only=False)
    points[:, 1] = ys.to_numpy(zero_copy_only=False)
    return DrawingBatch(points, stroke_starts, drawing_starts)
