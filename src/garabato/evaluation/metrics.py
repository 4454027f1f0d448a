"""Figures for classification and retrieval, in numpy; no torch.

Ties are resolved without regard to the order of the items, so every figure is the same for any
order of the gallery. Retrieval: items of one score share one step of the ranking, as in
scikit-learn (`RankingMetrics` says how), so an embedding that tells nothing apart scores the share
of relevant items. Classification: an answer counts only where it beats the other categories, so
a tied category counts as ranked before the right one.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from garabato.drawing import FloatArray, IntArray
from garabato.errors import InputError
from garabato.evaluation.similarity import check_embeddings, similarities
from garabato.host.machine import n_cores

DoubleArray = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class RankingMetrics:
    """What the full rankings of Q queries are worth, one entry a query.

    `average_precision` (Q,) float64: the mean, over all R relevant items, of the precision of the
    ranking down to that item, items of equal score taken together (sklearn's
    average_precision_score). `precision_at_k`, `recall_at_k` (Q,) float64: relevant items among
    the first k, over k and over R; where the k-th place is tied, the mean over all orders of the
    tied items. All are NaN for a query without relevant items, which no mean counts.
    `n_relevant` (Q,) int64.
    """

    average_precision: DoubleArray
    precision_at_k: DoubleArray
    recall_at_k: DoubleArray
    n_relevant: IntArray
    k: int

    @property
    def n_without_relevant(self) -> int:
        """Queries left out of the means because nothing in the gallery is relevant to them."""
        return int((self.n_relevant == 0).sum())

    @property
    def mean_average_precision(self) -> float:
        """Mean over the queries that have relevant items; NaN where none has."""
        return _mean_of_known(self.average_precision)

    @property
    def mean_precision_at_k(self) -> float:
        """Mean over the queries that have relevant items; NaN where none has."""
        return _mean_of_known(self.precision_at_k)

    @property
    def mean_recall_at_k(self) -> float:
        """Mean over the queries that have relevant items; NaN where none has."""
        return _mean_of_known(self.recall_at_k)


def ranking_metrics(
    query_embeddings: FloatArray,
    query_labels: IntArray,
    gallery_embeddings: FloatArray | None = None,
    gallery_labels: IntArray | None = None,
    *,
    k: int = 10,
    chunk: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> RankingMetrics:
    """Rank the whole gallery by cosine for each query; an item is relevant if its label is equal.

    Embeddings are (Q, D) and (G, D) float32, L2-normalised; labels (Q,) and (G,) integers.
    Without a gallery the queries are ranked against each other, each left out of its own ranking.
    `chunk` queries are ranked at once, which takes 4 * chunk * G bytes (by default at most 1 GiB)
    and changes no figure; a gallery may be memory-mapped. `progress` is told the number of queries
    done.
    Raises InputError for shapes that don't match, lengths that aren't 1, NaN, or k beyond the
    ranking.
    """
    alone = gallery_embeddings is None
    if gallery_embeddings is None or gallery_labels is None:
        if (gallery_embeddings is None) != (gallery_labels is None):
            raise InputError("a gallery is embeddings and labels; one of them is missing")
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
        raise InputError(f"k is between 1 and the {n_ranked} items of a ranking, not {k}")

    n_queries = len(query_labels)
    members = _members_by_label(np.asarray(gallery_labels))
    figures = np.full((3, n_queries), np.nan)
    n_relevant = np.zeros(n_queries, np.int64)

    def rank(query: int, scores: FloatArray) -> None:
        """Fill in the figures of one query; sorts `scores` (G,) in place."""
        relevant_items = members.get(query_labels[query], np.zeros(0, np.int64))
        if alone:
            relevant_items = relevant_items[relevant_items != query]
            scores[query] = -np.inf
        n_relevant[query] = len(relevant_items)
        if len(relevant_items):
            relevant = scores[relevant_items]
            scores.sort()
            figures[:, query] = _figures_of_one_ranking(np.sort(relevant), scores, k)

    with ThreadPoolExecutor(n_cores()) as threads:
        for first, scores in similarities(query_embeddings, gallery_embeddings, chunk):
            queries = range(first, first + len(scores))
            for _ in threads.map(rank, queries, scores):
                pass
            if progress is not None:
                progress(first + len(scores))
    return RankingMetrics(figures[0], figures[1], figures[2], n_relevant, k)


def mean_average_precision(
    query_embeddings: FloatArray,
    query_labels: IntArray,
    gallery_embeddings: FloatArray | None = None,
    gallery_labels: IntArray | None = None,
    *,
    chunk: int | None = None,
) -> float:
    """mAP of full rankings by cosine, as in `ranking_metrics`; NaN where nothing is relevant."""
    metrics = ranking_metrics(
        query_embeddings, query_labels, gallery_embeddings, gallery_labels, k=1, chunk=chunk
    )
    return metrics.mean_average_precision


def rank_of_label(scores: npt.NDArray[np.floating], labels: IntArray) -> IntArray:
    """The place (1 = best) of the right category in each row of `scores` (N, C): (N,) int64.

    Categories of the same score as the right one count as ranked before it.
    """
    if len(scores) != len(labels):
        raise InputError(f"there are {len(scores)} rows of scores but {len(labels)} labels")
    right = np.take_along_axis(scores, labels[:, None], axis=1)
    places: IntArray = (scores >= right).sum(axis=1, dtype=np.int64)
    return places


def top_k_accuracy(scores: npt.NDArray[np.floating], labels: IntArray, *, k: int = 1) -> float:
    """Share of the rows of `scores` (N, C) whose right category is among the k best."""
    if not 1 <= k <= scores.shape[1]:
        raise InputError(f"k is between 1 and the {scores.shape[1]} categories, not {k}")
    return float((rank_of_label(scores, labels) <= k).mean())


def log_losses(probabilities: npt.NDArray[np.floating], labels: IntArray) -> DoubleArray:
    """Cross-entropy of each drawing in nats, (N,) float64, from probabilities (N, C).

    Probabilities are kept above the machine epsilon of their type, as scikit-learn does, so that
    one confident mistake costs 16 nats in float32 and not infinity.
    """
    right = np.take_along_axis(probabilities, labels[:, None], axis=1)[:, 0]
    losses: DoubleArray = -np.log(np.clip(right, np.finfo(right.dtype).eps, 1.0), dtype=np.float64)
    return losses


def confusion_matrix(labels: IntArray, predicted: IntArray, n_categories: int) -> IntArray:
    """(C, C) int64: row = the right category, column = the answer, entry = number of drawings."""
    cells = np.bincount(labels * n_categories + predicted, minlength=n_categories**2)
    return cells.reshape(n_categories, n_categories).astype(np.int64)


def most_confused_pairs(confusion: IntArray, n: int = 10) -> list[tuple[int, int]]:
    """The n pairs (a, b), a < b, that are taken for one another most often, in both directions.

    Pairs with the same number of mistakes come in the order of a, then b.
    """
    mistakes = np.triu(confusion + confusion.T, k=1)
    order = np.argsort(-mistakes, axis=None, kind="stable")[:n]
    pairs = np.stack(np.unravel_index(order, mistakes.shape), axis=1)
    return [(int(a), int(b)) for a, b in pairs if mistakes[a, b] > 0]


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """How far probabilities can be believed, over bins of equal width of the answer's probability.

    `n` (B,) int64 answers a bin; `confidence` and `accuracy` (B,) float64: mean probability and
    share of right answers, NaN in an empty bin. `error` is the expected calibration error: the
    gap between the two, averaged over the answers (Naeini et al. 2015; Guo et al. 2017).
    """

    n: IntArray
    confidence: DoubleArray
    accuracy: DoubleArray
    error: float


def calibration(
    confidence: npt.NDArray[np.floating], right: npt.NDArray[np.bool_], *, n_bins: int = 15
) -> Calibration:
    """Compare the probability of each answer, (N,) in 0..1, with whether it was right, (N,).

    A bin holds its upper edge, not its lower one (0 belongs to the first).
    """
    which = np.clip(np.ceil(confidence.astype(np.float64) * n_bins).astype(np.int64) - 1, 0, None)
    n = np.bincount(which, minlength=n_bins)
    per_bin = np.where(n > 0, n, np.nan)
    mean_confidence = np.bincount(which, confidence, minlength=n_bins) / per_bin
    accuracy = np.bincount(which, right, minlength=n_bins) / per_bin
    gaps = np.abs(mean_confidence - accuracy)
    error = float(np.nansum(gaps * n) / n.sum()) if len(which) else float("nan")
    return Calibration(n.astype(np.int64), mean_confidence, accuracy, error)


def half_width(values: npt.NDArray[np.generic]) -> float:
    """Half the width of the 95 % interval of the mean of `values` (N,), NaNs left out.

    From the spread of the values (1.96 standard errors): the noise that comes from which drawings
    were drawn for testing, not that of the training.
    """
    known = np.asarray(values, np.float64)
    known = known[~np.isnan(known)]
    if len(known) < 2:
        return float("nan")
    return float(1.96 * known.std(ddof=1) / np.sqrt(len(known)))


def _figures_of_one_ranking(
    relevant: FloatArray, ranked: FloatArray, k: int
) -> tuple[float, float, float]:
    """AP, precision@k and recall@k, from the scores of relevant and of all items, both sorted."""
    n, n_relevant = len(ranked), len(relevant)
    n_down_to = n - np.searchsorted(ranked, relevant, side="left")
    n_relevant_down_to = n_relevant - np.searchsorted(relevant, relevant, side="left")
    # each relevant item's chance to be among the first k: 0 or 1, unless the k-th place is tied
    candidates = slice(int(np.searchsorted(relevant, ranked[n - k])), None)
    n_above = n - np.searchsorted(ranked, relevant[candidates], side="right")
    n_tied = n_down_to[candidates] - n_above
    among_first = np.minimum((k - n_above) / n_tied, 1.0).sum()
    average_precision = float((n_relevant_down_to / n_down_to).mean())
    return average_precision, float(among_first / k), float(among_first / n_relevant)


def _members_by_label(labels: IntArray) -> dict[int, IntArray]:
    """label -> the rows that have it."""
    order = np.argsort(labels, kind="stable")
    values, firsts = np.unique(labels[order], return_index=True)
    return dict(zip(values.tolist(), np.split(order, firsts[1:]), strict=True))


def _mean_of_known(values: DoubleArray) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")
