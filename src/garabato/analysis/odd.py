"""Odd drawings: nearest neighbours of another category suggest that they are mislabelled."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from garabato.errors import check_count, check_opened
from garabato.gallery.base import Gallery
from garabato.gallery.embeddings import CountProgress
from garabato.gallery.exact.clusters import unit_rows
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
    progress: CountProgress | None = None,
) -> list[OddDrawing]:
    """Find drawings whose `k` nearest neighbours mostly have one other category.

    First come those that are most similar to the mean of that category, compared with the mean of
    the other drawings of their own. Drawings without a category are ignored. Only drawings that
    pass `where` are compared; if they have a single category, none is odd. Raises InputError if
    k < 1.
    """
    check_opened(gallery=gallery)
    check_count("k", k)
    drawings = gallery.embeddings(where=where)
    is_labelled = [category is not None for category in drawings.categories]
    drawings = drawings.take(np.flatnonzero(is_labelled))
    names = sorted({str(category) for category in drawings.categories})
    number = {name: label for label, name in enumerate(names)}
    labels = np.array([number[str(category)] for category in drawings.categories], np.int64)
    n_neighbours = min(k, len(drawings) - 1)
    if n_neighbours < 1:
        return []
    sums = np.zeros((len(names), drawings.embeddings.shape[1]), np.float32)
    np.add.at(sums, labels, drawings.embeddings)
    odd = []
    for row, neighbours in enumerate(drawings.nearest(n_neighbours, progress)[0]):
        votes = Counter(labels[neighbours].tolist())
        own = int(labels[row])
        # Ties go to the first category by name.
        most, n_most = min(votes.items(), key=lambda item: (-item[1], item[0]))
        if most != own and n_most > n_neighbours / 2:
            one = OddDrawing(
                drawings.key_ids[row],
                names[own],
                names[most],
                votes[own] / n_neighbours,
                tuple(drawings.key_ids[j] for j in neighbours),
            )
            # Of drawings between two categories, chance decides the neighbours; the means of whole
            # categories tell these from mislabelled ones.
            embedding = drawings.embeddings[row]
            own_mean, other_mean = unit_rows(np.stack([sums[own] - embedding, sums[most]]))
            odd.append((float((own_mean - other_mean) @ embedding), one.key_id, one))
    return [one for *_, one in sorted(odd, key=lambda item: item[:2])]
