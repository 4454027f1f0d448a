"""`Gallery`, the base class of the backends: it has everything public, they add a few primitives.

A backend (`lance/` stores a gallery in a folder, `milvus/` on a server) implements `info`,
`compact` and the abstract methods at the end. The tests in tests/gallery/test_contract.py run on
both.
"""

from __future__ import annotations

import builtins
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import islice
from os import PathLike
from typing import Any, overload
from unicodedata import normalize

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from garabato.drawing import Details, Drawing, DrawingBatch, FloatArray, IntArray
from garabato.errors import GalleryError, GarabatoError, InputError, check_count
from garabato.gallery.embeddings import CountProgress, Embeddings
from garabato.gallery.export import export_drawings
from garabato.gallery.filters import EVERYTHING, Filter, Where, parse_where
from garabato.gallery.records import (
    Added,
    Embedder,
    FilledBy,
    GalleryInfo,
    Hidden,
    HiddenStore,
    Hits,
    Original,
    Query,
    Stored,
    Tuned,
    as_embedding,
    as_embeddings,
    as_key_ids,
    as_tags,
    check_k,
    check_text,
    gallery_html,
)
from garabato.gallery.rows import (
    COLUMNS,
    DETAILS,
    ORIGINAL,
    Nearest,
    last_of_each_key_id,
    to_drawings,
    to_hits,
    to_rows,
    to_stored,
    transactions,
)

#: Key_ids in one condition.
KEYS_AT_ONCE = 1_000
#: Fields that `count` can group by.
GROUPS = ("category", "country", "recognized", "tags")


