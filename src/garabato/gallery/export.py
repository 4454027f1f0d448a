"""Write the drawings of a gallery as ndjson in Google's format, or as Parquet."""

from __future__ import annotations

from collections.abc import Iterable
from os import PathLike
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from garabato.categories import file_stem
from garabato.drawing import Details
from garabato.drawing.arrow import (
    DETAIL_TYPES,
    METADATA_TYPES,
    ROW_GROUP,
    STROKES,
    row_groups,
    to_table,
)
from garabato.errors import InputError, StorageError
from garabato.formats.ndjson import format_line
from garabato.gallery.records import Stored
from garabato.host.atomic import replacing, replacing_folder, sync
from garabato.render import with_strokes
from garabato.sources.folder import has_suffix_of_drawings

#: The file of drawings without a category.
NO_CATEGORY = "uncategorised"

_COLUMNS = pa.schema(
    [
        *(pa.field(name, kind, nullable=name != "key_id") for name, kind in METADATA_TYPES.items()),
        pa.field("tags", DETAIL_TYPES["tags"], nullable=False),
        *(pa.field(name, kind) for name, kind in DETAIL_TYPES.items() if name != "tags"),
        pa.field("strokes", STROKES, nullable=False),
        pa.field("embedding", pa.list_(pa.float32()), nullable=False),
    ]
)


def export_drawings(pieces: Iterable[Stored], path: str | PathLike[str]) -> int:
    """Write the drawings to `path`, all or none. Returns how many.

    - `NAME.ndjson` is one file.
    - `NAME.parquet` is one file that also has embeddings, tags, titles, links and original files.
      Strokes are as in a prepared data set: list<struct<x: list<uint8>, y: list<uint8>>>.
    - Any other path is a folder with a file `<category>.ndjson` for each category, which
      `garabato index --source` reads. It must not exist yet. If a category cannot be a file name,
      its file gets a similar name with a hash.

    Bitmaps are written as the strokes traced from them.
    """
    target = Path(path)
    if target.suffix == ".parquet":
        with replacing(target) as temporary:
            return _write_parquet(pieces, temporary)
    if target.suffix == ".ndjson":
        with replacing(target) as temporary, open(temporary, "wb") as file:
            n_written = 0
            for piece in pieces:
                file.writelines(map(format_line, with_strokes(piece.drawings)))
                n_written += len(piece.drawings)
        return n_written
    if has_suffix_of_drawings(target):
        raise InputError(f"cannot export to {target}: name it .ndjson or .parquet, or a folder")
    return _export_folder(pieces, target)


def _write_parquet(pieces: Iterable[Stored], target: Path) -> int:
    n_written = 0
    with pq.ParquetWriter(target, _COLUMNS, compression="zstd") as writer:
        for group in row_groups(map(_to_columns, pieces)):
            writer.write_table(group, row_group_size=ROW_GROUP)
            n_written += group.num_rows
    return n_written


def _to_columns(piece: Stored) -> pa.Table:
    batch = with_strokes(piece.drawings)
    table = to_table(batch)
    n, dim = piece.embeddings.shape
    columns: dict[str, Any] = {
        **dict(zip(table.column_names, table.columns, strict=True)),
        **{
            name: [getattr(one or Details(), name) for one in batch.details]
            for name in DETAIL_TYPES
        },
        "embedding": pa.ListArray.from_arrays(
            pa.array(range(0, (n + 1) * dim, dim), pa.int32()), piece.embeddings.reshape(-1)
        ),
    }
    return pa.table(columns, schema=_COLUMNS)


def _export_folder(pieces: Iterable[Stored], target: Path) -> int:
    _refuse_existing(target)
    n_written = 0
    with replacing_folder(target) as unfinished:
        for piece in pieces:
            lines: dict[str, list[bytes]] = {}
            for drawing in with_strokes(piece.drawings):
                name = f"{file_stem(drawing.category or NO_CATEGORY)}.ndjson"
                lines.setdefault(name, []).append(format_line(drawing))
            for name, of_category in lines.items():
                with open(unfinished / name, "ab") as file:
                    file.writelines(of_category)
            n_written += len(piece.drawings)
        for written in unfinished.iterdir():
            sync(written)
        _refuse_existing(target)  # or one that appeared meanwhile would be replaced
    return n_written


def _refuse_existing(target: Path) -> None:
    if target.exists():
        raise StorageError(
            f"cannot write {target}: it exists; give a new folder, or a .ndjson or .parquet file"
        )
