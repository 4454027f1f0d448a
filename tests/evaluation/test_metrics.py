from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, log_loss, top_k_accuracy_score

from garabato.errors import InputError
from garabato.evaluation import metrics, similarity
from garabato.evaluation.similarity import nearest

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]


def on_circle(*degrees: float) -> FloatArray:
    """Unit vectors in the plane: the nearer the angles, the higher the cosine."""
    angles = np.deg2rad(np.array(degrees))
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def labels(*values: int) -> IntArray:
    return np.array(values, np.int64)


def random_set(
    seed: int, n: int, *, dimensions: int = 8, categories: int = 4
) -> tuple[FloatArray, IntArray]:
    """Embeddings that follow their labels a little, and some that are exactly equal."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(categories, dimensions))
    which = rng.integers(categories, size=n)
    points = centres[which] + rng.normal(size=(n, dimensions))
    copies = rng.integers(n, size=n // 4)
    points[rng.integers(n, size=n // 4)] = points[copies]
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    return points.astype(np.float32), which.astype(np.int64)


def on_grid(points_and_labels: tuple[FloatArray, IntArray]) -> tuple[FloatArray, IntArray]:
    """Coordinates cut to 12 bits, so that a cosine is the same number in any precision."""
    points, which = points_and_labels
    return np.rint(points * np.float32(4096)) / np.float32(4096), which


seeds = st.integers(0, 2**32 - 1)


def test_average_precision_of_a_ranking_worked_out_by_hand() -> None:
    # right, wrong, right, wrong, right: (1/1 + 2/3 + 3/5) / 3
    gallery = on_circle(1, 2, 3, 4, 5)
    found = metrics.ranking_metrics(on_circle(0), labels(7), gallery, labels(7, 1, 7, 2, 7), k=2)
    assert found.average_precision[0] == pytest.approx((1 + 2 / 3 + 3 / 5) / 3)
    assert found.precision_at_k[0] == pytest.approx(1 / 2)
    assert found.recall_at_k[0] == pytest.approx(1 / 3)
    assert found.n_relevant.tolist() == [3]


def test_the_query_is_left_out_of_its_own_ranking() -> None:
    # ranking of 0: 10 (right), 30 (wrong); of 10: 0 (right), 30; of 30: nothing is relevant
    queries, which = on_circle(0, 10, 30), labels(1, 1, 2)
    found = metrics.ranking_metrics(queries, which, k=1)
    assert found.average_precision[:2].tolist() == [1.0, 1.0]
    assert np.isnan(found.average_precision[2])
    assert found.n_without_relevant == 1
    assert found.mean_average_precision == 1.0


def test_a_query_that_also_stands_in_a_gallery_is_not_left_out() -> None:
    queries, which = on_circle(0, 10), labels(1, 2)
    found = metrics.ranking_metrics(queries, which, queries, which, k=1)
    assert found.n_relevant.tolist() == [1, 1]
    assert found.mean_average_precision == 1.0


def test_average_precision_divides_by_all_relevant_items() -> None:
    # the second relevant item is last of 101: (1/1 + 2/101) / 2
    gallery = on_circle(1, *np.linspace(2, 90, 99), 180)
    which = labels(7, *[0] * 99, 7)
    value = metrics.mean_average_precision(on_circle(0), labels(7), gallery, which)
    assert value == pytest.approx((1 + 2 / 101) / 2)


def test_tied_items_share_one_step_of_the_ranking() -> None:
    # one relevant item ahead, then two relevant and two others at one score, then one other
    gallery = on_circle(5, 20, 20, 20, 20, 60)
    found = metrics.ranking_metrics(on_circle(0), labels(1), gallery, labels(1, 1, 1, 0, 0, 0), k=2)
    assert found.average_precision[0] == pytest.approx((1 / 1 + 3 / 5 + 3 / 5) / 3)
    # the second of the first two places goes to a relevant item in half of all orders
    assert found.precision_at_k[0] == pytest.approx((1 + 1 / 2) / 2)
    assert found.recall_at_k[0] == pytest.approx((1 + 1 / 2) / 3)


def test_an_embedding_that_tells_nothing_apart_scores_the_share_of_relevant_items() -> None:
    gallery = on_circle(*[30] * 20)
    found = metrics.ranking_metrics(
        on_circle(0), labels(1), gallery, labels(*[1] * 5, *[0] * 15), k=4
    )
    assert found.average_precision[0] == pytest.approx(5 / 20)
    assert found.precision_at_k[0] == pytest.approx(5 / 20)
    assert found.recall_at_k[0] == pytest.approx(4 / 20)


def test_nothing_relevant_anywhere_gives_nan_and_is_counted() -> None:
    found = metrics.ranking_metrics(on_circle(0, 5), labels(1, 2), k=1)
    assert found.n_without_relevant == 2
    assert np.isnan(found.mean_average_precision)
    assert np.isnan(found.mean_precision_at_k)
    assert np.isnan(found.mean_recall_at_k)


@pytest.mark.parametrize("seed", range(10))
def test_rankings_agree_with_scikit_learn(seed: int) -> None:
    gallery, gallery_labels = on_grid(random_set(seed, 300))
    queries, query_labels = on_grid(random_set(seed + 100, 40))
    found = metrics.ranking_metrics(queries, query_labels, gallery, gallery_labels)
    cosines = (queries.astype(np.float64) @ gallery.astype(np.float64).T).astype(np.float32)
    for i in range(len(queries)):
        expected = average_precision_score(gallery_labels == query_labels[i], cosines[i])
        assert found.average_precision[i] == pytest.approx(expected, abs=1e-12)


def test_queries_against_each_other_agree_with_scikit_learn() -> None:
    queries, which = on_grid(random_set(5, 150))
    found = metrics.ranking_metrics(queries, which)
    cosines = (queries.astype(np.float64) @ queries.astype(np.float64).T).astype(np.float32)
    expected = []
    for i in range(len(queries)):
        others = np.arange(len(queries)) != i
        expected.append(average_precision_score(which[others] == which[i], cosines[i][others]))
    assert found.mean_average_precision == pytest.approx(np.mean(expected), abs=1e-12)


@settings(max_examples=25, deadline=None)
@given(seed=seeds)
def test_the_order_of_gallery_and_queries_changes_nothing(seed: int) -> None:
    queries, query_labels = random_set(seed, 20)
    gallery, gallery_labels = random_set(seed + 1, 120)
    rng = np.random.default_rng(seed)
    q, g = rng.permutation(len(queries)), rng.permutation(len(gallery))
    before = metrics.ranking_metrics(queries, query_labels, gallery, gallery_labels)
    after = metrics.ranking_metrics(queries[q], query_labels[q], gallery[g], gallery_labels[g])
    np.testing.assert_array_equal(before.average_precision[q], after.average_precision)
    np.testing.assert_array_equal(before.precision_at_k[q], after.precision_at_k)
    np.testing.assert_array_equal(before.recall_at_k[q], after.recall_at_k)


def test_equal_embeddings_tie_exactly_wherever_they_stand() -> None:
    rng = np.random.default_rng(0)
    query, twin, other = (v / np.linalg.norm(v) for v in rng.normal(size=(3, 128)))
    gallery = np.repeat(other[None], 8300, axis=0)
    gallery[[0, 1, 17, 100, 4097, 8191, 8192, 8299]] = twin
    _, scores = nearest(query[None].astype(np.float32), gallery.astype(np.float32), k=8300)
    assert len(np.unique(scores)) == 2


@pytest.mark.parametrize("dimensions", [3, 32, 128])
def test_the_chunk_size_changes_no_bit(dimensions: int) -> None:
    queries, query_labels = random_set(0, 300, dimensions=dimensions)
    gallery, gallery_labels = random_set(1, 9000, dimensions=dimensions)
    first = metrics.ranking_metrics(queries, query_labels, gallery, gallery_labels, chunk=1)
    second = metrics.ranking_metrics(queries, query_labels, gallery, gallery_labels, chunk=1000)
    np.testing.assert_array_equal(first.average_precision, second.average_precision)
    np.testing.assert_array_equal(first.precision_at_k, second.precision_at_k)


@settings(max_examples=25, deadline=None)
@given(seed=seeds)
def test_turning_all_embeddings_changes_nothing_but_rounding(seed: int) -> None:
    rng = np.random.default_rng(seed)
    points = rng.normal(size=(80, 6))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    which = rng.integers(4, size=80)
    turn, _ = np.linalg.qr(rng.normal(size=(6, 6)))
    before = metrics.mean_average_precision(points.astype(np.float32), which)
    after = metrics.mean_average_precision((points @ turn).astype(np.float32), which)
    assert before == pytest.approx(after, abs=1e-3)


@settings(max_examples=25, deadline=None)
@given(seed=seeds, n_categories=st.integers(2, 6), per_category=st.integers(2, 8))
def test_embeddings_that_agree_with_the_labels_score_one(
    seed: int, n_categories: int, per_category: int
) -> None:
    which = np.random.default_rng(seed).permutation(
        np.repeat(np.arange(n_categories), per_category)
    )
    points = np.eye(n_categories, dtype=np.float32)[which]
    found = metrics.ranking_metrics(points, which, k=1)
    assert found.average_precision.tolist() == [1.0] * len(which)
    assert found.precision_at_k == pytest.approx(1.0)
    assert found.recall_at_k == pytest.approx(1 / (per_category - 1))


@settings(max_examples=25, deadline=None)
@given(seed=seeds, k=st.integers(1, 30))
def test_figures_stay_within_zero_and_one_and_recall_grows_with_k(seed: int, k: int) -> None:
    points, which = random_set(seed, 40)
    small = metrics.ranking_metrics(points, which, k=k)
    large = metrics.ranking_metrics(points, which, k=k + 9)
    ranked = small.n_relevant > 0
    for values in (small.average_precision, small.precision_at_k, small.recall_at_k):
        assert ((values[ranked] >= 0) & (values[ranked] <= 1)).all()
    assert (large.recall_at_k[ranked] >= small.recall_at_k[ranked]).all()


def test_lists_the_nearest_items_best_first_and_not_the_query_itself() -> None:
    points = on_circle(0, 10, 40, 90)
    rows, scores = nearest(points, points, k=2, left_out=np.arange(4))
    assert rows.tolist() == [[1, 2], [0, 2], [1, 0], [2, 1]]
    assert scores[0] == pytest.approx(np.cos(np.deg2rad([10, 40])), abs=1e-6)


def test_nearest_items_of_equal_score_come_in_the_order_of_their_rows() -> None:
    gallery = on_circle(50, 20, 20, 20, 10)
    rows, _ = nearest(on_circle(0), gallery, k=3)
    assert rows.tolist() == [[4, 1, 2]]


def test_nearest_gives_all_there_is_where_k_is_more() -> None:
    points = on_circle(0, 10, 30)
    rows, _ = nearest(points, points, k=10, left_out=np.arange(3))
    assert rows.tolist() == [[1, 2], [0, 2], [1, 0]]
    rows, scores = nearest(points[:1], points[:1], left_out=np.arange(1))
    assert rows.shape == scores.shape == (1, 0)


def test_embeddings_that_are_not_normalised_are_refused() -> None:
    points = on_circle(0, 10, 20)
    points[1] *= 2
    with pytest.raises(InputError, match=r"query embedding 1 has length 2, not 1"):
        metrics.mean_average_precision(points, labels(1, 1, 1))


def test_an_embedding_with_nan_is_refused_and_named() -> None:
    gallery = on_circle(0, 10, 20)
    gallery[2, 0] = np.nan
    with pytest.raises(InputError, match="gallery embedding 2 has length nan"):
        metrics.mean_average_precision(on_circle(0), labels(1), gallery, labels(1, 1, 1))


def test_labels_that_do_not_match_the_embeddings_are_refused() -> None:
    with pytest.raises(InputError, match=r"query embeddings are \(N, D\) with N labels"):
        metrics.mean_average_precision(on_circle(0, 10), labels(1))
    with pytest.raises(InputError, match="one of them is missing"):
        metrics.mean_average_precision(on_circle(0), labels(1), on_circle(0))
    with pytest.raises(InputError, match="the queries have 2 dimensions, the gallery 3"):
        metrics.mean_average_precision(
            on_circle(0), labels(1), np.eye(3, dtype=np.float32), labels(1, 2, 3)
        )


def test_k_beyond_the_ranking_is_refused() -> None:
    with pytest.raises(InputError, match="k is between 1 and the 2 items of a ranking, not 3"):
        metrics.ranking_metrics(on_circle(0, 10, 20), labels(1, 1, 1), k=3)


def test_the_memory_for_scores_is_bounded_whatever_the_gallery(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(similarity, "_MAX_SCORE_BYTES", 4 * 100 * 7)
    points, which = random_set(0, 100)
    chunks = [len(scores) for _, scores in similarity.similarities(points, points)]
    assert chunks == [7] * 14 + [2]
    few = metrics.ranking_metrics(points, which)
    monkeypatch.undo()
    np.testing.assert_array_equal(
        few.average_precision, metrics.ranking_metrics(points, which).average_precision
    )


def test_progress_is_told_how_many_queries_are_done() -> None:
    points, which = random_set(0, 300)
    told: list[int] = []
    metrics.ranking_metrics(points, which, chunk=120, progress=told.append)
    assert told == [120, 240, 300]


def test_the_right_category_is_placed_behind_its_ties() -> None:
    scores = np.array([[0.5, 0.3, 0.2], [0.4, 0.4, 0.2], [0.2, 0.3, 0.5]])
    assert metrics.rank_of_label(scores, labels(0, 0, 0)).tolist() == [1, 2, 3]
    assert metrics.top_k_accuracy(scores, labels(0, 0, 0), k=1) == pytest.approx(1 / 3)
    assert metrics.top_k_accuracy(scores, labels(0, 0, 0), k=2) == pytest.approx(2 / 3)
    assert metrics.top_k_accuracy(scores, labels(0, 0, 0), k=3) == 1.0


@pytest.mark.parametrize("k", [1, 3, 5])
def test_top_k_accuracy_and_loss_agree_with_scikit_learn(k: int) -> None:
    rng = np.random.default_rng(k)
    probabilities = rng.dirichlet(np.ones(8), size=200)
    which = rng.integers(8, size=200)
    found = metrics.top_k_accuracy(probabilities, which, k=k)
    assert found == pytest.approx(
        top_k_accuracy_score(which, probabilities, k=k, labels=np.arange(8))
    )
    loss = metrics.log_losses(probabilities, which).mean()
    assert loss == pytest.approx(log_loss(which, probabilities, labels=np.arange(8)))


def test_a_probability_of_zero_costs_a_finite_loss() -> None:
    probabilities = np.array([[1.0, 0.0], [0.25, 0.75]], np.float32)
    losses = metrics.log_losses(probabilities, labels(1, 0))
    assert losses == pytest.approx([-np.log(np.finfo(np.float32).eps), np.log(4)])


def test_confusions_are_counted_and_paired_in_both_directions() -> None:
    right = labels(0, 0, 0, 1, 1, 2, 2, 2)
    said = labels(0, 1, 1, 1, 0, 2, 0, 2)
    confusion = metrics.confusion_matrix(right, said, 3)
    assert confusion.tolist() == [[1, 2, 0], [1, 1, 0], [1, 0, 2]]
    assert metrics.most_confused_pairs(confusion) == [(0, 1), (0, 2)]
    assert metrics.most_confused_pairs(confusion, n=1) == [(0, 1)]


def test_calibration_worked_out_by_hand() -> None:
    # five bins; 0.2 and 0.15 fall into the first, 0.7 and 0.75 into the fourth, 1.0 into the last
    confidence = np.array([0.2, 0.15, 0.7, 0.75, 1.0])
    right = np.array([False, True, True, True, False])
    found = metrics.calibration(confidence, right, n_bins=5)
    assert found.n.tolist() == [2, 0, 0, 2, 1]
    assert found.confidence[[0, 3, 4]] == pytest.approx([0.175, 0.725, 1.0])
    assert found.accuracy[[0, 3, 4]] == pytest.approx([0.5, 1.0, 0.0])
    assert np.isnan(found.accuracy[1])
    assert found.error == pytest.approx((2 * 0.325 + 2 * 0.275 + 1 * 1.0) / 5)


@settings(max_examples=25, deadline=None)
@given(seed=seeds)
def test_answers_as_often_right_as_they_say_are_calibrated(seed: int) -> None:
    rng = np.random.default_rng(seed)
    confidence = rng.random(20_000).astype(np.float32)
    right = rng.random(20_000) < confidence
    assert metrics.calibration(confidence, right).error < 0.03
    assert metrics.calibration(confidence, ~right).error > 0.2


def test_no_answers_have_no_calibration_error() -> None:
    nothing = np.zeros(0)
    assert np.isnan(metrics.calibration(nothing, nothing > 0).error)


def test_the_noise_of_a_mean_is_1_96_standard_errors() -> None:
    # four of eight right: sd (n - 1) = sqrt(8/7 * 1/4)
    right = np.array([True, False] * 4)
    expected = 1.96 * np.sqrt(8 / 7 / 4) / np.sqrt(8)
    assert metrics.half_width(right) == pytest.approx(expected)
    assert metrics.half_width(np.array([1.0, np.nan, 3.0])) == pytest.approx(1.96)
    assert np.isnan(metrics.half_width(np.array([1.0, np.nan])))