class Gallery(ABC):
    """Drawings with their embeddings, searchable by similarity. They survive crashes.

    `garabato.open_gallery` opens a gallery. All methods raise GalleryError if it cannot be used,
    and StorageError if the disk is full or cannot be written.
    """

    def __init__(
        self, uri: str, encoder: Embedder | None, filled_by: FilledBy, hidden: HiddenStore
    ) -> None:
        #: Where the gallery is, as given to `open_gallery`.
        self.uri = uri
        self._hidden = hidden
        self._encoder = encoder
        self._filled_by = filled_by
        if encoder is not None:
            filled_by.check(encoder, uri)

    def __repr__(self) -> str:
        try:
            return f"{type(self).__name__}({str(self.uri)!r}, {self.count():,} drawings)"
        except GarabatoError:  # a folder that was deleted, a server that is gone
            return f"{type(self).__name__}({str(self.uri)!r})"

    def __reduce__(self) -> str:
        raise GalleryError(
            f"a gallery cannot be pickled or copied; open it again: open_gallery({self.uri!r}, ...)"
        )

    def _repr_html_(self) -> str | None:
        try:
            return gallery_html(self)
        except GarabatoError:  # as above; notebooks show the text for None
            return None

    def __len__(self) -> int:
        return self.count()

    def add(
        self,
        drawings: Iterable[Drawing] | DrawingBatch,
        *,
        embeddings: FloatArray | None = None,
        tags: Sequence[str] = (),
    ) -> Added:
        """Embed and store drawings. They are durable and can be found when this returns.

        A drawing replaces the stored one with the same key_id; of several with the same key_id, the
        last is kept. A drawing without a key_id gets one made from its strokes, so the same
        strokes are stored once. Drawings are stored in order, in transactions of up to 16,384; each
        is stored whole or not at all. A drawing that was read from this gallery keeps its original
        file, although it doesn't hold it. Pass `embeddings` (N, D) float32 to skip the encoder.
        `tags` are added to the drawings' own.
        """
        tags = as_tags(tags)
        added = Added()
        for batches, n_empty in transactions(drawings, embeddings, self._encoder, self._filled_by):
            added += Added(n_empty=n_empty)
            if not batches:
                continue
            tables = [
                to_rows(self._with_originals(batch), vectors, tags, numbers)
                for batch, vectors, numbers in batches
            ]
            rows = pa.concat_tables(tables, promote_options="default")
            numbers = np.concatenate([numbers for *_, numbers in batches])
            added += self._upsert(last_of_each_key_id(rows, numbers))
        return added

    def search(self, query: Query, k: int = 10, *, where: Where | None = None) -> Hits:
        """The `k` drawings most similar to a drawing or to an embedding (D,), best first.

        `where` is applied before ranking, so k hits are returned whenever k drawings pass it.
        """
        embedding = as_embedding(query, self._encoder, self._filled_by)
        return self._search(embedding[None], k, where)[0]

    def search_many(
        self,
        queries: Iterable[Drawing] | DrawingBatch | FloatArray,
        k: int = 10,
        *,
        where: Where | None = None,
    ) -> builtins.list[Hits]:
        """The hits of `search` for each of several drawings or embeddings (Q, D).

        Takes less time than searching one by one. Raises InputError, which names the query, if one
        is empty.
        """
        embeddings = as_embeddings(queries, self._encoder, self._filled_by)
        return self._search(embeddings, k, where)

    @overload
    def get(self, key_ids: str, *, with_hidden: bool = False) -> Drawing | None: ...  # type: ignore[overload-overlap]
    @overload
    def get(
        self, key_ids: Sequence[str], *, with_hidden: bool = False
    ) -> builtins.list[Drawing]: ...
    def get(
        self, key_ids: str | Sequence[str], *, with_hidden: bool = False
    ) -> Drawing | builtins.list[Drawing] | None:
        """The drawings with these key_ids, in that order; missing ones are left out.

        A single key_id returns its drawing, or None. For original files, see `original`.
        """
        if isinstance(key_ids, str):
            return next(iter(self.get([key_ids], with_hidden=with_hidden)), None)
        key_ids = as_key_ids(key_ids)
        hidden = {} if with_hidden else self._hidden.all()
        found: dict[str, Drawing] = {}
        for part in _parts([key_id for key_id in key_ids if key_id not in hidden]):
            for drawing in to_drawings(self._fetch(part, self._columns())):
                found[str(drawing.key_id)] = drawing
        return [found[key_id] for key_id in key_ids if key_id in found]

    def original(self, key_id: str) -> Original | None:
        """The original file of a drawing; None if none is stored or the drawing is hidden."""
        return self.originals([key_id]).get(key_id)

    def originals(self, key_ids: Sequence[str]) -> dict[str, Original]:
        """The stored original files of these drawings, by key_id."""
        hidden = self._hidden.all()
        return self._originals([one for one in as_key_ids(key_ids) if one not in hidden])

    def missing(self, key_ids: Sequence[str]) -> builtins.list[str]:
        """The key_ids that are not stored, in the order given. Hidden drawings are stored."""
        key_ids = as_key_ids(key_ids)
        stored: set[str] = set()
        for part in _parts(key_ids):
            stored.update(self._fetch(part, ("key_id",))["key_id"].to_pylist())
        return [key_id for key_id in key_ids if key_id not in stored]

    def delete(self, key_ids: Iterable[str] | None = None, *, where: Where | None = None) -> int:
        """Delete drawings, hidden ones too, by key_id or by filter. Returns how many were deleted.

        A deleted drawing is no longer hidden: one added later with its key_id is shown.
        """
        if (key_ids is None) == (where is None):
            raise InputError("delete takes either key_ids or where")
        if key_ids is not None:
            given = as_key_ids(key_ids)
            conditions = [Filter(key_ids=tuple(part)) for part in _parts(given)]
            # also if they are gone, because a process was killed between its delete and this list
            hidden = set(self._hidden.all()) & set(given)
        else:
            conditions = [parse_where(where)]
            if conditions[0].is_empty:
                raise InputError("an empty filter would delete everything; name what to delete")
            hidden = {
                key_id
                for part in self._hidden_parts(conditions[0])
                for rows in self._scan(part, ("key_id",))
                for key_id in rows["key_id"].to_pylist()
            }
        n_deleted = self._delete(conditions)
        if hidden:
            self._hidden.remove(hidden)
        return n_deleted

    def hide(self, key_ids: Iterable[str | Hidden], *, reason: str | None = None) -> int:
        """Hide drawings from everything except `hidden` and `delete`, until `restore`.

        They stay hidden when they are replaced or copied, or the gallery is moved, and are not
        exported. Returns how many were not hidden before.
        """
        if reason is not None:
            check_text("reason", reason)
        given = [key_ids] if isinstance(key_ids, str) else key_ids
        now = datetime.now(UTC).isoformat(timespec="seconds")
        entries = [
            one if isinstance(one, Hidden) else Hidden(check_text("key_id", one), now, reason)
            for one in given
        ]
        return self._hidden.put(entries)

    def restore(self, key_ids: Iterable[str]) -> int:
        """Show hidden drawings again. Returns how many were hidden."""
        return self._hidden.remove(as_key_ids(key_ids))

    def hidden(self) -> builtins.list[Hidden]:
        """The hidden drawings, in the order they were hidden."""
        return builtins.list(self._hidden.all().values())

    def list(
        self, *, after: str | None = None, limit: int = 100, where: Where | None = None
    ) -> builtins.list[Drawing]:
        """Up to `limit` drawings, sorted by key_id, that come after the key_id `after`.

        Pass the last key_id of a page as `after` to get the next page.
        """
        check_count("limit", limit)
        if after is not None:
            check_text("key_id", after)
        condition, hidden = parse_where(where), self._hidden.all()
        found: builtins.list[Drawing] = []
        n = int(limit) + min(len(hidden), int(limit))
        while len(found) < limit:
            rows = self._page(condition, after, n)
            found += to_drawings(rows.take(pa.array(_shown(rows, hidden))))
            if rows.num_rows < n:
                break
            after, n = rows["key_id"][-1].as_py(), 2 * n
        return found[:limit]

    @overload
    def count(self, *, where: Where | None = None) -> int: ...
    @overload
    def count(self, *, by: str, where: Where | None = None) -> dict[Any, int]: ...
    def count(self, *, by: str | None = None, where: Where | None = None) -> int | dict[Any, int]:
        """The number of drawings.

        `by` ("category", "country", "recognized" or "tags") gives a dictionary from each value to
        its number of drawings. Drawings whose value is unknown are counted under None.
        """
        condition = parse_where(where)
        if by is not None and by not in GROUPS:
            raise InputError(f"drawings can be counted by {', '.join(GROUPS)}, not by {by!r}")
        hidden = builtins.list(self._hidden_parts(condition))
        if by is None:
            return self._count(condition) - sum(map(self._count, hidden))
        counts = Counter(self._count_by(by, condition))
        for of_hidden in hidden:
            counts.subtract(self._count_by(by, of_hidden))
        merged: Counter[Any] = Counter()  # older galleries hold text in any Unicode form
        for value, n in counts.items():
            merged[normalize("NFC", value) if isinstance(value, str) else value] += n
        return {value: n for value, n in merged.items() if n > 0}

    def scan(
        self,
        *,
        where: Where | None = None,
        with_hidden: bool = False,
        with_originals: bool = False,
    ) -> Iterator[Stored]:
        """Iterate over all drawings, or those that pass `where`, from one consistent state."""
        columns = self._columns()
        if with_originals and "original_type" in columns:
            columns = (*columns, ORIGINAL)
        for rows in self._scan_shown(parse_where(where), (*columns, "embedding"), with_hidden):
            yield from to_stored(rows)

    def columns(self, *names: str, where: Where | None = None) -> Iterator[pa.RecordBatch]:
        """Iterate over some columns as Arrow record batches; much faster than `scan`.

        `names` may be key_id, category, country, recognized, timestamp, tags and embedding; and, if
        any drawing of the gallery has them, title, link, source_path and original_type.
        """
        known = self._columns() if any(name in DETAILS for name in names) else COLUMNS
        for name in names:
            if name not in (*known, "embedding"):
                raise InputError(f"{name!r} is not a column of a gallery")
        yield from self._scan_shown(parse_where(where), names)

    def embeddings(
        self, *, where: Where | None = None, progress: CountProgress | None = None
    ) -> Embeddings:
        """All drawings, or those that pass `where`, held in memory to find the true nearest
        neighbours of each, even if `search` is approximate.

        They take 1.2 kB each with embeddings of 128 numbers. `progress(n_done, n)` is called while
        they are read.
        """
        n = 0 if progress is None else self.count(where=where)
        batches = self.columns("key_id", "category", "embedding", where=where)
        return Embeddings.read(batches, self._filled_by.embedding_dim, n, progress)

    def export(self, path: str | PathLike[str], *, where: Where | None = None) -> int:
        """Write the drawings to a .ndjson or .parquet file, or to a folder with a file for each
        category. Returns how many were written."""
        return export_drawings(self.scan(where=where, with_originals=True), path)

    def warm(self) -> None:
        """Load what the first queries would otherwise wait for."""
        # A search for any vector loads indexes and compiled code.
        self._nearest(np.eye(1, self._filled_by.embedding_dim, dtype=np.float32), 1, EVERYTHING)

    def tune(self, *, recall: float = 0.98, n_queries: int = 100) -> builtins.list[Tuned]:
        """Set an approximate index to reach `recall`@10, measured against exact search.

        Returns the settings that were measured; the last one is kept. Returns an empty list if
        search is exact or the backend tunes itself.
        """
        if not 0 < recall <= 1:
            raise InputError(f"recall must be in (0, 1], not {recall}")
        check_count("n_queries", n_queries)
        return []

    def settle(self) -> None:  # noqa: B027  (not every backend defers work)
        """Do the work that `add` defers, such as merging small pieces. Call it after the last
        `add`."""

    @abstractmethod
    def compact(self) -> None:
        """Merge small pieces, update indexes and free the space of deleted drawings."""

    @abstractmethod
    def info(self) -> GalleryInfo:
        """What is stored and how it is searched."""

    def version(self) -> Hashable:
        """A value, for caches, that changes whenever drawings are stored, deleted or hidden."""
        return self._version(), frozenset(self._hidden.all())

    def _search(self, embeddings: FloatArray, k: int, where: Where | None) -> builtins.list[Hits]:
        k, condition = check_k(k), parse_where(where)
        hidden = self._hidden.all()
        if not hidden and len(embeddings):
            rows, scores, counts = self._nearest(embeddings, k, condition)
            hits = iter(to_hits(rows, scores))
            return [Hits(islice(hits, n)) for n in counts.tolist()]
        results = [Hits() for _ in embeddings]
        # Hidden drawings are nearest to some queries: these are searched again for more.
        pending, n = np.arange(len(embeddings)), k + min(len(hidden), k)
        while len(pending):
            rows, scores, counts = self._nearest(embeddings[pending], n, condition)
            shown = _shown(rows, hidden)
            of_query = np.repeat(np.arange(len(counts)), counts)[shown]
            n_shown = np.bincount(of_query, minlength=len(counts))
            is_done = (n_shown >= k) | (counts < n)
            rank = np.arange(len(shown)) - (np.cumsum(n_shown) - n_shown)[of_query]
            wanted = shown[(rank < k) & is_done[of_query]]
            if len(wanted) < rows.num_rows:
                rows, scores = rows.take(pa.array(wanted)), scores[wanted]
            hits = iter(to_hits(rows, scores))
            for i in np.flatnonzero(is_done):
                results[pending[i]] = Hits(islice(hits, min(k, int(n_shown[i]))))
            pending, n = pending[~is_done], 2 * n
        return results

    def _scan_shown(
        self, condition: Filter, columns: Sequence[str], with_hidden: bool = False
    ) -> Iterator[pa.RecordBatch]:
        hidden = {} if with_hidden else self._hidden.all()
        if not hidden:
            yield from self._scan(condition, columns)
            return
        for rows in self._scan(condition, tuple(dict.fromkeys(("key_id", *columns)))):
            shown = _shown(rows, hidden)
            if len(shown):
                yield rows.take(pa.array(shown)).select(builtins.list(columns))

    def _originals(self, key_ids: Sequence[str]) -> dict[str, Original]:
        if "original_type" not in self._columns():
            return {}
        found: dict[str, Original] = {}
        for part in _parts(key_ids):
            for row in self._fetch(part, ("key_id", "original_type", ORIGINAL)).to_pylist():
                if row[ORIGINAL] is not None:
                    found[row["key_id"]] = Original(row[ORIGINAL], row["original_type"])
        return found

    def _with_originals(self, batch: DrawingBatch) -> DrawingBatch:
        """The batch with the stored originals of drawings that were read without them."""
        lacking = {
            str(key_id): row
            for row, (key_id, one) in enumerate(zip(batch.key_ids, batch.details, strict=True))
            if one is not None and one.original is None and one.original_type is not None
        }
        if not lacking:
            return batch
        details = builtins.list(batch.details)
        for key_id, original in self._originals(builtins.list(lacking)).items():
            row = lacking[key_id]
            details[row] = replace(details[row] or Details(), original=original.content)
        return batch.replace(details=details)

    def _hidden_parts(self, condition: Filter) -> Iterator[Filter]:
        """Filters that the hidden drawings that pass `condition` pass, a part of them each."""
        hidden = builtins.list(self._hidden.all())
        if condition.key_ids is not None:
            hidden = sorted(set(hidden) & set(condition.key_ids))
        for part in _parts(hidden):
            yield replace(condition, key_ids=tuple(part))

    # Backends implement the rest. Rows have the columns of `rows.row_schema`, hidden rows count,
    # and only rows that pass the condition are returned, counted or deleted.

    @abstractmethod
    def _columns(self) -> tuple[str, ...]:
        """COLUMNS, and the DETAILS that this gallery has."""

    @abstractmethod
    def _version(self) -> Hashable:
        """A value that changes with the stored rows."""

    @abstractmethod
    def _upsert(self, rows: pa.Table) -> Added:
        """Store rows with distinct key_ids in one transaction; replace those with the same
        key_ids."""

    @abstractmethod
    def _nearest(self, embeddings: FloatArray, k: int, condition: Filter) -> Nearest:
        """The k rows nearest to each of `embeddings` (Q, D), best first."""

    @abstractmethod
    def _delete(self, conditions: Sequence[Filter]) -> int:
        """Delete the rows that pass any of `conditions`. Returns how many were deleted."""

    @abstractmethod
    def _fetch(self, key_ids: Sequence[str], columns: Sequence[str]) -> pa.Table:
        """The rows with these key_ids, at most KEYS_AT_ONCE, in any order."""

    @abstractmethod
    def _page(self, condition: Filter, after: str | None, limit: int) -> pa.Table:
        """The first `limit` rows after the key_id `after`, sorted by key_id."""

    @abstractmethod
    def _scan(self, condition: Filter, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """All rows, in batches that are not empty, from one consistent state."""

    @abstractmethod
    def _count(self, condition: Filter) -> int:
        """The number of rows."""

    def _count_by(self, column: str, condition: Filter) -> dict[Any, int]:
        """The number of rows by their value in a column."""
        counts: Counter[Any] = Counter()
        for rows in self._scan(condition, (column,)):
            values = rows[column]
            if column == "tags":
                values = values.flatten()
            for group in values.value_counts().to_pylist():
                counts[group["values"]] += group["counts"]
        return dict(counts)


def _shown(rows: pa.Table | pa.RecordBatch, hidden: Mapping[str, Hidden]) -> IntArray:
    """The positions of the rows that are not hidden."""
    if not hidden:
        return np.arange(rows.num_rows)
    is_hidden = pc.is_in(rows["key_id"], value_set=pa.array(builtins.list(hidden), pa.string()))
    return np.flatnonzero(~is_hidden.to_numpy(zero_copy_only=False))


def _parts(key_ids: Sequence[str]) -> Iterator[builtins.list[str]]:
    iterator = iter(key_ids)
    while part := builtins.list(islice(iterator, KEYS_AT_ONCE)):
        yield part
