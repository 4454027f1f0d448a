"""Exports a data set as TFRecords, with rendered images for TensorFlow and the strokes."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from garabato.dataset.store import (
    SPLITS,
    Dataset,
    check_replaceable,
    describe_split,
    write_manifest,
)
from garabato.dataset.tfrecord import (
    BITMAP_FEATURES,
    FEATURES,
    STROKE_FEATURES,
    encode_example,
    to_features,
    write_record,
)
from garabato.drawing import FloatArray
from garabato.errors import InputError, check_opened, storage_errors
from garabato.host.atomic import replacing_folder, sync
from garabato.render import RenderSpec, render_batch
from garabato.render.contact_sheets import encode_png, save_png
from garabato.sources.source import Progress

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
    check_opened(dataset=dataset)
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
            splits[name], means[name] = _write_split(dataset, name, files, spec, progress)
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


def _shard_names(folder: Path, split: str, n_shards: int) -> list[Path]:
    if n_shards == 1:
        return [folder / f"{split}.tfrecords"]
    return [
        folder / f"{split}-{shard:05d}-of-{n_shards:05d}.tfrecords" for shard in range(n_shards)
    ]


def _write_split(
    dataset: Dataset, name: str, files: list[Path], spec: RenderSpec, progress: Progress | None
) -> tuple[dict[str, Any], FloatArray]:
    """Write the shards of a split; returns its entry for dataset.json and its mean image (S, S)."""
    drawings, labels = dataset.split(name), dataset.labels(name)
    order = np.random.default_rng(abs(int(dataset.manifest["seed"]))).permutation(len(drawings))
    total = np.zeros((spec.size_px, spec.size_px), np.uint64)
    n_done = 0
    for file, rows in zip(files, np.array_split(order, len(files)), strict=True):
        with open(file, "wb") as opened:
            for first in range(0, len(rows), _CHUNK):
                chunk = rows[first : first + _CHUNK]
                batch = drawings.take(chunk)
                images = render_batch(batch, spec)
                total += images.sum(axis=0, dtype=np.uint64)
                for row, drawing, image in zip(chunk.tolist(), batch, images, strict=True):
                    png = encode_png(image)
                    features = to_features(drawing, label=int(labels[row]), row=row, png=png)
                    write_record(opened, encode_example(features))
                n_done += len(chunk)
                if progress:
                    progress(name, n_done, len(drawings))
        sync(file)
    mean_image = (total / max(1, len(drawings))).astype(np.float32)
    return describe_split(files, len(drawings)), mean_image
