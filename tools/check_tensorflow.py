"""Read an export of `garabato export tfrecord` with real TensorFlow and tf.data.

Needs nothing of garabato: `python tools/check_tensorflow.py RECORDS` in an environment that has
tensorflow-cpu. Prints one JSON document of what it found, for the test to compare.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from pathlib import Path
from typing import Any

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import tensorflow as tf

FEATURES = {
    "image": tf.io.FixedLenFeature([], tf.string),
    "label": tf.io.FixedLenFeature([], tf.int64),
    "category": tf.io.FixedLenFeature([], tf.string),
    "key_id": tf.io.FixedLenFeature([], tf.string),
    "recognized": tf.io.FixedLenFeature([], tf.int64, default_value=-1),
    "stroke_lengths": tf.io.VarLenFeature(tf.int64),
    "x": tf.io.FixedLenFeature([], tf.string, default_value=""),
    "y": tf.io.FixedLenFeature([], tf.string, default_value=""),
}


def parse(record: Any) -> dict[str, Any]:
    """One record -> tensors; the image as (S, S, 1) uint8."""
    features: dict[str, Any] = tf.io.parse_single_example(record, FEATURES)
    features["image"] = tf.io.decode_png(features["image"], channels=1)
    features["stroke_lengths"] = tf.sparse.to_dense(features["stroke_lengths"])
    return features


def read(folder: Path, split: str) -> list[dict[str, Any]]:
    """Every record of a split, read and parsed by tf.data, batched once on the way."""
    manifest = json.loads((folder / "dataset.json").read_text())
    files = [str(folder / about["name"]) for about in manifest["splits"][split]["files"]]
    size_px = manifest["image"]["size_px"]
    records = tf.data.TFRecordDataset(files).map(parse, num_parallel_calls=2)
    found = [
        {
            "key_id": one["key_id"].decode(),
            "label": int(one["label"]),
            "category": one["category"].decode(),
            "recognized": int(one["recognized"]),
            "stroke_lengths": one["stroke_lengths"].tolist(),
            "x": list(one["x"]),
            "y": list(one["y"]),
            "image_sha256": hashlib.sha256(one["image"].tobytes()).hexdigest(),
            "image_shape": list(one["image"].shape),
        }
        for one in records.as_numpy_iterator()
    ]
    images = records.map(lambda one: one["image"]).batch(7)
    shapes = {tuple(batch.shape[1:]) for batch in images.as_numpy_iterator()}
    assert shapes == {(size_px, size_px, 1)}, shapes
    return found


if __name__ == "__main__":
    given = Path(sys.argv[1])
    json.dump({split: read(given, split) for split in ("train", "test")}, sys.stdout)
