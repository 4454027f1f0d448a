"""TFRecord files of tf.train.Examples, read and written without TensorFlow.

A file is a sequence of records: length (uint64), masked CRC-32C of the length (uint32), content,
masked CRC-32C of the content (uint32), all little-endian. The content is a protocol buffer:

    Example   { Features features = 1; }
    Features  { map<string, Feature> feature = 1; }
    Feature   { oneof { BytesList bytes_list = 1; FloatList float_list = 2;
                        Int64List int64_list = 3; } }
    BytesList { repeated bytes value = 1; }     Int64List { repeated int64 value = 1 [packed]; }

Sources: https://www.tensorflow.org/tutorials/load_data/tfrecord,
tensorflow/core/example/{example,feature}.proto.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from os import PathLike
from pathlib import Path
from typing import Any, BinaryIO

import google_crc32c
import numpy as np

from garabato.drawing import ByteArray, Drawing, DrawingBatch
from garabato.errors import DatasetError, FormatError

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
    "traced": "int64: 1 if the strokes were traced from a picture; absent if unknown",
}
BITMAP_FEATURES = {
    "bitmap": "bytes: the original bitmap, by rows, ink 255",
    "bitmap_shape": "int64 list: its height and width in px",
}

_HEAD = struct.Struct("<QI")
_TAIL = struct.Struct("<I")
#: The longest record allowed: a damaged length must not fill the memory.
MAX_RECORD_BYTES = 2**26

Value = bytes | list[int]

#: A map is stored as a list of entries.
_MESSAGES = """
name: "garabato/tfrecord.proto" package: "garabato" syntax: "proto3"
message_type {
  name: "BytesList"
  field { name: "value" number: 1 label: LABEL_REPEATED type: TYPE_BYTES }
}
message_type {
  name: "Int64List"
  field { name: "value" number: 1 label: LABEL_REPEATED type: TYPE_INT64 }
}
message_type {
  name: "Feature"
  field { name: "bytes_list" number: 1 type: TYPE_MESSAGE type_name: "BytesList" }
  field { name: "int64_list" number: 3 type: TYPE_MESSAGE type_name: "Int64List" }
}
message_type {
  name: "Entry"
  field { name: "key" number: 1 type: TYPE_STRING }
  field { name: "value" number: 2 type: TYPE_MESSAGE type_name: "Feature" }
}
message_type {
  name: "Features"
  field { name: "feature" number: 1 label: LABEL_REPEATED type: TYPE_MESSAGE type_name: "Entry" }
}
message_type {
  name: "Example"
  field { name: "features" number: 1 type: TYPE_MESSAGE type_name: "Features" }
}
"""


def read_split(files: Sequence[Path]) -> DrawingBatch:
    """Read the drawings of all shards of a split, in their order before the export.

    Verifies checksums. Raises DatasetError naming the file and the byte or record.
    """
    found = [pair for file in files for pair in _read_file(file)]
    found.sort(key=lambda pair: pair[0])
    return DrawingBatch.from_drawings(drawing for _, drawing in found)


def to_features(drawing: Drawing, *, label: int, row: int, png: bytes) -> dict[str, Value]:
    """A drawing on the grid as features."""
    features: dict[str, Value] = {"image": png, "label": [label], "row": [row]}
    for name in ("category", "key_id", "country", "timestamp"):
        value = getattr(drawing, name)
        if value is not None:
            features[name] = value.encode()
    for name in ("recognized", "traced"):
        value = getattr(drawing, name)
        if value is not None:
            features[name] = [int(value)]
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
    for name in ("recognized", "traced"):
        if name in features:
            known[name] = bool(_integers(features, name, 1)[0])
    row = _integers(features, "row", 1)[0]
    if "bitmap" in features:
        shape = _integers(features, "bitmap_shape", 2)
        pixels = _array(features, "bitmap")
        if min(shape) < 1 or shape[0] * shape[1] != len(pixels):
            raise FormatError("the features 'bitmap' and 'bitmap_shape' do not match")
        return row, Drawing(bitmap=pixels.reshape(shape), **known)
    xs, ys = _array(features, "x"), _array(features, "y")
    lengths = _integers(features, "stroke_lengths")
    if not len(xs) == len(ys) == sum(lengths) or min(lengths, default=1) < 1:
        raise FormatError("the features 'x', 'y' and 'stroke_lengths' do not match")
    starts = np.cumsum([0, *lengths]).astype(np.int64)
    points = np.stack([xs, ys], axis=1).astype(np.float32)
    return row, Drawing.from_points(points, starts, **known)


def write_record(file: BinaryIO, content: bytes) -> None:
    """Append one record."""
    length = struct.pack("<Q", len(content))
    file.write(length + _TAIL.pack(_masked_crc(length)))
    file.write(content)
    file.write(_TAIL.pack(_masked_crc(content)))


def read_records(path: str | PathLike[str]) -> Iterator[bytes]:
    """Yield the records of a file and verify their checksums.

    Raises FormatError, naming the byte, for truncated or damaged records.
    """
    with open(path, "rb") as file:
        start = 0
        while head := file.read(_HEAD.size):
            try:
                content = _read_record(file, head)
            except ValueError as error:
                raise FormatError(str(error), path=path, position=f"byte {start}") from None
            yield content
            start += _HEAD.size + len(content) + _TAIL.size


def encode_example(features: Mapping[str, Value]) -> bytes:
    """Encode features by name: bytes as a BytesList of one, ints as an Int64List."""
    example = _example_type()()
    for name, value in sorted(features.items()):
        entry = example.features.feature.add(key=name)
        if isinstance(value, bytes):
            entry.value.bytes_list.value.append(value)
        else:
            entry.value.int64_list.SetInParent()
            entry.value.int64_list.value.extend(value)
    return bytes(example.SerializeToString())


def decode_example(content: bytes) -> dict[str, Value]:
    """Decode the features that are bytes (the first of a list) or ints; floats are left out.

    Raises FormatError if `content` is not a tf.train.Example.
    """
    from google.protobuf.message import DecodeError

    try:
        example = _example_type().FromString(content)
    except DecodeError:
        raise FormatError("the record is not a tf.train.Example") from None
    found: dict[str, Value] = {}
    for entry in example.features.feature:
        if entry.value.HasField("bytes_list"):
            found[entry.key] = next(iter(entry.value.bytes_list.value), b"")
        elif entry.value.HasField("int64_list"):
            found[entry.key] = list(entry.value.int64_list.value)
    return found


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


def _text(features: dict[str, Value], name: str) -> str:
    value = features[name]
    if not isinstance(value, bytes):
        raise FormatError(f"the feature {name!r} is not bytes")
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise FormatError(f"the feature {name!r} is not UTF-8") from None


def _integers(features: dict[str, Value], name: str, n: int | None = None) -> list[int]:
    value = features.get(name)
    if not isinstance(value, list) or (n is not None and len(value) != n):
        raise FormatError(f"the feature {name!r} is missing or not {n or 'a list of'} int64")
    return value


def _array(features: dict[str, Value], name: str) -> ByteArray:
    value = features.get(name)
    if not isinstance(value, bytes):
        raise FormatError(f"the feature {name!r} is missing or not bytes")
    return np.frombuffer(value, np.uint8)


def _masked_crc(content: bytes) -> int:
    """CRC-32C, masked as TFRecord prescribes, since a CRC of data with CRCs protects poorly."""
    crc = int(google_crc32c.value(content))
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def _read_record(file: BinaryIO, head: bytes) -> bytes:
    """The content of the record that begins with `head`. Raises ValueError if it is damaged."""
    if len(head) < _HEAD.size:
        raise ValueError("the file ends within a record")
    length, crc = _HEAD.unpack(head)
    if _masked_crc(head[:8]) != crc:
        raise ValueError("not a TFRecord (the checksum of its length is wrong)")
    if length > MAX_RECORD_BYTES:
        raise ValueError(f"the record is longer than {MAX_RECORD_BYTES // 2**20} MiB")
    content = file.read(length)
    tail = file.read(_TAIL.size)
    if len(content) < length or len(tail) < _TAIL.size:
        raise ValueError("the file ends within a record")
    if _TAIL.unpack(tail)[0] != _masked_crc(content):
        raise ValueError("the record is damaged (its checksum is wrong)")
    return content


@cache
def _example_type() -> Any:
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format

    file = text_format.Parse(_MESSAGES, descriptor_pb2.FileDescriptorProto())
    messages = message_factory.GetMessages([file], pool=descriptor_pool.DescriptorPool())
    return messages["garabato.Example"]
