"""Batches: sizes, normalisation and the grid, for all drawings at once."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from garabato.drawing import Drawing, DrawingBatch
from garabato.drawing.batch import regrouped
from garabato.errors import DrawingError

coordinates = st.one_of(
    st.integers(0, 255).map(float),
    st.floats(-5000, 5000, allow_nan=False, width=32),
)
strokes = st.lists(st.tuples(coordinates, coordinates), max_size=6).map(
    lambda points: [[x for x, _ in points], [y for _, y in points]]
)
drawings = st.lists(st.lists(strokes, max_size=4).map(Drawing), max_size=6)


@settings(max_examples=60)
@given(drawings)
def test_on_grid_of_a_batch_equals_that_of_each_drawing(given_drawings):
    batch = DrawingBatch.from_drawings(given_drawings).on_grid()
    assert len(batch) == len(given_drawings)
    for found, drawing in zip(batch, given_drawings, strict=True):
        np.testing.assert_array_equal(found.points, drawing.on_grid().points)
        np.testing.assert_array_equal(found.stroke_starts, drawing.stroke_starts)
    assert np.array_equal(batch.points, batch.points.astype(np.uint8))


@settings(max_examples=60)
@given(drawings)
def test_normalised_of_a_batch_equals_that_of_each_drawing(given_drawings):
    batch = DrawingBatch.from_drawings(given_drawings).normalised()
    for found, drawing in zip(batch, given_drawings, strict=True):
        np.testing.assert_array_equal(found.points, drawing.normalised().points)


def test_a_batch_on_the_grid_is_returned_unchanged():
    batch = DrawingBatch.from_drawings([Drawing([[[0, 255], [3, 4]]]), Drawing([])])
    assert batch.on_grid() is batch


@settings(max_examples=60)
@given(drawings)
def test_point_counts_and_extents_equal_those_of_each_drawing(given_drawings):
    batch = DrawingBatch.from_drawings(given_drawings)
    assert batch.n_points.tolist() == [len(drawing.points) for drawing in given_drawings]
    expected = [np.ptp(d.points, axis=0).max() if len(d.points) else 0 for d in given_drawings]
    np.testing.assert_array_equal(batch.extents, np.array(expected, np.float32))


def test_take_counts_from_the_end_and_takes_masks_as_numpy_does():
    batch = DrawingBatch.from_drawings([Drawing([[[0, n], [0, 9]]]) for n in (1, 2, 3)])
    for rows in (np.array([-2]), np.array([False, True, False])):
        assert [drawing.to_lists() for drawing in batch.take(rows)] == [[[[0, 2], [0, 9]]]]
    with pytest.raises(IndexError):
        batch.take(np.array([3]))


def test_batches_without_drawings_do_not_count_when_batches_are_joined():
    strokes = DrawingBatch.from_drawings([Drawing([[[0, 1], [0, 9]]])])
    bitmaps = DrawingBatch.from_bitmaps(np.full((1, 28, 28), 255, np.uint8))
    smaller = DrawingBatch.from_bitmaps(np.full((1, 8, 8), 255, np.uint8))
    joined = DrawingBatch.concatenate([bitmaps[:0], strokes, smaller[:0]])
    assert joined.bitmaps is None
    assert joined.has_ink.tolist() == [True]
    joined = DrawingBatch.concatenate([smaller[:0], strokes[:0], bitmaps])
    assert joined.bitmap_shape == (28, 28)
    assert len(joined) == 1
    assert DrawingBatch.concatenate([bitmaps[:0], smaller[:0]]).bitmap_shape == (28, 28)
    for mixed in ([strokes, bitmaps], [bitmaps, smaller]):
        with pytest.raises(DrawingError, match="all strokes or all bitmaps of one size"):
            DrawingBatch.concatenate(mixed)


def test_a_single_drawing_can_be_packed():
    line = Drawing([[[0, 1], [2, 3]]], key_id="a")
    batch = DrawingBatch.from_drawings(line)
    assert batch.key_ids == ["a"]
    assert batch[0].to_lists() == [[[0, 1], [2, 3]]]


def test_a_column_of_another_length_is_refused():
    bitmaps = np.full((3, 8, 8), 255, np.uint8)
    with pytest.raises(DrawingError, match="key_ids has 2 values for 3 drawings"):
        DrawingBatch.from_bitmaps(bitmaps, key_ids=["a", "b"])
    batch = DrawingBatch.from_bitmaps(bitmaps, categories=np.array(["a", "b", "c"]))
    assert [drawing.category for drawing in batch] == ["a", "b", "c"]


def test_batches_are_regrouped_by_number_and_by_kind():
    lines = DrawingBatch.from_drawings([Drawing(key_id=str(i)) for i in range(5)])
    pictures = DrawingBatch.from_bitmaps(np.zeros((2, 3, 4), np.uint8), key_ids=["a", "b"])
    found = list(regrouped([lines[:1], lines[1:2], lines[2:], pictures], 2))
    assert [batch.key_ids for batch in found] == [["0", "1"], ["2", "3"], ["4"], ["a", "b"]]
    assert [batch.bitmap_shape for batch in found] == [None, None, None, (3, 4)]


def test_batches_that_have_waited_long_enough_are_not_filled_up():
    lines = DrawingBatch.from_drawings([Drawing(key_id=str(i)) for i in range(3)])
    parts = [lines[:1], lines[1:2], lines[2:]]
    assert [batch.key_ids for batch in regrouped(parts, 9, max_s=0)] == [["0"], ["1"], ["2"]]
    assert [batch.key_ids for batch in regrouped(parts, 9, max_s=60)] == [["0", "1", "2"]]


def test_bitmaps_may_be_a_list_of_arrays():
    batch = DrawingBatch.from_bitmaps([np.full((3, 4), ink, np.uint8) for ink in (0, 255)])
    assert [drawing.bitmap.tolist() for drawing in batch] == [[[0] * 4] * 3, [[255] * 4] * 3]


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((2, 3, 4), np.float32),  # ink 1.0
        np.zeros((2, 3, 4), bool),  # True would be ink 1 of 255
        np.zeros((3, 4), np.uint8),
        np.zeros((2, 3, 4, 1), np.uint8),
    ],
)
def test_bitmaps_of_another_shape_or_type_are_refused(wrong):
    problem = f"(N, H, W) uint8 array, ink 255, not {wrong.shape} {wrong.dtype}"
    with pytest.raises(DrawingError, match=re.escape(problem)):
        DrawingBatch.from_bitmaps(wrong)
