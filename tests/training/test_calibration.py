from __future__ import annotations

import numpy as np
import pytest

from garabato.training.calibration import fit_temperature


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


def test_an_answer_given_no_chance_does_not_break_it():
    assert np.isfinite(fit_temperature(np.array([[1.0, 0.0], [1.0, 0.0]]), np.array([0, 1])))
