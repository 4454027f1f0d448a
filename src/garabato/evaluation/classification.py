"""Classification metrics: ranks, losses, confusion, calibration, selective accuracy. Plain NumPy.

A category with the same score as the right one counts as ranked before it, so a prediction is
correct only where its score beats all others.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from garabato.drawing import BoolArray, FloatArray, IntArray
from garabato.errors import InputError

DoubleArray = npt.NDArray[np.float64]


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
    return n_covered / max(len(order), 1), np.cumsum(correct[order])[ends] / n_covered


def half_width(values: npt.NDArray[np.generic]) -> float:
    """Half the width of the 95 % confidence interval of the mean of `values` (N,), without NaNs.

    1.96 standard errors. Covers the choice of test drawings, not the randomness of training.
    """
    known = np.asarray(values, np.float64)
    known = known[~np.isnan(known)]
    if len(known) < 2:
        return float("nan")
    return float(1.96 * known.std(ddof=1) / np.sqrt(len(known)))


def _join(left: list[int], right: list[int], items: DoubleArray) -> list[int]:
    orientations = [(x, y) for x in (left, left[::-1]) for y in (right, right[::-1])]
    x, y = max(orientations, key=lambda pair: items[pair[0][-1], pair[1][0]])
    return x + y
