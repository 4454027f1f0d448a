"""Summary of a category: typical drawings, odd ones, categories it is confused with."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np

from garabato.drawing import Drawing, FloatArray, IntArray
from garabato.errors import InputError
from garabato.gallery.base import Gallery

#: Drawings of the category whose neighbours are searched, at most.
N_JUDGED = 300
#: Categories that `confusions` lists, at most.
N_CONFUSED = 8
_N_NEIGHBOURS = 10
_N_ROUNDS = 20


@dataclass(frozen=True, slots=True, eq=False)
class CategorySummary:
    """A category of a gallery.

    `typical`: the medoid of each cluster, largest cluster first. `odd`: the drawings with the most
    neighbours of other categories, oddest first, without the typical ones. `confused_with`:
    category -> its share (0..1) of all neighbours of other categories, largest first.
    """

    category: str
    n_drawings: int
    typical: list[Drawing]
    odd: list[Drawing]
    confused_with: dict[str, float]

    def confusions(self) -> list[dict[str, Any]]:
        """The first N_CONFUSED of `confused_with`, for JSON."""
        listed = list(self.confused_with.items())[:N_CONFUSED]
        return [{"category": name, "share": round(share, 4)} for name, share in listed]


def summarize_category(
    gallery: Gallery, category: str, *, n_typical: int = 8, n_odd: int = 8
) -> CategorySummary:
    """Summarize the drawings of `category`; deterministic.

    Odd drawings and confused categories are found among N_JUDGED evenly spaced drawings. Raises
    InputError if the gallery has no drawing of the category.
    """
    pieces = list(gallery.scan(where={"category": [category]}))
    drawings: list[Drawing] = [drawing for piece in pieces for drawing in piece.drawings]
    if not drawings:
        raise InputError(f"the gallery has no drawing of {category!r}")
    own = {drawing.category for drawing in drawings}  # in a Unicode form other than the given one
    embeddings = np.concatenate([piece.embeddings for piece in pieces])
    typical = medoids(embeddings, n_typical)
    judged = np.unique(np.linspace(0, len(drawings) - 1, min(N_JUDGED, len(drawings))).astype(int))
    others: Counter[str] = Counter()
    n_other = np.zeros(len(judged), int)
    found = gallery.search_many(embeddings[judged], _N_NEIGHBOURS + 1)
    for n, hits in enumerate(found):
        names = [hit.category for hit in hits]
        wrong = [name for name in names if name is not None and name not in own]
        n_other[n] = len(wrong)
        others.update(wrong)
    # Most neighbours of other categories first; ties: furthest from the category's mean first.
    middle = embeddings.mean(axis=0)
    order = np.lexsort((embeddings[judged] @ middle, -n_other))
    odd = [judged[n] for n in order if n_other[n] > 0 and judged[n] not in typical][:n_odd]
    n_confused = sum(others.values())
    shares = {name: n / n_confused for name, n in others.most_common()}
    return CategorySummary(
        category,
        len(drawings),
        [drawings[row] for row in typical],
        [drawings[row] for row in odd],
        shares,
    )


def medoids(embeddings: FloatArray, k: int) -> IntArray:
    """The medoids of up to `k` clusters of `embeddings` (N, D), L2-normalised: rows (M,).

    Spherical k-means with 2 * k clusters, initialised with distant rows, so that outliers get
    clusters of their own; clusters of one row are dropped unless there are no others. A medoid is
    the row with the highest cosine similarity to its cluster's mean. Largest clusters first.
    """
    n_groups = min(2 * k, len(embeddings))
    chosen = [int((embeddings @ embeddings.mean(axis=0)).argmax())]
    nearest = embeddings @ embeddings[chosen[0]]
    while len(chosen) < n_groups:
        chosen.append(int(nearest.argmin()))
        nearest = np.maximum(nearest, embeddings @ embeddings[chosen[-1]])
    centres = embeddings[chosen]
    groups = np.full(len(embeddings), -1)
    for _ in range(_N_ROUNDS):
        before = groups
        groups = (embeddings @ centres.T).argmax(axis=1)
        if (groups == before).all():
            break
        for group in range(n_groups):
            members = embeddings[groups == group]
            if len(members):
                mean = members.mean(axis=0)
                centres[group] = mean / max(float(np.linalg.norm(mean)), 1e-12)
    sizes = np.bincount(groups, minlength=n_groups)
    smallest = min(2, int(sizes.max()))
    rows = []
    for group in np.argsort(-sizes, kind="stable")[:k]:
        members = np.flatnonzero(groups == group)
        if len(members) >= smallest:
            rows.append(int(members[(embeddings[members] @ centres[group]).argmax()]))
    return np.array(rows, np.int64)
