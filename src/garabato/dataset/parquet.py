"""A split as Parquet, which pandas, polars and DuckDB read too."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from garabato.dataset.manifest import describe_split
from garabato.drawing import DrawingBatch
from garabato.drawing.arrow import from_table, with_split
from garabato.errors import DatasetError
from garabato.host.atomic import sync

#: Some 3 MB on disk: large enough to compress well, small enough to read a part.
ROW_GROUP = 2**15


def write_split(folder: Path, name: str, tables: Iterable[pa.Table]) -> dict[str, Any]:
    """Write tables (as `drawing.arrow.to_table` makes, one a category) to `<name>.parquet`.

    The file is flushed to the disk; returns the split as dataset.json holds it.
    """
    file = folder / f"{name}.parquet"
    n_drawings = 0
    writer: pq.ParquetWriter | None = None
    try:
        for group in _row_groups(with_split(table, name) for table in tables):
            if writer is None:
                writer = pq.ParquetWriter(file, group.schema, compression="zstd")
            writer.write_table(group, row_group_size=ROW_GROUP)
            n_drawings += group.num_rows
    finally:
        if writer is not None:
            writer.close()
    sync(file)
    return describe_split([file], n_drawings)


def read_split(files: Sequence[Path]) -> DrawingBatch:
    """The drawings of a split, in order. Raises DatasetError for what is no Parquet."""
    return from_table(_read(files))


def read_categories(files: Sequence[Path]) -> list[str]:
    """The category of every drawing of a split; of the files, only that column is read."""
    names: list[str] = _read(files, columns=["category"])["category"].to_pylist()
    return names


def _read(files: Sequence[Path], columns: list[str] | None = None) -> pa.Table:
    tables = []
    for file in files:
        try:
            tables.append(pq.read_table(file, columns=columns, memory_map=True))
        except (pa.ArrowException, OSError) as error:
            raise DatasetError(f"{file} cannot be read; make the data set again") from error
    return pa.concat_tables(tables)


def _row_groups(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """The same rows in tables of at least ROW_GROUP of them, but for the last."""
    waiting: list[pa.Table] = []
    for table in tables:
        waiting.append(table)
        if sum(t.num_rows for t in waiting) >= ROW_GROUP:
            yield pa.concat_tables(waiting)
            waiting = []
    if waiting:
        yield pa.concat_tables(waiting)
