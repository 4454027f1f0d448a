"""Near-duplicates in a gallery: drawings with nearly equal embeddings and pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from garabato.drawing import ByteArray, DrawingBatch
from garabato.errors import InputError
from garabato.gallery.base import Gallery
from garabato.gallery.embeddings import Progress
from garabato.gallery.filters import Where
from garabato.gallery.stroke_codec import group_by_kind
from garabato.render import RenderSpec, render_batch

#: Drawings rendered like this are the same if the cosine similarity of their pixels is at least
#: SAME_PICTURE. A drawing and its copy with points shifted by 3 of 255 have 0.92 to 0.99.
PICTURE, SAME_PICTURE = RenderSpec(size_px=28, line_width=0.08), 0.9
#: Drawings rendered at once.
_AT_ONCE = 1_024
#: The rounding error of float32 in the cosine of two equal embeddings.
_ROUNDING = 1e-6


@dataclass(frozen=True, slots=True)
class DuplicatePair:
    """Two drawings of a gallery and the cosine similarity of their embeddings."""

    key_id: str
    other_key_id: str
    score: float


def find_duplicates(
    gallery: Gallery,
    *,
    above: float = 0.995,
    where: Where | None = None,
    progress: Progress | None = None,
) -> list[DuplicatePair]:
    """Find all pairs of nearly identical drawings, most similar first.

    The cosine similarity of their embeddings is at least `above`, and that of their pixels at least
    SAME_PICTURE: an encoder trained on categories embeds even different drawings of one category
    nearly alike. Raises InputError if `above` is not in [-1, 1].
    """
    if not -1 <= above <= 1:
        raise InputError(f"above must be in [-1, 1], not {above}")
    drawings = gallery.embeddings(where=where)
    pairs = []
    for rows, others, scores in drawings.pairs(above - _ROUNDING, progress):
        for i, j, score in zip(rows.tolist(), others.tolist(), scores.tolist(), strict=True):
            one, other = sorted((drawings.key_ids[i], drawings.key_ids[j]))
            pairs.append(DuplicatePair(one, other, min(1.0, score)))
    pairs = _with_same_pictures(gallery, pairs)
    return sorted(pairs, key=lambda pair: (-pair.score, pair.key_id, pair.other_key_id))


def _with_same_pictures(gallery: Gallery, pairs: list[DuplicatePair]) -> list[DuplicatePair]:
    key_ids = sorted({key_id for pair in pairs for key_id in (pair.key_id, pair.other_key_id)})
    pictures: dict[str, ByteArray] = {}
    for first in range(0, len(key_ids), _AT_ONCE):
        drawings = gallery.get(key_ids[first : first + _AT_ONCE])
        for rows in group_by_kind(drawings):
            batch = DrawingBatch.from_drawings([drawings[row] for row in rows])
            pictures |= zip(map(str, batch.key_ids), render_batch(batch, PICTURE), strict=True)
    # A drawing that was deleted in the meantime has no picture.
    both = (
        (pair, pictures[pair.key_id], pictures[pair.other_key_id])
        for pair in pairs
        if pair.key_id in pictures and pair.other_key_id in pictures
    )
    return [pair for pair, one, other in both if _cosine(one, other) >= SAME_PICTURE]


def _cosine(one: ByteArray, other: ByteArray) -> float:
    a, b = one.ravel().astype(np.float32), other.ravel().astype(np.float32)
    return float(a @ b) / max(float(np.linalg.norm(a)) * float(np.linalg.norm(b)), 1e-12)
