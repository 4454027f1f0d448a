"""Retrieval by binary codes: rankings by the number of bits that differ."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt

from garabato.drawing import ByteArray, IntArray
from garabato.errors import InputError
from garabato.evaluation._hamming import count_by_distance
from garabato.host.machine import n_cores


def mean_average_precision_of_codes(
    query_codes: ByteArray,
    query_labels: IntArray,
    gallery_codes: ByteArray | None = None,
    gallery_labels: IntArray | None = None,
) -> float:
    """mAP of full rankings by Hamming distance; NaN where nothing is relevant.

    Codes are (Q, B / 8) and (G, B / 8) uint8, B a multiple of 64. Items at equal distance share one
    step of the ranking, as in `RankingMetrics`. Without a gallery the queries are ranked against
    each other, each left out of its own ranking. Raises InputError for shapes that don't match.
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
    """(N, B / 64): the same bits, 64 at a time."""
    if codes.ndim != 2 or codes.dtype != np.uint8 or codes.shape[1] % 8 or not codes.shape[1]:
        raise InputError(
            f"{name} codes are (N, B / 8) uint8 with B a multiple of 64, "
            f"not {codes.shape} {codes.dtype}"
        )
    if len(codes) != len(labels):
        raise InputError(f"there are {len(codes)} {name} codes but {len(labels)} labels")
    return np.ascontiguousarray(codes).view(np.uint64)
