"""Blocks of rows that are alike: none that matters is passed over."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from garabato.gallery.lance.clusters import BLOCK, Blocks, Clusters, angles, unit_rows


def embeddings(n: int, dim: int, spread: float, seed: int) -> np.ndarray:
    """(n, dim) float16 around five centres."""
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(5, dim))[rng.integers(0, 5, n)] + spread * rng.normal(size=(n, dim))
    return unit_rows(rows).astype(np.float16)


def arranged(stored: np.ndarray) -> tuple[Clusters, np.ndarray, Blocks]:
    """Clusters, the rows sorted by cluster and angle, and their blocks."""
    clusters = Clusters.of(stored)
    of_rows, to_centres = clusters.assign(stored, np.zeros(stored.shape, np.int8))
    order = np.lexsort((to_centres, of_rows))
    return clusters, order, Blocks.of(of_rows[order], to_centres[order])


def test_blocks_hold_alike_rows_of_one_cluster():
    clusters = np.array([0] * 40 + [3] * 2 + [4])
    blocks = Blocks.of(clusters, np.arange(43, dtype=np.float32))
    assert blocks.starts.tolist() == [0, 32, 40, 42, 43]
    assert blocks.clusters.tolist() == [0, 0, 3, 4]
    assert blocks.low.tolist() == [0, 32, 40, 42]
    assert blocks.high.tolist() == [31, 39, 41, 42]


def test_a_block_is_promising_where_its_ring_comes_near_enough():
    # two clusters; the query is 0.5 off the first centre and 1.2 off the second
    to_centres = np.array([0.5, 1.2], np.float32)
    low, high = np.float32([[0.1, 0.4, 0.9, 1.0], [0.2, 0.6, 1.1, 1.1]])
    blocks = Blocks(np.arange(5), np.array([0, 0, 0, 1]), low, high)
    # the rings are 0.3, 0.0, 0.4 and 0.1 away
    assert blocks.promising(to_centres, np.cos(0.05)).tolist() == [1]
    assert blocks.promising(to_centres, np.cos(0.2)).tolist() == [1, 3]
    assert blocks.promising(to_centres, np.cos(0.35)).tolist() == [0, 1, 3]
    assert blocks.promising(to_centres, -1.0).tolist() == [0, 1, 2, 3]


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 3_000),
    st.integers(2, 40),
    st.sampled_from([0.0, 0.01, 0.1, 1.0]),
    st.integers(0, 2**31),
    st.floats(-1, 1),
)
def test_no_row_that_reaches_the_score_is_passed_over(n, dim, spread, seed, least):
    stored = embeddings(n, dim, spread, seed)
    clusters, order, blocks = arranged(stored)
    rng = np.random.default_rng(seed)
    query = unit_rows(stored[:1].astype(np.float32) + spread * rng.normal(size=(1, dim)))[0]
    scores = unit_rows(stored[order]).astype(np.float64) @ query
    promising = blocks.promising(angles(clusters.centres @ query), least)
    reached = np.unique(np.searchsorted(blocks.starts, np.flatnonzero(scores >= least), "right"))
    assert set(reached - 1) <= set(promising)


def test_of_clustered_rows_few_blocks_are_promising():
    stored = embeddings(20_000, 64, 0.05, seed=1)
    clusters, order, blocks = arranged(stored)
    query = unit_rows(stored[order][:1])[0]
    tenth = np.sort(unit_rows(stored) @ query)[-10]
    to_centres = angles(clusters.centres @ query)
    # the rows around the other four centres are out of question
    assert len(blocks.promising(to_centres, tenth)) < 0.25 * len(blocks)
    # and the best are where they are looked for first
    likely = blocks.likely(to_centres, 64)
    best = np.argmax(unit_rows(stored[order]) @ query)
    assert np.searchsorted(blocks.starts, best, "right") - 1 in likely


@pytest.mark.parametrize("n", [0, 1, 5])
def test_a_few_rows_are_arranged_too(n):
    _, order, blocks = arranged(embeddings(n, 8, 0.1, seed=0))
    assert sorted(order.tolist()) == list(range(n))
    assert blocks.starts[-1] == n
    assert np.diff(blocks.starts).max(initial=0) <= BLOCK


def test_blocks_of_some_places_and_of_others_behind_them():
    blocks = Blocks(np.array([0, 3, 5, 9]), np.array([7, 8, 9]), *np.float32([[1, 2, 3]] * 2))
    some = blocks.subset(np.array([1, 2, 6]))
    assert (some.starts.tolist(), some.clusters.tolist()) == ([0, 2, 3], [7, 9])
    both = blocks.joined(some)
    assert both.starts.tolist() == [0, 3, 5, 9, 11, 12]
    assert both.clusters.tolist() == [7, 8, 9, 7, 9]
