"""Looking a gallery over: near-duplicates, and drawings that sit among another category.

Both compare all with all, N^2 dot products in tiles of bounded memory, on any gallery.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from garabato.drawing import ByteArray, DrawingBatch, FloatArray, IntArray
from garabato.errors import InputError
from garabato.gallery.base import Gallery
from garabato.gallery.filters import Where
from garabato.gallery.stroke_codec import of_one_kind
from garabato.render import RenderSpec, render_batch

#: Rows and columns of a tile: 64 MiB of similarities.
_ROWS, _COLUMNS = 1_024, 16_384

#: The picture two drawings are compared by, and the cosine similarity from which on they are the
#: same: that of a drawing and itself with its points shifted by 3 of 255 is 0.92 to 0.99.
PICTURE, SAME_PICTURE = RenderSpec(size_px=28, line_width=0.08), 0.9
#: What float32 can take from the cosine of two equal embeddings.
_ROUNDING = 1e-6

#: `progress(n_done, n)`: drawings compared with all others.
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class DuplicatePair:
    """Two drawings of a gallery and how alike they are (cosine similarity)."""

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
    """All pairs of drawings that are nearly the same, most alike first.

    The cosine similarity of their embeddings is at least `above`, and so is that of their pictures
    SAME_PICTURE: an encoder made to tell categories apart takes quite different skulls for one.
    """
    if not -1 <= above <= 1:
        raise InputError(f"a cosine similarity is in [-1, 1], not {above}")
    key_ids, _, embeddings = _everything(gallery, where)
    pairs = []
    for top, rows in _row_blocks(embeddings, progress):
        for left, likeness in _tiles(rows, embeddings, first=top):
            here, there = np.nonzero(likeness >= above - _ROUNDING)
            for i, j in zip(here.tolist(), there.tolist(), strict=True):
                if left + j > top + i:
                    one, other = sorted((key_ids[top + i], key_ids[left + j]))
                    pairs.append(DuplicatePair(one, other, min(1.0, float(likeness[i, j]))))
    pairs = _that_look_the_same(gallery, pairs)
    return sorted(pairs, key=lambda pair: (-pair.score, pair.key_id, pair.other_key_id))


def _that_look_the_same(gallery: Gallery, pairs: list[DuplicatePair]) -> list[DuplicatePair]:
    key_ids = sorted({key_id for pair in pairs for key_id in (pair.key_id, pair.other_key_id)})
    pictures: dict[str, ByteArray] = {}
    for first in range(0, len(key_ids), _ROWS):
        drawings = gallery.get(key_ids[first : first + _ROWS])
        for rows in of_one_kind(drawings):
            batch = DrawingBatch.from_drawings([drawings[row] for row in rows])
            pictures |= zip(map(str, batch.key_ids), render_batch(batch, PICTURE), strict=True)
    # one deleted meanwhile has no picture
    both = (
        (pair, pictures[pair.key_id], pictures[pair.other_key_id])
        for pair in pairs
        if pair.key_id in pictures and pair.other_key_id in pictures
    )
    return [pair for pair, one, other in both if _cosine(one, other) >= SAME_PICTURE]


def _cosine(one: ByteArray, other: ByteArray) -> float:
    a, b = one.ravel().astype(np.float32), other.ravel().astype(np.float32)
    return float(a @ b) / max(float(np.linalg.norm(a)) * float(np.linalg.norm(b)), 1e-12)


@dataclass(frozen=True, slots=True)
class OddDrawing:
    """A drawing whose nearest neighbours are of another category: mislabelled, perhaps.

    `agreement` is the share of its neighbours that have its category, `looks_like` the category
    most of them have, `neighbours` their key_ids, nearest first.
    """

    key_id: str
    category: str
    looks_like: str
    agreement: float
    neighbours: tuple[str, ...]


def find_odd(
    gallery: Gallery,
    *,
    k: int = 10,
    where: Where | None = None,
    progress: Progress | None = None,
) -> list[OddDrawing]:
    """Drawings of which most of the `k` nearest neighbours have one other category.

    Those with the fewest neighbours of their own category first, then those whose neighbours
    agree most on another one. Drawings without a category neither vote nor are judged.
    """
    if k < 1:
        raise InputError(f"k is at least 1, not {k}")
    key_ids, categories, embeddings = _everything(gallery, where)
    labelled = [i for i, category in enumerate(categories) if category is not None]
    embeddings = embeddings[labelled]
    names, labels = np.unique([str(categories[i]) for i in labelled], return_inverse=True)
    n_neighbours = min(k, len(labelled) - 1)
    if n_neighbours < 1:
        return []
    odd = []
    for top, rows in _row_blocks(embeddings, progress):
        nearest = _nearest(rows, embeddings, n_neighbours, top)
        for i, neighbours in enumerate(nearest):
            votes = np.bincount(labels[neighbours], minlength=len(names))
            own, most = int(labels[top + i]), int(votes.argmax())
            if most != own and votes[most] > n_neighbours / 2:
                one = OddDrawing(
                    key_ids[labelled[top + i]],
                    str(names[own]),
                    str(names[most]),
                    float(votes[own] / n_neighbours),
                    tuple(key_ids[labelled[j]] for j in neighbours),
                )
                odd.append((one.agreement, -int(votes[most]), one.key_id, one))
    return [one for *_, one in sorted(odd, key=lambda item: item[:3])]


def _nearest(rows: FloatArray, embeddings: FloatArray, k: int, top: int) -> IntArray:
    """(R, k): the nearest of `embeddings` to each of `rows`, which are those from `top` on."""
    own = top + np.arange(len(rows))
    scores = np.full((len(rows), 0), 0, np.float32)
    places = np.zeros((len(rows), 0), np.int64)
    for left, likeness in _tiles(rows, embeddings):
        here = np.flatnonzero((own >= left) & (own < left + likeness.shape[1]))
        likeness[here, own[here] - left] = -np.inf
        best = np.argpartition(-likeness, min(k, likeness.shape[1]) - 1, axis=1)[:, :k]
        scores = np.concatenate([scores, np.take_along_axis(likeness, best, 1)], axis=1)
        places = np.concatenate([places, best + left], axis=1)
        kept = np.argsort(-scores, axis=1, kind="stable")[:, :k]
        scores, places = np.take_along_axis(scores, kept, 1), np.take_along_axis(places, kept, 1)
    return places


def _everything(
    gallery: Gallery, where: Where | None
) -> tuple[list[str], list[str | None], FloatArray]:
    """key_ids, categories and embeddings (N, D) of all drawings that pass."""
    key_ids: list[str] = []
    categories: list[str | None] = []
    embeddings = [np.zeros((0, gallery.info().encoder.embedding_dim), np.float32)]
    for piece in gallery.scan(where=where):
        key_ids += [str(key_id) for key_id in piece.drawings.key_ids]
        categories += piece.drawings.categories
        embeddings.append(piece.embeddings)
    return key_ids, categories, np.concatenate(embeddings)


def _row_blocks(
    embeddings: FloatArray, progress: Progress | None
) -> Iterator[tuple[int, FloatArray]]:
    for top in range(0, len(embeddings), _ROWS):
        rows = embeddings[top : top + _ROWS]
        yield top, rows
        if progress is not None:
            progress(top + len(rows), len(embeddings))


def _tiles(
    rows: FloatArray, embeddings: FloatArray, first: int = 0
) -> Iterator[tuple[int, FloatArray]]:
    """(place, (R, C) similarities of `rows` with the embeddings from that place on)."""
    for left in range(first, len(embeddings), _COLUMNS):
        yield left, rows @ embeddings[left : left + _COLUMNS].T
