"""Data sets on disk: dataset.json, README.md (a dataset card), and the splits in their files."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from importlib.metadata import version
from os import PathLike
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from garabato.dataset import tfrecord
from garabato.drawing import DrawingBatch, IntArray
from garabato.drawing.arrow import ROW_GROUP, from_table, row_groups, with_split
from garabato.errors import DatasetError, InputError
from garabato.host.atomic import sync

if TYPE_CHECKING:
    import pandas

FORMAT = "garabato dataset"
FORMAT_VERSION = 1
MANIFEST = "dataset.json"
#: The dataset card. One that was edited is never replaced.
CARD = "README.md"
SPLITS = ("train", "test")
_STORAGES = ("parquet", "tfrecord")

#: File names in a data set's folder, in any version of the format.
_OURS = re.compile(
    r"dataset\.json|sheets|mean_image\.(npy|png)"
    r"|(train|test)(-\d{5}-of-\d{5})?\.(parquet|tfrecords)"
)
_AGAIN = "prepare the data set again"

#: The row of the card that says what drawings are.
_INK = {
    "strokes": (
        "| `strokes` | list of strokes, each with lists `x` and `y`, 0 to 255, y pointing down |"
    ),
    "bitmaps": "| `bitmap` | {} x {} bytes by rows, 0 (paper) to 255 (ink) |",
}


class Dataset:
    """A prepared data set, read-only. `prepare` and `export_tfrecord` write one.

    `path` is its folder, `manifest` the content of dataset.json: source, seed, categories, counts,
    checksums and unreadable drawings.
    """

    def __init__(self, path: Path, manifest: dict[str, Any]) -> None:
        self.path = path
        self.manifest = manifest

    def __repr__(self) -> str:
        sizes = ", ".join(f"{self.manifest['splits'][s]['n_drawings']:,} {s}" for s in SPLITS)
        return f"Dataset({str(self.path)!r}, {len(self.categories)} categories: {sizes})"

    @classmethod
    def open(cls, path: str | PathLike[str]) -> Dataset:
        """Open the data set in the folder `path`.

        Raises DatasetError if it is missing, has another format version, or lacks files or parts of
        them.
        """
        folder = Path(path)
        manifest = read_manifest(folder)
        if manifest["storage"] not in _STORAGES:
            raise DatasetError(f"{folder} has the unknown storage {manifest['storage']!r}")
        check_sizes(folder, manifest)
        return cls(folder, manifest)

    @cached_property
    def categories(self) -> list[str]:
        """The names of the categories, sorted. A label is an index into this list."""
        return list(self.manifest["categories"])

    @cached_property
    def counts(self) -> dict[str, dict[str, int]]:
        """Category -> the number of its drawings in each split."""
        found = self.manifest["counts"]
        return {name: {split: found[name][split] for split in SPLITS} for name in self.categories}

    def split(self, name: str) -> DrawingBatch:
        """The drawings of a split ("train" or "test"), ordered by category."""
        files = self._files(name)
        drawings = (tfrecord.read_split if self._is_tfrecord else read_parquet)(files)
        self._check_count(name, len(drawings))
        return drawings

    def to_pandas(self, name: str | None = None) -> pandas.DataFrame:
        """The drawings of a split, or of all: key_id, category, split, country ... and strokes.

        `strokes` holds a list of dictionaries with x and y; bitmaps are bytes. Raises InputError
        if pandas is not installed.
        """
        try:
            import pandas
        except ImportError:
            raise InputError("to_pandas needs pandas: pip install pandas") from None
        frames = []
        for split in SPLITS if name is None else (name,):
            frame = self.split(split).to_arrow().to_pandas()
            frame.insert(2, "split", split)
            frames.append(frame)
        return pandas.concat(frames, ignore_index=True)

    def labels(self, name: str) -> IntArray:
        """(N,) int64: the index in `categories` for each drawing of a split."""
        files = self._files(name)
        categories: list[str] = (
            [str(category) for category in tfrecord.read_split(files).categories]
            if self._is_tfrecord
            else _read(files, columns=["category"])["category"].to_pylist()
        )
        self._check_count(name, len(categories))
        label_of = {category: label for label, category in enumerate(self.categories)}
        for row, category in enumerate(categories):
            if category not in label_of:
                raise DatasetError(
                    f"drawing {row} of the {name} split of {self.path} has the category "
                    f"{category!r}, which is not in {MANIFEST}; {_AGAIN}"
                )
        return np.array([label_of[category] for category in categories], np.int64)

    def verify(self) -> None:
        """Check the files against their checksums. Raises DatasetError if one has changed."""
        check_sizes(self.path, self.manifest)
        for file, about in _files(self.path, self.manifest):
            if sha256_of(file) != about["sha256"]:
                raise DatasetError(
                    f"{file} is damaged: its checksum differs from {MANIFEST}; {_AGAIN}"
                )

    @property
    def _is_tfrecord(self) -> bool:
        return bool(self.manifest["storage"] == "tfrecord")

    def _files(self, name: str) -> list[Path]:
        if name not in SPLITS:
            raise DatasetError(f"there is no split {name!r}; the splits are {', '.join(SPLITS)}")
        return [self.path / about["name"] for about in self.manifest["splits"][name]["files"]]

    def _check_count(self, name: str, n_found: int) -> None:
        n_written = self.manifest["splits"][name]["n_drawings"]
        if n_found != n_written:
            raise DatasetError(
                f"the {name} split of {self.path} has {n_found:,} drawings, but {MANIFEST} says "
                f"{n_written:,}; {_AGAIN}"
            )


def describe_split(files: Iterable[Path], n_drawings: int) -> dict[str, Any]:
    """Describe a split for dataset.json: its size and its files, in order."""
    described = [
        {"name": file.name, "bytes": file.stat().st_size, "sha256": sha256_of(file)}
        for file in files
    ]
    return {"n_drawings": n_drawings, "files": described}


def write_manifest(folder: Path, known: Mapping[str, Any]) -> None:
    """Write dataset.json and flush it to the disk: the format and `known`."""
    head = {"format": FORMAT, "format_version": FORMAT_VERSION, "garabato": version("garabato")}
    file = folder / MANIFEST
    text = json.dumps({**head, **known}, indent=2, ensure_ascii=False)
    file.write_text(text + "\n", encoding="utf-8", errors="backslashreplace")  # in odd file names
    sync(file)


def read_manifest(folder: Path) -> dict[str, Any]:
    """Read dataset.json. Raises DatasetError if it is missing, damaged or of another version."""
    manifest = _load(folder)
    if manifest.get("format") != FORMAT:
        raise DatasetError(f"{folder / MANIFEST} was not written by garabato")
    found = manifest.get("format_version")
    if found != FORMAT_VERSION:
        raise DatasetError(
            f"{folder} has format version {found}, this version of garabato reads "
            f"{FORMAT_VERSION}; {_AGAIN}, or install the version of garabato that wrote it "
            f"({manifest.get('garabato', 'unknown')})"
        )
    if {"storage", "kind", "categories", "counts", "splits"} - set(manifest):
        raise DatasetError(f"{folder / MANIFEST} is incomplete; {_AGAIN}")
    return manifest


def check_sizes(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Raise DatasetError if a file is missing or has the wrong size."""
    for file, about in _files(folder, manifest):
        try:
            n_bytes = file.stat().st_size
        except FileNotFoundError:
            raise DatasetError(f"{file} is missing; {_AGAIN}") from None
        if n_bytes != about["bytes"]:
            raise DatasetError(
                f"{file} has {n_bytes:,} bytes instead of {about['bytes']:,}: it was truncated or "
                f"changed; {_AGAIN}"
            )


