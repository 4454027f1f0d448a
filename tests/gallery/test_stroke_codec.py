from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sketches import SKETCH_CATEGORIES, make_drawings

from garabato.drawing import Drawing, DrawingBatch
from garabato.gallery.stroke_codec import group_by_kind, pack, pack_batch, unpack, unpack_batch

coordinates = st.integers(0, 255)


@st.composite
def grid_drawings(draw):
    strokes = []
    for _ in range(draw(st.integers(0, 5))):
        n = draw(st.integers(1, 12))
        line = st.lists(coordinates, min_size=n, max_size=n)
        strokes.append((draw(line), draw(line)))
    return Drawing(strokes)


def test_the_bytes_are_those_the_module_describes():
    drawing = Drawing([([10, 20, 30], [1, 2, 3]), ([255], [0])])
    assert list(pack(drawing)) == [1, 2, 3, 1, 10, 20, 30, 255, 1, 2, 3, 0]


@given(st.lists(grid_drawings(), max_size=5))
def test_drawings_on_the_grid_survive_the_round_trip_exactly(drawings):
    packed = pack_batch(DrawingBatch.from_drawings(drawings)).to_pylist()
    assert packed == [pack(drawing) for drawing in drawings]
    for drawing, one in zip(drawings, packed, strict=True):
        assert unpack(one).to_lists() == drawing.to_lists()


def test_a_slice_of_a_batch_packs_like_its_drawings():
    batch = DrawingBatch.from_drawings(make_drawings(SKETCH_CATEGORIES[:3], 4, seed=1))
    whole = pack_batch(batch).to_pylist()
    assert pack_batch(batch[4:9]).to_pylist() == whole[4:9]


def test_drawings_off_the_grid_or_with_long_strokes_keep_their_positions():
    usual = make_drawings(SKETCH_CATEGORIES[:3], 3, seed=1)
    long = Drawing([([i % 256 for i in range(300)], [0] * 299 + [255])])
    many = Drawing([([i % 256], [i % 251]) for i in range(260)])
    drawings = [long, *usual[:4], Drawing([([-7.5, 900], [3, 4])]), many, *usual[4:], long]
    packed = pack_batch(DrawingBatch.from_drawings(drawings)).to_pylist()
    assert packed == [pack(drawing) for drawing in drawings]


@pytest.mark.parametrize("n", [255, 256, 65_536])
def test_counts_of_any_width_survive_the_round_trip(n):
    rng = np.random.default_rng(0)
    long = Drawing([rng.integers(0, 256, (2, n)), ([0, 255], [0, 255])])
    many = Drawing([([i % 256], [0]) for i in range(min(n, 70_000))] + [([255], [255])])
    for drawing in (long, many):
        packed = pack_batch(DrawingBatch.from_drawings([drawing])).to_pylist()[0]
        assert unpack(packed).to_lists() == drawing.to_lists()


def test_what_is_known_is_put_back():
    drawing = unpack(pack(Drawing([([1], [2])])), key_id="a", category="dot")
    assert (drawing.key_id, drawing.category) == ("a", "dot")


@pytest.mark.parametrize("broken", [b"", b"\x07abc", b"\x01\x05\x01"])
def test_bytes_that_are_not_a_drawing_are_refused(broken):
    with pytest.raises(ValueError, match=r".+"):
        unpack(broken)


def test_drawings_are_told_apart_by_kind():
    small, large = np.zeros((2, 2), np.uint8), np.zeros((3, 2), np.uint8)
    drawings = [Drawing(bitmap=small), Drawing(), Drawing(bitmap=large), Drawing(bitmap=small)]
    assert [list(places) for places in group_by_kind(drawings)] == [[0, 3], [1], [2]]


def test_real_drawings_survive_the_round_trip_in_less_than_160_bytes_each(quickdraw):
    from garabato.formats import read_batches

    batch = next(iter(read_batches(quickdraw / "simplified" / "cat.ndjson")))
    packed = pack_batch(batch)
    assert packed.nbytes / len(batch) < 160
    for drawing, one in zip(batch, packed.to_pylist(), strict=True):
        assert unpack(one).to_lists() == drawing.to_lists()


@given(st.lists(grid_drawings(), max_size=6), st.integers(0, 3))
def test_a_slice_of_packed_rows_unpacks_like_each_of_them(drawings, first):
    wide = Drawing([([i % 256 for i in range(300)], [0] * 299 + [255])])
    bitmap = Drawing(bitmap=np.eye(3, dtype=np.uint8) * 255)
    usual = make_drawings(SKETCH_CATEGORIES[:3], 8, seed=1)
    several = (wide, *drawings, bitmap, *usual, *drawings)
    rows = pa.array([pack(one.on_grid()) for one in several], pa.binary())[first:]
    unpacked = unpack_batch(rows, ({"key_id": str(i)} for i in range(len(rows))))
    for i, (drawing, one) in enumerate(zip(unpacked, rows.to_pylist(), strict=True)):
        alone = unpack(one)
        assert drawing.key_id == str(i)
        assert drawing.to_lists() == alone.to_lists()
        assert drawing.points.dtype == alone.points.dtype
        assert drawing.stroke_starts.tolist() == alone.stroke_starts.tolist()
        assert np.array_equal(drawing.bitmap, alone.bitmap)


@pytest.mark.parametrize(
    "damaged", [b"", b"\x01", b"\x01\x02\x01", b"\x01\x01\x02\x05", b"\x09\x00"]
)
def test_rows_that_are_not_packed_drawings_are_refused(damaged):
    with pytest.raises(ValueError, match="not a packed drawing"):
        unpack_batch(pa.array([damaged]), [{}])
    usual = [pack(drawing.on_grid()) for drawing in make_drawings(SKETCH_CATEGORIES[:3], 8, seed=1)]
    with pytest.raises(ValueError, match="not a packed drawing"):
        unpack_batch(pa.array([*usual, damaged]), [{}] * 25)
