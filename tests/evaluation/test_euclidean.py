from __future__ import annotations

import numpy as np
import pytest

from garabato.errors import InputError
from garabato.evaluation.metrics import mean_average_precision
from garabato.evaluation.rankings import mean_average_precision_by_distance


def test_a_ranking_worked_out_by_hand() -> None:
    features = np.array([[0.0], [1.0], [2.0], [10.0]], np.float32)
    labels = np.array([0, 1, 0, 1])
    # 0: (1, 0, 1) 1/2. 1: (0, 0 tied), then 1: 1/3. 2: 1, 0, 1: 1/2. 10: 0, 1, 0: 1/2.
    expected = (1 / 2 + 1 / 3 + 1 / 2 + 1 / 2) / 4
    assert mean_average_precision_by_distance(features, labels) == pytest.approx(expected)


def test_on_features_of_one_length_it_is_the_ranking_by_cosine() -> None:
    random = np.random.default_rng(0)
    features = random.normal(size=(120, 6))
    features = (features / np.linalg.norm(features, axis=1, keepdims=True)).astype(np.float32)
    labels = random.integers(0, 5, 120)
    assert mean_average_precision_by_distance(features, labels) == pytest.approx(
        mean_average_precision(features, labels), abs=1e-6
    )


def test_a_query_with_nothing_to_find_is_not_counted() -> None:
    features = np.arange(3, dtype=np.float32)[:, None]
    assert mean_average_precision_by_distance(features, np.array([0, 0, 1])) == pytest.approx(0.75)
    assert np.isnan(mean_average_precision_by_distance(features, np.array([0, 1, 2])))


def test_features_without_as_many_labels_are_refused() -> None:
    with pytest.raises(InputError, match="N labels"):
        mean_average_precision_by_distance(np.zeros((3, 2), np.float32), np.zeros(2, np.int64))
