"""Filling a gallery with very many drawings: in order, resumable, with progress."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from garabato.drawing import DrawingBatch
from garabato.gallery.base import Embedder, Gallery
from garabato.gallery.packing import has_ink, with_key_ids

#: Drawings stored at a time: what a kill costs at most.
PIECE = 2_048
#: Drawings embedded between two reports of progress.
STEP = 512


@dataclass(frozen=True, slots=True)
class Filled:
    """Drawings stored, those that were there already, and those without ink (left out)."""

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
) -> Filled:
    """Embed and store the drawings of `batches`, leaving out key_ids that are there already.

    So the same call goes on where an interrupted one stopped. New drawings get `tags`.
    `progress(n_done)` is called a few times a second. Raises what `Gallery.add` does.
    """
    n_new = n_there = n_empty = 0
    for piece in _pieces(batches):
        inked = has_ink(piece)
        n_empty += len(piece) - int(inked.sum())
        piece = with_key_ids(piece.take(np.flatnonzero(inked)))
        missing = set(gallery.missing([key for key in piece.key_ids if key is not None]))
        rows = np.array([i for i, key in enumerate(piece.key_ids) if key in missing], np.int64)
        n_there += len(piece) - len(rows)
        embedded = []
        for first in range(0, len(rows), STEP):
            embedded.append(encoder.embed(piece.take(rows[first : first + STEP])))
            if progress is not None:
                progress(n_new + n_there + n_empty + min(first + STEP, len(rows)))
        if embedded:
            added = gallery.add(piece.take(rows), embeddings=np.concatenate(embedded), tags=tags)
            n_new += added.n_new + added.n_replaced
            n_there += len(rows) - added.n_new - added.n_replaced
        if progress is not None:
            progress(n_new + n_there + n_empty)
    return Filled(n_new, n_there, n_empty)


def _pieces(batches: Iterable[DrawingBatch]) -> Iterator[DrawingBatch]:
    """The same drawings in batches of about PIECE, strokes and bitmaps apart."""
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
