from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import log_loss, top_k_accuracy_score

from garabato.evaluation.metrics import (
    calibration,
    category_similarity,
    confusion_matrix,
    half_width,
    log_losses,
    most_confused_pairs,
    order_by_similarity,
    precision_by_coverage,
    rank_of_label,
    selective_accuracy,
)

seeds = st.integers(0, 2**32 - 1)
CONFIDENCE = np.array([0.9, 0.5, 0.7, 0.7], np.float32)
CORRECT = np.array([True, False, True, False])


def test_ties_rank_before_the_true_category() -> None:
    scores = np.array([[0.5, 0.3, 0.2], [0.4, 0.4, 0.2], [0.2, 0.3, 0.5]])
    assert rank_of_label(scores, np.array([0, 0, 0])).tolist() == [1, 2, 3]


@pytest.mark.parametrize("k", [1, 3, 5])
def test_ranks_and_losses_agree_with_scikit_learn(k: int) -> None:
    rng = np.random.default_rng(k)
    probabilities = rng.dirichlet(np.ones(8), size=200)
    which = rng.integers(8, size=200)
    found = (rank_of_label(probabilities, which) <= k).mean()
    assert found == pytest.approx(
        top_k_accuracy_score(which, probabilities, k=k, labels=np.arange(8))
    )
    loss = log_losses(probabilities, which).mean()
    assert loss == pytest.approx(log_loss(which, probabilities, labels=np.arange(8)))


def test_a_probability_of_zero_has_a_finite_loss() -> None:
    probabilities = np.array([[1.0, 0.0], [0.25, 0.75]], np.float32)
    losses = log_losses(probabilities, np.array([1, 0]))
    assert losses == pytest.approx([-np.log(np.finfo(np.float32).eps), np.log(4)])


def test_confusions_are_counted_and_paired_in_both_directions() -> None:
    right = np.array([0, 0, 0, 1, 1, 2, 2, 2])
    predicted = np.array([0, 1, 1, 1, 0, 2, 0, 2])
    confusion = confusion_matrix(right, predicted, 3)
    assert confusion.tolist() == [[1, 2, 0], [1, 1, 0], [1, 0, 2]]
    assert most_confused_pairs(confusion) == [(0, 1), (0, 2)]
    assert most_confused_pairs(confusion, n=1) == [(0, 1)]


def test_calibration_computed_by_hand() -> None:
    # five bins; 0.2 and 0.15 fall into the first, 0.7 and 0.75 into the fourth, 1.0 into the last
    confidence = np.array([0.2, 0.15, 0.7, 0.75, 1.0])
    right = np.array([False, True, True, True, False])
    found = calibration(confidence, right, n_bins=5)
    assert found.n.tolist() == [2, 0, 0, 2, 1]
    assert found.confidence[[0, 3, 4]] == pytest.approx([0.175, 0.725, 1.0])
    assert found.accuracy[[0, 3, 4]] == pytest.approx([0.5, 1.0, 0.0])
    assert np.isnan(found.accuracy[1])
    assert found.error == pytest.approx((2 * 0.325 + 2 * 0.275 + 1 * 1.0) / 5)


@settings(max_examples=25)
@given(seed=seeds)
def test_the_calibration_error_is_small_if_accuracy_equals_probability(seed: int) -> None:
    rng = np.random.default_rng(seed)
    confidence = rng.random(20_000).astype(np.float32)
    right = rng.random(20_000) < confidence
    assert calibration(confidence, right).error < 0.03
    assert calibration(confidence, ~right).error > 0.2


def test_the_calibration_error_of_no_predictions_is_nan() -> None:
    assert np.isnan(calibration(np.zeros(0), np.zeros(0, np.bool_)).error)


def test_the_half_width_is_1_96_standard_errors() -> None:
    # four of eight right: sd (n - 1) = sqrt(8/7 * 1/4)
    right = np.array([True, False] * 4)
    expected = 1.96 * np.sqrt(8 / 7 / 4) / np.sqrt(8)
    assert half_width(right) == pytest.approx(expected)
    assert half_width(np.array([1.0, np.nan, 3.0])) == pytest.approx(1.96)
    assert np.isnan(half_width(np.array([1.0, np.nan])))


@pytest.mark.parametrize(
    ("below", "coverage", "precision"),
    [(0.0, 1.0, 0.5), (0.6, 0.75, 2 / 3), (0.9, 0.25, 1.0), (0.95, 0.0, None)],
)
def test_predictions_below_the_threshold_are_not_counted(
    below: float, coverage: float, precision: float | None
) -> None:
    found = selective_accuracy(CONFIDENCE, CORRECT, below=np.float32(below), chosen_for=0.9)
    assert found.coverage == coverage
    assert found.precision == (None if precision is None else pytest.approx(precision))


def test_the_curve_has_a_point_for_every_threshold() -> None:
    coverage, precision = precision_by_coverage(CONFIDENCE, CORRECT)
    np.testing.assert_allclose(coverage, [0.25, 0.75, 1.0])
    np.testing.assert_allclose(precision, [1.0, 2 / 3, 0.5])


def test_the_curve_of_no_predictions_is_empty() -> None:
    coverage, precision = precision_by_coverage(np.zeros(0, np.float32), np.zeros(0, np.bool_))
    assert len(coverage) == len(precision) == 0


def test_with_a_threshold_just_above_one_all_are_unsure() -> None:
    found = selective_accuracy(
        np.ones(3, np.float32), np.ones(3, np.bool_), below=1 + 2e-16, chosen_for=0.9
    )
    assert found.coverage == 0


def test_points_on_a_line_are_ordered_along_it() -> None:
    values = np.array([3.0, 0.0, 4.1, 1.0, 2.2])
    order = order_by_similarity(-np.abs(values[:, None] - values[None, :]))
    assert order.tolist() in ([1, 3, 4, 0, 2], [2, 0, 4, 3, 1])


def test_a_cluster_is_as_similar_as_its_members_are_on_average() -> None:
    # 0 and 1 join first, then 2 and 3: 2 is similar to 0 (0.6), but to both only 0.35 on average.
    similarity = [[1, 0.9, 0.6, 0], [0.9, 1, 0.1, 0.55], [0.6, 0.1, 1, 0.5], [0, 0.55, 0.5, 1]]
    order = order_by_similarity(np.array(similarity))
    assert order.tolist() in ([1, 0, 2, 3], [3, 2, 0, 1])


@pytest.mark.parametrize("seed", range(5))
def test_members_of_a_group_are_adjacent(seed: int) -> None:
    rng = np.random.default_rng(seed)
    group = rng.permutation(np.repeat(np.arange(6), 5))
    similarity = (group[:, None] == group[None, :]) + 0.1 * rng.random((30, 30))
    order = order_by_similarity((similarity + similarity.T) / 2)
    assert sorted(order.tolist()) == list(range(30))
    assert (np.diff(group[order]) != 0).sum() == 5


def test_zero_or_one_items_are_ordered() -> None:
    assert order_by_similarity(np.zeros((0, 0))).tolist() == []
    assert order_by_similarity(np.ones((1, 1))).tolist() == [0]


def test_category_similarity_is_the_cosine_of_mean_embeddings() -> None:
    embeddings = np.array([[1, 0], [1, 0], [0, 1], [0.6, 0.8]], np.float32)
    found = category_similarity(embeddings, np.array([4, 4, 2, 9]))
    assert found == pytest.approx(np.array([[1, 0, 0.8], [0, 1, 0.6], [0.8, 0.6, 1]]), abs=1e-6)
