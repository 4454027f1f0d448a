"""mAP by Hamming distance (binary codes) and by Euclidean distance (the reference project)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt

from garabato.drawing import ByteArray, FloatArray, IntArray
from garabato.errors import InputError
from garabato.evaluation._hamming import count_by_distance
from garabato.host.machine import n_cores


def mean_average_precision_of_codes(
    query_codes: ByteArray,
    query_labels: IntArray,
    gallery_codes: ByteArray | None = None,
    gallery_labels: IntArray | None = None,
) -> float:
    """Return the mAP of full rankings by Hamming distance; NaN if no query has a relevant item.

    Codes are (Q, B / 8) and (G, B / 8) uint8, B a multiple of 64. Items at equal distance share one
    step of the ranking, as in `RankingMetrics`. Without a gallery, each query is ranked against the
    other queries. Raises InputError for shapes that don't match.
    """
    alone = gallery_codes is None or gallery_labels is None
    if gallery_codes is None or gallery_labels is None:
        gallery_codes, gallery_labels = query_codes, query_labels
    queries = _as_words(query_codes, query_labels, "query")
    gallery = _as_words(gallery_codes, gallery_labels, "gallery")
    if queries.shape[1] != gallery.shape[1]:
        raise InputError(
            f"the queries have {64 * queries.shape[1]} bits, the gallery {64 * gallery.shape[1]}"
        )

    def average_precision(query: int) -> float:
        counts = np.zeros((2, 64 * queries.shape[1] + 1), np.int64)
        count_by_distance(
            queries[query],
            gallery,
            gallery_labels,
            query_labels[query],
            query if alone else -1,
            counts[0],
            counts[1],
        )
        n_down_to, n_relevant_down_to = counts.cumsum(axis=1)
        found = counts[1] > 0
        precision = n_relevant_down_to[found] / n_down_to[found]
        n_relevant = counts[1].sum()
        return float((counts[1][found] * precision).sum() / n_relevant) if n_relevant else np.nan

    with ThreadPoolExecutor(n_cores()) as threads:
        found = np.fromiter(threads.map(average_precision, range(len(queries))), np.float64)
    known = found[~np.isnan(found)]
    return float(known.mean()) if len(known) else float("nan")


def _as_words(codes: ByteArray, labels: IntArray, name: str) -> npt.NDArray[np.uint64]:
    """The same bits as (N, B / 64) uint64."""
    if codes.ndim != 2 or codes.dtype != np.uint8 or codes.shape[1] % 8 or not codes.shape[1]:
        raise InputError(
            f"{name} codes are (N, B / 8) uint8 with B a multiple of 64, "
            f"not {codes.shape} {codes.dtype}"
        )
    if len(codes) != len(labels):
        raise InputError(f"there are {len(codes)} {name} codes but {len(labels)} labels")
    return np.ascontiguousarray(codes).view(np.uint64)


def mean_average_precision_by_distance(features: FloatArray, labels: IntArray) -> float:
    """Return the mAP of features (N, D), each ranked against all others by Euclidean distance.

    Features at equal distance share one step of the ranking, as in `RankingMetrics`. Queries
    without a relevant item are not counted; NaN if there are no others.
    """
    if features.ndim != 2 or len(features) != len(labels):
        raise InputError(f"features are (N, D) with N labels, not {features.shape}, {len(labels)}")
    exact = features.astype(np.float64)
    squares = (exact**2).sum(axis=1)
    precisions = []
    for query in range(len(exact)):
        # Squared distances, without the query's own square, which does not change the ranking.
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
