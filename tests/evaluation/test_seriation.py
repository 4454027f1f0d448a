from __future__ import annotations

import numpy as np
import pytest

from garabato.evaluation.seriation import order_by_similarity, similarity_of_categories


def test_points_on_a_line_come_out_in_the_order_of_the_line() -> None:
    places = np.array([3.0, 0.0, 4.1, 1.0, 2.2])
    order = order_by_similarity(-np.abs(places[:, None] - places[None, :]))
    assert order.tolist() in ([1, 3, 4, 0, 2], [2, 0, 4, 3, 1])


@pytest.mark.parametrize("seed", range(5))
def test_members_of_a_group_stand_together(seed: int) -> None:
    rng = np.random.default_rng(seed)
    group = rng.permutation(np.repeat(np.arange(6), 5))
    similarity = (group[:, None] == group[None, :]) + 0.1 * rng.random((30, 30))
    order = order_by_similarity((similarity + similarity.T) / 2)
    assert sorted(order.tolist()) == list(range(30))
    assert (np.diff(group[order]) != 0).sum() == 5


def test_no_and_one_item_have_an_order() -> None:
    assert order_by_similarity(np.zeros((0, 0))).tolist() == []
    assert order_by_similarity(np.ones((1, 1))).tolist() == [0]


def test_similarity_is_the_cosine_between_mean_embeddings() -> None:
    embeddings = np.array([[1, 0], [1, 0], [0, 1], [0.6, 0.8]], np.float32)
    found = similarity_of_categories(embeddings, np.array([4, 4, 2, 9]))
    assert found == pytest.approx(np.array([[1, 0, 0.8], [0, 1, 0.6], [0.8, 0.6, 1]]), abs=1e-6)
