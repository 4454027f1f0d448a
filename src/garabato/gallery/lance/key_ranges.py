"""Pages of key_ids: they are read range by range, so that a page reads a few thousand, not all.

The index of key_ids (`index.index_keys`) quickly finds those in a range.
"""

from __future__ import annotations

import bisect
from typing import Any

import numpy as np

from garabato.gallery.filters import quote
from garabato.gallery.lance import limits

#: The approximate number of drawings in a range, and the most boundaries between ranges.
DRAWINGS_PER_RANGE, MAX_BOUNDARIES = 2_000, 8_192


class KeyRanges:
    """Divides the sorted key_ids of a table into ranges of about DRAWINGS_PER_RANGE drawings."""

    def __init__(self) -> None:
        #: Some key_ids, sorted, and the number of drawings when they were read.
        self._boundaries: tuple[list[str], int] = ([], 0)

    def next_key_ids(
        self, table: Any, sql: str | None, after: str | None, limit: int, *, in_ranges: bool = True
    ) -> list[str]:
        """The first `limit` key_ids after `after` of the rows that pass `sql`, sorted.

        Without `in_ranges` all that pass are read at once, which is faster if they are few.
        """
        boundaries = self.boundaries(table) if in_ranges else []
        at = 0 if after is None else bisect.bisect_right(boundaries, after)
        width = max(1, limit // DRAWINGS_PER_RANGE)
        found: list[str] = []
        while len(found) < limit:
            at += width
            last = boundaries[at - 1] if at <= len(boundaries) else None
            terms = [] if sql is None else [f"({sql})"]
            terms += [] if after is None else [f"key_id > {quote(after)}"]
            terms += [] if last is None else [f"key_id <= {quote(last)}"]
            query = table.search().select(["key_id"])
            if terms:
                query = query.where(" AND ".join(terms))
            found += sorted(query.to_arrow()["key_id"].to_pylist())
            if last is None:
                break
            after, width = last, 2 * width
        return found[:limit]

    def boundaries(self, table: Any) -> list[str]:
        """The last key_id of each range but the last one, sorted; none for a small table.

        Any key_ids divide a table, so these stay valid when it changes. They are read again once
        its size has halved or doubled.
        """
        n = table.count_rows()
        boundaries, n_before = self._boundaries
        if n < limits.KEYS_INDEXED_FROM:
            return []
        if not n_before / 2 < n < 2 * n_before:
            rng = np.random.default_rng(0)
            n_boundaries = min(MAX_BOUNDARIES, n // DRAWINGS_PER_RANGE)
            chosen = np.sort(rng.choice(n, n_boundaries, replace=False)).tolist()
            rows = table.take_offsets(chosen).select(["key_id"]).to_arrow()
            boundaries = sorted(rows["key_id"].to_pylist())
            self._boundaries = boundaries, n
        return boundaries
