"""Parquet and Arrow files with one drawing per row.

The columns are those of Hugging Face's quickdraw (`key_id`, `word`, `recognized`, `timestamp`,
`countrycode`, `drawing`, or `image` and `label`), of garabato's own Parquet files (`category`,
`country`, `strokes` or `bitmap`), or any mix of these names. A drawing may be stored as

- list<struct<x: list, y: list>> (garabato),
- struct<x: list<list>, y: list<list>> (how Hugging Face stores a sequence of strokes),
- list<list<list>>: [[[x, ...], [y, ...]], ...],
- a string with the same as JSON (Kaggle, BigQuery),
- a picture or SVG file: binary, or struct<bytes, path> (Hugging Face's `Image`).

Categories stored as numbers are named by the class names in Hugging Face's schema metadata.
Source: https://huggingface.co/datasets/google/quickdraw.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from typing import Any, NamedTuple
from unicodedata import normalize

import numpy as np
import pyarrow as pa

from garabato.drawing import MAX_POINTS, Details, Drawing, DrawingBatch
from garabato.drawing.arrow import DETAIL_TYPES, described_shape, opened_lists
from garabato.errors import FormatError, first_line
from garabato.formats import picture, svg
from garabato.formats.ndjson import ALIASES, by_alias, parse_fields
from garabato.formats.stream import MAX_EXPANSION, Input, in_batches, most_expanded

PARQUET_MAGIC, ARROW_MAGIC = b"PAR1", b"ARROW1"
#: Rows decoded at a time.
_BATCH_ROWS = 1024
#: A column of one row group or batch may have this many values: 128 MiB as uint8.
_MAX_VALUES = 2**27

#: Field of a drawing -> the columns that may hold it, in order of preference.
_COLUMNS = {**ALIASES, "drawing": (*ALIASES["drawing"], "bitmap", "image")}
#: The columns of details in Parquet files that `Gallery.export` writes.
_DETAILS = {name: kind for name, kind in DETAIL_TYPES.items() if name != "original_type"}


def read(source: Input) -> Iterator[DrawingBatch]:
    """Yield batches of the rows' drawings; rows that cannot be read are rejected one by one."""
    first_row = 0
    try:
        for table in _tables(source):
            yield from _read_table(table, first_row, source)
            first_row += table.num_rows
    except (pa.ArrowException, OSError, ValueError, KeyError, OverflowError) as error:
        if isinstance(error, FormatError):
            raise
        problem = f"a truncated or damaged Parquet or Arrow file ({first_line(error)})"
        raise source.error(problem) from error


def _tables(source: Input) -> Iterator[pa.Table]:
    """Pieces of the file, each with the columns of a drawing only."""
    file = pa.BufferReader(source.read_whole()) if source.path is None else str(source.path)
    if source.head.startswith(PARQUET_MAGIC):
        yield from _parquet_tables(file, source)
        return
    handle = pa.memory_map(file) if isinstance(file, str) else file
    with handle:
        if source.head.startswith(ARROW_MAGIC):
            reader = pa.ipc.open_file(handle)
            batches = map(reader.get_batch, range(reader.num_record_batches))
        else:
            reader = batches = pa.ipc.open_stream(handle)
        names = _chosen(reader.schema, source)
        for whole in batches:
            batch = whole.select(list(names.values()))
            # `nbytes` would follow the offsets, which may lead outside of a damaged file
            _check_growth(batch.get_total_buffer_size(), handle.size(), source)
            batch.validate(full=True)
            for first in range(0, batch.num_rows, _BATCH_ROWS):
                yield pa.Table.from_batches([batch.slice(first, _BATCH_ROWS)])


def _parquet_tables(file: Any, source: Input) -> Iterator[pa.Table]:
    import pyarrow.parquet as pq

    with pq.ParquetFile(file, memory_map=isinstance(file, str)) as parquet:
        names = _chosen(parquet.schema_arrow, source)
        paths = [parquet.schema.column(i).path for i in range(len(parquet.schema))]
        read = tuple(f"{name}." for name in names.values())
        is_read = [f"{path}.".startswith(read) for path in paths]
        sizes = _column_sizes(_parquet_footer(file))
        groups = range(parquet.metadata.num_row_groups)
        for number, all_columns in zip(groups, sizes, strict=True):
            columns = [one for one, wanted in zip(all_columns, is_read, strict=True) if wanted]
            n_values = max((column.n_values for column in columns), default=0)
            if n_values > _MAX_VALUES:
                raise source.error(
                    f"a row group has more than {_MAX_VALUES:,} values in a column; "
                    "write the file with smaller row groups",
                    f"row group {number}",
                )
            for column in columns:
                _check_growth(column.n_bytes, column.n_compressed, source)
            for batch in parquet.iter_batches(
                _BATCH_ROWS, row_groups=[number], columns=list(names.values()), use_threads=False
            ):
                yield pa.Table.from_batches([batch])


