"""TFRecord files: lengths, checksums, damage; tf.train.Example by hand."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from garabato.dataset.tfrecord import (
    MAX_RECORD_BYTES,
    decode_example,
    encode_example,
    read_records,
    write_record,
)
from garabato.errors import FormatError


def write(path, records):
    with open(path, "wb") as file:
        for record in records:
            write_record(file, record)
    return path


def test_a_record_is_laid_out_as_tensorflow_lays_it_out(tmp_path):
    # Written by tf.io.TFRecordWriter of TensorFlow: the one record b"garabato".
    expected = bytes.fromhex("0800000000000000ff86240f676172616261746fe073d131")
    assert write(tmp_path / "a", [b"garabato"]).read_bytes() == expected


@settings(max_examples=30)
@given(st.lists(st.binary(max_size=300), max_size=8))
def test_records_survive_a_round_trip(tmp_path_factory, records):
    path = write(tmp_path_factory.mktemp("records") / "a", records)
    assert list(read_records(path)) == records


def test_every_flipped_byte_is_detected_and_the_record_named(tmp_path):
    records = [b"the first", b"the second one"]
    whole = write(tmp_path / "a", records).read_bytes()
    second = 12 + len(records[0]) + 4
    for position in range(len(whole)):
        damaged = bytearray(whole)
        damaged[position] ^= 0x41
        (tmp_path / "a").write_bytes(damaged)
        with pytest.raises(FormatError) as caught:
            list(read_records(tmp_path / "a"))
        assert caught.value.position == f"byte {0 if position < second else second}"


def test_every_truncation_within_a_record_is_detected(tmp_path):
    records = [b"the first", b"the second one"]
    whole = write(tmp_path / "a", records).read_bytes()
    second = 12 + len(records[0]) + 4
    for length in range(1, len(whole)):
        (tmp_path / "a").write_bytes(whole[:length])
        if length == second:
            assert list(read_records(tmp_path / "a")) == records[:1]
            continue
        with pytest.raises(FormatError, match="the file ends within a record"):
            list(read_records(tmp_path / "a"))


def test_a_huge_length_is_refused_without_reading(tmp_path):
    path = tmp_path / "a"
    with open(path, "wb") as file:
        write_record(file, bytes(MAX_RECORD_BYTES + 1))
    with pytest.raises(FormatError, match="byte 0: the record is longer than 64 MiB"):
        next(read_records(path))


int64 = st.integers(-(2**63), 2**63 - 1)
features = st.dictionaries(
    st.text(max_size=8), st.one_of(st.binary(max_size=300), st.lists(int64, max_size=5))
)


def test_an_example_is_encoded_as_protocol_buffers_say():
    # Worked out by hand from the encoding guide: features (tag 0a) > entry (0a) > key (0a "n"),
    # value (12) > int64_list (1a) > value packed (0a): 1, 300 = ac 02.
    expected = bytes.fromhex("0a0e 0a0c 0a016e 1207 1a05 0a03 01 ac02".replace(" ", ""))
    assert encode_example({"n": [1, 300]}) == expected
    # and bytes_list (0a) > value (0a): "ink"
    expected = bytes.fromhex("0a0e 0a0c 0a0169 1207 0a05 0a03 696e6b".replace(" ", ""))
    assert encode_example({"i": b"ink"}) == expected


@settings(max_examples=200)
@given(features)
def test_features_survive_a_round_trip(given_features):
    assert decode_example(encode_example(given_features)) == given_features


def test_lists_that_are_not_packed_are_read_and_floats_left_out():
    # int64_list with two values one by one (08 01 08 02), then a float_list (12) of 1.0
    entry_n = bytes.fromhex("0a0b 0a016e 1206 1a04 08010802".replace(" ", ""))
    entry_f = bytes.fromhex("0a0d 0a0166 1208 1206 0a04 0000803f".replace(" ", ""))
    body = entry_n + entry_f
    assert decode_example(bytes([0x0A, len(body)]) + body) == {"n": [1, 2]}


@settings(max_examples=300)
@given(st.one_of(st.binary(max_size=60), features.map(encode_example)), st.data())
def test_any_bytes_are_an_example_or_a_format_error(content, data):
    damaged = bytearray(content)
    if damaged:
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(FormatError):
        found = decode_example(bytes(damaged))
        assert all(isinstance(value, bytes | list) for value in found.values())


def test_a_truncated_example_is_a_format_error():
    content = encode_example({"image": b"1234", "label": [7]})
    for length in range(1, len(content)):
        with pytest.raises(FormatError):
            decode_example(content[:length])
