"""tf.train.Example <-> bytes: the little of protocol buffers that it takes.

    Example   { Features features = 1; }
    Features  { map<string, Feature> feature = 1; }
    Feature   { oneof { BytesList bytes_list = 1; FloatList float_list = 2;
                        Int64List int64_list = 3; } }
    BytesList { repeated bytes value = 1; }     Int64List { repeated int64 value = 1 [packed]; }

Source: tensorflow/core/example/{example,feature}.proto and the protocol buffers encoding guide.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from garabato.errors import FormatError

Value = bytes | list[int]

_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5


def encode_example(features: Mapping[str, Value]) -> bytes:
    """Features by name: bytes become a BytesList of one, ints an Int64List."""
    entries = b"".join(
        _field(1, _field(1, name.encode()) + _field(2, _encode_feature(value)))
        for name, value in sorted(features.items())
    )
    return _field(1, entries)


def decode_example(content: bytes) -> dict[str, Value]:
    """The features that are bytes (the first of a list) or ints; those of floats are left out.

    Raises FormatError for what is no tf.train.Example.
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
        raise FormatError("the record is no tf.train.Example") from None
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
    value &= 2**64 - 1  # negative ones as ten bytes of two's complement
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
    """(field number, value) of a message, in order; fixed-width values are passed over."""
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