def _chosen(schema: pa.Schema, source: Input) -> dict[str, str]:
    """Field -> the column of the file that holds it."""
    given = {name.lower(): name for name in reversed(schema.names)}
    found = by_alias(given, _COLUMNS)
    if "drawing" not in found:
        raise source.error(
            f"there is no column {', '.join(_COLUMNS['drawing'][:-1])} or "
            f"{_COLUMNS['drawing'][-1]}; the columns are {', '.join(schema.names[:20]) or 'none'}"
        )
    if _DETAILS.keys() <= set(schema.names):
        found |= {name: name for name in _DETAILS}
    return found


def _column_sizes(footer: bytes) -> list[list[_ColumnSize]]:
    """The sizes of each row group's columns.

    pyarrow's own `RowGroupMetaData.column` ends the process if the statistics of a column are
    damaged (an uncaught C++ exception in 26.0). The field numbers are those of
    https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift.
    """
    try:
        row_groups = _ThriftReader(footer).read_struct()[4]
        return [
            [_ColumnSize(*(int(column[3][n]) for n in (5, 6, 7))) for column in group.get(1, [])]
            for group in row_groups
        ]
    except (IndexError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError("the metadata is damaged") from error


class _ColumnSize(NamedTuple):
    """The size of a column in a row group."""

    n_values: int
    n_bytes: int
    n_compressed: int


class _ThriftReader:
    """Reads structs of Thrift's compact protocol as dictionaries: field number -> value.

    Source: https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md.
    """

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def read_struct(self) -> dict[int, Any]:
        fields: dict[int, Any] = {}
        number = 0
        while (head := self._byte()) & 15:
            number = number + (head >> 4) if head >> 4 else self._integer()
            kind = head & 15
            fields[number] = kind == 1 if kind in (1, 2) else self._value(kind)
        return fields

    def _value(self, kind: int) -> Any:
        if kind in (1, 2, 3):  # a boolean in a list, or a byte
            return self._byte()
        if kind in (4, 5, 6):
            return self._integer()
        if kind == 7:
            return self._bytes(8)
        if kind == 8:
            return self._bytes(self._varint())
        if kind in (9, 10):
            head = self._byte()
            n = self._varint() if head >> 4 == 15 else head >> 4
            return [self._value(head & 15) for _ in range(n)]
        if kind == 12:
            return self.read_struct()
        raise ValueError("the metadata is damaged")  # Parquet has no maps

    def _byte(self) -> int:
        self._at += 1
        return self._data[self._at - 1]

    def _bytes(self, n: int) -> bytes:
        if self._at + n > len(self._data):
            raise IndexError
        self._at += n
        return self._data[self._at - n : self._at]

    def _varint(self) -> int:
        value = shift = 0
        while (byte := self._byte()) & 128:
            value |= (byte & 127) << shift
            shift += 7
            if shift > 63:
                raise ValueError("the metadata is damaged")
        return value | byte << shift

    def _integer(self) -> int:
        value = self._varint()
        return value >> 1 ^ -(value & 1)


def _parquet_footer(file: Any) -> bytes:
    """The metadata of a Parquet file (a path or a BufferReader), in Thrift's compact protocol."""
    with pa.OSFile(file) if isinstance(file, str) else nullcontext(file) as opened:
        opened.seek(opened.size() - 8)
        n_bytes = int.from_bytes(opened.read(4), "little")
        opened.seek(opened.size() - 8 - n_bytes)
        footer: bytes = opened.read(n_bytes)
        return footer


def _check_growth(n_bytes: int, n_compressed: int, source: Input) -> None:
    if n_bytes > most_expanded(n_compressed):
        raise source.error(
            f"a column grows more than {MAX_EXPANSION} times when expanded; "
            "write the file without compression if you trust it"
        )


def _read_table(table: pa.Table, first_row: int, source: Input) -> Iterator[DrawingBatch]:
    names = _chosen(table.schema, source)
    metadata = {
        field: _values(table.column(names[field]), table.schema, names[field])
        for field in _COLUMNS
        if field != "drawing" and field in names
    }
    column, details = table.column(names["drawing"]), _details(table)
    batch = _whole_batch(column, metadata)
    if batch is not None:
        yield batch.replace(details=details)
        return
    shape = described_shape(table.schema.field(names["drawing"]))
    yield from in_batches(_rows(column, metadata, details, shape, first_row, source))


def _values(column: pa.ChunkedArray, schema: pa.Schema, name: str) -> list[Any]:
    class_names = _class_names(schema, name) if pa.types.is_integer(column.type) else []
    if pa.types.is_timestamp(column.type):
        return _times(column)
    try:
        values: list[Any] = column.to_pylist()
    except (ValueError, OverflowError):  # text that is not UTF-8, a date after 9999
        values = [_converted(scalar) for scalar in column]
    if name.lower() in _COLUMNS["word"]:
        return [_category(value, class_names) for value in values]
    return [v.isoformat() if isinstance(v, datetime.date) else v for v in values]


def _class_names(schema: pa.Schema, column: str) -> list[str]:
    """The names behind the numbers of a `ClassLabel`, which `datasets` keeps in the metadata."""
    try:
        about = json.loads((schema.metadata or {})[b"huggingface"])
        names = about["info"]["features"][column]["names"]
    except (KeyError, TypeError, ValueError):
        return []
    return [str(name) for name in names] if isinstance(names, list) else []


def _times(column: pa.ChunkedArray) -> list[Any]:
    """Times in UTC to the microsecond, in the form of Google's files.

    pyarrow's own conversion needs pandas for nanoseconds, and a database of time zones.
    """
    start = datetime.datetime(1970, 1, 1)
    per_second = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[column.type.unit]
    times: list[Any] = column.cast(pa.int64()).to_pylist()
    for row, ticks in enumerate(times):
        if ticks is not None:
            try:
                passed = datetime.timedelta(microseconds=ticks * 10**6 // per_second)
                times[row] = f"{(start + passed).isoformat(' ')} UTC"
            except OverflowError:
                times[row] = _unreadable(column.type)
    return times


def _unreadable(kind: pa.DataType) -> dict[str, str]:
    """Stands for a value that Python cannot represent: no field of a drawing is an object."""
    return {"unreadable": str(kind)}


def _converted(scalar: pa.Scalar) -> Any:
    try:
        return scalar.as_py()
    except (ValueError, OverflowError):
        return _unreadable(scalar.type)


def _category(value: Any, class_names: list[str]) -> Any:
    if type(value) is int and class_names:  # -1 stands for no category
        return class_names[value] if 0 <= value < len(class_names) else None
    if type(value) in (int, str):
        return normalize("NFC", str(value)) or None
    return value


def _whole_batch(column: pa.ChunkedArray, metadata: dict[str, list[Any]]) -> DrawingBatch | None:
    """The rows as one batch, from whole buffers; None if they must be read one by one.

    For strokes as list<struct<x: list<uint8>, y: list<uint8>>> (garabato's files) or struct<x:
    list<list<uint8>>, y: list<list<uint8>>> (Hugging Face's), without nulls and strokes of unequal
    lengths, and plain metadata.
    """
    texts = (metadata.get(name, []) for name in ("key_id", "word", "countrycode", "timestamp"))
    if not all(value is None or isinstance(value, str) for values in texts for value in values):
        return None
    array = column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)
    if _has_axes(column.type, lambda axis: pa.types.is_list(axis) and _is_row(axis.value_type)):
        lists = [array.field(axis) for axis in ("x", "y")]
        (drawing_starts, x_lines), (y_drawing_starts, y_lines) = map(opened_lists, lists)
        parts = [array, *lists, x_lines, y_lines]
    elif pa.types.is_list(column.type) and _has_axes(column.type.value_type, _is_row):
        drawing_starts, strokes = opened_lists(array)
        y_drawing_starts = drawing_starts
        x_lines, y_lines = (strokes.field(axis) for axis in ("x", "y"))
        parts = [array, strokes, x_lines, y_lines]
    else:
        return None
    (stroke_starts, xs), (y_starts, ys) = opened_lists(x_lines), opened_lists(y_lines)
    if any(part.null_count for part in (*parts, xs, ys)):
        return None
    if not (
        np.array_equal(drawing_starts, y_drawing_starts) and np.array_equal(stroke_starts, y_starts)
    ):
        return None
    if np.diff(stroke_starts[drawing_starts]).max(initial=0) > MAX_POINTS:
        return None
    if not (np.diff(stroke_starts) > 0).all():
        return None
    points = np.stack([xs.to_numpy(), ys.to_numpy()], axis=1).astype(np.float32)
    n = len(drawing_starts) - 1
    columns: dict[str, Any] = {
        name: metadata.get(field, [None] * n)
        for name, field in (
            ("key_ids", "key_id"), ("categories", "word"), ("countries", "countrycode"),
            ("recognized", "recognized"), ("timestamps", "timestamp"), ("traced", "traced"),
        )
    }  # fmt: skip
    booleans = (*columns["recognized"], *columns["traced"])
    if not all(value is None or isinstance(value, bool) for value in booleans):
        return None
    return DrawingBatch(points, stroke_starts, drawing_starts, **columns)


def _has_axes(kind: pa.DataType, check: Callable[[pa.DataType], bool]) -> bool:
    """Whether a type is a struct of x and y, each of a type that `check` accepts."""
    fields = {field.name: field.type for field in kind} if pa.types.is_struct(kind) else {}
    return fields.keys() == {"x", "y"} and all(map(check, fields.values()))


def _is_row(kind: pa.DataType) -> bool:
    return bool(pa.types.is_list(kind) and kind.value_type == pa.uint8())


def _details(table: pa.Table) -> list[Details | None]:
    """The details of each row; pandas and others may have written them with other types of text."""
    if not _DETAILS.keys() <= set(table.schema.names):
        return [None] * table.num_rows
    columns = table.select(list(_DETAILS)).cast(pa.schema(_DETAILS))
    return [
        Details(**(known | {"tags": known["tags"] or ()})) if any(known.values()) else None
        for known in columns.to_pylist()
    ]


def _rows(
    column: pa.ChunkedArray,
    metadata: dict[str, list[Any]],
    details: list[Details | None],
    shape: tuple[int, int] | None,
    first_row: int,
    source: Input,
) -> Iterator[Drawing]:
    for row, scalar in enumerate(column):
        position = f"row {first_row + row}"
        fields = {
            field: values[row] for field, values in metadata.items() if values[row] is not None
        }
        try:
            drawing = _drawing(scalar.as_py(), fields, shape, source, position)
            yield drawing if details[row] is None else drawing.replace(details=details[row])
        except FormatError as error:
            source.reject(error)
        except (ValueError, OverflowError) as error:  # text that is not UTF-8
            source.reject(source.error(f"the strokes cannot be read ({error})", position))


def _drawing(
    value: Any, fields: dict[str, Any], shape: tuple[int, int] | None, source: Input, position: str
) -> Drawing:
    if isinstance(value, dict) and "bytes" in value:
        if value["bytes"] is None:
            raise source.error(
                f"the picture is not in the file, only its path {str(value.get('path'))[:100]!r}; "
                "write the file with the pictures in it",
                position,
            )
        value = value["bytes"]
    if isinstance(value, bytes) and shape is None and value.lstrip().startswith((b"[", b"{")):
        value = value.decode("utf-8", errors="replace")
    if isinstance(value, bytes):
        known = parse_fields({**fields, "drawing": []}, position, source)
        if shape is not None:
            if len(value) != shape[0] * shape[1]:
                raise source.error("the bitmap is not of the size the schema names", position)
            bitmap = np.frombuffer(value, np.uint8).reshape(shape)
            return Drawing(bitmap=bitmap, **known.metadata)
        return _picture(value, source, position).replace(**known.metadata)
    return parse_fields({**fields, "drawing": value}, position, source)


def _picture(content: bytes, source: Input, position: str) -> Drawing:
    """The drawing of a picture or SVG file in a row."""
    inner = Input.from_bytes(content, source.name, source.stem)
    is_picture = picture.looks_like(inner.head)
    if not (is_picture or svg.looks_like(inner.head)):
        raise source.error("the bytes are not a picture, SVG or JSON", position)
    try:
        (batch,) = picture.read(inner) if is_picture else svg.read(inner)
    except FormatError as error:
        where = ", ".join(part for part in (position, error.position) if part)
        raise source.error(error.problem, where) from None
    return batch[0]
