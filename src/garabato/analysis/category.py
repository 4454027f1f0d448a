"""What a category looks like in a gallery: typical drawings, odd ones, what it is confused with.

Works on any gallery, through the contract of `garabato.gallery.base`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from garabato.drawing import Drawing, FloatArray, IntArray
from garabato.errors import InputError
from garabato.gallery.base import Gallery

#: Drawings of the category whose neighbours are looked at; more are sampled.
N_JUDGED = 300
_N_NEIGHBOURS = 10
_N_ROUNDS = 20


@dataclass(frozen=True, slots=True, eq=False)
class Portrait:
    """A category of a gallery.

    `typical`: drawings each in the middle of one way of drawing it, the commonest way first.
    `odd`: drawings with the most neighbours of other categories, oddest first.
    `confused_with`: category -> its share (0..1) of all those other neighbours, largest first.
    """

    category: str
    n_drawings: int
    typical: list[Drawing]
    odd: list[Drawing]
    confused_with: dict[str, float]


def portray(
    gallery: Gallery,
    category: str,
    *,
    n_typical: int = 8,
    n_odd: int = 8,
    progress: Callable[[int, int], None] | None = None,
) -> Portrait:
    """Look at the drawings of `category`.

    The same gallery gives the same portrait. Where the category has more than N_JUDGED drawings,
    odd ones and confusions come from so many of them, spread evenly. Raises InputError where the
    gallery has no such drawing.
    """
    drawings: list[Drawing] = []
    pieces: list[FloatArray] = []
    for piece in gallery.scan(where={"category": [category]}):
        drawings += piece.drawings
        pieces.append(piece.embeddings)
    if not drawings:
        raise InputError(f"the gallery has no drawing of {category!r}")
    embeddings = np.concatenate(pieces)
    typical = [drawings[i] for i in medoids(embeddings, n_typical)]
    judged = np.unique(np.linspace(0, len(drawings) - 1, min(N_JUDGED, len(drawings))).astype(int))
    others: Counter[str] = Counter()
    n_other = np.zeros(len(judged), int)
    for n, i in enumerate(judged):
        hits = gallery.search(embeddings[i], _N_NEIGHBOURS + 1)
        names = [hit.category for hit in hits if hit.key_id != drawings[i].key_id]
        wrong = [name for name in names if name is not None and name != category]
        n_other[n] = len(wrong)
        others.update(wrong)
        if progress is not None:
            progress(n + 1, len(judged))
    # The oddest have most other neighbours; among equals, those farthest from the category's mean.
    middle = embeddings.mean(axis=0)
    order = np.lexsort((embeddings[judged] @ middle, -n_other))
    odd = [drawings[judged[n]] for n in order if n_other[n] > 0][:n_odd]
    n_confused = sum(others.values())
    shares = {name: n / n_confused for name, n in others.most_common()}
    return Portrait(category, len(drawings), typical, odd, shares)


def medoids(embeddings: FloatArray, k: int) -> IntArray:
    """Rows of `embeddings` (N, D), of length 1, that stand for `k` groups of them at most.

    The groups are those of spherical k-means, begun with rows far from each other; a group's
    medoid is the row with the highest cosine similarity to its mean. Larger groups first.
    """
    n_groups = min(k, len(embeddings))
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
    found = []
    for group in np.argsort(-sizes, kind="stable"):
        members = np.flatnonzero(groups == group)
        if len(members):
            found.append(int(members[(embeddings[members] @ centres[group]).argmax()]))
    return np.array(found, np.int64)
