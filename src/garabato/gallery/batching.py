"""Prepare drawings for storing: split them into transactions, drop empty ones, embed the rest."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np

from garabato.drawing import Drawing, DrawingBatch, FloatArray, IntArray
from garabato.errors import InputError
from garabato.gallery.records import Embedder, FilledBy, embed, normalised_rows
from garabato.gallery.stroke_codec import group_by_kind
from garabato.gallery.times import time_or_none

_log = logging.getLogger(__name__)

#: Drawings stored in one transaction.
TRANSACTION = 16_384


@dataclass(frozen=True, slots=True, eq=False)
class Transaction:
    """Drawings to store together: batches of strokes or of one bitmap size with their embeddings
    (n, D), and how many empty drawings were dropped. Every drawing has ink and a key_id, and no two
    have the same key_id."""

    batches: list[tuple[DrawingBatch, FloatArray]]
    n_empty: int


def transactions(
    drawings: Iterable[Drawing] | DrawingBatch,
    embeddings: FloatArray | None,
    encoder: Embedder | None,
    filled_by: FilledBy,
) -> Iterator[Transaction]:
    """The drawings in transactions, in order; embedded unless `embeddings` (N, D) are given.

    Raises InputError for embeddings of the wrong shape, and GalleryError without an encoder.
    """
    if isinstance(drawings, Drawing):
        drawings = [drawings]
    if embeddings is not None:
        drawings = drawings if isinstance(drawings, DrawingBatch) else list(drawings)
        if len(drawings) != len(embeddings):
            raise InputError(
                f"{len(embeddings)} embeddings were given for {len(drawings)} drawings"
            )
        embeddings = normalised_rows(embeddings, filled_by)
    first = 0
    for batches in _batches(drawings):
        n_empty = n_seen = 0
        embedded, positions = [], []
        for batch, in_batch in batches:
            n_seen += len(batch)
            inked = np.flatnonzero(batch.has_ink)
            n_empty += len(batch) - len(inked)
            if len(inked) < len(batch):
                batch, in_batch = batch.take(inked), in_batch[inked]
            if not len(batch):
                continue
            if embeddings is None:
                embedded.append((batch.with_key_ids(), embed(batch, encoder, filled_by)))
            else:
                embedded.append((batch.with_key_ids(), embeddings[first + in_batch]))
            positions.append(in_batch)
        first += n_seen
        yield Transaction(_last_of_each_key_id(embedded, positions), n_empty)


def without_invalid_times(batch: DrawingBatch) -> DrawingBatch:
    """The batch without invalid timestamps, so that one of them does not stop a million drawings:
    `Gallery.add` refuses them. They are counted in the log."""
    times = [time_or_none(text) for text in batch.timestamps]
    n_before, n_valid = (sum(text is not None for text in t) for t in (batch.timestamps, times))
    if n_valid < n_before:
        _log.warning("%d timestamps are invalid and are left out", n_before - n_valid)
    return batch.replace(timestamps=times)


def as_tags(tags: Sequence[str]) -> tuple[str, ...]:
    """Tags as a tuple; a string is one tag. Raises InputError for tags that are not text."""
    given = (tags,) if isinstance(tags, str) else tuple(tags)
    for tag in given:
        if not isinstance(tag, str):
            raise InputError(f"a tag is text, not {tag!r}")
    return given


def _last_of_each_key_id(
    batches: list[tuple[DrawingBatch, FloatArray]], positions: list[IntArray]
) -> list[tuple[DrawingBatch, FloatArray]]:
    """Keep the last of the drawings with the same key_id, as adding them one by one would.

    `positions` of the drawings of each batch, in the transaction.
    """
    key_ids = {key_id for batch, _ in batches for key_id in batch.key_ids}
    if len(key_ids) == sum(map(len, positions)):
        return batches
    last: dict[str | None, int] = {}
    for (batch, _), in_batch in zip(batches, positions, strict=True):
        for key_id, position in zip(batch.key_ids, in_batch.tolist(), strict=True):
            last[key_id] = max(position, last.get(key_id, -1))
    kept = []
    for (batch, embeddings), in_batch in zip(batches, positions, strict=True):
        pairs = zip(batch.key_ids, in_batch.tolist(), strict=True)
        rows = np.flatnonzero([last[key_id] == position for key_id, position in pairs])
        if len(rows):
            kept.append((batch.take(rows), embeddings[rows]))
    return kept


def _batches(
    drawings: Iterable[Drawing] | DrawingBatch,
) -> Iterator[list[tuple[DrawingBatch, IntArray]]]:
    """For each transaction, its drawings in batches of one kind, with their positions in it."""
    if isinstance(drawings, DrawingBatch):
        for first in range(0, len(drawings), TRANSACTION):
            batch = drawings[first : first + TRANSACTION]
            yield [(batch, np.arange(len(batch)))]
        return
    iterator = iter(drawings)
    while piece := list(islice(iterator, TRANSACTION)):
        yield [
            (DrawingBatch.from_drawings([piece[i] for i in positions]), positions)
            for positions in group_by_kind(piece)
        ]
