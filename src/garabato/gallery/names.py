"""Search by similarity and by name at once, for galleries of named things such as icons.

A quick drawing of a cat is often less similar to an icon of a cat than to another icon. If the
encoder recognises a cat, icons whose title or tags say "cat" move up. In a browser,
`export/site/static/search/names.js` does the same.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from math import sqrt
from unicodedata import normalize
from weakref import WeakKeyDictionary

from garabato.encoder import Prediction
from garabato.errors import InputError
from garabato.gallery.base import Gallery
from garabato.gallery.filters import Where
from garabato.gallery.records import Hits, Query, check_k

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


def search_with_names(
    gallery: Gallery,
    query: Query,
    predictions: Iterable[Prediction],
    k: int = 10,
    *,
    where: Where | None = None,
) -> Hits:
    """The `k` drawings that are most similar to `query`, or are named like its `predictions`.

    `predictions` are what `encoder.classify` returns for the query, best first; the first five
    count. The score of a drawing whose title or tags name a predicted category is
    1 - (1 - s) * (1 - 0.9 * m * sqrt(p)), where s is its cosine similarity and p the probability of
    the category; m is 1 if the category is the whole title, 0.85 if its words are part of the
    title, and 0.7 if they are in a tag. The category of a drawing without a title counts as its
    title. Other scores are cosine similarities.

    Galleries of more than 100,000 drawings are searched by similarity alone.
    """
    hits = gallery.search(query, k=check_k(k), where=where)
    boosts = _names_of(gallery).boosts(predictions) if hits else {}
    if where and where.get("key_id") is not None:  # it is replaced below
        kept = {where["key_id"]} if isinstance(where["key_id"], str) else {*where["key_id"]}
        boosts = {key_id: boost for key_id, boost in boosts.items() if key_id in kept}
    by_boost: dict[float, list[str]] = defaultdict(list)
    for key_id, boost in boosts.items():
        by_boost[boost].append(key_id)
    found = [hit for hit in hits if hit.key_id not in boosts]
    for boost, key_ids in by_boost.items():
        among = {**(where or {}), "key_id": key_ids}
        for hit in gallery.search(query, k=min(k, len(key_ids)), where=among):
            found.append(replace(hit, score=1 - (1 - hit.score) * (1 - NAME_WEIGHT * boost)))
    return Hits(sorted(found, key=lambda hit: -hit.score)[:k])


def words_of(text: str) -> list[str]:
    """The words of a name in lower case, without a plural "s", "the" and "of"."""
    words = _WORD.findall(normalize("NFC", text).lower())
    return [_singular(word) for word in words if word not in _STOP_WORDS]


def _singular(word: str) -> str:
    is_plural = len(word) > 3 and word.endswith("s") and not word.endswith("ss")
    return word[:-1] if is_plural else word


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

    def boosts(self, predictions: Iterable[Prediction]) -> dict[str, float]:
        """key_id -> the largest m * sqrt(p), for drawings named like a prediction."""
        boosts: dict[str, float] = {}
        for prediction in islice(predictions, N_NAMED):
            words = words_of(prediction.category)
            if prediction.probability < MIN_PROBABILITY or not words:
                continue
            for row, match in self._matches(words).items():
                boost, key_id = match * sqrt(prediction.probability), self.key_ids[row]
                boosts[key_id] = max(boost, boosts.get(key_id, 0.0))
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


#: Gallery -> its version and its names.
_cache: WeakKeyDictionary[Gallery, tuple[Hashable, _Names]] = WeakKeyDictionary()


def _names_of(gallery: Gallery) -> _Names:
    """The names in a gallery, read again only if it has changed."""
    version = gallery.version()
    cached = _cache.get(gallery)
    if cached is None or cached[0] != version:
        cached = _cache[gallery] = (version, _Names.of(gallery))
    return cached[1]


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
