from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score

from garabato.errors import InputError
from garabato.evaluation import metrics
from garabato.evaluation.metrics import (
    mean_average_precision,
    mean_average_precision_by_distance,
    mean_average_precision_by_hamming,
    nearest,
    ranking_metrics,
)

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


def test_average_precision_of_a_ranking_computed_by_hand() -> None:
    # right, wrong, right, wrong, right: (1/1 + 2/3 + 3/5) / 3
    gallery = on_circle(1, 2, 3, 4, 5)
    found = ranking_metrics(on_circle(0), labels(7), gallery, labels(7, 1, 7, 2, 7), k=2)
    assert found.average_precision[0] == pytest.approx((1 + 2 / 3 + 3 / 5) / 3)
    assert found.precision_at_k[0] == pytest.approx(1 / 2)
    assert found.n_relevant.tolist() == [3]


def test_the_query_is_left_out_of_its_own_ranking() -> None:
    # ranking of 0: 10 (right), 30 (wrong); of 10: 0 (right), 30; of 30: nothing is relevant
    queries, which = on_circle(0, 10, 30), labels(1, 1, 2)
    found = ranking_metrics(queries, which, k=1)
    assert found.average_precision[:2].tolist() == [1.0, 1.0]
    assert np.isnan(found.average_precision[2])
    assert found.n_without_relevant == 1
    assert found.mean_average_precision == 1.0


def test_a_query_that_is_also_in_the_gallery_is_not_left_out() -> None:
    queries, which = on_circle(0, 10), labels(1, 2)
    found = ranking_metrics(queries, which, queries, which, k=1)
    assert found.n_relevant.tolist() == [1, 1]
    assert found.mean_average_precision == 1.0


def test_average_precision_divides_by_all_relevant_items() -> None:
    # the second relevant item is last of 101: (1/1 + 2/101) / 2
    gallery = on_circle(1, *np.linspace(2, 90, 99), 180)
    which = labels(7, *[0] * 99, 7)
    value = mean_average_precision(on_circle(0), labels(7), gallery, which)
    assert value == pytest.approx((1 + 2 / 101) / 2)


def test_tied_items_share_one_step_of_the_ranking() -> None:
    # one relevant item ahead, then two relevant and two others at one score, then one other
    gallery = on_circle(5, 20, 20, 20, 20, 60)
    found = ranking_metrics(on_circle(0), labels(1), gallery, labels(1, 1, 1, 0, 0, 0), k=2)
    assert found.average_precision[0] == pytest.approx((1 / 1 + 3 / 5 + 3 / 5) / 3)
    # the second of the first two places goes to a relevant item in half of all orders
    assert found.precision_at_k[0] == pytest.approx((1 + 1 / 2) / 2)


def test_equal_embeddings_score_the_share_of_relevant_items() -> None:
    gallery = on_circle(*[30] * 20)
    found = ranking_metrics(on_circle(0), labels(1), gallery, labels(*[1] * 5, *[0] * 15), k=4)
    assert found.average_precision[0] == pytest.approx(5 / 20)
    assert found.precision_at_k[0] == pytest.approx(5 / 20)


def test_without_relevant_items_the_metrics_are_nan() -> None:
    found = ranking_metrics(on_circle(0, 5), labels(1, 2), k=1)
    assert found.n_without_relevant == 2
    assert np.isnan(found.mean_average_precision)
    assert np.isnan(found.mean_precision_at_k)


@pytest.mark.parametrize("seed", range(10))
def test_rankings_agree_with_scikit_learn(seed: int) -> None:
    gallery, gallery_labels = on_grid(random_set(seed, 300))
    queries, query_labels = on_grid(random_set(seed + 100, 40))
    found = ranking_metrics(queries, query_labels, gallery, gallery_labels)
    cosines = (queries.astype(np.float64) @ gallery.astype(np.float64).T).astype(np.float32)
    for i in range(len(queries)):
        expected = average_precision_score(gallery_labels == query_labels[i], cosines[i])
        assert found.average_precision[i] == pytest.approx(expected, abs=1e-12)


