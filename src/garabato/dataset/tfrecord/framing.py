"""The TFRecord container: records of bytes, each with its length and two checksums.

A record is its length (uint64), the masked CRC-32C of the length (uint32), the bytes, and their
masked CRC-32C (uint32), all little-endian.
Source: https://www.tensorflow.org/tutorials/load_data/tfrecord.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from os import PathLike
from typing import BinaryIO

import google_crc32c

from garabato.errors import FormatError

_HEAD = struct.Struct("<QI")
_TAIL = struct.Struct("<I")
#: Longer records are refused: a damaged length must not fill the memory.
MAX_RECORD_BYTES = 2**26


def write_record(file: BinaryIO, content: bytes) -> None:
    """Append one record."""
    length = struct.pack("<Q", len(content))
    file.write(length + _TAIL.pack(_masked_crc(length)))
    file.write(content)
    file.write(_TAIL.pack(_masked_crc(content)))


def read_records(path: str | PathLike[str]) -> Iterator[bytes]:
    """The records of a file, their checksums verified.

    Raises FormatError naming the byte where a record is truncated or damaged.
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
                    "no TFRecord begins here (the checksum of its length is wrong)",
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
    """CRC-32C, rotated and shifted so that checksums of data with checksums in it stay good."""
    crc = int(google_crc32c.value(content))
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
