"""An encoder's predictions for drawings of known category."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, overload

import numpy as np
import numpy.typing as npt

from garabato.drawing import Drawing, DrawingBatch, FloatArray, IntArray
from garabato.evaluation import classification

if TYPE_CHECKING:
    from garabato.encoder import Encoder

#: Drawings encoded between two calls of `progress`.
_CHUNK = 1024


class DrawingList(Sequence[Drawing]):
    """The drawings of many batches as one sequence; batches of strokes and bitmaps may be mixed."""

    def __init__(self, batches: Iterable[DrawingBatch]) -> None:
        self.batches = [batch for batch in batches if len(batch)]
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
class Predictions:
    """Predictions for N drawings.

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
    def classified(self) -> npt.NDArray[np.bool_]:
        """(N,) True where the encoder knows the drawing's category."""
        return self.rank > 0

    def top_k(self, k: int) -> float | None:
        """Top-k accuracy on the classified drawings; None if there are none."""
        ranks = self.rank[self.classified]
        return float((ranks <= k).mean()) if len(ranks) else None


def predict_all(
    encoder: Encoder,
    drawings: DrawingList,
    categories: Sequence[str],
    *,
    progress: Callable[[int], None],
) -> Predictions:
    """Classify and embed all drawings; `categories` begins with the encoder's own.

    Calls `progress` with the number of drawings done.
    """
    label_of = {name: label for label, name in enumerate(categories)}
    labels = np.array([label_of[name] for name in drawings.categories()], np.int64)
    n, n_known = len(labels), len(encoder.categories)
    embeddings = np.zeros((n, encoder.embedding_dim), np.float32)
    predicted, rank = np.zeros((2, n), np.int64)
    confidence, loss = np.zeros(n, np.float32), np.full(n, np.nan)
    first = 0
    for batch in drawings.chunks():
        rows = slice(first, first + len(batch))
        output = encoder.predict(batch)
        embeddings[rows] = output.embeddings
        predicted[rows] = output.probabilities.argmax(axis=1)
        confidence[rows] = output.probabilities.max(axis=1)
        known = np.flatnonzero(labels[rows] < n_known)
        right = labels[rows][known]
        rank[first + known] = classification.rank_of_label(output.probabilities[known], right)
        loss[first + known] = classification.log_losses(output.probabilities[known], right)
        first += len(batch)
        progress(first)
    return Predictions(drawings, labels, embeddings, predicted, confidence, rank, loss)


def top1_of_unfinished(
    encoder: Encoder, predictions: Predictions, share: float, *, progress: Callable[[int], None]
) -> float | None:
    """Top-1 accuracy from the first `share` of the ink of each classified drawing."""
    n_correct = n_done = 0
    for batch in predictions.drawings.chunks():
        known = np.flatnonzero(predictions.classified[n_done : n_done + len(batch)])
        parts = [batch[int(i)].first_part(share) for i in known]
        probabilities = encoder.predict(DrawingBatch.from_drawings(parts)).probabilities
        ranks = classification.rank_of_label(probabilities, predictions.labels[n_done + known])
        n_correct += int((ranks == 1).sum())
        n_done += len(batch)
        progress(n_done)
    n_classified = int(predictions.classified.sum())
    return n_correct / n_classified if n_classified else None
