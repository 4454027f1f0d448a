"""Pieces of a file have each of its drawings exactly once, wherever they are cut."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from bucket_server import binary_file, bitmap_file, raw_file, simplified_file
from hypothesis import given, settings
from hypothesis import strategies as st
from sketches import SKETCH_CATEGORIES, make_drawings

from garabato.errors import SourceError
from garabato.sources.google_bucket.sampling import BinaryRecords, Layout, Lines, Read, Rows

DRAWINGS = make_drawings(SKETCH_CATEGORIES[:4], 15, seed=1)
SIMPLIFIED = simplified_file(DRAWINGS)
LINES = SIMPLIFIED.splitlines()


def reading(content: bytes) -> Read:
    return lambda first, end: content[first:end]


def in_pieces(layout: Layout, content: bytes, cuts: list[int]) -> list[bytes]:
    edges = sorted({layout.first_byte, *cuts, len(content)})
    pieces = itertools.pairwise(edges)
    read = reading(content)
    return [record for first, end in pieces for record in layout.records(read, first, end)]


@pytest.fixture(scope="module")
def binary(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return binary_file(DRAWINGS, tmp_path_factory.mktemp("bin"))


cuts = st.lists(st.integers(1, len(SIMPLIFIED) - 1), max_size=12)


@settings(max_examples=60)
@given(cuts=cuts, typical=st.sampled_from([1, 50, 700]), ends=st.booleans())
def test_lines_cut_anywhere_are_read_exactly_once(
    cuts: list[int], typical: int, ends: bool
) -> None:
    content = SIMPLIFIED if ends else SIMPLIFIED[:-1]
    assert in_pieces(Lines(typical), content, cuts) == LINES


def test_a_line_that_begins_at_a_cut_belongs_to_the_next_piece() -> None:
    content = b"one\ntwo\nthree\n"
    assert list(Lines(10).records(reading(content), 4, 8)) == [b"two"]
    assert list(Lines(10).records(reading(content), 0, 4)) == [b"one"]
    assert list(Lines(10).records(reading(content), 5, 8)) == []


def test_raw_lines_longer_than_a_piece_are_there_once() -> None:
    content = raw_file(DRAWINGS[:6])
    assert in_pieces(Lines(6000), content, list(range(50, len(content), 50))) == (
        content.splitlines()
    )


@settings(max_examples=60)
@given(data=st.data())
def test_binary_records_are_found_again_wherever_the_file_is_cut(
    binary: bytes, data: st.DataObject
) -> None:
    cuts = data.draw(st.lists(st.integers(1, len(binary) - 1), max_size=6))
    records = in_pieces(BinaryRecords(), binary, cuts)
    assert b"".join(records) == binary
    assert len(records) == len(DRAWINGS)


def test_binary_records_are_not_found_in_other_bytes() -> None:
    noise = np.random.default_rng(0).integers(0, 256, 200_000, np.uint8).tobytes()
    assert list(BinaryRecords().records(reading(noise), 1000, 150_000)) == []
    zeros = bytes(50_000)
    assert list(BinaryRecords().records(reading(zeros), 1000, 40_000)) == []


def test_a_binary_file_that_is_cut_off_loses_only_its_last_record(binary: bytes) -> None:
    whole = in_pieces(BinaryRecords(), binary, [])
    assert in_pieces(BinaryRecords(), binary[:-3], [700]) == whole[:-1]


def test_rows_of_bitmaps_are_cut_at_rows() -> None:
    content = bitmap_file(20, seed=0)
    layout = Rows(reading(content))
    assert layout.first_byte == len(content) - 20 * 784
    records = in_pieces(layout, content, [layout.first_byte + 784 * 7])
    assert b"".join(records) == content[layout.first_byte :]
    assert len(records) == 20


def test_an_array_of_another_shape_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((3, 10), np.uint8))
    with pytest.raises(SourceError, match="N x 784 uint8 was expected"):
        Rows(reading((tmp_path / "a.npy").read_bytes()))


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"hello", "magic string"),
        (b"\x93NUMPY\x01\0\x0b\0{'descr': (\n", "EOF in multi-line statement"),
        (b"\x93NUMPY\x03\0", r"version \(3, 0\)"),
    ],
)
def test_a_damaged_array_is_refused(content: bytes, problem: str) -> None:
    with pytest.raises(SourceError, match=rf"not a \.npy file \(.*{problem}"):
        Rows(reading(content))


def test_a_record_that_is_not_a_drawing_has_no_identity() -> None:
    lines = Lines(10)
    assert lines.identities(b'{"word": "cat"') is None
    assert lines.identities(b'{"word": "cat", "drawing": []}') is None
    assert lines.identities(b"[1]") is None
    assert Rows(reading(bitmap_file(1, 0))).identities(bytes(784)) is None


def test_the_same_strokes_or_the_same_key_id_are_the_same_drawing() -> None:
    def known(line: bytes) -> set[bytes]:
        return set(Lines(10).identities(line) or ())

    first = known(b'{"key_id": "1", "drawing": [[[1, 2], [3, 4]]]}')
    assert first & known(b'{"key_id": "2", "drawing": [[[1,2],[3,4]]]}')
    assert first & known(b'{"key_id": "1", "drawing": [[[1, 2], [3, 5]]]}')
    assert not first & known(b'{"key_id": "3", "drawing": [[[9, 2], [3, 4]]]}')
