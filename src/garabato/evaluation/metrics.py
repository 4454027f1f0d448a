"""Metrics of classification and retrieval, in plain NumPy.

Classification: a category with the same score as the right one counts as ranked before it, so a
prediction is correct only where its score beats all others.

Retrieval: items with equal scores share one step of the ranking, as in scikit-learn, so no metric
depends on the order of the gallery. Embeddings that are all equal score the share of relevant
items.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from garabato.drawing import BoolArray, ByteArray, FloatArray, IntArray
from garabato.errors import InputError
from garabato.host.machine import n_cores

DoubleArray = npt.NDArray[np.float64]

#: Binary codes compared with all others at once.
_CHUNK = 256

#: Coordinates are rounded to multiples of 2^-26 (finer than float32 resolves a typical one), which
#: makes the float64 product of two unit vectors exact in any order of summation: equal embeddings
#: tie exactly, and no result depends on chunk size, threads, BLAS or machine.
_GRID = 2.0**26

#: Gallery rows multiplied at once.
_TILE = 4096

#: The most queries compared at once, and the limit on the memory for their scores.
_MAX_CHUNK = 256

_MAX_SCORE_BYTES = 2**30

#: How far the length of an embedding may be from 1.
_LENGTH_TOLERANCE = 1e-3


def rank_of_label(scores: npt.NDArray[np.floating], labels: IntArray) -> IntArray:
    """The rank (1 = best) of the right category in each row of `scores` (N, C): (N,) int64.

    Categories with the same score as the right one count as ranked before it.
    """
    if len(scores) != len(labels):
        raise InputError(f"there are {len(scores)} rows of scores but {len(labels)} labels")
    right = np.take_along_axis(scores, labels[:, None], axis=1)
    ranks: IntArray = (scores >= right).sum(axis=1, dtype=np.int64)
    return ranks


def log_losses(probabilities: npt.NDArray[np.floating], labels: IntArray) -> DoubleArray:
    """Cross-entropy of each drawing in nats, (N,) float64, from probabilities (N, C).

    As in scikit-learn, probabilities are clipped at the machine epsilon of their type: a confident
    mistake costs 16 nats in float32, not infinity.
    """
    right = np.take_along_axis(probabilities, labels[:, None], axis=1)[:, 0]
    losses: DoubleArray = -np.log(np.clip(right, np.finfo(right.dtype).eps, 1.0), dtype=np.float64)
    return losses


def confusion_matrix(labels: IntArray, predicted: IntArray, n_categories: int) -> IntArray:
    """Counts of drawings, (C, C) int64: rows are true categories, columns predicted ones."""
    cells = np.bincount(labels * n_categories + predicted, minlength=n_categories**2)
    return cells.reshape(n_categories, n_categories).astype(np.int64)


def most_confused_pairs(confusion: IntArray, n: int = 10) -> list[tuple[int, int]]:
    """The n pairs (a, b), a < b, with the most mistakes, both directions added.

    Ties are ordered by a, then b.
    """
    mistakes = np.triu(confusion + confusion.T, k=1)
    order = np.argsort(-mistakes, axis=None, kind="stable")[:n]
    pairs = np.stack(np.unravel_index(order, mistakes.shape), axis=1)
    return [(int(a), int(b)) for a, b in pairs if mistakes[a, b] > 0]


def category_similarity(embeddings: FloatArray, labels: IntArray) -> DoubleArray:
    """Cosine similarities (K, K) of the mean embeddings of the K labels that occur, ascending."""
    means = np.stack([embeddings[labels == c].mean(axis=0) for c in np.unique(labels)])
    means = means.astype(np.float64)
    means /= np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-12)
    cosines: DoubleArray = means @ means.T
    return cosines


def order_by_similarity(similarity: npt.NDArray[np.floating]) -> IntArray:
    """Order N items so that similar ones are neighbours (seriation): (N,) int64.

    `similarity` is (N, N) and symmetric. Agglomerative clustering with average linkage; clusters
    are joined at their most similar ends. Ties follow the order of the items.
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


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """A reliability diagram: predictions in B bins of equal width by their probability.

    `n` (B,) int64: predictions per bin. `confidence`, `accuracy` (B,) float64: mean probability and
    accuracy per bin, NaN if it is empty. `error` is the expected calibration error (Naeini et al.
    2015; Guo et al. 2017), the gap between the two averaged over the predictions.
    """

    n: IntArray
    confidence: DoubleArray
    accuracy: DoubleArray
    error: float


