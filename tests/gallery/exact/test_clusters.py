"""Clusters, blocks of similar rows, and which of them a search may pass over."""

from __future__ import annotations

import numpy as np
import pytest

from garabato.gallery.exact._nearest import Queries, Runs, count_promising
from garabato.gallery.exact.clusters import BLOCK, Blocks, Clusters, angles, unit_rows


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


def test_blocks_hold_similar_rows_of_one_cluster():
    clusters = np.array([0] * 40 + [3] * 2 + [4])
    blocks = Blocks.of(clusters, np.arange(43, dtype=np.float32))
    assert blocks.starts.tolist() == [0, 32, 40, 42, 43]
    assert blocks.clusters.tolist() == [0, 0, 3, 4]
    assert blocks.low.tolist() == [0, 32, 40, 42]
    assert blocks.high.tolist() == [31, 39, 41, 42]


def n_promising(blocks: Blocks, to_centres: np.ndarray, least: float) -> int:
    """Rows in the blocks where a query at these angles (C,) to the centres can score `least`."""
    runs = blocks.runs
    given = Runs(
        runs, blocks.clusters[runs[:-1]], blocks.starts, blocks.low, blocks.high, np.empty(0)
    )
    nothing = np.zeros((1, 1), np.float32)
    query = Queries(nothing, nothing, nothing[0], to_centres[None])
    return count_promising(given, np.arange(len(runs) - 1), query, 0, least)


def test_a_block_is_read_if_its_angles_allow_a_near_row():
    # two clusters; the query is 0.5 off the first centre and 1.2 off the second
    to_centres = np.array([0.5, 1.2], np.float32)
    low, high = np.float32([[0.1, 0.4, 0.9, 1.0], [0.2, 0.6, 1.1, 1.1]])
    blocks = Blocks(np.array([0, 1, 3, 7, 15]), np.array([0, 0, 0, 1]), low, high)
    # the rings are 0.3, 0.0, 0.4 and 0.1 away and hold 1, 2, 4 and 8 rows
    assert n_promising(blocks, to_centres, np.cos(0.05)) == 2
    assert n_promising(blocks, to_centres, np.cos(0.2)) == 2 + 8
    assert n_promising(blocks, to_centres, np.cos(0.35)) == 1 + 2 + 8
    assert n_promising(blocks, to_centres, -1.0) == 15


def test_runs_are_of_one_cluster_and_sorted_by_angle():
    low, high = np.float32([[1, 2, 1, 3, 5], [2, 3, 4, 4, 6]])
    blocks = Blocks(np.arange(6), np.array([0, 0, 0, 1, 1]), low, high)
    assert blocks.runs.tolist() == [0, 2, 3, 5]
    assert Blocks.of(np.zeros(0, np.int64), np.zeros(0, np.float32)).runs.tolist() == [0]


def test_few_blocks_of_clustered_rows_are_read():
    stored = embeddings(20_000, 64, 0.05, seed=1)
    clusters, order, blocks = arranged(stored)
    query = unit_rows(stored[order][:1])[0]
    tenth = np.sort(unit_rows(stored) @ query)[-10]
    to_centres = angles(clusters.centres @ query)
    # the rows around the other four centres are out of question
    assert n_promising(blocks, to_centres, tenth) < 0.25 * len(stored)


@pytest.mark.parametrize("n", [0, 1, 5])
def test_a_few_rows_are_clustered_too(n):
    _, order, blocks = arranged(embeddings(n, 8, 0.1, seed=0))
    assert sorted(order.tolist()) == list(range(n))
    assert blocks.starts[-1] == n
    assert np.diff(blocks.starts).max(initial=0) <= BLOCK


def test_blocks_of_a_subset_and_of_joined_rows():
    blocks = Blocks(np.array([0, 3, 5, 9]), np.array([7, 8, 9]), *np.float32([[1, 2, 3]] * 2))
    some = blocks.subset(np.array([1, 2, 6]))
    assert (some.starts.tolist(), some.clusters.tolist()) == ([0, 2, 3], [7, 9])
    both = blocks.joined(some)
    assert both.starts.tolist() == [0, 3, 5, 9, 11, 12]
    assert both.clusters.tolist() == [7, 8, 9, 7, 9]
