"""Drawings that are there more than once."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from sketches import SKETCH_CATEGORIES, make_drawings

from garabato.drawing import Drawing, DrawingBatch
from garabato.inspection.inspect import equal_groups, near_groups


def near(drawings):
    groups = near_groups(DrawingBatch.from_drawings(drawings))
    return sorted(rows.tolist() for rows in groups)


def scaled(drawing, scale, x=0.0, y=0.0):
    """As written down in whole numbers at another size and place."""
    shift = np.array([[x], [y]])
    return Drawing([np.rint(stroke * scale + shift) for stroke in drawing.strokes])


SKETCHES = make_drawings(SKETCH_CATEGORIES, 6, seed=0)


def test_equal_values_are_grouped_and_single_ones_left_out():
    groups = equal_groups("abcab a")
    assert sorted(rows.tolist() for rows in groups) == [[0, 3, 6], [1, 4]]


def test_different_sketches_are_not_near_duplicates():
    assert near(SKETCHES) == []


@settings(max_examples=60)
@given(
    st.integers(0, len(SKETCHES) - 1),
    st.floats(0.5, 4),
    st.floats(-300, 300),
    st.floats(-300, 300),
)
def test_a_moved_and_scaled_copy_is_found(row, scale, x, y):
    copy = scaled(SKETCHES[row], scale, x, y)
    assert near([*SKETCHES, copy]) == [[row, len(SKETCHES)]]


def test_drawings_with_other_strokes_are_not_near_duplicates():
    house = next(d for d in SKETCHES if d.category == "house" and len(d.strokes) == 3)
    other_order = Drawing(house.strokes[::-1])
    without_door = Drawing(house.strokes[:2])
    assert near([house, other_order, without_door]) == []


def test_the_tolerance_is_in_units_of_255():
    square = Drawing([[[0, 255, 255, 0], [0, 0, 255, 255]]])
    off_by_3, off_by_4 = (Drawing([[[0, 255, 255, off], [0, 0, 255, 255]]]) for off in (3, 4))
    assert near([square, off_by_4]) == []
    assert near([square, off_by_3]) == [[0, 1]]


def test_dots_and_empty_drawings_are_in_no_group():
    dot, empty = Drawing([[[3], [4]]]), Drawing([])
    assert near([dot, dot, empty, empty]) == []


def test_groups_are_disjoint_and_do_not_chain():
    # Lines of slowly changing slope: neighbours are alike, the ends are not.
    lines = [Drawing([[[0, 255], [0, y]]]) for y in range(100)]
    groups = near(lines)
    members = [row for group in groups for row in group]
    assert len(members) == len(set(members)) == 100
    assert all(max(group) - min(group) <= 3 for group in groups)
