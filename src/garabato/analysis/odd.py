"""Odd drawings: those whose nearest neighbours have another category, perhaps mislabelled."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from garabato.analysis.similarities import Progress, read_embeddings, row_blocks, tiles
from garabato.drawing import FloatArray, IntArray
from garabato.errors import InputError
from garabato.gallery.base import Gallery
from garabato.gallery.filters import Where


@dataclass(frozen=True, slots=True)
class OddDrawing:
    """A drawing whose nearest neighbours have another category: it may be mislabelled.

    `agreement` is the share of neighbours with its own category, `looks_like` the most frequent
    category among them, `neighbours` their key_ids, nearest first.
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
    """Find drawings for which most of the `k` nearest neighbours share one other category.

    Sorted by the number of neighbours with their own category (fewest first), then by how many
    agree on the other one. Drawings without a category are ignored. Raises InputError if k < 1.
    """
    if k < 1:
        raise InputError(f"k must be at least 1, not {k}")
    key_ids, categories, embeddings = read_embeddings(gallery, where)
    labelled = [i for i, category in enumerate(categories) if category is not None]
    embeddings = embeddings[labelled]
    names, labels = np.unique([str(categories[i]) for i in labelled], return_inverse=True)
    n_neighbours = min(k, len(labelled) - 1)
    if n_neighbours < 1:
        return []
    odd = []
    for top, rows in row_blocks(embeddings, progress):
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
    """(R, k) positions of the nearest embeddings to each of `rows`, themselves from `top` on."""
    own = top + np.arange(len(rows))
    scores = np.full((len(rows), 0), 0, np.float32)
    positions = np.zeros((len(rows), 0), np.int64)
    for left, similarities in tiles(rows, embeddings):
        here = np.flatnonzero((own >= left) & (own < left + similarities.shape[1]))
        similarities[here, own[here] - left] = -np.inf
        best = np.argpartition(-similarities, min(k, similarities.shape[1]) - 1, axis=1)[:, :k]
        scores = np.concatenate([scores, np.take_along_axis(similarities, best, 1)], axis=1)
        positions = np.concatenate([positions, best + left], axis=1)
        kept = np.argsort(-scores, axis=1, kind="stable")[:, :k]
        scores, positions = (
            np.take_along_axis(scores, kept, 1),
            np.take_along_axis(positions, kept, 1),
        )
    return positions