def calibration(
    confidence: npt.NDArray[np.floating], correct: BoolArray, *, n_bins: int = 15
) -> Calibration:
    """Compare the probability of each prediction, (N,) in 0..1, with its correctness, (N,).

    Bins include their upper edge, not their lower one (0 is in the first).
    """
    which = np.clip(np.ceil(confidence.astype(np.float64) * n_bins).astype(np.int64) - 1, 0, None)
    n = np.bincount(which, minlength=n_bins)
    per_bin = np.where(n > 0, n, np.nan)
    mean_confidence = np.bincount(which, confidence, minlength=n_bins) / per_bin
    accuracy = np.bincount(which, correct, minlength=n_bins) / per_bin
    gaps = np.abs(mean_confidence - accuracy)
    error = float(np.nansum(gaps * n) / n.sum()) if len(which) else float("nan")
    return Calibration(n.astype(np.int64), mean_confidence, accuracy, error)


@dataclass(frozen=True, slots=True)
class SelectiveAccuracy:
    """Accuracy of an encoder's predictions that are not marked unsure.

    Predictions with a probability below `below` are unsure; training chose it for the precision
    `chosen_for` (None: the default threshold). Measured on test drawings: `coverage`, the share
    that is not unsure, and `precision`, the accuracy of that share (None if all are unsure).
    """

    below: float
    chosen_for: float | None
    coverage: float
    precision: float | None


def selective_accuracy(
    confidence: npt.NDArray[np.floating],
    correct: BoolArray,
    *,
    below: float,
    chosen_for: float | None,
) -> SelectiveAccuracy:
    """Measure predictions by their probability (N,) in 0..1, N >= 1, and correctness (N,)."""
    sure = confidence.astype(np.float64) >= below  # the comparison of `Predictions.unsure`
    precision = float(correct[sure].mean()) if sure.any() else None
    return SelectiveAccuracy(below, chosen_for, float(sure.mean()), precision)


def precision_by_coverage(
    confidence: npt.NDArray[np.floating], correct: BoolArray
) -> tuple[DoubleArray, DoubleArray]:
    """Coverage and precision, (M,) float64 each, at every threshold, highest first."""
    order = np.argsort(-confidence, kind="stable")
    ends = np.flatnonzero(np.append(np.diff(confidence[order]) != 0, True)[: len(order)])
    n_covered = ends + 1
    return n_covered / len(order), np.cumsum(correct[order])[ends] / n_covered


def half_width(values: npt.NDArray[np.generic]) -> float:
    """Half the width of the 95% confidence interval of the mean of `values` (N,), without NaNs.

    1.96 standard errors. Covers the choice of test drawings, not the randomness of training.
    """
    known = np.asarray(values, np.float64)
    known = known[~np.isnan(known)]
    if len(known) < 2:
        return float("nan")
    return float(1.96 * known.std(ddof=1) / np.sqrt(len(known)))


@dataclass(frozen=True, slots=True, eq=False)
class RankingMetrics:
    """Metrics of the full rankings of Q queries, one entry per query.

    `average_precision` (Q,) float64: the mean precision at the R relevant items
    (sklearn's average_precision_score). `precision_at_k` (Q,) float64: the share of relevant items
    among the first k; if the k-th item is tied, the mean over all orders of the tied items. Both
    are NaN for a query without relevant items, which the means leave out. `n_relevant` (Q,) int64.
    """

    average_precision: DoubleArray
    precision_at_k: DoubleArray
    n_relevant: IntArray
    k: int

    @property
    def n_without_relevant(self) -> int:
        """Number of queries without a relevant item in the gallery."""
        return int((self.n_relevant == 0).sum())

    @property
    def mean_average_precision(self) -> float:
        """Mean over the queries with relevant items; NaN if there are none."""
        return _mean_without_nan(self.average_precision)

    @property
    def mean_precision_at_k(self) -> float:
        """Mean over the queries with relevant items; NaN if there are none."""
        return _mean_without_nan(self.precision_at_k)


