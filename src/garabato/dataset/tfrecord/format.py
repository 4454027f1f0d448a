"""TFRecord files of tf.train.Examples, read and written without TensorFlow.

A file is a sequence of records: length (uint64), masked CRC-32C of the length (uint32), content,
masked CRC-32C of the content (uint32), all little-endian. The content is a protocol buffer:

    Example   { Features features = 1; }
    Features  { map<string, Feature> feature = 1; }
    Feature   { oneof { BytesList bytes_list = 1; FloatList float_list = 2;
                        Int64List int64_list = 3; } }
    BytesList { repeated bytes value = 1; }     Int64List { repeated int64 value = 1 [packed]; }

Sources: https://www.tensorflow.org/tutorials/load_data/tfrecord,
tensorflow/core/example/{example,feature}.proto and the protocol buffers encoding guide.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping
from os import PathLike
from typing import BinaryIO

import google_crc32c

from garabato.errors import FormatError

_HEAD = struct.Struct("<QI")
_TAIL = struct.Struct("<I")
#: The longest record allowed: a damaged length must not fill the memory.
MAX_RECORD_BYTES = 2**26


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
            position = f"byte {start}"
            if len(head) < _HEAD.size:
                raise FormatError("the file ends within a record", path=path, position=position)
            length, crc = _HEAD.unpack(head)
            if _masked_crc(head[:8]) != crc:
                raise FormatError(
                    "not a TFRecord (the checksum of its length is wrong)",
                    path=path,
                    position=position,
                )
            if length > MAX_RECORD_BYTES:
                raise FormatError(
                    f"the record is longer than {MAX_RECORD_BYTES // 2**20} MiB",
                    path=path,
                    position=position,
                )
            content = file.read(length)
            tail = file.read(_TAIL.size)
            if len(content) < length or len(tail) < _TAIL.size:
                raise FormatError("the file ends within a record", path=path, position=position)
            if _TAIL.unpack(tail)[0] != _masked_crc(content):
                raise FormatError(
                    "the record is damaged (its checksum is wrong)", path=path, position=position
                )
            yield content
            start += _HEAD.size + length + _TAIL.size


def _masked_crc(content: bytes) -> int:
    """CRC-32C, masked as TFRecord asks for: data that contains checksums stays well protected."""
    crc = int(google_crc32c.value(content))
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


Value = bytes | list[int]

_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5


def encode_example(features: Mapping[str, Value]) -> bytes:
    """Encode features by name: bytes as a BytesList of one, ints as an Int64List."""
    entries = b"".join(
        _field(1, _field(1, name.encode()) + _field(2, _encode_feature(value)))
        for name, value in sorted(features.items())
    )
    return _field(1, entries)


def decode_example(content: bytes) -> dict[str, Value]:
    """Decode the features that are bytes (the first of a list) or ints; floats are left out.

    Raises FormatError if `content` is not a tf.train.Example.
    """
    found: dict[str, Value] = {}
    try:
        for features in _messages(content, 1):
            for entry in _messages(features, 1):
                fields = dict(_fields(entry))
                name, feature = fields.get(1, b""), fields.get(2, b"")
                if not isinstance(name, bytes) or not isinstance(feature, bytes):
                    raise _NotAnExampleError
                value = _decode_feature(feature)
                if value is not None:
                    found[name.decode()] = value
    except (_NotAnExampleError, UnicodeDecodeError):
        raise FormatError("the record is not a tf.train.Example") from None
    return found


class _NotAnExampleError(Exception):
    pass


def _encode_feature(value: Value) -> bytes:
    if isinstance(value, bytes):
        return _field(1, _field(1, value))
    return _field(3, _field(1, b"".join(map(_varint, value))))


def _decode_feature(feature: bytes) -> Value | None:
    for number, content in _fields(feature):
        if not isinstance(content, bytes):
            raise _NotAnExampleError
        if number == 1:
            return next(_messages(content, 1), b"")
        if number == 3:
            return list(_integers(content))
    return None


def _integers(content: bytes) -> Iterator[int]:
    """The values of an Int64List, packed (as everybody writes them) or one by one."""
    for number, value in _fields(content):
        if number != 1:
            continue
        if isinstance(value, int):
            yield _signed(value)
            continue
        position = 0
        while position < len(value):
            one, position = _read_varint(value, position)
            yield _signed(one)


def _field(number: int, content: bytes) -> bytes:
    return bytes([number << 3 | _LENGTH]) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    if 0 <= value < 0x80:
        return bytes([value])
    value &= 2**64 - 1  # negative numbers: ten bytes of two's complement
    groups = bytearray()
    while value >= 0x80:
        groups.append(value & 0x7F | 0x80)
        value >>= 7
    groups.append(value)
    return bytes(groups)


def _messages(content: bytes, wanted: int) -> Iterator[bytes]:
    for number, value in _fields(content):
        if number == wanted:
            if not isinstance(value, bytes):
                raise _NotAnExampleError
            yield value


def _fields(content: bytes) -> Iterable[tuple[int, bytes | int]]:
    """Yield (field number, value) of a message, in order, without fixed-width values."""
    position = 0
    while position < len(content):
        key, position = _read_varint(content, position)
        number, kind = key >> 3, key & 7
        if kind == _VARINT:
            value, position = _read_varint(content, position)
            yield number, value
        elif kind == _LENGTH:
            length, position = _read_varint(content, position)
            if position + length > len(content):
                raise _NotAnExampleError
            yield number, content[position : position + length]
            position += length
        elif kind in (_FIXED32, _FIXED64):
            position += 4 if kind == _FIXED32 else 8
        else:
            raise _NotAnExampleError
    if position != len(content):
        raise _NotAnExampleError


def _read_varint(content: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while position < len(content) and shift < 70:
        byte = content[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7
    raise _NotAnExampleError


def _signed(value: int) -> int:
    value &= 2**64 - 1
    return value - 2**64 if value >= 2**63 else value
