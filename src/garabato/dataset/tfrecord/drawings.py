"""Drawings <-> features of tf.train.Examples."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from garabato.dataset.tfrecord.format import Value, decode_example, read_records
from garabato.drawing import ByteArray, Drawing, DrawingBatch
from garabato.errors import DatasetError, FormatError


def read_split(files: Sequence[Path]) -> DrawingBatch:
    """Read the drawings of all shards of a split, in their order before the export.

    Verifies checksums. Raises DatasetError naming the file and the byte or record.
    """
    rows: list[int] = []
    drawings: list[Drawing] = []
    for file in files:
        for row, drawing in _read_file(file):
            rows.append(row)
            drawings.append(drawing)
    batch = DrawingBatch.from_drawings(drawings)
    return batch.take(np.argsort(np.array(rows, np.int64), kind="stable"))


def read_categories(files: Sequence[Path]) -> list[str]:
    """The category of every drawing of a split, in the order of `read_split`."""
    return [str(category) for category in read_split(files).categories]


def _read_file(file: Path) -> Iterator[tuple[int, Drawing]]:
    number = 0
    try:
        for content in read_records(file):
            number += 1
            yield from_features(decode_example(content))
    except FormatError as error:
        where = "" if error.position else f"{file}, record {number}: "
        raise DatasetError(f"{where}{error}; export the data set again") from error
    except OSError as error:
        raise DatasetError(f"{file} cannot be read; export the data set again") from error


#: The description of the features in dataset.json, for other readers of the records.
FEATURES = {
    "image": "bytes: the drawing rendered, a grey PNG, ink 255 on 0",
    "label": "int64: the index of the category in `categories`",
    "category": "bytes: its name, UTF-8",
    "key_id": "bytes",
    "country": "bytes; absent if unknown",
    "recognized": "int64: 1 or 0; absent if unknown",
    "timestamp": "bytes; absent if unknown",
    "row": "int64: the index of the drawing in the split before the records were shuffled",
}
STROKE_FEATURES = {
    "stroke_lengths": "int64 list: the number of points of each stroke",
    "x": "bytes: the x of all points, 0..255, one byte each",
    "y": "bytes: the y of all points, pointing down, one byte each",
}
BITMAP_FEATURES = {
    "bitmap": "bytes: the original bitmap, by rows, ink 255",
    "bitmap_shape": "int64 list: its height and width in px",
}


def to_features(drawing: Drawing, *, label: int, row: int, png: bytes) -> dict[str, Value]:
    """A drawing on the grid as features."""
    features: dict[str, Value] = {"image": png, "label": [label], "row": [row]}
    for name in ("category", "key_id", "country", "timestamp"):
        value = getattr(drawing, name)
        if value is not None:
            features[name] = value.encode()
    if drawing.recognized is not None:
        features["recognized"] = [int(drawing.recognized)]
    if drawing.bitmap is not None:
        features["bitmap"] = drawing.bitmap.tobytes()
        features["bitmap_shape"] = list(drawing.bitmap.shape)
    else:
        points = drawing.points.astype(np.uint8)
        features["stroke_lengths"] = np.diff(drawing.stroke_starts).tolist()
        features["x"] = points[:, 0].tobytes()
        features["y"] = points[:, 1].tobytes()
    return features


def from_features(features: dict[str, Value]) -> tuple[int, Drawing]:
    """Features -> (row, drawing). Raises FormatError, naming the feature."""
    if "category" not in features:
        raise FormatError("the feature 'category' is missing")
    known: dict[str, Any] = {
        name: _text(features, name)
        for name in ("category", "key_id", "country", "timestamp")
        if name in features
    }
    if "recognized" in features:
        known["recognized"] = bool(_integers(features, "recognized", 1)[0])
    row = _integers(features, "row", 1)[0]
    if "bitmap" in features:
        shape = _integers(features, "bitmap_shape", 2)
        pixels = _array(features, "bitmap")
        if min(shape) < 1 or shape[0] * shape[1] != len(pixels):
            raise FormatError("the size of the feature 'bitmap' is not that of 'bitmap_shape'")
        return row, Drawing(bitmap=pixels.reshape(shape), **known)
    xs, ys = _array(features, "x"), _array(features, "y")
    lengths = _integers(features, "stroke_lengths")
    if not len(xs) == len(ys) == sum(lengths) or min(lengths, default=1) < 1:
        raise FormatError("the features 'x', 'y' and 'stroke_lengths' do not match")
    starts = np.cumsum([0, *lengths]).astype(np.int64)
    points = np.stack([xs, ys], axis=1).astype(np.float32)
    return row, Drawing.from_points(points, starts, **known)


def _text(features: dict[str, Value], name: str) -> str:
    value = features[name]
    if not isinstance(value, bytes):
        raise FormatError(f"the feature {name!r} is not bytes")
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise FormatError(f"the feature {name!r} is not UTF-8") from None


def _array(features: dict[str, Value], name: str) -> ByteArray:
    value = features.get(name)
    if not isinstance(value, bytes):
        raise FormatError(f"the feature {name!r} is missing or not bytes")
    return np.frombuffer(value, np.uint8)


def _integers(features: dict[str, Value], name: str, n: int | None = None) -> list[int]:
    value = features.get(name)
    if not isinstance(value, list) or (n is not None and len(value) != n):
        raise FormatError(f"the feature {name!r} is missing or not {n or 'a list of'} int64")
    return value
