from __future__ import annotations

import contextlib
import gzip
import struct
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sketches import make_drawings

from garabato.drawing import Drawing
from garabato.errors import FormatError, InputError
from garabato.formats import ReadReport, read_batches, read_drawings, write_drawings
from garabato.formats import binary as binary_format

#: Made by hand after the published layout: one dot and one line.
RECORD = (
    struct.pack("<Q2sbIH", 5_356_982_158_491_648, b"DE", 1, 1_485_563_563, 2)
    + struct.pack("<H1B1B", 1, 7, 8)
    + struct.pack("<H3B3B", 3, 0, 128, 255, 9, 9, 10)
)


def _read_by_the_published_example(data: bytes) -> list[dict[str, object]]:
    """Field by field, as Google's example parser does."""
    at = 0
    drawings = []

    def take(fmt: str) -> tuple[int, ...]:
        nonlocal at
        values = struct.unpack_from("<" + fmt, data, at)
        at += struct.calcsize("<" + fmt)
        return values

    while at < len(data):
        (key_id,), (country,), (recognized,), (timestamp,) = (
            take(f) for f in ("Q", "2s", "b", "I")
        )
        strokes = []
        for _ in range(take("H")[0]):
            (n,) = take("H")
            strokes.append([list(take(f"{n}B")), list(take(f"{n}B"))])
        drawings.append(
            {"key_id": key_id, "country": country, "recognized": recognized,
             "timestamp": timestamp, "drawing": strokes}
        )  # fmt: skip
    return drawings


def _file(folder: Path, data: bytes) -> Path:
    path = folder / "cat.bin"
    path.write_bytes(data)
    return path


def test_a_record_made_by_hand_is_read(tmp_path):
    (drawing,) = read_drawings(_file(tmp_path, RECORD), strict=True)
    assert drawing.to_lists() == [[[7], [8]], [[0, 128, 255], [9, 9, 10]]]
    assert drawing.metadata == {
        "key_id": "5356982158491648",
        "category": None,
        "country": "DE",
        "recognized": True,
        "timestamp": "2017-01-28 00:32:43 UTC",
    }


def test_what_is_written_is_the_published_layout(tmp_path):
    drawings = make_drawings(["circle", "house"], 30, seed=1)
    path = tmp_path / "out.bin"
    assert write_drawings(path, drawings) == 60
    for drawing, found in zip(
        drawings, _read_by_the_published_example(path.read_bytes()), strict=True
    ):
        assert found["drawing"] == drawing.to_lists()
        assert str(found["key_id"]) == drawing.key_id
        assert found["recognized"] == drawing.recognized
        assert found["country"] == (drawing.country or "").encode()


@pytest.mark.parametrize("block_bytes", [1, 50, 700, 10**6])
def test_where_blocks_are_cut_changes_nothing(tmp_path, monkeypatch, block_bytes):
    drawings = make_drawings(["circle", "star", "line"], 20, seed=2)
    path = tmp_path / "out.bin"
    write_drawings(path, drawings)
    monkeypatch.setattr(binary_format, "BLOCK_BYTES", block_bytes)
    back = list(read_drawings(path, strict=True))
    assert [d.to_lists() for d in back] == [d.to_lists() for d in drawings]
    assert [d.key_id for d in back] == [d.key_id for d in drawings]
    assert [d.timestamp for d in back] == [f"{(d.timestamp or '')[:19]} UTC" for d in drawings]


def test_what_is_not_known_stays_not_known(tmp_path):
    path = tmp_path / "out.bin"
    write_drawings(path, [Drawing([[[1], [2]]]), *make_drawings(["line"], 1, seed=0)])
    first, second = read_drawings(path)
    assert set(first.metadata.values()) == {None}
    assert second.recognized is not None


def test_texts_of_a_batch_are_a_sequence_like_any_other(tmp_path):
    path = tmp_path / "out.bin"
    drawings = [Drawing([[[1], [2]]]), *make_drawings(["line", "star"], 2, seed=0)]
    write_drawings(path, drawings)
    (batch,) = read_batches(path)
    texts = [drawing.key_id for drawing in drawings]
    assert batch.key_ids == texts
    assert batch.key_ids != texts[1:]
    assert (list(batch.key_ids), batch.key_ids[1:3], batch.key_ids[-1], len(batch.key_ids)) == (
        texts, texts[1:3], texts[-1], 5,
    )  # fmt: skip
    assert [None in batch.key_ids, texts[1] in batch.key_ids] == [True, True]
    assert repr(batch.key_ids) == repr(texts)
    assert pa.array(batch.key_ids, pa.string()).to_pylist() == texts
    assert batch.take(np.array([2, 0])).key_ids == [texts[2], None]


def test_strokes_without_points_are_dropped(tmp_path):
    data = struct.pack("<Q2sbIH", 1, b"DE", 0, 0, 3) + bytes(2) + b"\1\0\7\x08" + bytes(2)
    drawings = list(read_drawings(_file(tmp_path, RECORD + data), strict=True))
    assert len(drawings) == 2
    for drawing in drawings:
        assert drawing.to_lists()[0] == [[7], [8]]


@pytest.mark.parametrize("n_kept", [1, 16, 17, 18, 20, len(RECORD) - 1])
def test_a_truncated_bin_file_names_the_byte_where_it_ends(tmp_path, n_kept):
    path = _file(tmp_path, RECORD + RECORD[:n_kept])
    report = ReadReport()
    assert len(list(read_drawings(path, report=report))) == 1
    ends, begins = len(RECORD) + n_kept, len(RECORD)
    assert report.lines()[1].strip() == (
        f"{path}, byte {ends} (the drawing begins at byte {begins})"
    )
    with pytest.raises(FormatError, match=f"byte {ends} .*the file ends inside a drawing"):
        list(read_drawings(path, strict=True))


