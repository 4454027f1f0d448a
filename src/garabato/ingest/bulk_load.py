"""Bulk load: fills a gallery with many drawings, in order and resumable.

Reading, embedding and storing overlap: while one piece is stored, the next is embedded.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

import numpy as np

from garabato.drawing import DrawingBatch, FloatArray
from garabato.gallery.base import Gallery
from garabato.gallery.batching import without_odd_times
from garabato.gallery.records import Embedder

#: Drawings stored at a time. A killed process loses at most one piece, and the one being embedded.
PIECE = 2_048
#: Drawings that a worker embeds at a time; progress is reported after each.
STEP = 512


class Workers(Protocol):
    """Embeds batches in the background. A context manager."""

    @property
    def n_pieces_ahead(self) -> int:
        """The number of pieces to embed while one is stored, so that no worker waits."""

    def submit(self, batch: DrawingBatch) -> Callable[[], FloatArray]:
        """Start to embed a batch; calling the result waits for the embeddings (N, D).

        This call or the result raises whatever the encoder raises.
        """

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


class OneThread:
    """Embeds in one background thread of this process."""

    n_pieces_ahead = 1

    def __init__(self, encoder: Embedder) -> None:
        self._encoder = encoder
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="garabato-embed")

    def submit(self, batch: DrawingBatch) -> Callable[[], FloatArray]:
        return self._thread.submit(self._encoder.embed, batch).result

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._thread.shutdown(cancel_futures=True)


@dataclass(frozen=True, slots=True)
class Filled:
    """How many drawings were stored, how many were already there, and how many were empty."""

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

    An interrupted call can therefore be repeated. Drawings are stored in order, whatever the
    workers. New drawings get `tags`. `progress(n_done)` is called a few times a second. Raises
    whatever `Gallery.add` raises.
    """
    filling = _Filling(gallery, tuple(tags), progress or (lambda n_done: None))
    with workers(encoder) as embedding:
        for piece in _pieces(batches):
            filling.send(piece, embedding)
            while len(filling.sent) > embedding.n_pieces_ahead:
                filling.store()
        while filling.sent:
            filling.store()
    gallery.settle()
    return Filled(filling.n_new, filling.n_there, filling.n_empty)


@dataclass(frozen=True, slots=True, eq=False)
class _Sent:
    """New drawings, and the pending embeddings of each STEP of them."""

    drawings: DrawingBatch
    results: list[Callable[[], FloatArray]]


class _Filling:
    """The pieces in progress: sent to the workers, then stored."""

    def __init__(
        self, gallery: Gallery, tags: tuple[str, ...], progress: Callable[[int], None]
    ) -> None:
        self._gallery = gallery
        self._tags = tags
        self._progress = progress
        self._under_way: set[str | None] = set()
        self.sent: deque[_Sent] = deque()
        self.n_new = self.n_there = self.n_empty = 0

    def send(self, piece: DrawingBatch, workers: Workers) -> None:
        """Send the drawings that are neither stored nor in progress to the workers."""
        inked = piece.has_ink
        self.n_empty += len(piece) - int(inked.sum())
        piece = piece.take(np.flatnonzero(inked)).with_key_ids()
        wanted = [key for key in piece.key_ids if key is not None and key not in self._under_way]
        missing = set(self._gallery.missing(wanted))
        rows = np.array([i for i, key in enumerate(piece.key_ids) if key in missing], np.int64)
        self.n_there += len(piece) - len(rows)
        steps = [rows[first : first + STEP] for first in range(0, len(rows), STEP)]
        results = [workers.submit(piece.take(step)) for step in steps]
        drawings = without_odd_times(piece.take(rows))
        self._under_way.update(drawings.key_ids)
        self.sent.append(_Sent(drawings, results))

    def store(self) -> None:
        """Wait for the first piece that was sent, and store it."""
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
            self._under_way.difference_update(piece.drawings.key_ids)
        self._progress(self.n_new + self.n_there + self.n_empty)


def _pieces(batches: Iterable[DrawingBatch]) -> Iterator[DrawingBatch]:
    """Regroup the drawings into batches of at most PIECE, strokes and bitmaps apart."""
    held: list[DrawingBatch] = []
    for batch in batches:
        for first in range(0, len(batch), PIECE):
            part = batch[first : first + PIECE]
            if held and (_kind(held[0]) != _kind(part) or sum(map(len, held)) + len(part) > PIECE):
                yield DrawingBatch.concatenate(held)
                held = []
            held.append(part)
    if held:
        yield DrawingBatch.concatenate(held)


def _kind(batch: DrawingBatch) -> tuple[int, ...] | None:
    return None if batch.bitmaps is None else batch.bitmaps.shape[1:]
