"""More than nearest: likeness to several drawings, variety, votes, duplicates and odd ones out.

All of it works on any gallery, through the contract of `garabato.gallery.base`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from garabato.drawing import Drawing, FloatArray
from garabato.errors import InputError
from garabato.gallery.base import Embedder, Gallery, Hit, check_k
from garabato.gallery.filters import Where

#: How much "less like these" weighs against "more like these" (Rocchio's usual 0.75 : 0.25 is
#: for words; embeddings of one length take a stronger push).
LESS_WEIGHT = 0.5
_BLOCK = 2_048

Progress = Callable[[int, int], None]


def more_like(
    gallery: Gallery,
    encoder: Embedder,
    more: Sequence[Drawing],
    less: Sequence[Drawing] = (),
    k: int = 10,
    *,
    where: Where | None = None,
) -> list[Hit]:
    """The `k` drawings most like all of `more` and unlike `less` (Rocchio's feedback, 1971).

    Searches for the mean of the embeddings of `more` less LESS_WEIGHT times that of `less`; scores
    are cosine similarities with that direction. Drawings of the gallery that were given (by
    key_id) are left out.
    """
    if not more:
        raise InputError("give at least one drawing that the hits should be like")
    direction = np.asarray(encoder.embed(list(more))).mean(axis=0)
    if less:
        direction = direction - LESS_WEIGHT * np.asarray(encoder.embed(list(less))).mean(axis=0)
    given = {drawing.key_id for drawing in (*more, *less)}
    hits = gallery.search(direction, k=check_k(k) + len(given), where=where)
    return [hit for hit in hits if hit.key_id not in given][:k]


def diverse(
    gallery: Gallery,
    encoder: Embedder,
    query: Drawing,
    k: int = 10,
    *,
    variety: float = 0.5,
    where: Where | None = None,
) -> list[Hit]:
    """`k` drawings like `query` that are not all alike: maximal marginal relevance.

    Each next hit has the best of (1 - variety) * likeness to the query - variety * likeness to
    the hit already chosen that it is most like, among the 10 * k nearest (Carbonell and Goldstein,
    1998). variety 0 is a plain search; scores stay the likeness to the query.
    """
    if not 0 <= variety <= 1:
        raise InputError(f"variety is in [0, 1], not {variety}")
    hits = gallery.search(query, k=10 * check_k(k), where=where)
    if not hits:
        return []
    embeddings = np.asarray(encoder.embed([hit.drawing for hit in hits]), np.float32)
    relevance = np.array([hit.score for hit in hits])
    nearest_chosen = np.full(len(hits), 0.0)
    left = np.ones(len(hits), bool)
    chosen: list[int] = []
    while left.any() and len(chosen) < k:
        gain = (1 - variety) * relevance - variety * nearest_chosen
        best = int(np.where(left, gain, -np.inf).argmax())
        chosen.append(best)
        left[best] = False
        likeness = embeddings @ embeddings[best]
        nearest_chosen = likeness if len(chosen) == 1 else np.maximum(nearest_chosen, likeness)
    return [hits[i] for i in chosen]


def grouped(hits: Sequence[Hit], *, per_category: int = 3) -> dict[str | None, list[Hit]]:
    """Hits by category, the category of the best hit first, at most `per_category` of each."""
    groups: dict[str | None, list[Hit]] = {}
    for hit in hits:
        group = groups.setdefault(hit.category, [])
        if len(group) < per_category:
            group.append(hit)
    return groups


@dataclass(frozen=True, slots=True)
class Vote:
    """A category and its share (0..1) of the votes of the nearest drawings."""

    category: str
    share: float


def vote(hits: Sequence[Hit], *, sharpness: float = 10.0) -> list[Vote]:
    """What the nearest drawings say a query shows: a second opinion to the classifier.

    Each hit votes for its category with exp(sharpness * score); hits without a category don't
    vote. Most votes first.
    """
    weights: Counter[str] = Counter()
    for hit in hits:
        if hit.category is not None:
            weights[hit.category] += np.exp(sharpness * (hit.score - hits[0].score))
    total = sum(weights.values())
    return [Vote(category, float(weight / total)) for category, weight in weights.most_common()]


@dataclass(frozen=True, slots=True)
class Pair:
    """Two drawings of a gallery and how alike they are (cosine similarity)."""

    key_id: str
    other_key_id: str
    score: float


def duplicates(
    gallery: Gallery,
    *,
    above: float = 0.995,
    where: Where | None = None,
    progress: Progress | None = None,
) -> list[Pair]:
    """All pairs of drawings whose cosine similarity is at least `above`, most alike first.

    Compares all with all: N^2 / 2 dot products, in blocks of bounded memory.
    """
    key_ids, _, embeddings = _everything(gallery, where)
    pairs = []
    for first, rows in _blocks(embeddings, progress):
        likeness = rows @ embeddings[first:].T
        here, there = np.nonzero(likeness >= above)
        for i, j in zip(here.tolist(), there.tolist(), strict=True):
            if j > i:
                one, other = sorted((key_ids[first + i], key_ids[first + j]))
                pairs.append(Pair(one, other, min(1.0, float(likeness[i, j]))))
    return sorted(pairs, key=lambda pair: (-pair.score, pair.key_id, pair.other_key_id))


@dataclass(frozen=True, slots=True)
class OddOne:
    """A drawing whose nearest neighbours are of another category: mislabelled, perhaps.

    `agreement` is the share of its neighbours that have its category, `looks_like` the category
    most of them have.
    """

    key_id: str
    category: str
    looks_like: str
    agreement: float


def odd_ones(
    gallery: Gallery,
    *,
    k: int = 10,
    where: Where | None = None,
    progress: Progress | None = None,
) -> list[OddOne]:
    """Drawings whose `k` nearest neighbours mostly have one other category, oddest first.

    Drawings without a category neither vote nor are judged. Compares all with all, in blocks.
    """
    key_ids, categories, embeddings = _everything(gallery, where)
    labelled = [i for i, category in enumerate(categories) if category is not None]
    embeddings = embeddings[labelled]
    names, labels = np.unique([str(categories[i]) for i in labelled], return_inverse=True)
    n_neighbours = min(k, len(labelled) - 1)
    if n_neighbours < 1:
        return []
    odd = []
    for first, rows in _blocks(embeddings, progress):
        likeness = rows @ embeddings.T
        likeness[np.arange(len(rows)), first + np.arange(len(rows))] = -np.inf
        nearest = np.argpartition(-likeness, n_neighbours - 1, axis=1)[:, :n_neighbours]
        for i, neighbours in enumerate(labels[nearest]):
            votes = np.bincount(neighbours, minlength=len(names))
            own, top = int(labels[first + i]), int(votes.argmax())
            if top != own and votes[top] > n_neighbours / 2:
                key_id = key_ids[labelled[first + i]]
                agreement = float(votes[own] / n_neighbours)
                odd.append((-votes[top], OddOne(key_id, names[own], names[top], agreement)))
    return [one for _, one in sorted(odd, key=lambda item: (item[0], item[1].key_id))]


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


def _blocks(embeddings: FloatArray, progress: Progress | None) -> Iterator[tuple[int, FloatArray]]:
    for first in range(0, len(embeddings), _BLOCK):
        rows = embeddings[first : first + _BLOCK]
        yield first, rows
        if progress is not None:
            progress(first + len(rows), len(embeddings))
