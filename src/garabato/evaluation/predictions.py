"""What an encoder says of drawings whose categories are known."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, overload

import numpy as np
import numpy.typing as npt

from garabato.drawing import Drawing, DrawingBatch, FloatArray, IntArray
from garabato.evaluation import metrics

if TYPE_CHECKING:
    from garabato.encoder import Encoder

#: Drawings encoded between two reports of progress.
_CHUNK = 1024


class DrawingList(Sequence[Drawing]):
    """Drawings of many batches, of strokes and of bitmaps, under one numbering."""

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
        """The category of every drawing, in order; "" where it is not known."""
        return [name or "" for batch in self.batches for name in batch.categories]

    def chunks(self) -> Iterator[DrawingBatch]:
        """All drawings, in order, in batches of bounded size."""
        for batch in self.batches:
            for first in range(0, len(batch), _CHUNK):
                yield batch[first : first + _CHUNK]


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """What an encoder said of N drawings.

    `labels` and `answers` (N,) int64 are places in a list of categories that begins with the
    encoder's own; `place` (N,) int64 is the place of the right category among its answers
    (1 = best), 0 where the encoder doesn't know that category; `loss` (N,) float64 in nats, NaN
    there. `confidence` (N,) float32: the probability of the answer. `embeddings` (N, D) float32.
    """

    drawings: DrawingList
    labels: IntArray
    embeddings: FloatArray
    answers: IntArray
    confidence: FloatArray
    place: IntArray
    loss: npt.NDArray[np.float64]

    @property
    def classified(self) -> npt.NDArray[np.bool_]:
        """(N,) True where the encoder knows the drawing's category."""
        return self.place > 0

    def top_k(self, k: int) -> float | None:
        """Share of the classified drawings whose category is among the k best answers."""
        places = self.place[self.classified]
        return float((places <= k).mean()) if len(places) else None


def collect_answers(
    encoder: Encoder,
    drawings: DrawingList,
    categories: Sequence[str],
    *,
    progress: Callable[[int], None],
) -> Answers:
    """Ask the encoder about all drawings; `categories` begins with the encoder's own.

    `progress` is told the number of drawings done.
    """
    place_of = {name: place for place, name in enumerate(categories)}
    labels = np.array([place_of[name] for name in drawings.categories()], np.int64)
    n, n_known = len(labels), len(encoder.categories)
    embeddings = np.zeros((n, encoder.embedding_dim), np.float32)
    answers, place = np.zeros((2, n), np.int64)
    confidence, loss = np.zeros(n, np.float32), np.full(n, np.nan)
    first = 0
    for batch in drawings.chunks():
        rows = slice(first, first + len(batch))
        output = encoder.predict(batch)
        embeddings[rows] = output.embeddings
        answers[rows] = output.probabilities.argmax(axis=1)
        confidence[rows] = output.probabilities.max(axis=1)
        known = np.flatnonzero(labels[rows] < n_known)
        right = labels[rows][known]
        place[first + known] = metrics.rank_of_label(output.probabilities[known], right)
        loss[first + known] = metrics.log_losses(output.probabilities[known], right)
        first += len(batch)
        progress(first)
    return Answers(drawings, labels, embeddings, answers, confidence, place, loss)


def top1_of_unfinished(
    encoder: Encoder, answers: Answers, share: float, *, progress: Callable[[int], None]
) -> float | None:
    """Top-1 accuracy when `share` of the ink of each classified drawing is on the paper."""
    n_right = n_done = 0
    for batch in answers.drawings.chunks():
        asked = np.flatnonzero(answers.classified[n_done : n_done + len(batch)])
        parts = [batch[int(i)].first_part(share) for i in asked]
        probabilities = encoder.predict(DrawingBatch.from_drawings(parts)).probabilities
        places = metrics.rank_of_label(probabilities, answers.labels[n_done + asked])
        n_right += int((places == 1).sum())
        n_done += len(batch)
        progress(n_done)
    n_asked = int(answers.classified.sum())
    return n_right / n_asked if n_asked else None
