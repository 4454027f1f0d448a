"""Retrieval by Euclidean distance, as the seed did it with its deep features."""

from __future__ import annotations

import numpy as np

from garabato.drawing import FloatArray, IntArray
from garabato.errors import InputError


def mean_average_precision_by_distance(features: FloatArray, labels: IntArray) -> float:
    """mAP of N features (N, D), each ranked against all others; NaN where nothing is relevant.

    Features at equal distance share one step of the ranking, as in `RankingMetrics`; a query with
    nothing to find is not counted.
    """
    if features.ndim != 2 or len(features) != len(labels):
        raise InputError(f"features are (N, D) with N labels, not {features.shape}, {len(labels)}")
    exact = features.astype(np.float64)
    squares = (exact**2).sum(axis=1)
    precisions = []
    for query in range(len(exact)):
        # Distances to others, squared, but for the query's own square, which changes no ranking.
        distances = squares - 2 * (exact @ exact[query])
        relevant = labels == labels[query]
        relevant[query] = False
        distances[query] = np.inf
        if not relevant.any():
            continue
        found, ranked = np.sort(distances[relevant]), np.sort(distances)
        n_down_to = np.searchsorted(ranked, found, side="right")
        n_relevant_down_to = np.searchsorted(found, found, side="right")
        precisions.append((n_relevant_down_to / n_down_to).mean())
    return float(np.mean(precisions)) if precisions else float("nan")
