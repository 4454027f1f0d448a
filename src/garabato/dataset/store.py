"""A prepared data set on disk: train.parquet, test.parquet, dataset.json and sheets/."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from garabato.atomic import sync
from garabato.dataset.columns import bitmap_shape, from_table, with_split
from garabato.drawing import DrawingBatch, IntArray
from garabato.errors import DatasetError

FORMAT = "garabato dataset"
FORMAT_VERSION = 1
SPLITS = ("train", "test")
MANIFEST = "dataset.json"
SHEETS = "sheets"

#: Some 3 MB on disk: large enough to compress well, small enough to read a part.
ROW_GROUP = 2**15


class Dataset:
    """A prepared data set, read only. `Dataset.open(path)` makes one.

    `path` is its folder, `manifest` what dataset.json says: the source, the seed, the categories,
    the counts of each, the checksums, and what was unreadable.
    """

    def __init__(self, path: Path, manifest: dict[str, Any]) -> None:
        self.path = path
        self.manifest = manifest

    @classmethod
    def open(cls, path: str | PathLike[str]) -> Dataset:
        """Open the data set in the folder `path`.

        Raises DatasetError, saying what to do, for a folder that holds none, one of a later
        version, and one whose files are missing or of another size than was written.
        """
        folder = Path(path)
        manifest = _read_manifest(folder)
        for split in SPLITS:
            _check_size(folder, manifest["splits"][split])
        return cls(folder, manifest)

    @cached_property
    def categories(self) -> list[str]:
        """The names of the categories, sorted; a label is a place in this list."""
        return list(self.manifest["categories"])

    @cached_property
    def counts(self) -> dict[str, dict[str, int]]:
        """Category -> the number of its drawings in each split."""
        found = self.manifest["counts"]
        return {name: {split: found[name][split] for split in SPLITS} for name in self.categories}

    def split(self, name: str) -> DrawingBatch:
        """The drawings of a split ("train" or "test"), category after category."""
        return from_table(self._read(name))

    def labels(self, name: str) -> IntArray:
        """(N,) int64: for every drawing of a split its category's place in `categories`."""
        column = self._read(name, columns=["category"])["category"]
        places = pa.compute.index_in(column, value_set=pa.array(self.categories))
        return places.to_numpy().astype(np.int64)  # type: ignore[no-any-return]

    def verify(self) -> None:
        """Compare the files with their checksums. Raises DatasetError for what was changed."""
        for name in SPLITS:
            about = self.manifest["splits"][name]
            file = self.path / about["file"]
            if _sha256(file) != about["sha256"]:
                raise DatasetError(
                    f"{file} is damaged: its checksum is not the one in {MANIFEST}; prepare the "
                    "data set again"
                )

    def _read(self, name: str, *, columns: list[str] | None = None) -> pa.Table:
        if name not in SPLITS:
            raise DatasetError(f"there is no split {name!r}; the splits are {', '.join(SPLITS)}")
        about = self.manifest["splits"][name]
        file = self.path / about["file"]
        try:
            table = pq.read_table(file, columns=columns, memory_map=True)
        except (pa.ArrowException, OSError) as error:
            raise DatasetError(f"{file} cannot be read; prepare the data set again") from error
        if table.num_rows != about["n_drawings"]:
            raise DatasetError(
                f"{file} holds {table.num_rows:,} drawings, {MANIFEST} says "
                f"{about['n_drawings']:,}; prepare the data set again"
            )
        return table

    def __repr__(self) -> str:
        sizes = ", ".join(f"{self.manifest['splits'][s]['n_drawings']:,} {s}" for s in SPLITS)
        return f"Dataset({str(self.path)!r}, {len(self.categories)} categories: {sizes})"


@dataclass(frozen=True, slots=True)
class WrittenSplit:
    """One file of a data set, as dataset.json describes it."""

    file: str
    n_drawings: int
    bytes: int
    sha256: str


def write_split(folder: Path, name: str, tables: Iterable[pa.Table]) -> WrittenSplit:
    """Write the tables of all categories as one Parquet file, flushed to the disk."""
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
    return WrittenSplit(file.name, n_drawings, file.stat().st_size, _sha256(file))


def write_manifest(
    folder: Path,
    schema: pa.Schema,
    splits: Mapping[str, WrittenSplit],
    known: Mapping[str, Any],
) -> None:
    """Write dataset.json: the format, what the caller knows, and the files."""
    shape = bitmap_shape(schema)
    manifest = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "garabato": version("garabato"),
        "kind": "strokes" if shape is None else "bitmaps",
        **({} if shape is None else {"bitmap_shape_px": list(shape)}),
        **known,
        "splits": {
            name: {
                "file": split.file,
                "n_drawings": split.n_drawings,
                "bytes": split.bytes,
                "sha256": split.sha256,
            }
            for name, split in splits.items()
        },
    }
    file = folder / MANIFEST
    file.write_text(json.dumps(manifest, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    sync(file)


def check_replaceable(folder: Path) -> None:
    """Refuse to replace what `prepare` did not write. Raises DatasetError."""
    if not folder.exists():
        return
    fix = "move it away or give another folder"
    if not folder.is_dir():
        raise DatasetError(f"{folder} is a file; {fix}")
    held = {entry.name for entry in folder.iterdir()}
    if not held:
        return
    if MANIFEST not in held or _load_manifest(folder).get("format") != FORMAT:
        raise DatasetError(f"{folder} is not a garabato data set and is not replaced; {fix}")
    if others := sorted(held - {MANIFEST, SHEETS, *(f"{name}.parquet" for name in SPLITS)}):
        raise DatasetError(
            f"{folder} holds {', '.join(others)}, which garabato did not write; "
            "move that away or give another folder"
        )


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


def _read_manifest(folder: Path) -> dict[str, Any]:
    manifest = _load_manifest(folder)
    if manifest.get("format") != FORMAT:
        raise DatasetError(f"{folder / MANIFEST} is not that of a garabato data set")
    found = manifest.get("format_version")
    if found != FORMAT_VERSION:
        raise DatasetError(
            f"{folder} has format version {found}, this garabato reads {FORMAT_VERSION}; prepare "
            "the data set again, or install the garabato that wrote it "
            f"({manifest.get('garabato', 'unknown')})"
        )
    missing = {"categories", "counts", "splits"} - set(manifest)
    if missing or set(manifest["splits"]) != set(SPLITS):
        raise DatasetError(f"{folder / MANIFEST} is incomplete; prepare the data set again")
    return manifest


def _load_manifest(folder: Path) -> dict[str, Any]:
    file = folder / MANIFEST
    try:
        manifest = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        hint = f"garabato prepare --source DIR --out {folder}"
        raise DatasetError(
            f"{folder} holds no data set ({MANIFEST} is missing); make one: {hint}"
        ) from None
    except ValueError as error:
        raise DatasetError(f"{file} is damaged ({error}); prepare the data set again") from None
    if not isinstance(manifest, dict):
        raise DatasetError(f"{file} is damaged (no JSON object); prepare the data set again")
    return manifest


def _check_size(folder: Path, about: Mapping[str, Any]) -> None:
    file = folder / about["file"]
    try:
        n_bytes = file.stat().st_size
    except FileNotFoundError:
        raise DatasetError(f"{file} is missing; prepare the data set again") from None
    if n_bytes != about["bytes"]:
        raise DatasetError(
            f"{file} has {n_bytes:,} bytes, {about['bytes']:,} were written: it is truncated or "
            "was changed; prepare the data set again"
        )


def _sha256(file: Path) -> str:
    with open(file, "rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