def test_queries_against_each_other_agree_with_scikit_learn() -> None:
    queries, which = on_grid(random_set(5, 150))
    found = ranking_metrics(queries, which)
    cosines = (queries.astype(np.float64) @ queries.astype(np.float64).T).astype(np.float32)
    expected = []
    for i in range(len(queries)):
        others = np.arange(len(queries)) != i
        expected.append(average_precision_score(which[others] == which[i], cosines[i][others]))
    assert found.mean_average_precision == pytest.approx(np.mean(expected), abs=1e-12)


@settings(max_examples=25)
@given(seed=seeds)
def test_the_order_of_gallery_and_queries_does_not_matter(seed: int) -> None:
    queries, query_labels = random_set(seed, 20)
    gallery, gallery_labels = random_set(seed + 1, 120)
    rng = np.random.default_rng(seed)
    q, g = rng.permutation(len(queries)), rng.permutation(len(gallery))
    before = ranking_metrics(queries, query_labels, gallery, gallery_labels)
    after = ranking_metrics(queries[q], query_labels[q], gallery[g], gallery_labels[g])
    np.testing.assert_array_equal(before.average_precision[q], after.average_precision)
    np.testing.assert_array_equal(before.precision_at_k[q], after.precision_at_k)


def test_equal_embeddings_tie_exactly_at_any_position() -> None:
    rng = np.random.default_rng(0)
    query, twin, other = (v / np.linalg.norm(v) for v in rng.normal(size=(3, 128)))
    gallery = np.repeat(other[None], 8300, axis=0)
    gallery[[0, 1, 17, 100, 4097, 8191, 8192, 8299]] = twin
    _, scores = nearest(query[None].astype(np.float32), gallery.astype(np.float32), k=8300)
    assert len(np.unique(scores)) == 2