def ranking_metrics(
    query_embeddings: FloatArray,
    query_labels: IntArray,
    gallery_embeddings: FloatArray | None = None,
    gallery_labels: IntArray | None = None,
    *,
    k: int = 10,
    progress: Callable[[int], None] | None = None,
) -> RankingMetrics:
    """Rank the whole gallery by cosine for each query; items with the query's label are relevant.

    Embeddings are (Q, D) and (G, D) float32, L2-normalised; labels (Q,) and (G,) integers.
    Without a gallery, each query is ranked against the other queries. A gallery may be
    memory-mapped. Calls `progress` with the number of queries done.
    Raises InputError for shapes that don't match, lengths that aren't 1, NaN, or k beyond the
    ranking.
    """
    alone = gallery_embeddings is None
    if gallery_embeddings is None or gallery_labels is None:
        if (gallery_embeddings is None) != (gallery_labels is None):
            raise InputError("give both gallery embeddings and gallery labels, or neither")
        gallery_embeddings, gallery_labels = query_embeddings, query_labels
    check_embeddings(query_embeddings, query_labels, "query")
    if not alone:
        check_embeddings(gallery_embeddings, gallery_labels, "gallery")
        if gallery_embeddings.shape[1] != query_embeddings.shape[1]:
            raise InputError(
                f"the queries have {query_embeddings.shape[1]} dimensions, "
                f"the gallery {gallery_embeddings.shape[1]}"
            )
    n_ranked = len(gallery_labels) - alone
    if not 1 <= k <= max(n_ranked, 1):
        raise InputError(f"k must be between 1 and the {n_ranked} items of a ranking, not {k}")

    n_queries = len(query_labels)
    members = _rows_by_label(np.asarray(gallery_labels))
    average_precision, precision = np.full((2, n_queries), np.nan)
    n_relevant = np.zeros(n_queries, np.int64)

    def rank(query: int, scores: FloatArray) -> None:
        """Compute the metrics of one query; sorts `scores` (G,) in place."""
        relevant_items = members.get(query_labels[query], np.zeros(0, np.int64))
        if alone:
            relevant_items = relevant_items[relevant_items != query]
            scores[query] = -np.inf
        n_relevant[query] = len(relevant_items)
        if len(relevant_items):
            relevant = np.sort(scores[relevant_items])
            scores.sort()
            average_precision[query] = _average_precision(relevant, scores)
            precision[query] = _precision_at_k(relevant, scores, k)

    with ThreadPoolExecutor(n_cores()) as threads:
        for first, scores in similarities(query_embeddings, gallery_embeddings):
            queries = range(first, first + len(scores))
            for _ in threads.map(rank, queries, scores):
                pass
            if progress is not None:
                progress(first + len(scores))
    return RankingMetrics(average_precision, precision, n_relevant, k)


def mean_average_precision(
    query_embeddings: FloatArray,
    query_labels: IntArray,
    gallery_embeddings: FloatArray | None = None,
    gallery_labels: IntArray | None = None,
) -> float:
    """mAP by cosine, as in `ranking_metrics`; NaN if no query has a relevant item."""
    metrics = ranking_metrics(
        query_embeddings, query_labels, gallery_embeddings, gallery_labels, k=1
    )
    return metrics.mean_average_precision


def mean_average_precision_by_hamming(codes: ByteArray, labels: IntArray) -> float:
    """mAP of binary codes (N, B / 8) uint8, each ranked against all others by Hamming distance.

    NaN if no code has another of its label. Raises InputError for shapes that don't match.
    """
    if codes.ndim != 2 or codes.dtype != np.uint8 or len(codes) != len(labels):
        raise InputError(
            f"codes are (N, B / 8) uint8 with N labels, "
            f"not {codes.shape} {codes.dtype} with {len(labels)} labels"
        )
    bits = np.unpackbits(codes, axis=1).astype(np.float32)  # (N, B); float products are exact
    n_set, n_distances = bits.sum(axis=1), bits.shape[1] + 1
    precisions = np.full(len(codes), np.nan)
    for first in range(0, len(codes), _CHUNK):
        block = slice(first, first + _CHUNK)
        common = bits[block] @ bits.T
        distances = (n_set[block, None] + n_set - 2 * common).astype(np.int64)  # (Q, N)
        for query, row in enumerate(distances, start=first):
            n_relevant = np.bincount(row[labels == labels[query]], minlength=n_distances)
            n_all = np.bincount(row, minlength=n_distances)
            n_relevant[0] -= 1  # the query itself
            n_all[0] -= 1
            if n_relevant.any():
                precision = n_relevant.cumsum() / np.maximum(n_all.cumsum(), 1)
                precisions[query] = (n_relevant * precision).sum() / n_relevant.sum()
    return _mean_without_nan(precisions)


def mean_average_precision_by_distance(features: FloatArray, labels: IntArray) -> float:
    """mAP of features (N, D), each ranked against all others by Euclidean distance.

    This is how the reference project ranks. NaN if no feature has another of its label.
    """
    if features.ndim != 2 or len(features) != len(labels):
        raise InputError(f"features are (N, D) with N labels, not {features.shape}, {len(labels)}")
    exact = features.astype(np.float64)
    precisions = np.full(len(exact), np.nan)
    for query in range(len(exact)):
        apart = exact - exact[query]  # not by a matrix product: equal features have to tie
        scores = -np.einsum("nd,nd->n", apart, apart)
        relevant = labels == labels[query]
        relevant[query] = False
        scores[query] = -np.inf
        if relevant.any():
            precisions[query] = _average_precision(np.sort(scores[relevant]), np.sort(scores))
    return _mean_without_nan(precisions)


