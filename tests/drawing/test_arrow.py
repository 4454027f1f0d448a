"""Drawings into Arrow columns and back."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st
from sketches import make_drawings

from garabato.drawing import Drawing, DrawingBatch
from garabato.drawing.arrow import bitmap_shape, from_table, to_table, with_split

values = st.integers(0, 255)
strokes = st.lists(st.tuples(values, values), min_size=1, max_size=5).map(
    lambda points: [[x for x, _ in points], [y for _, y in points]]
)
texts = st.one_of(st.none(), st.text(max_size=5))


@st.composite
def known_drawings(draw):
    return Drawing(
        draw(st.lists(strokes, max_size=4)),
        key_id=draw(st.text(min_size=1, max_size=5)),
        category=draw(st.sampled_from(["cat", "The Mona Lisa"])),
        country=draw(texts),
        recognized=draw(st.one_of(st.none(), st.booleans())),
        timestamp=draw(texts),
    )


def assert_same(found: DrawingBatch, expected: DrawingBatch) -> None:
    for name in ("points", "stroke_starts", "drawing_starts"):
        a, b = getattr(found, name), getattr(expected, name)
        np.testing.assert_array_equal(a, b)
        assert a.dtype == b.dtype
    for name in ("key_ids", "categories", "countries", "recognized", "timestamps"):
        assert getattr(found, name) == getattr(expected, name)


@settings(max_examples=50, deadline=None)
@given(st.lists(known_drawings(), max_size=6), st.integers(0, 6), st.integers(0, 6))
def test_strokes_come_back_as_they_were_also_of_slices_and_chunks(drawings, first, last):
    batch = DrawingBatch.from_drawings(drawings)
    table = to_table(batch)
    table.validate(full=True)
    assert_same(from_table(table), batch)
    part = slice(min(first, last), max(first, last))
    sliced = table.slice(part.start, part.stop - part.start)
    assert_same(from_table(sliced), batch[part])
    chunked = pa.concat_tables([sliced, table])
    assert_same(from_table(chunked), DrawingBatch.concatenate([batch[part], batch]))


def test_bitmaps_come_back_as_they_were_also_of_slices_and_chunks():
    rng = np.random.default_rng(0)
    bitmaps = rng.integers(0, 256, (5, 28, 20), np.uint8)
    batch = DrawingBatch.from_drawings(
        [Drawing(bitmap=bitmap, key_id=str(i), category="cat") for i, bitmap in enumerate(bitmaps)]
    )
    table = to_table(batch)
    assert bitmap_shape(table.schema) == (28, 20)
    chunked = pa.concat_tables([table.slice(1, 2), table.slice(4)])
    found = from_table(chunked)
    np.testing.assert_array_equal(found.bitmaps, bitmaps[[1, 2, 4]])
    assert found.key_ids == ["1", "2", "4"]
    assert len(from_table(table.slice(0, 0))) == 0


def test_the_columns_are_what_other_programs_read():
    table = with_split(to_table(DrawingBatch.from_drawings(make_drawings(["star"], 2, 0))), "test")
    assert table.schema.names == [
        "key_id",
        "category",
        "split",
        "country",
        "recognized",
        "timestamp",
        "strokes",
    ]
    kind = "list<item: struct<x: list<item: uint8 not null> not null, y: list<item: uint8 not null>"
    assert str(table.schema.field("strokes").type).startswith(kind)
    assert table["split"].to_pylist() == ["test", "test"]
    (drawing,) = make_drawings(["star"], 1, 0)
    expected = [{"x": xs, "y": ys} for xs, ys in drawing.to_lists()]
    assert table["strokes"][0].as_py() == expected
