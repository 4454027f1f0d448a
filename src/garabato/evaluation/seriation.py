"""Seriation: an order of categories that puts similar ones side by side."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from garabato.drawing import FloatArray, IntArray


def order_by_similarity(similarity: npt.NDArray[np.floating]) -> IntArray:
    """Order N items by an (N, N) symmetric similarity, similar ones side by side: (N,) int64.

    Agglomerative clustering with average linkage; clusters are merged at their more similar ends.
    Ties follow the order of the items, so the result is deterministic.
    """
    items = np.asarray(similarity, np.float64)
    between = items.copy()
    np.fill_diagonal(between, -np.inf)
    clusters = [[i] for i in range(len(items))]
    sizes = np.ones(len(items))
    for _ in range(len(items) - 1):
        a, b = divmod(int(between.argmax()), len(items))
        a, b = min(a, b), max(a, b)
        clusters[a] = _join(clusters[a], clusters[b], items)
        merged = (sizes[a] * between[a] + sizes[b] * between[b]) / (sizes[a] + sizes[b])
        sizes[a] += sizes[b]
        between[a] = between[:, a] = merged
        between[a, a] = -np.inf
        between[b] = between[:, b] = -np.inf
    return np.array(clusters[0] if clusters else [], np.int64)


def similarity_of_categories(embeddings: FloatArray, labels: IntArray) -> npt.NDArray[np.float64]:
    """Cosine similarities (K, K) of the mean embeddings of the K labels that occur, ascending."""
    means = np.stack([embeddings[labels == c].mean(axis=0) for c in np.unique(labels)])
    means = means.astype(np.float64)
    means /= np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-12)
    cosines: npt.NDArray[np.float64] = means @ means.T
    return cosines


def _join(left: list[int], right: list[int], items: npt.NDArray[np.float64]) -> list[int]:
    turns = [(x, y) for x in (left, left[::-1]) for y in (right, right[::-1])]
    x, y = max(turns, key=lambda turn: items[turn[0][-1], turn[1][0]])
    return x + y
