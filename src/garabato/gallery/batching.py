"""Prepare drawings for storing: split them into transactions, drop empty ones, embed the rest."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np

from garabato.drawing import Drawing, DrawingBatch, FloatArray, IntArray, list_drawings
from garabato.drawing.times import time_or_none
from garabato.errors import InputError
from garabato.gallery.records import Embedder, FilledBy, embed, normalised_rows
from garabato.gallery.stroke_codec import group_by_kind

_log = logging.getLogger(__name__)

#: Drawings stored in one transaction.
TRANSACTION = 16_384


@dataclass(frozen=True, slots=True, eq=False)
class Transaction:
    """Drawings to store together: batches of strokes or of one bitmap size with their embeddings
    (n, D) and numbers (n,), counted from 1 over all drawings given, and how many empty drawings
    were dropped. Every drawing has ink and a key_id, and no two have the same key_id."""

    batches: list[tuple[DrawingBatch, FloatArray, IntArray]]
    n_empty: int


def transactions(
    drawings: Iterable[Drawing] | DrawingBatch,
    embeddings: FloatArray | None,
    encoder: Embedder | None,
    filled_by: FilledBy,
) -> Iterator[Transaction]:
    """The drawings in transactions, in order; embedded unless `embeddings` (N, D) are given.

    Raises InputError for embeddings of the wrong shape and for anything that is not a drawing, and
    GalleryError without an encoder.
    """
    if embeddings is not None:
        drawings = drawings if isinstance(drawings, DrawingBatch) else list_drawings(drawings)
        if len(drawings) != len(embeddings):
            raise InputError(
                f"{len(embeddings)} embeddings were given for {len(drawings)} drawings"
            )
        embeddings = normalised_rows(embeddings, filled_by)
    first = 0
    for batches in _batches(drawings):
        n_empty = n_seen = 0
        embedded = []
        for batch, in_batch in batches:
            n_seen += len(batch)
            inked = np.flatnonzero(batch.has_ink)
            n_empty += len(batch) - len(inked)
            if len(inked) < len(batch):
                batch, in_batch = batch.take(inked), in_batch[inked]
            if not len(batch):
                continue
            rows = first + in_batch
            vectors = embed(batch, encoder, filled_by) if embeddings is None else embeddings[rows]
            embedded.append((batch.with_key_ids(), vectors, rows + 1))
        first += n_seen
        yield Transaction(_last_of_each_key_id(embedded), n_empty)


def without_invalid_times(batch: DrawingBatch) -> DrawingBatch:
    """The batch without invalid timestamps, whose number is logged.

    `Gallery.add` refuses them, so that a single one would stop a load of a million drawings.
    """
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
            raise InputError(f"a tag must be text, not {tag!r}")
    return given


def _batches(
    drawings: Iterable[Drawing] | DrawingBatch,
) -> Iterator[list[tuple[DrawingBatch, IntArray]]]:
    """For each transaction, its drawings in batches of one kind, with their positions in it."""
    if isinstance(drawings, DrawingBatch):
        for first in range(0, len(drawings), TRANSACTION):
            batch = drawings[first : first + TRANSACTION]
            yield [(batch, np.arange(len(batch)))]
        return
    iterator = iter(drawings if isinstance(drawings, Iterable) else list_drawings(drawings))
    n_before = 0
    while piece := list_drawings(islice(iterator, TRANSACTION), n_before + 1):
        n_before += len(piece)
        yield [
            (DrawingBatch.from_drawings([piece[i] for i in positions]), positions)
            for positions in group_by_kind(piece)
        ]


def _last_of_each_key_id(
    batches: list[tuple[DrawingBatch, FloatArray, IntArray]],
) -> list[tuple[DrawingBatch, FloatArray, IntArray]]:
    """Keep the last of the drawings with the same key_id, as adding them one by one would."""
    key_ids = {key_id for batch, _, _ in batches for key_id in batch.key_ids}
    if len(key_ids) == sum(len(numbers) for _, _, numbers in batches):
        return batches
    last: dict[str | None, int] = {}
    for batch, _, numbers in batches:
        for key_id, number in zip(batch.key_ids, numbers.tolist(), strict=True):
            last[key_id] = max(number, last.get(key_id, 0))
    kept = []
    for batch, embeddings, numbers in batches:
        pairs = zip(batch.key_ids, numbers.tolist(), strict=True)
        rows = np.flatnonzero([last[key_id] == number for key_id, number in pairs])
        if len(rows):
            kept.append((batch.take(rows), embeddings[rows], numbers[rows]))
    return kept
