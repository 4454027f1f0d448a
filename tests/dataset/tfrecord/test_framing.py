"""TFRecord files: lengths, checksums, damage."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from garabato.dataset.tfrecord import MAX_RECORD_BYTES, read_records, write_record
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
