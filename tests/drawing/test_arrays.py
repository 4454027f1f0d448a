"""Arrays of drawings."""

from __future__ import annotations

import numpy as np

from garabato.drawing.arrays import ranges


def test_ranges_are_joined_in_the_order_given() -> None:
    firsts, counts = np.array([5, 0, 7]), np.array([2, 0, 3])
    assert ranges(firsts, counts).tolist() == [5, 6, 7, 8, 9]


def test_no_ranges_have_no_members() -> None:
    empty = np.zeros(0, np.int64)
    assert ranges(empty, empty).tolist() == []