def similarities(queries: FloatArray, gallery: FloatArray) -> Iterator[tuple[int, FloatArray]]:
    """Cosines of all queries (Q, D) with a whole gallery (G, D), in chunks of queries.

    Yields the index of the first query of a chunk and its scores (q, G) float32, each rounded once
    from its exact value. The scores may be changed; the next chunk overwrites them. A chunk is 256
    queries, or fewer so that its scores fit in 1 GiB.
    """
    n_fitting = _MAX_SCORE_BYTES // (4 * max(len(gallery), 1))
    chunk = max(1, min(_MAX_CHUNK, n_fitting, len(queries)))
    scores = np.empty((chunk, len(gallery)), np.float32)
    tile = np.empty((min(_TILE, len(gallery)), gallery.shape[1]))
    product = np.empty(chunk * len(tile))
    for first in range(0, len(queries), chunk):
        block = np.rint(queries[first : first + chunk].astype(np.float64) * _GRID) / _GRID**2
        for left in range(0, len(gallery), _TILE):
            part = gallery[left : left + _TILE]
            on_grid = np.multiply(part, _GRID, out=tile[: len(part)])
            np.rint(on_grid, out=on_grid)
            exact = product[: len(block) * len(part)].reshape(len(block), len(part))
            np.matmul(block, on_grid.T, out=exact)
            scores[: len(block), left : left + _TILE] = exact
        yield first, scores[: len(block)]


def nearest(
    query_embeddings: FloatArray,
    gallery_embeddings: FloatArray,
    *,
    k: int = 10,
    left_out: IntArray | None = None,
) -> tuple[IntArray, FloatArray]:
    """The k items nearest to each query by cosine: rows (Q, k) int64 and scores (Q, k), best first.

    `left_out` (Q,) is a row to exclude for each query: its own, if it is in the gallery. Ties are
    in the order of their rows. With fewer than k items, all are returned.
    """
    k = min(k, len(gallery_embeddings) - (left_out is not None))
    rows = np.zeros((len(query_embeddings), k), np.int64)
    best = np.zeros((len(query_embeddings), k), np.float32)
    if k == 0:
        return rows, best
    for first, scores in similarities(query_embeddings, gallery_embeddings):
        for i, row in enumerate(scores, start=first):
            if left_out is not None:
                row[left_out[i]] = -np.inf
            near = np.flatnonzero(row >= np.partition(row, len(row) - k)[len(row) - k])
            rows[i] = near[np.argsort(-row[near], kind="stable")][:k]
            best[i] = row[rows[i]]
    return rows, best


def check_embeddings(embeddings: FloatArray, labels: IntArray, name: str) -> None:
    """Raise InputError unless embeddings are (N, D), of length 1, with N labels."""
    if embeddings.ndim != 2 or len(embeddings) != len(labels):
        raise InputError(
            f"{name} embeddings are (N, D) with N labels, "
            f"not {embeddings.shape} with {len(labels)} labels"
        )
    for first in range(0, len(embeddings), _TILE):
        lengths = np.linalg.norm(embeddings[first : first + _TILE], axis=1)
        wrong = np.flatnonzero(~(np.abs(lengths - 1) <= _LENGTH_TOLERANCE))
        if len(wrong):
            raise InputError(
                f"{name} embedding {first + wrong[0]} has length {lengths[wrong[0]]:.4g}, not 1; "
                "embeddings are compared by cosine and must be L2-normalised"
            )


def _join(left: list[int], right: list[int], items: DoubleArray) -> list[int]:
    orientations = [(x, y) for x in (left, left[::-1]) for y in (right, right[::-1])]
    x, y = max(orientations, key=lambda pair: items[pair[0][-1], pair[1][0]])
    return x + y


def _mean_without_nan(values: DoubleArray) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")


def _rows_by_label(labels: IntArray) -> dict[int, IntArray]:
    order = np.argsort(labels, kind="stable")
    values, firsts = np.unique(labels[order], return_index=True)
    return dict(zip(values.tolist(), np.split(order, firsts[1:]), strict=True))


def _average_precision(
    relevant: npt.NDArray[np.floating], ranked: npt.NDArray[np.floating]
) -> float:
    """From the scores of the relevant and of all items, both ascending."""
    n_up_to = len(ranked) - np.searchsorted(ranked, relevant, side="left")
    n_relevant_up_to = len(relevant) - np.searchsorted(relevant, relevant, side="left")
    return float((n_relevant_up_to / n_up_to).mean())


def _precision_at_k(relevant: FloatArray, ranked: FloatArray, k: int) -> float:
    """From the scores of the relevant and of all items, both ascending."""
    n = len(ranked)
    # The chance of each relevant item to be among the first k: 0 or 1, unless the k-th is tied.
    candidates = relevant[int(np.searchsorted(relevant, ranked[n - k])) :]
    n_above = n - np.searchsorted(ranked, candidates, side="right")
    n_tied = n - np.searchsorted(ranked, candidates, side="left") - n_above
    return float(np.minimum((k - n_above) / n_tied, 1.0).sum() / k)
