"""Drawings into Arrow columns and back."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sketches import make_drawings

from garabato.drawing import Drawing, DrawingBatch
from garabato.drawing.arrow import from_table, stored_bitmap_shape, to_table, with_split
from garabato.errors import DrawingError

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
        traced=draw(st.one_of(st.none(), st.booleans())),
    )


def assert_same(found: DrawingBatch, expected: DrawingBatch) -> None:
    for name in ("points", "stroke_starts", "drawing_starts"):
        a, b = getattr(found, name), getattr(expected, name)
        np.testing.assert_array_equal(a, b)
        assert a.dtype == b.dtype
    for name in ("key_ids", "categories", "countries", "recognized", "timestamps", "traced"):
        assert getattr(found, name) == getattr(expected, name)


@settings(max_examples=50)
@given(st.lists(known_drawings(), max_size=6), st.integers(0, 6), st.integers(0, 6))
def test_strokes_survive_a_round_trip_even_from_slices_and_chunks(drawings, first, last):
    batch = DrawingBatch.from_drawings(drawings)
    table = to_table(batch)
    table.validate(full=True)
    assert_same(from_table(table), batch)
    part = slice(min(first, last), max(first, last))
    sliced = table.slice(part.start, part.stop - part.start)
    assert_same(from_table(sliced), batch[part])
    chunked = pa.concat_tables([sliced, table])
    assert_same(from_table(chunked), DrawingBatch.concatenate([batch[part], batch]))


def test_bitmaps_survive_a_round_trip_even_from_slices_and_chunks():
    rng = np.random.default_rng(0)
    bitmaps = rng.integers(0, 256, (5, 28, 20), np.uint8)
    batch = DrawingBatch.from_drawings(
        [Drawing(bitmap=bitmap, key_id=str(i), category="cat") for i, bitmap in enumerate(bitmaps)]
    )
    table = to_table(batch)
    assert stored_bitmap_shape(table.schema) == (28, 20)
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
        "traced",
        "strokes",
    ]
    kind = "list<item: struct<x: list<item: uint8 not null> not null, y: list<item: uint8 not null>"
    assert str(table.schema.field("strokes").type).startswith(kind)
    assert table["split"].to_pylist() == ["test", "test"]
    (drawing,) = make_drawings(["star"], 1, 0)
    expected = [{"x": xs, "y": ys} for xs, ys in drawing.to_lists()]
    assert table["strokes"][0].as_py() == expected


coordinates = st.floats(-1e6, 1e6, width=32, allow_subnormal=False).filter(
    lambda value: value == 0 or abs(value) > 1e-6
)


@settings(max_examples=50)
@given(
    st.lists(known_drawings(), max_size=4),
    st.lists(st.tuples(coordinates, coordinates), min_size=1, max_size=4),
)
def test_batches_survive_a_round_trip_through_arrow_and_pandas(drawings, points):
    free = Drawing([list(zip(*points, strict=True))])  # off the grid, nothing known about it
    for batch in map(DrawingBatch.from_drawings, (drawings, [*drawings, free])):
        table = batch.to_arrow()
        table.validate(full=True)
        assert_same(DrawingBatch.from_arrow(table), batch)
        if len(batch):
            assert_same(DrawingBatch.from_arrow(table.to_batches()[0]), batch)


@pytest.mark.parametrize(
    ("xs", "kind"),
    [([0, 255], "uint8"), ([0, 256], "float"), ([-1, 9], "float"), ([0, 0.5], "float")],
)
def test_coordinates_in_arrow_are_bytes_if_all_are_whole_numbers_up_to_255(xs, kind):
    table = DrawingBatch.from_drawings([Drawing([(xs, [0, 0])])]).to_arrow()
    assert str(table["strokes"].type.value_type.field("x").type.value_type) == kind


def test_a_data_frame_can_be_read_as_drawings():
    batch = DrawingBatch.from_drawings(make_drawings(["star", "house"], 3, 0))
    frame = batch.to_arrow().to_pandas()
    assert frame["category"].tolist() == ["star"] * 3 + ["house"] * 3
    houses = frame[frame["category"] == "house"]
    assert_same(DrawingBatch.from_arrow(houses), batch[3:])


class Frame:
    """A data frame of another library, such as polars."""

    def __init__(self, table: pa.Table) -> None:
        self._table = table

    def __arrow_c_stream__(self, requested_schema=None):
        return self._table.__arrow_c_stream__(requested_schema)


def test_a_frame_of_any_library_that_exports_to_arrow_can_be_read_as_drawings():
    batch = DrawingBatch.from_drawings(make_drawings(["star"], 3, 0))
    assert_same(DrawingBatch.from_arrow(Frame(batch.to_arrow())), batch)


@pytest.mark.parametrize("given", ["stars.parquet", [1], None])
def test_what_is_not_a_table_is_refused(given):
    problem = rf"cannot read this {type(given).__name__} as a table \(.*\); give an Arrow table"
    with pytest.raises(DrawingError, match=problem):
        DrawingBatch.from_arrow(given)


def test_bitmaps_survive_a_round_trip_through_arrow():
    bitmaps = np.random.default_rng(0).integers(0, 256, (3, 28, 20), np.uint8)
    batch = DrawingBatch.from_drawings([Drawing(bitmap=bitmap) for bitmap in bitmaps])
    found = DrawingBatch.from_arrow(batch.to_arrow())
    np.testing.assert_array_equal(found.bitmaps, bitmaps)
    assert found.key_ids == [None] * 3


def stroke_table(strokes, line=None):
    line = line or pa.list_(pa.float64())
    kind = pa.list_(pa.struct([("x", line), ("y", line)]))
    return pa.table({"strokes": pa.array(strokes, kind)})


def test_a_table_with_only_strokes_is_enough():
    line = pa.large_list(pa.int32())
    found = DrawingBatch.from_arrow(stroke_table([[{"x": [1, 2], "y": [3, 400]}]], line))
    assert found[0].to_lists() == [[[1, 2], [3, 400]]]


def test_strokes_without_points_and_tiny_coordinates_are_those_of_a_drawing():
    nothing = {"x": [], "y": []}
    rows = [[{"x": [1], "y": [2]}, nothing], [], [nothing, {"x": [1e-40, 3], "y": [1e-50, 4]}]]
    drawings = [Drawing([(stroke["x"], stroke["y"]) for stroke in row]) for row in rows]
    expected = DrawingBatch.from_drawings(drawings)
    assert_same(DrawingBatch.from_arrow(stroke_table(rows)), expected)


@pytest.mark.parametrize("given", [[1, 0, None], [1.0, 0.0, None], ["true", "false", None]])
def test_booleans_may_come_as_numbers_or_text(given):
    point = [{"x": [1], "y": [2]}]
    table = stroke_table([point] * 3).append_column("traced", [given])
    assert DrawingBatch.from_arrow(table).traced == [True, False, None]


@pytest.mark.parametrize(
    ("name", "values", "expected"),
    [
        ("key_id", pa.array([4503599627370497, None]), ["4503599627370497", None]),
        ("key_id", pa.array([4503599627370497.0, None]), ["4503599627370497", None]),
        ("category", pa.array([7, 8]), ["7", "8"]),
        (
            "timestamp",
            pa.array([datetime(2017, 3, 29, 0, 29, 12), None]),
            ["2017-03-29 00:29:12.000000", None],
        ),
    ],
)
def test_text_may_come_as_numbers_or_times(name, values, expected):
    table = stroke_table([[{"x": [1], "y": [2]}]] * 2).append_column(name, values)
    attribute = {"key_id": "key_ids", "category": "categories", "timestamp": "timestamps"}[name]
    assert getattr(DrawingBatch.from_arrow(table), attribute) == expected


def bitmap_table(values, kind):
    shape = {"height_px": "2", "width_px": "2"}
    schema = pa.schema([pa.field("bitmap", kind, metadata=shape)])
    return pa.table([pa.array(values, kind)], schema=schema)


def test_bitmaps_may_come_as_bytes_of_any_length():
    found = DrawingBatch.from_arrow(bitmap_table([b"1234", b"5678"], pa.binary()))
    assert found.bitmaps.tobytes() == b"12345678"


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        (pa.table({"a": [1]}), "no column `strokes` or `bitmap`, only a"),
        (pa.table({"strokes": [1]}), "is int64; expected list"),
        (pa.table({"strokes": [[[1]]]}), "expected list"),
        (pa.table({"strokes": [[{"x": [1]}]]}), "expected list<struct<x: list<number>, y"),
        (pa.table({"strokes": [[{"x": [1], "y": 2}]]}), "expected list<struct"),
        (stroke_table([[{"x": [1], "y": [2, 3]}]]), "unequal numbers of xs and ys"),
        (stroke_table([[{"x": [None], "y": [2]}]]), "missing values"),
        (stroke_table([None]), "missing values"),
        (stroke_table([[{"x": [float("nan")], "y": [2]}]]), "NaN"),
        (stroke_table([[{"x": [1e9], "y": [2]}]]), "beyond 2"),
        (pa.table({"bitmap": [b"1234"]}), "lost its metadata"),
        (bitmap_table([b"1234", None], pa.binary(4)), "`bitmap` has missing values"),
        (bitmap_table([b"123"], pa.binary(3)), "`bitmap` is .*; expected 4 bytes each"),
        (bitmap_table([b"123"], pa.binary()), "`bitmap` is binary; expected 4 bytes each"),
        (
            stroke_table([[{"x": [1], "y": [2]}]]).append_column("category", [[["cat"]]]),
            "the column `category` is list.*; expected text",
        ),
        *[
            (
                stroke_table([[{"x": [1], "y": [2]}]]).append_column(name, [["maybe"]]),
                f"the column `{name}` is string; expected true and false",
            )
            for name in ("traced", "recognized")
        ],
    ],
)
def test_invalid_tables_are_refused_and_the_column_named(table, problem):
    with pytest.raises(DrawingError, match=problem):
        DrawingBatch.from_arrow(table)
