"""An encoder's predictions for drawings of known category, and the result of an evaluation."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, overload

import numpy as np
import numpy.typing as npt

from garabato.drawing import BoolArray, Drawing, DrawingBatch, FloatArray, IntArray
from garabato.evaluation.metrics import (
    Calibration,
    RankingMetrics,
    SelectiveAccuracy,
    confusion_matrix,
    half_width,
    most_confused_pairs,
)
from garabato.formats import ReadReport

#: The k of precision@k.
PRECISION_AT = 10
#: Drawings encoded between two calls of `progress`.
_CHUNK = 1024

_NOTHING = np.zeros(0)


class DrawingList(Sequence[Drawing]):
    """The drawings of many batches as one sequence; batches of strokes and bitmaps may be mixed."""

    def __init__(self, batches: Iterable[DrawingBatch]) -> None:
        self.batches = list(batches)
        self._ends: list[int] = np.cumsum([len(batch) for batch in self.batches]).tolist()

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    @overload
    def __getitem__(self, which: int) -> Drawing: ...
    @overload
    def __getitem__(self, which: slice) -> list[Drawing]: ...
    def __getitem__(self, which: int | slice) -> Drawing | list[Drawing]:
        if isinstance(which, slice):
            return [self[i] for i in range(len(self))[which]]
        i = range(len(self))[which]
        number = bisect_right(self._ends, i)
        return self.batches[number][int(i - self._ends[number])]

    def categories(self) -> list[str]:
        """The category of every drawing, in order; "" if unknown."""
        return [name or "" for batch in self.batches for name in batch.categories]

    def chunks(self) -> Iterator[DrawingBatch]:
        """All drawings, in order, in batches of bounded size."""
        for batch in self.batches:
            for first in range(0, len(batch), _CHUNK):
                yield batch[first : first + _CHUNK]


@dataclass(frozen=True, slots=True, eq=False)
class Predicted:
    """N drawings with the predictions for them.

    `labels` and `predicted` (N,) int64 are the true and the predicted category, as indices into a
    list that begins with the encoder's categories. `rank` (N,) int64 is the rank of the true
    category (1 = best), 0 if the encoder doesn't know it; `loss` (N,) float64 in nats, NaN there.
    `confidence` (N,) float32: the probability of the prediction. `embeddings` (N, D) float32.
    """

    drawings: DrawingList
    labels: IntArray
    embeddings: FloatArray
    predicted: IntArray
    confidence: FloatArray
    rank: IntArray
    loss: npt.NDArray[np.float64]

    @property
    def classified(self) -> BoolArray:
        """(N,) True where the encoder knows the drawing's category."""
        return self.rank > 0

    def top_k(self, k: int) -> float | None:
        """Top-k accuracy on the classified drawings; None if there are none."""
        ranks = self.rank[self.classified]
        return float((ranks <= k).mean()) if len(ranks) else None


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """The result of `evaluate`; `to_dict` is what `garabato evaluate --json` prints.

    `categories` are the encoder's, then the others of the data; labels are indices into it. `test`
    are the drawings measured, `gallery` those of the gallery split (None for a source).
    `against_test` ranks the test drawings against each other, `against_gallery` against the
    gallery; None if there is nothing to rank. `train_top1` and `train_top5` are accuracies on the
    training drawings; `partial_top1` maps percentages of the ink to top-1 of the drawings whose
    strokes were not traced. `selective_accuracy` is None if the encoder knows no category of the
    test drawings. `code_maps` maps the bits of a binary code to its mAP, test against test.
    `map_unseen` is the mAP of the drawings of categories that the encoder doesn't know, among each
    other; None if these are fewer than two categories.
    """

    model: dict[str, Any]
    data: dict[str, Any]
    categories: list[str]
    n_known: int
    test: Predicted
    gallery: Predicted | None
    against_test: RankingMetrics | None
    against_gallery: RankingMetrics | None
    train_top1: float | None
    train_top5: float | None
    partial_top1: dict[int, float | None]
    calibration: Calibration
    selective_accuracy: SelectiveAccuracy | None
    code_maps: dict[int, float]
    map_unseen: float | None
    unreadable: ReadReport
    seconds: float

    def __repr__(self) -> str:
        rankings = self.against_test
        figures = {
            "top-1": self.test.top_k(1),
            "top-5": self.test.top_k(5),
            "mAP": rankings and _number(rankings.mean_average_precision),
        }
        n, n_categories = len(self.test.labels), len(np.unique(self.test.labels))
        known = (f", {name} {value:.3f}" for name, value in figures.items() if value is not None)
        return f"Evaluation({n:,} drawings of {n_categories:,} categories{''.join(known)})"

    @property
    def confusion(self) -> IntArray:
        """(K, K) int64 over the encoder's K categories: rows are true, columns predicted."""
        known = self.test.classified
        return confusion_matrix(self.test.labels[known], self.test.predicted[known], self.n_known)

    @property
    def unknown_categories(self) -> dict[str, int]:
        """Categories that the encoder doesn't know -> number of test drawings."""
        counts = np.bincount(self.test.labels, minlength=len(self.categories))
        return {
            self.categories[c]: int(counts[c])
            for c in range(self.n_known, len(counts))
            if counts[c]
        }

    def noise(self) -> dict[str, float | None]:
        """Half widths of the 95% confidence intervals, over the choice of test drawings."""
        ranks = self.test.rank[self.test.classified]
        rankings, gallery = self.against_test, self.against_gallery
        measured = {
            "top1": ranks <= 1,
            "top5": ranks <= 5,
            "loss": self.test.loss,
            "map": rankings.average_precision if rankings else _NOTHING,
            "map_gallery": gallery.average_precision if gallery else _NOTHING,
            "precision_at_10": _NOTHING
            if rankings is None or rankings.k < PRECISION_AT
            else rankings.precision_at_k,
        }
        return {name: _number(half_width(values)) for name, values in measured.items()}

    def by_recognized(self) -> dict[str, dict[str, Any]]:
        """Accuracy on drawings that Google's game recognized ("yes") and on the others ("no").

        Models do much better on recognized drawings, so accuracies on samples with different
        shares of them can't be compared. Empty if this is known of no classified drawing.
        """
        flags = [flag for batch in self.test.drawings.batches for flag in batch.recognized]
        found = {}
        for answer, value in (("yes", True), ("no", False)):
            rows = np.array([flag is value for flag in flags], np.bool_) & self.test.classified
            if rows.any():
                ranks = self.test.rank[rows]
                found[answer] = {
                    "n_drawings": len(ranks),
                    "top1": float((ranks == 1).mean()),
                    "top5": float((ranks <= 5).mean()),
                    "noise_top1": _number(half_width(ranks == 1)),
                }
        return found

    def notes(self) -> list[str]:
        """Warnings about the figures, one sentence each."""
        return list(_notes(self))

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON. Shares are in 0..1; None stands for "not measured"."""
        test, rankings, gallery = self.test, self.against_test, self.against_gallery
        losses = test.loss[test.classified]
        return {
            "top1": test.top_k(1),
            "top5": test.top_k(5),
            "loss": float(losses.mean()) if len(losses) else None,
            "train_top1": self.train_top1,
            "train_top5": self.train_top5,
            "n_drawings": len(test.labels),
            "n_classified": int(test.classified.sum()),
            "n_categories": len(np.unique(test.labels)),
            "map": _number(rankings.mean_average_precision) if rankings else None,
            "map_gallery": _number(gallery.mean_average_precision) if gallery else None,
            "map_unseen": _number(self.map_unseen),
            "n_unseen_categories": len(self.unknown_categories),
            "map_128_bit": _number(self.code_maps.get(128)),
            "map_64_bit": _number(self.code_maps.get(64)),
            "precision_at_10": _precision_at_10(rankings),
            "precision_at_10_gallery": _precision_at_10(gallery),
            "n_gallery": None if self.gallery is None else len(self.gallery.labels),
            "n_queries_without_relevant": 0 if rankings is None else rankings.n_without_relevant,
            "partial_top1": {str(percent): top1 for percent, top1 in self.partial_top1.items()},
            "ece": _number(self.calibration.error),
            "unsure": None if self.selective_accuracy is None else asdict(self.selective_accuracy),
            "noise": self.noise(),
            "by_recognized": self.by_recognized(),
            "unknown_categories": self.unknown_categories,
            "unreadable": self.unreadable.n_unreadable,
            "model": self.model,
            "data": self.data,
            "notes": self.notes(),
            "seconds": self.seconds,
            "most_confused": self.most_confused(),
            "per_category": self.per_category(),
        }

    def most_confused(self) -> list[dict[str, Any]]:
        """The ten pairs of categories mistaken for one another most often."""
        confusion = self.confusion
        return [
            {
                "categories": [self.categories[a], self.categories[b]],
                "n_first_as_second": int(confusion[a, b]),
                "n_second_as_first": int(confusion[b, a]),
            }
            for a, b in most_confused_pairs(confusion)
        ]

    def per_category(self) -> dict[str, dict[str, Any]]:
        """Category of the test drawings -> its metrics.

        `precision` is the share of correct ones among the predictions of this category,
        `taken_for` the most frequent wrong prediction. None if the encoder doesn't know it.
        """
        confusion = self.confusion
        table: dict[str, dict[str, Any]] = {}
        for c in np.unique(self.test.labels):
            rows = np.flatnonzero(self.test.labels == c)
            ranks = self.test.rank[rows]
            known = c < self.n_known
            table[self.categories[c]] = {
                "n_drawings": len(rows),
                "top1": float((ranks == 1).mean()) if known else None,
                "top5": float((ranks <= 5).mean()) if known else None,
                "precision": _share(confusion[c, c], confusion[:, c].sum()) if known else None,
                "map": _mean_over(self.against_test, rows),
                "map_gallery": _mean_over(self.against_gallery, rows),
                "taken_for": self._taken_for(confusion, c) if known else None,
            }
        return table

    def _taken_for(self, confusion: IntArray, c: int) -> str | None:
        mistakes = confusion[c].copy()
        mistakes[c] = 0
        return self.categories[int(mistakes.argmax())] if mistakes.any() else None


def _notes(evaluation: Evaluation) -> Iterator[str]:
    n_unknown = sum(evaluation.unknown_categories.values())
    if n_unknown:
        yield (
            "Drawings of categories that the encoder doesn't know, which count for retrieval only: "
            f"{n_unknown:,}."
        )
    rankings = evaluation.against_test
    if rankings is None:
        yield "There is only one drawing, so retrieval was not measured."
    elif len(np.unique(evaluation.test.labels)) == 1:
        yield "All drawings are of one category: test against test, every hit is right."
    elif rankings.k < PRECISION_AT:
        yield f"Fewer than {PRECISION_AT + 1} drawings: precision@{PRECISION_AT} is not measured."
    elif rankings.n_without_relevant:
        yield (
            "Drawings that are the only ones of their category, which the test-against-test mAP "
            f"leaves out as queries: {rankings.n_without_relevant:,}."
        )
    if rankings is not None and 0 < np.median(rankings.n_relevant) < PRECISION_AT <= rankings.k:
        yield (
            f"Most queries have fewer than {PRECISION_AT} relevant drawings, so "
            f"precision@{PRECISION_AT} cannot reach 1."
        )
    if evaluation.unreadable.n_unreadable:
        yield f"Unreadable drawings, skipped: {evaluation.unreadable.n_unreadable:,}."


def _precision_at_10(rankings: RankingMetrics | None) -> float | None:
    if rankings is None or rankings.k < PRECISION_AT:
        return None
    return _number(rankings.mean_precision_at_k)


def _mean_over(rankings: RankingMetrics | None, rows: IntArray) -> float | None:
    if rankings is None or not rankings.n_relevant[rows].any():
        return None
    return float(np.nanmean(rankings.average_precision[rows]))


def _share(part: int, whole: int) -> float | None:
    return float(part / whole) if whole else None


def _number(value: float | None) -> float | None:
    """JSON has no NaN."""
    return None if value is None or math.isnan(value) else float(value)
