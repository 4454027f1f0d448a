"""Bulk load: fill a gallery with many drawings, in order and resumably.

While one piece is stored, the next is embedded.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from garabato.drawing import DrawingBatch, FloatArray
from garabato.gallery.base import Gallery
from garabato.gallery.records import Embedder
from garabato.gallery.rows import without_invalid_times

#: Drawings stored at a time. A killed process loses this piece and those being embedded.
PIECE = 2_048
#: Drawings embedded at a time; progress is reported after each step.
STEP = 512


class Workers(Protocol):
    """Embeds batches in the background."""

    @property
    def n_pieces_ahead(self) -> int:
        """The number of pieces to embed while one is stored, so that no worker waits."""

    def submit(self, batch: DrawingBatch) -> Callable[[], FloatArray]:
        """Start embedding a batch; calling the result waits for the embeddings (N, D).

        This call or the result raises whatever the encoder raises.
        """

    def close(self) -> None:
        """Stop; batches that are not embedded yet are dropped."""


class OneThread:
    """Embeds in one background thread of this process."""

    n_pieces_ahead = 1

    def __init__(self, encoder: Embedder) -> None:
        self._encoder = encoder
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="garabato-embed")

    def submit(self, batch: DrawingBatch) -> Callable[[], FloatArray]:
        return self._thread.submit(self._encoder.embed, batch).result

    def close(self) -> None:
        self._thread.shutdown(cancel_futures=True)


@dataclass(frozen=True, slots=True)
class Filled:
    """How many drawings were stored, were already there, and were empty and skipped."""

    n_new: int = 0
    n_there: int = 0
    n_empty: int = 0


def fill(
    gallery: Gallery,
    encoder: Embedder,
    batches: Iterable[DrawingBatch],
    *,
    tags: Sequence[str] = (),
    progress: Callable[[int], None] | None = None,
    workers: Callable[[Embedder], Workers] = OneThread,
) -> Filled:
    """Embed and store the drawings of `batches`; key_ids that the gallery holds are skipped.

    An interrupted call can therefore be repeated. Drawings are stored in order, whichever worker
    finishes first. New drawings get `tags`. `progress(n_done)` is called a few times a second.
    Raises whatever `Gallery.add` raises.
    """
    load = _Load(gallery, tuple(tags), progress or (lambda n_done: None))
    with closing(workers(encoder)) as embedding:
        for piece in _pieces(batches):
            load.send(piece, embedding)
            while len(load.sent) > embedding.n_pieces_ahead:
                load.store()
        while load.sent:
            load.store()
    gallery.settle()
    return Filled(load.n_new, load.n_there, load.n_empty)


class _Load:
    """The pieces in progress: sent to the workers, then stored."""

    def __init__(
        self, gallery: Gallery, tags: tuple[str, ...], progress: Callable[[int], None]
    ) -> None:
        self._gallery = gallery
        self._tags = tags
        self._progress = progress
        self._in_progress: set[str | None] = set()
        self.sent: deque[_Sent] = deque()
        self.n_new = self.n_there = self.n_empty = 0

    def send(self, piece: DrawingBatch, workers: Workers) -> None:
        """Send the drawings that are neither stored nor in progress to the workers."""
        inked = piece.has_ink
        self.n_empty += len(piece) - int(inked.sum())
        piece = piece.take(np.flatnonzero(inked)).with_key_ids()
        wanted = [key for key in piece.key_ids if key is not None and key not in self._in_progress]
        missing = set(self._gallery.missing(wanted))
        first = {key: i for i, key in reversed(list(enumerate(piece.key_ids))) if key in missing}
        rows = np.array(sorted(first.values()), np.int64)
        self.n_there += len(piece) - len(rows)
        steps = [rows[first : first + STEP] for first in range(0, len(rows), STEP)]
        results = [workers.submit(piece.take(step)) for step in steps]
        drawings = without_invalid_times(piece.take(rows))
        self._in_progress.update(drawings.key_ids)
        self.sent.append(_Sent(drawings, results))

    def store(self) -> None:
        """Wait until the oldest piece in progress is embedded, and store it."""
        piece = self.sent.popleft()
        n_before = self.n_new + self.n_there + self.n_empty
        embedded = []
        for result in piece.results:
            embedded.append(result())
            self._progress(n_before + sum(map(len, embedded)))
        if embedded:
            added = self._gallery.add(
                piece.drawings, embeddings=np.concatenate(embedded), tags=self._tags
            )
            self.n_new += added.n_new + added.n_replaced
            self.n_there += len(piece.drawings) - added.n_new - added.n_replaced
            self._in_progress.difference_update(piece.drawings.key_ids)
        self._progress(self.n_new + self.n_there + self.n_empty)


@dataclass(frozen=True, slots=True, eq=False)
class _Sent:
    """New drawings and their pending embeddings, one result for each STEP of them."""

    drawings: DrawingBatch
    results: list[Callable[[], FloatArray]]


def _pieces(batches: Iterable[DrawingBatch]) -> Iterator[DrawingBatch]:
    """Regroup the drawings into batches of at most PIECE, each of strokes or of one bitmap size."""
    held: list[DrawingBatch] = []
    for batch in batches:
        for first in range(0, len(batch), PIECE):
            part = batch[first : first + PIECE]
            n_held = sum(map(len, held))
            if held and (held[0].bitmap_shape != part.bitmap_shape or n_held + len(part) > PIECE):
                yield DrawingBatch.concatenate(held)
                held = []
            held.append(part)
    if held:
        yield DrawingBatch.concatenate(held)