@pytest.mark.parametrize(
    ("at", "value", "named", "problem"),
    [
        (8, 0x80, 8, "the country code is not two ASCII characters"),
        (9, 0x07, 8, "the country code is not two ASCII characters"),
        (10, 2, 10, '"recognized" is neither 0 nor 1'),
    ],
)
def test_damage_is_told_with_its_byte_and_ends_the_reading(tmp_path, at, value, named, problem):
    damaged = bytearray(RECORD)
    damaged[at] = value
    path = _file(tmp_path, RECORD + bytes(damaged) + RECORD)
    drawings = read_drawings(path, strict=True)
    next(drawings)
    with pytest.raises(FormatError, match=f"byte {len(RECORD) + named} .*{problem}"):
        next(drawings)


def test_a_drawing_of_too_many_points_is_refused(tmp_path):
    header = struct.pack("<Q2sbIH", 1, b"DE", 1, 0, 4)
    strokes = (struct.pack("<H", 60_000) + bytes(120_000)) * 4
    path = _file(tmp_path, RECORD + header + strokes)
    with pytest.raises(FormatError, match="the drawing has more than 200,000 points"):
        list(read_drawings(path, strict=True))


def test_the_biggest_drawing_allowed_is_read_over_many_blocks(tmp_path):
    rng = np.random.default_rng(0)
    strokes = rng.integers(0, 256, (4, 2, 50_000), np.uint8)
    record = struct.pack("<Q2sbIH", 1, b"DE", 1, 0, 4)
    for stroke in strokes:
        record += struct.pack("<H", 50_000) + stroke.tobytes()
    drawings = list(read_drawings(_file(tmp_path, RECORD + record + RECORD), strict=True))
    np.testing.assert_array_equal(np.array(drawings[1].strokes), strokes)
    assert drawings[2].key_id == "5356982158491648"


def test_a_time_of_any_form_is_written(tmp_path):
    times = ["2017-01-28T00:32:43.5Z", "2017-01-28T02:32:43+02:00", "2017-01-28 00:32:43"]
    write_drawings(tmp_path / "out.bin", [Drawing([[[1], [2]]], timestamp=t) for t in times])
    read = [drawing.timestamp for drawing in read_drawings(tmp_path / "out.bin")]
    assert read == ["2017-01-28 00:32:43 UTC"] * 3


def test_a_gzipped_file_is_read(tmp_path):
    path = _file(tmp_path, gzip.compress(RECORD * 3))
    assert len(list(read_drawings(path, strict=True))) == 3


@pytest.mark.parametrize(
    ("known", "problem"),
    [
        ({"key_id": "cat-17"}, "key_id 'cat-17': a .bin file holds only whole numbers"),
        ({"key_id": str(2**64)}, "whole numbers from 1 to"),
        ({"key_id": "0"}, "whole numbers from 1 to"),
        ({"country": "DEU"}, "only codes of two letters"),
        ({"country": "é"}, "only codes of two letters"),
        ({"timestamp": "yesterday"}, "timestamp 'yesterday': a .bin file holds times from 1970"),
        ({"timestamp": "1969-01-01 00:00:00 UTC"}, "from 1970 to 2106"),
    ],
)
def test_what_the_layout_cannot_hold_is_refused(tmp_path, known, problem):
    with pytest.raises(InputError, match=problem):
        write_drawings(tmp_path / "out.bin", [Drawing([[[1], [2]]], **known)])
    assert not list(tmp_path.iterdir())


def test_bitmaps_and_endless_strokes_are_refused(tmp_path):
    with pytest.raises(InputError, match="strokes, not bitmaps"):
        write_drawings(tmp_path / "out.bin", [Drawing(bitmap=np.zeros((2, 2), np.uint8))])
    with pytest.raises(InputError, match="holds up to 65,535 strokes"):
        write_drawings(tmp_path / "out.bin", [Drawing([[np.zeros(70_000), np.zeros(70_000)]])])


@settings(max_examples=200)
@given(st.lists(st.integers(0, 2**32 - 1)))
def test_times_are_written_as_python_writes_them(seconds):
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    assert binary_format.timestamp_texts(np.array(seconds, np.uint32)) == [
        f"{epoch + timedelta(seconds=s):%Y-%m-%d %H:%M:%S} UTC" for s in seconds
    ]


@settings(max_examples=300)
@given(st.data())
def test_mutated_records_are_read_or_refused_never_more(tmp_path_factory, data):
    mutated = bytearray(RECORD * data.draw(st.integers(1, 3)))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(mutated) - 1))
        mutated[at] = data.draw(st.integers(0, 255))
    mutated = mutated[: data.draw(st.integers(1, len(mutated)))]
    path = _file(tmp_path_factory.mktemp("mutated"), bytes(mutated))
    with contextlib.suppress(FormatError):
        for drawing in read_drawings(path, report=ReadReport()):
            assert drawing.stroke_starts[-1] == len(drawing.points)
            assert (np.diff(drawing.stroke_starts) > 0).all()
            assert drawing.points.size == 0 or 0 <= drawing.points.min() <= drawing.points.max()


def test_real_drawings_survive_the_way_there_and_back(quickdraw, tmp_path):
    drawings = list(read_drawings(quickdraw / "simplified" / "cat.ndjson"))
    path = tmp_path / "cat.bin"
    write_drawings(path, drawings)
    for drawing, back in zip(drawings, read_drawings(path, strict=True), strict=True):
        assert back.to_lists() == drawing.to_lists()
        assert (back.key_id, back.country) == (drawing.key_id, drawing.country)
        assert back.recognized == drawing.recognized