@pytest.mark.parametrize("dimensions", [3, 32, 128])
def test_the_chunk_size_does_not_change_the_result(
    dimensions: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    queries, query_labels = random_set(0, 300, dimensions=dimensions)
    gallery, gallery_labels = random_set(1, 9000, dimensions=dimensions)
    monkeypatch.setattr(metrics, "_MAX_CHUNK", 1)
    first = ranking_metrics(queries, query_labels, gallery, gallery_labels)
    monkeypatch.setattr(metrics, "_MAX_CHUNK", 1000)
    second = ranking_metrics(queries, query_labels, gallery, gallery_labels)
    np.testing.assert_array_equal(first.average_precision, second.average_precision)
    np.testing.assert_array_equal(first.precision_at_k, second.precision_at_k)


@settings(max_examples=25)
@given(seed=seeds)
def test_rotating_all_embeddings_changes_the_map_by_rounding_only(seed: int) -> None:
    rng = np.random.default_rng(seed)
    points = rng.normal(size=(80, 6))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    which = rng.integers(4, size=80)
    turn, _ = np.linalg.qr(rng.normal(size=(6, 6)))
    before = mean_average_precision(points.astype(np.float32), which)
    after = mean_average_precision((points @ turn).astype(np.float32), which)
    assert before == pytest.approx(after, abs=1e-3)


@settings(max_examples=25)
@given(seed=seeds, n_categories=st.integers(2, 6), per_category=st.integers(2, 8))
def test_one_hot_embeddings_of_the_labels_score_one(
    seed: int, n_categories: int, per_category: int
) -> None:
    which = np.random.default_rng(seed).permutation(
        np.repeat(np.arange(n_categories), per_category)
    )
    points = np.eye(n_categories, dtype=np.float32)[which]
    found = ranking_metrics(points, which, k=1)
    assert found.average_precision.tolist() == [1.0] * len(which)
    assert found.precision_at_k == pytest.approx(1.0)


@settings(max_examples=25)
@given(seed=seeds, k=st.integers(1, 30))
def test_metrics_are_between_zero_and_one_and_relevant_items_found_grow_with_k(
    seed: int, k: int
) -> None:
    points, which = random_set(seed, 40)
    small = ranking_metrics(points, which, k=k)
    large = ranking_metrics(points, which, k=k + 9)
    ranked = small.n_relevant > 0
    for values in (small.average_precision, small.precision_at_k):
        assert ((values[ranked] >= 0) & (values[ranked] <= 1)).all()
    n_found = k * small.precision_at_k[ranked]
    assert ((k + 9) * large.precision_at_k[ranked] >= n_found - 1e-9).all()
    assert (n_found <= small.n_relevant[ranked] + 1e-9).all()


def test_nearest_lists_the_best_first_without_the_query() -> None:
    points = on_circle(0, 10, 40, 90)
    rows, scores = nearest(points, points, k=2, left_out=np.arange(4))
    assert rows.tolist() == [[1, 2], [0, 2], [1, 0], [2, 1]]
    assert scores[0] == pytest.approx(np.cos(np.deg2rad([10, 40])), abs=1e-6)


def test_nearest_orders_ties_by_row() -> None:
    gallery = on_circle(50, 20, 20, 20, 10)
    rows, _ = nearest(on_circle(0), gallery, k=3)
    assert rows.tolist() == [[4, 1, 2]]


def test_nearest_returns_all_items_if_k_is_larger() -> None:
    points = on_circle(0, 10, 30)
    rows, _ = nearest(points, points, k=10, left_out=np.arange(3))
    assert rows.tolist() == [[1, 2], [0, 2], [1, 0]]
    rows, scores = nearest(points[:1], points[:1], left_out=np.arange(1))
    assert rows.shape == scores.shape == (1, 0)


def test_embeddings_that_are_not_normalised_are_refused() -> None:
    points = on_circle(0, 10, 20)
    points[1] *= 2
    with pytest.raises(InputError, match=r"query embedding 1 has length 2, not 1"):
        mean_average_precision(points, labels(1, 1, 1))


def test_the_error_names_an_embedding_with_nan() -> None:
    gallery = on_circle(0, 10, 20)
    gallery[2, 0] = np.nan
    with pytest.raises(InputError, match="gallery embedding 2 has length nan"):
        mean_average_precision(on_circle(0), labels(1), gallery, labels(1, 1, 1))


def test_labels_that_do_not_match_the_embeddings_are_refused() -> None:
    with pytest.raises(InputError, match=r"query embeddings are \(N, D\) with N labels"):
        mean_average_precision(on_circle(0, 10), labels(1))
    with pytest.raises(InputError, match="give both gallery embeddings and gallery labels"):
        mean_average_precision(on_circle(0), labels(1), on_circle(0))
    with pytest.raises(InputError, match="the queries have 2 dimensions, the gallery 3"):
        mean_average_precision(
            on_circle(0), labels(1), np.eye(3, dtype=np.float32), labels(1, 2, 3)
        )


def test_k_beyond_the_ranking_is_refused() -> None:
    with pytest.raises(InputError, match="k must be between 1 and the 2 items of a ranking, not 3"):
        ranking_metrics(on_circle(0, 10, 20), labels(1, 1, 1), k=3)


def test_the_memory_for_scores_is_bounded_for_any_gallery(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(metrics, "_MAX_SCORE_BYTES", 4 * 100 * 7)
    points, which = random_set(0, 100)
    chunks = [len(scores) for _, scores in metrics.similarities(points, points)]
    assert chunks == [7] * 14 + [2]
    few = ranking_metrics(points, which)
    monkeypatch.undo()
    np.testing.assert_array_equal(
        few.average_precision, ranking_metrics(points, which).average_precision
    )


def test_progress_reports_the_number_of_queries_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "_MAX_CHUNK", 120)
    points, which = random_set(0, 300)
    told: list[int] = []
    ranking_metrics(points, which, progress=told.append)
    assert told == [120, 240, 300]


def as_unit_vectors(codes: np.ndarray) -> np.ndarray:
    """Vectors whose cosines grow with the number of equal bits."""
    bits = np.unpackbits(codes, axis=1).astype(np.float32) * 2 - 1
    return bits / np.sqrt(bits.shape[1], dtype=np.float32)


@pytest.mark.parametrize("n_bits", [64, 128])
def test_hamming_rankings_equal_cosine_rankings_of_the_bits(n_bits: int) -> None:
    random = np.random.default_rng(n_bits)
    codes = random.integers(0, 256, (300, n_bits // 8), np.uint8)
    labels = random.integers(0, 9, 300)
    found = mean_average_precision_by_hamming(codes, labels)
    assert found == pytest.approx(mean_average_precision(as_unit_vectors(codes), labels))


def test_a_hamming_ranking_computed_by_hand() -> None:
    # From the first: the right and a wrong code, tied at distance 1. From the second: the right
    # one at distance 1, then the wrong one. The third is the only one of its label.
    codes = np.zeros((3, 8), np.uint8)
    codes[1, 0], codes[2, 7] = 1, 128
    found = mean_average_precision_by_hamming(codes, np.array([0, 0, 1]))
    assert found == pytest.approx((1 / 2 + 1) / 2)


def test_the_hamming_map_leaves_out_queries_without_relevant_codes() -> None:
    codes = np.zeros((3, 8), np.uint8)
    assert mean_average_precision_by_hamming(codes, np.array([0, 0, 1])) == pytest.approx(0.5)
    assert np.isnan(mean_average_precision_by_hamming(codes, np.array([0, 1, 2])))


def test_codes_of_other_shapes_are_refused() -> None:
    codes, labels = np.zeros((2, 8), np.uint8), np.zeros(2, np.int64)
    for wrong in (codes.astype(np.int64), codes[0]):
        with pytest.raises(InputError, match="uint8"):
            mean_average_precision_by_hamming(wrong, labels)
    with pytest.raises(InputError, match="labels"):
        mean_average_precision_by_hamming(codes, labels[:1])


def test_a_euclidean_ranking_computed_by_hand() -> None:
    features = np.array([[0.0], [1.0], [2.0], [10.0]], np.float32)
    labels = np.array([0, 1, 0, 1])
    # 0: (1, 0, 1) 1/2. 1: (0, 0 tied), then 1: 1/3. 2: 1, 0, 1: 1/2. 10: 0, 1, 0: 1/2.
    expected = (1 / 2 + 1 / 3 + 1 / 2 + 1 / 2) / 4
    assert mean_average_precision_by_distance(features, labels) == pytest.approx(expected)


def test_euclidean_rankings_of_unit_vectors_equal_cosine_rankings() -> None:
    random = np.random.default_rng(0)
    features = random.normal(size=(120, 6))
    features = (features / np.linalg.norm(features, axis=1, keepdims=True)).astype(np.float32)
    labels = random.integers(0, 5, 120)
    assert mean_average_precision_by_distance(features, labels) == pytest.approx(
        mean_average_precision(features, labels), abs=1e-6
    )


@pytest.mark.parametrize("dim", [3, 10, 31, 100, 257])
def test_equal_features_tie_in_the_euclidean_ranking(dim: int) -> None:
    feature = np.random.default_rng(dim).normal(size=(1, dim)).astype(np.float32)
    for n in range(6, 30):
        labels = np.arange(n) % 2
        # All others tie, and of the n - 1 a query's category has one less than half or so.
        n_same = np.array([(n + 1) // 2, n // 2])[labels] - 1
        mean = mean_average_precision_by_distance(np.repeat(feature, n, axis=0), labels)
        assert mean == pytest.approx((n_same / (n - 1)).mean(), abs=1e-12)


def test_the_euclidean_map_leaves_out_queries_without_relevant_features() -> None:
    features = np.arange(3, dtype=np.float32)[:, None]
    assert mean_average_precision_by_distance(features, np.array([0, 0, 1])) == pytest.approx(0.75)
    assert np.isnan(mean_average_precision_by_distance(features, np.array([0, 1, 2])))


def test_features_and_labels_must_match() -> None:
    with pytest.raises(InputError, match="N labels"):
        mean_average_precision_by_distance(np.zeros((3, 2), np.float32), np.zeros(2, np.int64))
