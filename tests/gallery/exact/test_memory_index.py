from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from garabato.gallery.exact import memory_index
from garabato.gallery.exact.memory_index import MemoryIndex


def clustered(n: int, dim: int, seed: int, spread: float = 0.05) -> np.ndarray:
    """Embeddings as trained ones lie: in tight clusters, where int8 alone would mix up ranks."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(max(1, n // 100), dim))
    rows = centres[rng.integers(0, len(centres), n)] + spread * rng.normal(size=(n, dim))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float16)


def by_full_sort(stored: np.ndarray, query: np.ndarray, k: int, rows=None):
    exact = stored.astype(np.float64)
    scores = exact @ query / np.linalg.norm(exact, axis=1)
    if rows is not None:
        outside = np.ones(len(stored), bool)
        outside[rows] = False
        scores[outside] = -np.inf
    return np.sort(scores)[::-1][:k]


def score_of(stored, query, rows):
    exact = stored[rows].astype(np.float64)
    return exact @ query / np.linalg.norm(exact, axis=1)


@pytest.mark.parametrize("spread", [0.001, 0.01, 0.1, 1.0])
@pytest.mark.parametrize("k", [1, 10, 500])
def test_a_search_finds_the_true_nearest(spread, k):
    stored = clustered(5_000, 128, seed=int(1000 * spread), spread=spread)
    vectors = MemoryIndex(stored)
    rng = np.random.default_rng(1)
    for row in rng.integers(0, 5_000, 10):
        query = stored[row].astype(np.float32) + 0.01 * rng.normal(size=128).astype(np.float32)
        query /= np.linalg.norm(query)
        found, scores = vectors.nearest(query, k)
        true = by_full_sort(stored, query.astype(np.float64), k)
        # float32 may swap what is equal to seven digits; a miss would show as a lower score
        np.testing.assert_allclose(score_of(stored, query, found), true, atol=3e-7)
        np.testing.assert_allclose(scores, true, atol=1e-6)
        assert len(set(found.tolist())) == k


@pytest.mark.parametrize("n_passing", [1, 7, 300, 4_000])
def test_a_search_of_some_rows_finds_the_nearest_among_them(n_passing):
    stored = clustered(5_000, 128, seed=5)
    rng = np.random.default_rng(2)
    rows = np.sort(rng.choice(5_000, n_passing, replace=False))
    query = stored[0].astype(np.float32)
    query /= np.linalg.norm(query)
    vectors = MemoryIndex(stored)
    places = np.flatnonzero(np.isin(vectors.rows, rows))
    found, scores = vectors.nearest(query, 10, vectors.subset(places))
    assert set(found) <= set(rows)
    true = by_full_sort(stored, query.astype(np.float64), min(10, n_passing), rows)
    np.testing.assert_allclose(scores, true, atol=1e-6)


@settings(max_examples=40)
@given(st.integers(1, 300), st.integers(1, 40), st.integers(1, 30), st.integers(0, 2**31))
def test_any_shape_and_direction_is_searched_exactly(n, dim, k, seed):
    rng = np.random.default_rng(seed)
    stored = rng.normal(size=(n, dim)) * (rng.random((n, dim)) < 0.5)
    stored[:, 0] += 1e-2
    stored = (stored / np.linalg.norm(stored, axis=1, keepdims=True)).astype(np.float16)
    query = rng.normal(size=dim).astype(np.float32)
    query /= np.linalg.norm(query)
    _, scores = MemoryIndex(stored).nearest(query, k)
    np.testing.assert_allclose(
        scores, by_full_sort(stored, query.astype(np.float64), min(k, n)), atol=1e-6
    )


@pytest.mark.parametrize("k", [1, 10, 700])
@pytest.mark.parametrize("n_passing", [None, 0, 7, 2_000])
def test_many_queries_find_the_true_nearest_of_each(monkeypatch, k, n_passing):
    monkeypatch.setattr(memory_index, "QUERIES_AT_ONCE", 7)
    stored = clustered(4_000, 128, seed=3, spread=0.02)
    vectors = MemoryIndex(stored)
    rng = np.random.default_rng(4)
    subset = rows = None
    if n_passing is not None:
        rows = np.sort(rng.choice(4_000, n_passing, replace=False))
        subset = vectors.subset(np.flatnonzero(np.isin(vectors.rows, rows)))
    queries = rng.normal(size=(30, 128)).astype(np.float32)
    queries[:25] = stored[rng.integers(0, 4_000, 25)] + 0.001 * queries[:25]
    queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    found, scores = vectors.nearest_many(queries, k, subset)
    assert found.shape == scores.shape == (30, min(k, 4_000 if n_passing is None else n_passing))
    for query, one_found, one_scores in zip(queries, found, scores, strict=True):
        assert len(set(one_found.tolist())) == len(one_found)
        true = by_full_sort(stored, query.astype(np.float64), len(one_found), rows)
        np.testing.assert_allclose(score_of(stored, query, one_found), true, atol=3e-7)
        np.testing.assert_allclose(one_scores, true, atol=1e-6)
        np.testing.assert_array_equal(vectors.nearest(query, k, subset)[0], one_found)


def test_few_candidates_are_left_to_score_with_full_precision():
    stored = clustered(20_000, 128, seed=6, spread=0.02)
    vectors = MemoryIndex(stored)
    queries = stored[:50].astype(np.float32)
    queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    n_candidates = [
        len(vectors._candidates(vectors._prepared(query[None]), 10, vectors._runs(None)))
        for query in queries
    ]
    exact = stored.astype(np.float64) / np.linalg.norm(stored.astype(np.float64), axis=1)[:, None]
    scores = np.sort(queries @ exact.T, axis=1)[:, ::-1]
    # float16 errs by 2^-11 at most, both in the 10th best score and in the candidate's
    close = (scores >= scores[:, 9:10] - 4 * 2**-11).sum(axis=1)
    assert (np.array(n_candidates) <= close).all()


def test_no_queries_have_no_hits():
    found, scores = MemoryIndex(clustered(9, 8, seed=0)).nearest_many(np.empty((0, 8)), 5)
    assert found.shape == scores.shape == (0, 5)


def test_real_embeddings_are_found_as_by_float64_brute_force(quickdraw):
    from garabato.encoder import load_encoder
    from garabato.formats import read_batches
    from garabato.gallery.exact.half_precision import join, split

    files = sorted((quickdraw / "simplified").glob("*.ndjson"))[:20]
    batches = [next(iter(read_batches(file))) for file in files]
    embeddings = np.concatenate([load_encoder().embed(batch[:100]) for batch in batches])
    stored, rest = split(embeddings)
    exact = join(stored, rest).astype(np.float64)
    exact /= np.linalg.norm(exact, axis=1, keepdims=True)
    true = np.argsort(-(exact @ embeddings.T.astype(np.float64)), axis=0, kind="stable")[:10].T
    vectors = MemoryIndex(stored, rest)
    found, _ = vectors.nearest_many(embeddings, 10)
    np.testing.assert_array_equal(found, true)
    for query, rows in zip(embeddings[::50], true[::50], strict=True):
        np.testing.assert_array_equal(vectors.nearest(query, 10)[0], rows)


def test_several_threads_find_what_one_does(monkeypatch):
    stored = clustered(3_000, 64, seed=9)
    query = stored[7].astype(np.float32)
    query /= np.linalg.norm(query)
    vectors = MemoryIndex(stored)
    rows = vectors.subset(np.arange(0, 3_000, 2))
    alone = [vectors.nearest(query, 20), vectors.nearest(query, 20, rows)]
    monkeypatch.setattr(memory_index, "ROWS_PER_THREAD", 100)
    together = [vectors.nearest(query, 20), vectors.nearest(query, 20, rows)]
    for (rows_a, scores_a), (rows_b, scores_b) in zip(alone, together, strict=True):
        np.testing.assert_array_equal(rows_a, rows_b)
        np.testing.assert_array_equal(scores_a, scores_b)


def test_equal_rows_are_returned_in_stored_order():
    stored = np.repeat(clustered(1, 16, seed=0), 50, axis=0)
    query = stored[0].astype(np.float32)
    found, _ = MemoryIndex(stored).nearest(query / np.linalg.norm(query), 5)
    assert found.tolist() == [0, 1, 2, 3, 4]


def test_an_index_with_rows_removed_and_added_finds_the_same_as_a_new_one():
    stored = clustered(400, 32, seed=3)
    kept = np.arange(400) % 3 > 0
    more = clustered(100, 32, seed=4)
    vectors = MemoryIndex(stored).keep(kept).joined(more)
    whole = MemoryIndex(np.concatenate([stored[kept], more]))
    query = more[5].astype(np.float32) / np.linalg.norm(more[5].astype(np.float32))
    np.testing.assert_array_equal(vectors.nearest(query, 30)[0], whole.nearest(query, 30)[0])
    assert len(vectors) == len(whole)
    assert vectors.nbytes == whole.nbytes


def test_joining_rows_repeatedly_does_not_change_the_originals():
    pieces = [clustered(n, 32, seed=n) for n in (400, 30, 20, 25)]
    base = MemoryIndex(pieces[0])
    once = base.joined(pieces[1])
    twice, otherwise = once.joined(pieces[2]), once.joined(pieces[3])
    for vectors, parts in (
        (base, pieces[:1]),
        (once, pieces[:2]),
        (twice, pieces[:3]),
        (otherwise, [*pieces[:2], pieces[3]]),
    ):
        stored = np.concatenate(parts)
        np.testing.assert_array_equal(vectors.as_given()[0], stored)
        query = stored[-1].astype(np.float32) / np.linalg.norm(stored[-1].astype(np.float32))
        found = MemoryIndex(stored).nearest(query, 10)[0]
        np.testing.assert_array_equal(vectors.nearest(query, 10)[0], found)


@settings(max_examples=25)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 2**31)), max_size=12), st.booleans())
def test_after_any_changes_searches_find_the_nearest_remaining_rows(changes, tight):
    spread = 0.01 if tight else 1.0
    stored = clustered(300, 24, seed=0, spread=spread)
    vectors = MemoryIndex(stored)
    for adds, seed in changes:
        rng = np.random.default_rng(seed)
        if adds:
            more = clustered(int(rng.integers(1, 120)), 24, seed=seed, spread=spread)
            stored, vectors = np.concatenate([stored, more]), vectors.joined(more)
        else:
            kept = rng.random(len(stored)) < 0.8
            kept[0] = True
            stored, vectors = stored[kept], vectors.keep(kept)
    np.testing.assert_array_equal(vectors.as_given()[0], stored)
    query = stored[-1].astype(np.float32) / np.linalg.norm(stored[-1].astype(np.float32))
    some = np.arange(0, len(stored), 3)
    for rows in (None, some):
        among = None if rows is None else vectors.subset(np.flatnonzero(vectors.rows % 3 == 0))
        n = min(10, len(stored) if rows is None else len(rows))
        _, scores = vectors.nearest(query, 10, among)
        true = by_full_sort(stored, query.astype(np.float64), n, rows)
        np.testing.assert_allclose(scores, true, atol=1e-6)
