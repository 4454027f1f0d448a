"""Exports a data set as TFRecords, with rendered images for TensorFlow and the strokes."""

from __future__ import annotations

from collections.abc import Iterator
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from garabato.dataset.store import (
    SPLITS,
    Dataset,
    check_replaceable,
    describe_split,
    write_manifest,
)
from garabato.dataset.tfrecord.drawings import (
    BITMAP_FEATURES,
    FEATURES,
    STROKE_FEATURES,
    to_features,
)
from garabato.dataset.tfrecord.format import encode_example, write_record
from garabato.drawing import DrawingBatch, IntArray
from garabato.errors import InputError, storage_errors
from garabato.host.atomic import replacing_folder, sync
from garabato.render import RenderSpec, render_batch
from garabato.render.contact_sheets import encode_png, save_png
from garabato.sources.base import Progress

MEAN_IMAGE = "mean_image"
_CHUNK = 1024


def export_tfrecord(
    dataset: Dataset,
    out: str | PathLike[str],
    *,
    spec: RenderSpec | None = None,
    n_shards: int = 1,
    progress: Progress | None = None,
) -> Dataset:
    """Write `dataset` to the folder `out` as TFRecords of tf.train.Example.

    Writes `train.tfrecords` and `test.tfrecords` (with several shards
    `train-00000-of-00004.tfrecords` and so on), shuffled by the random seed of the data set;
    `mean_image.npy`, the mean of the training images, (S, S) float32, and `mean_image.png`; and
    dataset.json, which describes the features, the categories and the rendering (`spec`, by
    default 64x64). `Dataset.open` reads the folder and restores the drawings. A data set at `out`
    is replaced. Raises InputError for more shards than drawings, DatasetError if `out` holds
    anything else, and StorageError.
    """
    spec = spec or RenderSpec()
    out = Path(out)
    with storage_errors(out):
        check_replaceable(out)
    sizes = [dataset.manifest["splits"][name]["n_drawings"] for name in SPLITS]
    if not 1 <= n_shards <= max(1, *sizes):
        raise InputError(f"the number of shards must be 1 to {max(sizes)}, not {n_shards}")
    with replacing_folder(out) as folder:
        means = {}
        splits = {}
        for name in SPLITS:
            files = _shard_names(folder, name, n_shards)
            writer = _SplitWriter(dataset, name, spec, progress)
            splits[name] = writer.write(files)
            means[name] = writer.mean_image()
        np.save(folder / f"{MEAN_IMAGE}.npy", means["train"])
        save_png(np.rint(means["train"]).astype(np.uint8), folder / f"{MEAN_IMAGE}.png")
        features = BITMAP_FEATURES if dataset.manifest["kind"] == "bitmaps" else STROKE_FEATURES
        known: dict[str, Any] = {
            **dataset.manifest,
            "storage": "tfrecord",
            "image": {"size_px": spec.size_px, "rendered": spec.to_dict()},
            "features": {**FEATURES, **features},
            "splits": splits,
        }
        for name in ("format", "format_version", "garabato"):  # written by `write_manifest`
            del known[name]
        write_manifest(folder, known)
    return Dataset.open(out)


class _SplitWriter:
    """Writes the records of a split and computes its mean image."""

    def __init__(
        self, dataset: Dataset, name: str, spec: RenderSpec, progress: Progress | None
    ) -> None:
        self._drawings = dataset.split(name)
        self._labels = dataset.labels(name)
        self._seed = int(dataset.manifest["seed"])
        self._name = name
        self._spec = spec
        self._progress = progress
        self._sum: npt.NDArray[np.uint64] = np.zeros((spec.size_px, spec.size_px), np.uint64)
        self._n_done = 0

    def write(self, files: list[Path]) -> dict[str, Any]:
        """Write the shards; returns the split's entry for dataset.json."""
        rows = np.random.default_rng(abs(self._seed)).permutation(len(self._drawings))
        for file, part in zip(files, np.array_split(rows, len(files)), strict=True):
            with open(file, "wb") as opened:
                for record in self._records(part):
                    write_record(opened, record)
            sync(file)
        return describe_split(files, len(self._drawings))

    def mean_image(self) -> npt.NDArray[np.float32]:
        """(S, S) float32: the mean of the images written; zeros if there are none."""
        return (self._sum / max(1, self._n_done)).astype(np.float32)

    def _records(self, rows: IntArray) -> Iterator[bytes]:
        for first in range(0, len(rows), _CHUNK):
            chunk = rows[first : first + _CHUNK]
            yield from self._encode(chunk, self._drawings.take(chunk))
            self._n_done += len(chunk)
            if self._progress:
                self._progress(self._name, self._n_done, len(self._drawings))

    def _encode(self, rows: IntArray, drawings: DrawingBatch) -> Iterator[bytes]:
        images = render_batch(drawings, self._spec)
        self._sum += images.sum(axis=0, dtype=np.uint64)
        for row, drawing, image in zip(rows.tolist(), drawings, images, strict=True):
            features = to_features(
                drawing, label=int(self._labels[row]), row=row, png=encode_png(image)
            )
            yield encode_example(features)


def _shard_names(folder: Path, split: str, n_shards: int) -> list[Path]:
    if n_shards == 1:
        return [folder / f"{split}.tfrecords"]
    return [
        folder / f"{split}-{shard:05d}-of-{n_shards:05d}.tfrecords" for shard in range(n_shards)
    ]
