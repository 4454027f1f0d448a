"""A data set on disk, however its splits are stored."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from garabato.dataset import parquet, tfrecord
from garabato.dataset.manifest import (
    MANIFEST,
    SPLITS,
    check_checksums,
    check_sizes,
    read_manifest,
)
from garabato.drawing import DrawingBatch, IntArray
from garabato.errors import DatasetError


class Storage(NamedTuple):
    """How the files of a split are read."""

    read_split: Callable[[Sequence[Path]], DrawingBatch]
    read_categories: Callable[[Sequence[Path]], list[str]]


STORAGES = {
    "parquet": Storage(parquet.read_split, parquet.read_categories),
    "tfrecord": Storage(tfrecord.read_split, tfrecord.read_categories),
}


class Dataset:
    """A data set, read only: what `prepare` wrote, or `export_tfrecord`. Made by `Dataset.open`.

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
        manifest = read_manifest(folder)
        if manifest["storage"] not in STORAGES:
            raise DatasetError(f"{folder} is stored as {manifest['storage']!r}, which is unknown")
        check_sizes(folder, manifest)
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
        drawings = self._storage.read_split(self._files(name))
        self._check_count(name, len(drawings))
        return drawings

    def labels(self, name: str) -> IntArray:
        """(N,) int64: for every drawing of a split its category's place in `categories`."""
        categories = self._storage.read_categories(self._files(name))
        self._check_count(name, len(categories))
        place = {category: number for number, category in enumerate(self.categories)}
        for row, category in enumerate(categories):
            if category not in place:
                raise DatasetError(
                    f"drawing {row} of the {name} split of {self.path} is of the category "
                    f"{category!r}, which {MANIFEST} does not list; make the data set again"
                )
        return np.array([place[category] for category in categories], np.int64)

    def verify(self) -> None:
        """Compare the files with their checksums. Raises DatasetError for what was changed."""
        check_checksums(self.path, self.manifest)

    @property
    def _storage(self) -> Storage:
        return STORAGES[self.manifest["storage"]]

    def _files(self, name: str) -> list[Path]:
        if name not in SPLITS:
            raise DatasetError(f"there is no split {name!r}; the splits are {', '.join(SPLITS)}")
        return [self.path / about["name"] for about in self.manifest["splits"][name]["files"]]

    def _check_count(self, name: str, n_found: int) -> None:
        n_written = self.manifest["splits"][name]["n_drawings"]
        if n_found != n_written:
            raise DatasetError(
                f"the {name} split of {self.path} holds {n_found:,} drawings, {MANIFEST} says "
                f"{n_written:,}; make the data set again"
            )

    def __repr__(self) -> str:
        sizes = ", ".join(f"{self.manifest['splits'][s]['n_drawings']:,} {s}" for s in SPLITS)
        return f"Dataset({str(self.path)!r}, {len(self.categories)} categories: {sizes})"
