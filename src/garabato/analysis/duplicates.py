"""Near-duplicates in a gallery: drawings with nearly equal embeddings and pixels."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b

import numpy as np

from garabato.drawing import ByteArray
from garabato.errors import InputError, check_opened
from garabato.gallery.base import Gallery
from garabato.gallery.embeddings import CountProgress, Embeddings
from garabato.gallery.exact.clusters import unit_rows
from garabato.gallery.filters import Where
from garabato.render import RenderSpec, render_batch

#: Drawings rendered like this are the same if the cosine similarity of their pixels is at least
#: SAME_PICTURE. A drawing and its copy with points shifted by 3 of 255 have 0.92 to 0.99.
PICTURE, SAME_PICTURE = RenderSpec(size_px=28, line_width=0.08), 0.9
#: Principal axes of the pictures that the search looks at, and pictures they are learned from.
_N_AXES, _SAMPLE = 64, 16_384
#: Pictures or pairs processed at a time.
_AT_ONCE = 8_192
#: The rounding error of float32 in the cosine of two equal embeddings, and of two pictures with
#: most of their lengths along the axes.
_ROUNDING, _PICTURE_ROUNDING = 1e-6, 1e-3


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
    progress: CountProgress | None = None,
) -> list[DuplicatePair]:
    """Find all pairs of nearly identical drawings, most similar first.

    The cosine similarity of their embeddings is at least `above`, and that of their pixels at least
    0.9, because an encoder trained on categories gives even different drawings of one category
    nearly equal embeddings. Of several equal drawings, only the first is compared with the others;
    each of the rest is paired with it. Raises InputError if `above` is not in [-1, 1].
    """
    check_opened(gallery=gallery)
    if not -1 <= above <= 1:
        raise InputError(f"above must be in [-1, 1], not {above}")
    # With embeddings alone, the pairs that are alike grow with the square of the drawings: a
    # hundred for each true pair among 100,000. Two that reach both limits reach their mean. With
    # this share, a pair just at one limit is as far from equal as one just at the other.
    share = (1 - SAME_PICTURE) / (2 - SAME_PICTURE - above)
    least = share * (above - _ROUNDING) + (1 - share) * (SAME_PICTURE - _PICTURE_ROUNDING)
    both, pictures, pairs = _read(gallery, where, share)
    dim = both.embeddings.shape[1] - _N_AXES - 1
    for rows, others, _ in both.pairs(least, progress):
        for first in range(0, len(rows), _AT_ONCE):
            one, other = rows[first : first + _AT_ONCE], others[first : first + _AT_ONCE]
            parts = both.embeddings[one, :dim], both.embeddings[other, :dim]
            scores = np.einsum("nd,nd->n", *parts) / np.float32(share)
            same = scores >= above - _ROUNDING
            drawn = (unit_rows(pictures[side[same]]) for side in (one, other))
            same[same] = np.einsum("nd,nd->n", *drawn) >= SAME_PICTURE
            for i in np.flatnonzero(same):
                score = min(1.0, float(scores[i]))
                pairs.append(_pair(both.key_ids[one[i]], both.key_ids[other[i]], score))
    return sorted(pairs, key=lambda pair: (-pair.score, pair.key_id, pair.other_key_id))


def _pair(key_id: str, other_key_id: str, score: float) -> DuplicatePair:
    return DuplicatePair(min(key_id, other_key_id), max(key_id, other_key_id), score)


def _read(
    gallery: Gallery, where: Where | None, share: float
) -> tuple[Embeddings, ByteArray, list[DuplicatePair]]:
    """The drawings of a gallery with vectors (N, D + _N_AXES + 1) of length 1, and their pictures.

    The cosine of two vectors is `share` times that of the embeddings, plus the rest times a number
    that is at least the cosine of the pictures. Drawings equal to an earlier one are left out, as
    their pairs would grow with the square of their number; they are returned as pairs with it.
    Drawings added meanwhile may be left out.
    """
    n, dim = gallery.count(where=where), gallery.info().encoder.embedding_dim
    # Filled in place: a million drawings joined in the end would take twice as much memory.
    vectors = np.empty((n, dim + _N_AXES + 1), np.float32)
    pictures = np.empty((n, PICTURE.size_px**2), np.uint8)
    first_of: dict[bytes, str] = {}
    key_ids: list[str] = []
    copies: list[DuplicatePair] = []
    for stored in gallery.scan(where=where):
        drawn = render_batch(stored.drawings, PICTURE).reshape(len(stored.drawings), -1)
        rows = []
        for row, key_id in enumerate(map(str, stored.drawings.key_ids)):
            content = stored.embeddings[row].tobytes() + drawn[row].tobytes()
            first = first_of.setdefault(blake2b(content, digest_size=16).digest(), key_id)
            if first == key_id:
                rows.append(row)
            else:
                copies.append(_pair(first, key_id, 1.0))
        rows = rows[: n - len(key_ids)]
        part = slice(len(key_ids), len(key_ids) + len(rows))
        vectors[part, :dim] = np.sqrt(share) * stored.embeddings[rows]
        pictures[part] = drawn[rows]
        key_ids += [str(stored.drawings.key_ids[row]) for row in rows]
    n = len(key_ids)
    vectors, pictures = vectors[:n], pictures[:n]
    sample = unit_rows(pictures[:: max(1, n // _SAMPLE)])
    axes = np.linalg.eigh(sample.T @ sample)[1][:, -_N_AXES:]
    for first_row in range(0, n, _AT_ONCE):
        part = slice(first_row, first_row + _AT_ONCE)
        along = unit_rows(pictures[part]) @ axes
        # The rest of a picture counts by its length: the product of two lengths is at least that
        # of the vectors.
        rest = np.sqrt(np.maximum(0, 1 - np.einsum("nd,nd->n", along, along)))
        vectors[part, dim:] = np.sqrt(1 - share) * np.column_stack([along, rest])
    return Embeddings(key_ids, [None] * n, vectors), pictures, copies
