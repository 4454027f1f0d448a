"""What is in the gallery: every key_id with what lists are filtered by, and how many of each."""

from __future__ import annotations

import bisect
import threading
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field

from garabato.gallery import Gallery
from garabato.service.state.progress import Progress

#: The least time between two counts that other processes' changes cause.
RECOUNT_AFTER_S = 10.0


@dataclass(frozen=True, slots=True)
class Entry:
    """What the census knows of one drawing."""

    category: str | None
    country: str | None
    tags: tuple[str, ...] = ()


@dataclass(slots=True)
class Census:
    """A count of one gallery, made by reading it once and kept up with this service's changes.

    Changes by other processes show as another number of drawings and cause a new count.
    """

    entries: dict[str, Entry] = field(default_factory=dict)
    n_in_gallery: int = 0
    counted_at: float = 0.0
    #: Grows with every change.
    version: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)
    #: While it is being counted, what this service changed: key_id -> its entry, None if deleted.
    _meanwhile: dict[str, Entry | None] | None = None
    _sorted: tuple[int, list[str]] = (-1, [])

    def count(self, gallery: Gallery, progress: Progress | None = None) -> None:
        """Read the whole gallery; this census is replaced when it is done. Blocks."""
        with self._lock:
            self._meanwhile = {}
        found = _read(gallery, progress)
        with self._lock:
            _apply(self._meanwhile, found)
            self.entries = found
            self.n_in_gallery = len(found)
            self.counted_at = time.monotonic()
            self.version += 1
            self._meanwhile = None

    def is_outdated(self, gallery: Gallery) -> bool:
        """Whether somebody else changed the gallery, and it is time to count again."""
        is_due = time.monotonic() - self.counted_at > RECOUNT_AFTER_S
        return is_due and len(gallery) != self.n_in_gallery

    def added(self, drawings: Iterable[tuple[str, Entry]]) -> None:
        """This service stored these."""
        self._change(dict(drawings))

    def deleted(self, key_ids: Iterable[str]) -> None:
        """This service deleted these."""
        self._change(dict.fromkeys(key_ids))

    def categories(self, hidden: Set[str]) -> dict[str, int]:
        """Drawings of each category that are not hidden, by name."""
        counts = Counter(
            entry.category
            for key_id, entry in self.entries.items()
            if entry.category is not None and key_id not in hidden
        )
        return {name: counts[name] for name in sorted(n for n in counts if n is not None)}

    def countries(self) -> list[str]:
        """The countries drawings come from, sorted."""
        return sorted({e.country for e in self.entries.values() if e.country is not None})

    def page(
        self,
        hidden: Set[str],
        *,
        category: str | None,
        country: str | None,
        tags: Set[str] | None,
        after: str | None,
        limit: int,
    ) -> list[str]:
        """Up to `limit` key_ids, sorted, after `after`, that pass and are not hidden; of `tags`
        one is enough."""
        entries, key_ids = self._in_order()
        found: list[str] = []
        first = 0 if after is None else bisect.bisect_right(key_ids, after)
        for key_id in key_ids[first:]:
            entry = entries[key_id]
            if (
                (category is None or entry.category == category)
                and (country is None or entry.country == country)
                and (tags is None or not tags.isdisjoint(entry.tags))
                and key_id not in hidden
            ):
                found.append(key_id)
                if len(found) == limit:
                    break
        return found

    def _in_order(self) -> tuple[dict[str, Entry], list[str]]:
        with self._lock:
            if self._sorted[0] != self.version:
                self._sorted = (self.version, sorted(self.entries))
            return self.entries, self._sorted[1]

    def _change(self, changes: Mapping[str, Entry | None]) -> None:
        with self._lock:
            entries = dict(self.entries)
            _apply(changes, entries)
            self.n_in_gallery += len(entries) - len(self.entries)
            self.entries = entries
            self.version += 1
            if self._meanwhile is not None:
                self._meanwhile.update(changes)


def _read(gallery: Gallery, progress: Progress | None) -> dict[str, Entry]:
    n_expected = len(gallery)
    found: dict[str, Entry] = {}
    known: dict[Entry, Entry] = {}  # one object for all drawings that share it
    for piece in gallery.scan():
        batch = piece.drawings
        for key_id, category, country, tags in zip(
            batch.key_ids, batch.categories, batch.countries, piece.tags, strict=True
        ):
            entry = Entry(category, country, tags)
            found[str(key_id)] = known.setdefault(entry, entry)
        if progress is not None:
            progress.report("counting the gallery", len(found), max(n_expected, len(found)))
    return found


def _apply(changes: Mapping[str, Entry | None], entries: dict[str, Entry]) -> None:
    """Make changes, of which None deletes."""
    for key_id, entry in changes.items():
        if entry is None:
            entries.pop(key_id, None)
        else:
            entries[key_id] = entry
