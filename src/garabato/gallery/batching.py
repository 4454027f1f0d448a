"""What every engine does before it stores drawings: pieces, ink, key_ids, embeddings."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np

from garabato.drawing import Drawing, DrawingBatch, FloatArray, IntArray
from garabato.errors import GalleryError, InputError
from garabato.gallery.records import Embedder, FilledBy, normalised_rows
from garabato.gallery.stroke_codec import of_one_kind
from garabato.gallery.times import time_or_none

_log = logging.getLogger(__name__)

#: Drawings stored in one transaction.
TRANSACTION = 16_384


@dataclass(frozen=True, slots=True, eq=False)
class Transaction:
    """Drawings to store together: batches (strokes and bitmaps apart) that all have ink and a
    key_id of their own, the embeddings (n, D) of each, and how many had no ink and were left out.
    """

    batches: list[tuple[DrawingBatch, FloatArray]]
    n_empty: int


def transactions(
    drawings: Iterable[Drawing] | DrawingBatch,
    embeddings: FloatArray | None,
    encoder: Embedder | None,
    filled_by: FilledBy,
) -> Iterator[Transaction]:
    """The drawings in transactions, in order, embedded where `embeddings` (N, D) is None.

    Raises InputError for embeddings that don't fit, GalleryError where there is no encoder.
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
    for batches in _in_pieces(drawings):
        n_empty = n_seen = 0
        embedded, at = [], []
        for batch, places in batches:
            n_seen += len(batch)
            inked = np.flatnonzero(batch.has_ink)
            n_empty += len(batch) - len(inked)
            if len(inked) < len(batch):
                batch, places = batch.take(inked), places[inked]
            if not len(batch):
                continue
            if embeddings is None:
                embedded.append((batch.with_key_ids(), _embed(batch, encoder, filled_by)))
            else:
                embedded.append((batch.with_key_ids(), embeddings[first + places]))
            at.append(places)
        first += n_seen
        yield Transaction(_last_of_each(embedded, at), n_empty)


def without_odd_times(batch: DrawingBatch) -> DrawingBatch:
    """The batch without timestamps that are no times, which `Gallery.add` would refuse: one must
    not stop a million. They are counted in the log."""
    times = [time_or_none(text) for text in batch.timestamps]
    n_odd = sum(a is None and b is not None for a, b in zip(times, batch.timestamps, strict=True))
    if n_odd:
        _log.warning("%d timestamps are no times and are left out", n_odd)
    return batch.replace(timestamps=times)


def as_tags(tags: Sequence[str]) -> tuple[str, ...]:
    """Tags as they are stored; a string is one tag. Raises InputError for what is no text."""
    given = (tags,) if isinstance(tags, str) else tuple(tags)
    for tag in given:
        if not isinstance(tag, str):
            raise InputError(f"a tag is text, not {tag!r}")
    return given


def _last_of_each(
    batches: list[tuple[DrawingBatch, FloatArray]], at: list[IntArray]
) -> list[tuple[DrawingBatch, FloatArray]]:
    """Of drawings with one key_id only the last, which is what adding one by one would leave.

    `at`: where the drawings of each batch came among all.
    """
    if len({key_id for batch, _ in batches for key_id in batch.key_ids}) == sum(map(len, at)):
        return batches
    last: dict[str | None, int] = {}
    for (batch, _), places in zip(batches, at, strict=True):
        for key_id, place in zip(batch.key_ids, places.tolist(), strict=True):
            last[key_id] = max(place, last.get(key_id, -1))
    kept = []
    for (batch, embeddings), places in zip(batches, at, strict=True):
        pairs = zip(batch.key_ids, places.tolist(), strict=True)
        rows = np.flatnonzero([last[key_id] == place for key_id, place in pairs])
        if len(rows):
            kept.append((batch.take(rows), embeddings[rows]))
    return kept


def _in_pieces(
    drawings: Iterable[Drawing] | DrawingBatch,
) -> Iterator[list[tuple[DrawingBatch, IntArray]]]:
    """A transaction's drawings as batches (strokes and bitmaps apart) with their places in it."""
    if isinstance(drawings, DrawingBatch):
        for first in range(0, len(drawings), TRANSACTION):
            batch = drawings[first : first + TRANSACTION]
            yield [(batch, np.arange(len(batch)))]
        return
    iterator = iter(drawings)
    while piece := list(islice(iterator, TRANSACTION)):
        yield [
            (DrawingBatch.from_drawings([piece[i] for i in places]), places)
            for places in of_one_kind(piece)
        ]


def _embed(batch: DrawingBatch, encoder: Embedder | None, filled_by: FilledBy) -> FloatArray:
    if encoder is None:
        raise GalleryError("adding drawings needs the encoder: open_gallery(uri, encoder=...)")
    return normalised_rows(encoder.embed(batch), filled_by)
