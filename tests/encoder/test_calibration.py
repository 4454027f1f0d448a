from __future__ import annotations

import numpy as np
import pytest

from garabato.training.finish import (
    at_temperature,
    fit_temperature,
    threshold_for_precision,
)


def sharpened(probabilities, temperature):
    powers = probabilities ** (1 / temperature)
    return powers / powers.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("distortion", [0.4, 1.0, 2.5])
def test_the_temperature_undoes_a_known_distortion(distortion):
    random = np.random.default_rng(0)
    true = random.dirichlet(np.full(5, 0.5), 20_000)
    labels = (random.random((len(true), 1)) < true.cumsum(axis=1)).argmax(axis=1)
    given = sharpened(true, distortion)
    assert fit_temperature(given, labels) == pytest.approx(1 / distortion, rel=0.05)


def test_two_outcomes_by_hand():
    # Said 0.8, right 3 times of 4: the best constant is 0.75, so odds 4 must become odds 3.
    probabilities = np.array([[0.8, 0.2]] * 4)
    labels = np.array([0, 0, 0, 1])
    assert fit_temperature(probabilities, labels) == pytest.approx(np.log(4) / np.log(3), rel=1e-3)


def test_a_probability_of_zero_gives_a_finite_temperature():
    assert np.isfinite(fit_temperature(np.array([[1.0, 0.0], [1.0, 0.0]]), np.array([0, 1])))


def test_probabilities_at_another_temperature_are_those_of_its_logits():
    logits = np.random.default_rng(0).normal(size=(6, 4))
    at_one = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    at_half = np.exp(2 * logits) / np.exp(2 * logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(at_temperature(at_one, 0.5), at_half)


def test_the_threshold_is_the_lowest_that_reaches_the_precision():
    confidence = np.array([0.3, 0.9, 0.8, 0.6, 0.5, 0.7])
    right = np.array([False, True, True, True, False, False])
    # From the surest: 1/1, 2/2, 2/3, 3/4, 3/5, 3/6 are right.
    for precision, threshold in ((1.0, 0.8), (0.75, 0.6), (0.7, 0.6), (0.5, 0.3)):
        assert threshold_for_precision(confidence, right, precision) == threshold


def test_predictions_of_equal_probability_are_on_one_side_of_the_threshold():
    confidence = np.array([0.9, 0.7, 0.7])
    for right in ([True, True, False], [True, False, True]):
        assert threshold_for_precision(confidence, np.array(right), 0.9) == 0.9


@pytest.mark.parametrize("n", [0, 1, 5])
def test_if_no_threshold_reaches_the_precision_all_predictions_are_unsure(n):
    threshold = threshold_for_precision(np.ones(n, np.float32), np.zeros(n, np.bool_), 0.9)
    assert threshold > 1


def test_the_threshold_reaches_its_precision_on_other_predictions():
    random = np.random.default_rng(0)
    confidence = random.random(20_000)
    right = random.random(20_000) < confidence
    threshold = threshold_for_precision(confidence[:10_000], right[:10_000], 0.9)
    sure = confidence[10_000:] >= threshold
    assert right[10_000:][sure].mean() == pytest.approx(0.9, abs=0.015)
    assert sure.mean() == pytest.approx(0.2, abs=0.03)  # answers of 0.8 to 1
