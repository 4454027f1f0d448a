"""More than nearest: likeness to several drawings, variety, groups, votes.

All of it works on any gallery, through the contract of `garabato.gallery.base`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from garabato.drawing import Drawing, FloatArray
from garabato.errors import InputError
from garabato.gallery.base import Gallery
from garabato.gallery.filters import Where
from garabato.gallery.records import MAX_K, Embedder, Hit, Hits, Query, check_k

#: How much "less like these" weighs against "more like these" (Rocchio's usual 0.75 : 0.25 is
#: for words; embeddings of one length take a stronger push).
LESS_WEIGHT = 0.5
#: Hits looked at for groups, at most, a drawing asked for.
_DEEPEST = 256
#: How many of the nearest drawings vote for what a query shows.
N_VOTERS = 20
#: The gallery's vote is unsure if its best category has a smaller share of the votes.
VOTE_UNSURE_BELOW = 0.5


def query_direction(
    encoder: Embedder, more: Sequence[Drawing], less: Sequence[Drawing] = ()
) -> FloatArray:
    """The embedding (D,) to search with for drawings like all of `more` and unlike `less`.

    The mean of the embeddings of `more` less LESS_WEIGHT times that of `less` (Rocchio's
    feedback, 1971).
    """
    if not more:
        raise InputError("give at least one drawing that the hits should be like")
    towards = np.asarray(encoder.embed(list(more)), np.float32).mean(axis=0)
    if less:
        towards = towards - LESS_WEIGHT * np.asarray(encoder.embed(list(less))).mean(axis=0)
    return np.asarray(towards, np.float32)


def search_like(
    gallery: Gallery,
    encoder: Embedder,
    more: Sequence[Drawing],
    less: Sequence[Drawing] = (),
    k: int = 10,
    *,
    where: Where | None = None,
) -> Hits:
    """The `k` drawings most like all of `more` and unlike `less`, by their `query_direction`.

    Scores are cosine similarities with that direction. Drawings of the gallery that were given (by
    key_id) are left out.
    """
    given = {drawing.key_id for drawing in (*more, *less)}
    hits = gallery.search(
        query_direction(encoder, more, less), k=min(MAX_K, check_k(k) + len(given)), where=where
    )
    return Hits([hit for hit in hits if hit.key_id not in given][:k])


def search_diverse(
    gallery: Gallery,
    encoder: Embedder,
    query: Query,
    k: int = 10,
    *,
    variety: float = 0.5,
    where: Where | None = None,
    leave_out: Collection[str | None] = (),
) -> Hits:
    """`k` drawings like `query` that are not all alike: maximal marginal relevance.

    Each next hit has the best of (1 - variety) * likeness to the query - variety * likeness to
    the hit already chosen that it is most like, among the 10 * k nearest (Carbonell and Goldstein,
    1998). variety 0 is a plain search; scores stay the likeness to the query. The key_ids in
    `leave_out` are no hits.
    """
    if not 0 <= variety <= 1:
        raise InputError(f"variety is in [0, 1], not {variety}")
    hits = gallery.search(query, k=min(MAX_K, 10 * check_k(k) + len(leave_out)), where=where)
    hits = Hits(hit for hit in hits if hit.key_id not in leave_out)
    if not hits:
        return Hits()
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
    return Hits(hits[i] for i in chosen)


def grouped(hits: Sequence[Hit], *, per_category: int = 3) -> dict[str | None, list[Hit]]:
    """Hits by category, the category of the best hit first, at most `per_category` of each."""
    groups: dict[str | None, list[Hit]] = {}
    for hit in hits:
        group = groups.setdefault(hit.category, [])
        if len(group) < per_category:
            group.append(hit)
    return groups


def search_by_category(
    gallery: Gallery,
    query: Query,
    k: int = 10,
    *,
    per_category: int = 3,
    where: Where | None = None,
    leave_out: Collection[str | None] = (),
) -> dict[str | None, list[Hit]]:
    """The `k` categories with the drawings most like `query`, and the best hits of each.

    Looks deeper until there are `k` categories of `per_category` hits each, or it has seen
    everything that passes, or 256 drawings for every one asked for: a category that is rare near
    the query may then show fewer. Best category first; `leave_out` as in `search_diverse`.
    """
    if not isinstance(per_category, int) or per_category < 1:
        raise InputError(f"per_category is at least 1, not {per_category!r}")
    depth = 4 * check_k(k) * per_category + len(leave_out)
    deepest = min(MAX_K, _DEEPEST * k * per_category)
    while True:
        depth = min(depth, deepest)
        hits = gallery.search(query, k=depth, where=where)
        kept = [hit for hit in hits if hit.key_id not in leave_out]
        groups = dict(list(grouped(kept, per_category=per_category).items())[:k])
        n_full = sum(len(group) == per_category for group in groups.values())
        if n_full == k or len(hits) < depth or depth == deepest:
            return groups
        depth *= 4


@dataclass(frozen=True, slots=True)
class CategoryVote:
    """A category and its share (0..1) of the votes of the nearest drawings."""

    category: str
    share: float


def category_votes(hits: Sequence[Hit], *, sharpness: float = 10.0) -> list[CategoryVote]:
    """What the nearest drawings say a query shows: a second opinion to the classifier.

    Each hit votes for its category with exp(sharpness * score); hits without a category don't
    vote. Most votes first.
    """
    weights: Counter[str] = Counter()
    for hit in hits:
        if hit.category is not None:
            weights[hit.category] += np.exp(sharpness * (hit.score - hits[0].score))
    total = sum(weights.values())
    return [
        CategoryVote(category, float(weight / total)) for category, weight in weights.most_common()
    ]


def is_vote_unsure(votes: Sequence[CategoryVote]) -> bool:
    """Whether the best category has less than `VOTE_UNSURE_BELOW` (half) of the votes, or there
    are no votes."""
    return not votes or votes[0].share < VOTE_UNSURE_BELOW


def has_own_categories(counts: Mapping[str | None, int], known: Collection[str]) -> bool:
    """Whether a gallery's vote says better than the encoder's predictions what a query shows.

    That is so if fewer than half of the drawings that have a category have one of `known`, the
    encoder's categories. `counts` is `gallery.count(by="category")`; drawings without a category
    (None) don't count, and a gallery of only such drawings has no vote.
    """
    names = set(known)
    total = sum(n for category, n in counts.items() if category is not None)
    n_known = sum(n for category, n in counts.items() if category in names)
    return 2 * n_known < total
