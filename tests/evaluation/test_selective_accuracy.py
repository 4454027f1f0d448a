from __future__ import annotations

import numpy as np
import pytest

from garabato.evaluation.selective_accuracy import precision_by_coverage, selective_accuracy

CONFIDENCE = np.array([0.9, 0.5, 0.7, 0.7], np.float32)
RIGHT = np.array([True, False, True, False])


@pytest.mark.parametrize(
    ("below", "coverage", "precision"),
    [(0.0, 1.0, 0.5), (0.6, 0.75, 2 / 3), (0.9, 0.25, 1.0), (0.95, 0.0, None)],
)
def test_answers_below_the_threshold_are_not_counted(
    below: float, coverage: float, precision: float | None
) -> None:
    found = selective_accuracy(CONFIDENCE, RIGHT, below=np.float32(below), chosen_for=0.9)
    assert found.coverage == coverage
    assert found.precision == (None if precision is None else pytest.approx(precision))


def test_the_curve_has_a_point_for_every_threshold_that_there_is() -> None:
    coverage, precision = precision_by_coverage(CONFIDENCE, RIGHT)
    np.testing.assert_allclose(coverage, [0.25, 0.75, 1.0])
    np.testing.assert_allclose(precision, [1.0, 2 / 3, 0.5])


def test_no_answers_make_no_curve() -> None:
    coverage, precision = precision_by_coverage(np.zeros(0, np.float32), np.zeros(0, np.bool_))
    assert len(coverage) == len(precision) == 0


def test_a_threshold_just_above_one_lets_nothing_through() -> None:
    found = selective_accuracy(
        np.ones(3, np.float32), np.ones(3, np.bool_), below=1 + 2e-16, chosen_for=0.9
    )
    assert found.coverage == 0
