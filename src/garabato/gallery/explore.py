"""Searches on top of `Gallery.search`: by several drawings, diverse hits, groups, votes, names."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from math import sqrt
from typing import Any
from unicodedata import normalize
from weakref import WeakKeyDictionary

import numpy as np

from garabato.drawing import Drawing, FloatArray, list_drawings
from garabato.encoder import Prediction
from garabato.errors import InputError, check_count, check_opened
from garabato.gallery.base import Gallery
from garabato.gallery.filters import Where
from garabato.gallery.records import MAX_K, Embedder, Hit, Hits, Query, check_k

#: The weight of `less`, relative to `more`. Rocchio's usual 0.25 : 0.75 is
#: for words; embeddings of unit length take a stronger push.
LESS_WEIGHT = 0.5
#: `search_by_category` looks at this many hits, at most, for each drawing asked for.
_MAX_DEPTH = 256
#: How many of the nearest drawings vote for what a query shows.
N_VOTERS = 20
#: A vote weighs exp(this * score).
_VOTE_SHARPNESS = 10.0
#: The gallery's vote is unsure if its best category has a smaller share of the votes.
VOTE_UNSURE_BELOW = 0.5

#: How far a name moves a drawing's score towards 1, at most.
NAME_WEIGHT = 0.9
#: Weights of a category that is the whole title, part of the title, or in a tag.
WHOLE_TITLE, PART_OF_TITLE, IN_TAG = 1.0, 0.85, 0.7
#: How many of the most probable categories count, and the least probability.
N_NAMED, MIN_PROBABILITY = 5, 0.01
#: The names of larger galleries are not read.
MAX_DRAWINGS = 100_000
_WORD = re.compile(r"[^\W_]+")
_STOP_WORDS = frozenset(("the", "of"))

#: Gallery -> its version and its names.
_cache: WeakKeyDictionary[Gallery, tuple[Hashable, _Names]] = WeakKeyDictionary()


def query_direction(
    encoder: Embedder, more: Drawing | Sequence[Drawing], less: Drawing | Sequence[Drawing] = ()
) -> FloatArray:
    """The embedding (D,) to search with for drawings like all of `more` and unlike `less`.

    It is the mean embedding of `more` minus half the mean embedding of `less` (Rocchio's relevance
    feedback, 1971).
    """
    check_opened(encoder=encoder)
    more, less = list_drawings(more), list_drawings(less)
    if not more:
        raise InputError("give at least one drawing that the hits should be like")
    if any(drawing.is_empty for drawing in (*more, *less)):
        raise InputError("a drawing to search with is empty; draw at least one stroke")
    towards = np.asarray(encoder.embed(more), np.float32).mean(axis=0)
    if less:
        towards = towards - LESS_WEIGHT * np.asarray(encoder.embed(less)).mean(axis=0)
    return np.asarray(towards, np.float32)


def search_like(
    gallery: Gallery,
    encoder: Embedder,
    more: Drawing | Sequence[Drawing],
    less: Drawing | Sequence[Drawing] = (),
    k: int = 10,
    *,
    where: Where | None = None,
) -> Hits:
    """The `k` drawings most like all of `more` and unlike `less`, by their `query_direction`.

    Scores are cosine similarities with that direction. The given drawings themselves (by key_id)
    are left out of the hits.
    """
    check_opened(gallery=gallery, encoder=encoder)
    more, less = list_drawings(more), list_drawings(less)
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
    """`k` drawings similar to `query` but not to each other: maximal marginal relevance.

    Hits are chosen one by one among the 10 * k nearest drawings. Each maximises (1 - variety) * its
    similarity to the query - variety * its largest similarity to a hit already chosen (Carbonell
    and Goldstein, 1998). With `variety` 0 this is a plain search. Scores are similarities to the
    query. Drawings whose key_id is in `leave_out` are left out of the hits.
    """
    check_opened(gallery=gallery, encoder=encoder)
    if not 0 <= variety <= 1:
        raise InputError(f"variety must be between 0 and 1, not {variety}")
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
        similarity = embeddings @ embeddings[best]
        nearest_chosen = similarity if len(chosen) == 1 else np.maximum(nearest_chosen, similarity)
    return Hits(hits[i] for i in chosen)


def grouped(hits: Sequence[Hit], *, per_category: int) -> dict[str | None, Hits]:
    """Hits by category, at most `per_category` each; the category of the best hit comes first."""
    groups: dict[str | None, Hits] = {}
    for hit in hits:
        group = groups.setdefault(hit.category, Hits())
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
) -> dict[str | None, Hits]:
    """The `k` categories with the drawings most similar to `query`, and the best hits of each.

    Searches deeper until it has `k` categories with `per_category` hits each, or all drawings that
    pass, or 256 drawings for each one asked for; a category that is rare near the query may then
    have fewer hits. The best category comes first. `leave_out` is as in `search_diverse`.
    """
    check_opened(gallery=gallery)
    check_count("per_category", per_category)
    depth = 4 * check_k(k) * per_category + len(leave_out)
    max_depth = min(MAX_K, _MAX_DEPTH * k * per_category)
    while True:
        depth = min(depth, max_depth)
        hits = gallery.search(query, k=depth, where=where)
        kept = [hit for hit in hits if hit.key_id not in leave_out]
        groups = dict(list(grouped(kept, per_category=per_category).items())[:k])
        n_full = sum(len(group) == per_category for group in groups.values())
        if n_full == k or len(hits) < depth or depth == max_depth:
            return groups
        depth *= 4


@dataclass(frozen=True, slots=True)
class CategoryVote:
    """A category and its share (0..1) of the votes of the nearest drawings."""

    category: str
    share: float

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"category": self.category, "share": round(self.share, 6)}


def category_votes(hits: Sequence[Hit]) -> list[CategoryVote]:
    """What the nearest drawings say a query shows: a second opinion to the classifier.

    Each hit votes for its category with a weight of exp(10 * score); hits without a category don't
    vote. The category with the most votes comes first.
    """
    weights: Counter[str] = Counter()
    for hit in hits:
        if hit.category is not None:
            weights[hit.category] += np.exp(_VOTE_SHARPNESS * (hit.score - hits[0].score))
    total = sum(weights.values())
    return [
        CategoryVote(category, float(weight / total)) for category, weight in weights.most_common()
    ]


def is_vote_unsure(votes: Sequence[CategoryVote]) -> bool:
    """True if the best category has less than half of the votes, or if there are none."""
    return not votes or votes[0].share < VOTE_UNSURE_BELOW


def has_own_categories(counts: Mapping[str | None, int], known: Collection[str]) -> bool:
    """Whether to show the gallery's vote, instead of the encoder's predictions, for a query.

    True if fewer than half of the drawings with a category have one of `known`, the encoder's
    categories. `counts` is `gallery.count(by="category")`. A gallery without any categories has no
    vote.
    """
    names = set(known)
    total = sum(n for category, n in counts.items() if category is not None)
    n_known = sum(n for category, n in counts.items() if category in names)
    return 2 * n_known < total


def search_with_names(
    gallery: Gallery,
    query: Query,
    predictions: Iterable[Prediction],
    k: int = 10,
    *,
    where: Where | None = None,
) -> Hits:
    """The `k` drawings that are most similar to `query`, or are named like its `predictions`.

    For galleries of named things, such as icons. A quick drawing of a cat is often less similar to
    an icon of a cat than to another icon; if the encoder recognises a cat, icons whose title or
    tags say "cat" move up.

    `predictions` are what `encoder.classify` returns for the query, best first; the first five
    count. The score of a drawing whose title or tags name a predicted category is
    1 - (1 - s) * (1 - 0.9 * m * sqrt(p)), where s is its cosine similarity and p the probability of
    the category; m is 1 if the category is the whole title, 0.85 if its words are part of the
    title, and 0.7 if they are in a tag. The category of a drawing without a title counts as its
    title. `name_match` of such a hit is the category. Other scores are cosine similarities.

    Galleries of more than 100,000 drawings are searched by similarity alone.
    """
    check_opened(gallery=gallery)
    hits = gallery.search(query, k=check_k(k), where=where)
    boosts = _names_of(gallery).boosts(predictions) if hits else {}
    if where and where.get("key_id") is not None:  # it is replaced below
        kept = {where["key_id"]} if isinstance(where["key_id"], str) else {*where["key_id"]}
        boosts = {key_id: boost for key_id, boost in boosts.items() if key_id in kept}
    by_boost: dict[tuple[float, str], list[str]] = defaultdict(list)
    for key_id, match in boosts.items():
        by_boost[match].append(key_id)
    found = [hit for hit in hits if hit.key_id not in boosts]
    for (boost, category), key_ids in by_boost.items():
        among = {**(where or {}), "key_id": key_ids}
        for hit in gallery.search(query, k=min(k, len(key_ids)), where=among):
            score = 1 - (1 - hit.score) * (1 - NAME_WEIGHT * boost)
            found.append(replace(hit, score=score, name_match=category))
    return Hits(sorted(found, key=lambda hit: -hit.score)[:k])


def words_of(text: str) -> list[str]:
    """The words of a name in lower case, without a plural "s", "the" and "of"."""
    words = _WORD.findall(normalize("NFC", text).lower())
    return [_singular(word) for word in words if word not in _STOP_WORDS]


def _names_of(gallery: Gallery) -> _Names:
    """The names in a gallery, read again only if it has changed."""
    version = gallery.version()
    cached = _cache.get(gallery)
    if cached is None or cached[0] != version:
        cached = _cache[gallery] = (version, _Names.of(gallery))
    return cached[1]


@dataclass(frozen=True, slots=True, eq=False)
class _Names:
    """The words of a gallery's titles (word -> rows) and tags (word -> rows and tag numbers)."""

    key_ids: Sequence[str]
    n_title_words: Sequence[int]
    in_titles: dict[str, set[int]]
    in_tags: dict[str, set[tuple[int, int]]]

    @classmethod
    def of(cls, gallery: Gallery) -> _Names:
        key_ids: list[str] = []
        n_title_words: list[int] = []
        in_titles: dict[str, set[int]] = defaultdict(set)
        in_tags: dict[str, set[tuple[int, int]]] = defaultdict(set)
        if gallery.count() <= MAX_DRAWINGS:
            for key_id, title, tags in _named_drawings(gallery):
                row, words = len(key_ids), words_of(title or "")
                key_ids.append(key_id)
                n_title_words.append(len(words))
                for word in words:
                    in_titles[word].add(row)
                for number, tag in enumerate(tags or ()):
                    for word in words_of(tag):
                        in_tags[word].add((row, number))
        return cls(key_ids, n_title_words, dict(in_titles), dict(in_tags))

    def boosts(self, predictions: Iterable[Prediction]) -> dict[str, tuple[float, str]]:
        """key_id -> the largest m * sqrt(p) and its category, for drawings named like it."""
        boosts: dict[str, tuple[float, str]] = {}
        for prediction in islice(predictions, N_NAMED):
            words = words_of(prediction.category)
            if prediction.probability < MIN_PROBABILITY or not words:
                continue
            for row, match in self._matches(words).items():
                boost, key_id = match * sqrt(prediction.probability), self.key_ids[row]
                if key_id not in boosts or boost > boosts[key_id][0]:
                    boosts[key_id] = boost, prediction.category
        return boosts

    def _matches(self, words: Sequence[str]) -> dict[int, float]:
        """Row -> m, for drawings that these words name."""
        tags = set.intersection(*(self.in_tags.get(word, set()) for word in words))
        titles = set.intersection(*(self.in_titles.get(word, set()) for word in words))
        matches = dict.fromkeys((row for row, _ in tags), IN_TAG)
        for row in titles:
            is_whole = self.n_title_words[row] == len(words)
            matches[row] = WHOLE_TITLE if is_whole else PART_OF_TITLE
        return matches


def _named_drawings(gallery: Gallery) -> Iterable[tuple[str, str | None, list[str] | None]]:
    """key_id, title (or category) and tags of all drawings."""
    try:
        batches = list(gallery.columns("key_id", "category", "tags", "title"))
    except InputError:  # no drawing of the gallery has a title
        batches = list(gallery.columns("key_id", "category", "tags"))
    for batch in batches:
        columns = batch.to_pydict()
        titles = columns.get("title") or [None] * batch.num_rows
        for key_id, category, tags, title in zip(
            columns["key_id"], columns["category"], columns["tags"], titles, strict=True
        ):
            yield key_id, title or category, tags


def _singular(word: str) -> str:
    is_plural = len(word) > 3 and word.endswith("s") and not word.endswith("ss")
    return word[:-1] if is_plural else word