def check_replaceable(folder: Path) -> None:
    """Raise DatasetError if `folder` holds anything but a data set."""
    if not folder.exists():
        return
    fix = "move it away or give another folder"
    if not folder.is_dir():
        raise DatasetError(f"{folder} is a file; {fix}")
    held = {entry.name for entry in folder.iterdir()}
    if not held:
        return
    manifest = _load(folder) if MANIFEST in held else {}
    if manifest.get("format") != FORMAT:
        raise DatasetError(f"{folder} is not a garabato data set and is not replaced; {fix}")
    if CARD in held and sha256_of(folder / CARD) == manifest.get("card_sha256"):
        held.remove(CARD)
    if others := sorted(name for name in held if not _OURS.fullmatch(name)):
        raise DatasetError(
            f"{folder} holds {', '.join(others)}, which garabato did not write; "
            "move them away or give another folder"
        )


def sha256_of(file: Path) -> str:
    """The SHA-256 checksum of a file, as in dataset.json."""
    with open(file, "rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def write_split(folder: Path, name: str, tables: Iterable[pa.Table]) -> dict[str, Any]:
    """Write tables (of `drawing.arrow.to_table`, one per category) to `<name>.parquet`.

    Flushes the file to the disk; returns the split's entry for dataset.json.
    """
    file = folder / f"{name}.parquet"
    n_drawings = 0
    writer: pq.ParquetWriter | None = None
    try:
        for group in row_groups(with_split(table, name) for table in tables):
            if writer is None:
                writer = pq.ParquetWriter(file, group.schema, compression="zstd")
            writer.write_table(group, row_group_size=ROW_GROUP)
            n_drawings += group.num_rows
    finally:
        if writer is not None:
            writer.close()
    sync(file)
    return describe_split([file], n_drawings)


def read_parquet(files: Sequence[Path]) -> DrawingBatch:
    """The drawings of a split, in order. Raises DatasetError if a file is not Parquet."""
    return from_table(_read(files))


def dataset_card(manifest: Mapping[str, Any]) -> str:
    """The card of a data set, as Markdown; `manifest` is its dataset.json.

    The YAML front matter names the Parquet files of the splits, so that an uploaded folder loads
    with `datasets.load_dataset`. The licence is left to the owner of the drawings.
    https://huggingface.co/docs/hub/datasets-cards
    """
    n_drawings = {split: known["n_drawings"] for split, known in manifest["splits"].items()}
    n_categories = len(manifest["categories"])
    noun = "category" if n_categories == 1 else "categories"
    metadata = {
        "pretty_name": f"Drawings of {n_categories} {noun}",
        "task_categories": ["image-classification"],
        "tags": ["sketch", "drawing", "garabato"],
        "size_categories": [_size_category(sum(n_drawings.values()))],
        "configs": [
            {
                "config_name": "default",
                "data_files": [
                    {"split": split, "path": [file["name"] for file in known["files"]]}
                    for split, known in manifest["splits"].items()
                    if n_drawings[split]
                ],
            }
        ],
    }
    rows = "\n".join(
        f"| {plain_markdown(name)} | {count['train']:,} | {count['test']:,} |"
        for name, count in manifest["counts"].items()
    )
    ink = _INK[manifest["kind"]].format(*manifest.get("bitmap_shape_px", ()))
    return f"""{front_matter(metadata)}# {metadata["pretty_name"]}

Hand-drawn sketches: {n_drawings["train"]:,} for training and {n_drawings["test"]:,} for testing.
No drawing is in both splits, by its id or by identical strokes.

| column | content |
| --- | --- |
| `key_id` | id of the drawing |
| `category` | name of the category |
| `split` | `train` or `test` |
| `country`, `timestamp` | where and when it was drawn; null if unknown |
| `recognized` | whether *Quick, Draw!* recognized it; null if unknown |
| `traced` | true if the strokes were traced from a picture: their order is unknown |
{ink}

Made by garabato with random seed {manifest["seed"]} from the folder
{plain_markdown(manifest["source"]["folder"])}. `dataset.json` lists the files, their checksums and
unreadable drawings. To train a network on it: `garabato train --data FOLDER --out run`.

This card states no licence. Before you publish the data set, find out who owns the drawings, and
add `license:` to the front matter above.

## Categories

| category | train | test |
| --- | ---: | ---: |
{rows}
"""


def front_matter(metadata: Mapping[str, Any]) -> str:
    """YAML front matter, between lines of dashes. Values are written as JSON, which is YAML."""
    lines = (f"{key}: {json.dumps(value, ensure_ascii=False)}\n" for key, value in metadata.items())
    return f"---\n{''.join(lines)}---\n\n"


def plain_markdown(text: str) -> str:
    """Text on one line of Markdown, or in a cell of a table, that is shown as it is."""
    return re.sub(r"([\\`*_\[\]<>|~&])", r"\\\1", " ".join(text.split()))


def _files(folder: Path, manifest: Mapping[str, Any]) -> list[tuple[Path, dict[str, Any]]]:
    """Every file of the splits with its entry: name, bytes, sha256."""
    try:
        described = [about for name in SPLITS for about in manifest["splits"][name]["files"]]
        return [(folder / str(about["name"]), about) for about in described]
    except (KeyError, TypeError):
        raise DatasetError(f"{folder / MANIFEST} is incomplete; {_AGAIN}") from None


def _load(folder: Path) -> dict[str, Any]:
    file = folder / MANIFEST
    try:
        manifest = json.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        out = "NEW_FOLDER" if folder.exists() else quote(str(folder))
        raise DatasetError(
            f"{folder} holds no data set ({MANIFEST} is missing); make one: "
            f"garabato prepare --source DIR --out {out}"
        ) from None
    except ValueError as error:
        raise DatasetError(f"{file} is damaged ({error}); {_AGAIN}") from None
    if not isinstance(manifest, dict):
        raise DatasetError(f"{file} is damaged (no JSON object); {_AGAIN}")
    return manifest


def _read(files: Sequence[Path], columns: list[str] | None = None) -> pa.Table:
    tables = []
    for file in files:
        try:
            tables.append(pq.read_table(file, columns=columns, memory_map=True))
        except (pa.ArrowException, OSError) as error:
            raise DatasetError(f"{file} cannot be read; {_AGAIN}") from error
    return pa.concat_tables(tables)


def _size_category(n: int) -> str:
    """The Hub's name for a number of drawings."""
    bounds = ["1K", "10K", "100K", "1M", "10M", "100M", "1B"]
    if n < 1_000:
        return "n<1K"
    index = min(len(str(n)) - 4, len(bounds) - 2)
    return f"{bounds[index]}<n<{bounds[index + 1]}"
