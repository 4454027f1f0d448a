"""The gallery contract: everything public is written once, here; backends add a few primitives.

A backend (`lance/` stores a gallery in a folder, `milvus/` on a server) implements the methods
that start with an underscore. One suite of contract tests runs on all of them.
"""

from __future__ import annotations

import builtins
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Sequence
from itertools import islice
from os import PathLike
from typing import Any, overload

import numpy as np
import pyarrow as pa

from garabato.drawing import Drawing, DrawingBatch, FloatArray
from garabato.errors import InputError
from garabato.gallery.batching import as_tags, transactions
from garabato.gallery.export import export_drawings
from garabato.gallery.filters import EVERYTHING, Filter, Where, parse_where
from garabato.gallery.records import (
    Added,
    Embedder,
    FilledBy,
    GalleryInfo,
    Hit,
    Query,
    Stored,
    StoredDrawing,
    Tuned,
    as_embedding,
    check_k,
)
from garabato.gallery.rows import COLUMNS, to_drawings, to_hits, to_rows, to_stored

#: Key_ids named in one condition, and rows of a page, at a time.
KEYS_AT_ONCE = 1_000
#: What `count` groups by.
GROUPS = ("category", "country", "recognized", "tags")


class Gallery(ABC):
    """A set of drawings by key_id that can be searched by similarity and survives crashes.

    `garabato.open_gallery` opens one. All methods raise GalleryError if the gallery cannot be
    used, and StorageError if the disk is full or cannot be written.
    """

    def __init__(self, uri: str, encoder: Embedder | None, filled_by: FilledBy) -> None:
        #: Where the gallery is, as given to `open_gallery`.
        self.uri = uri
        self._encoder = encoder
        self._filled_by = filled_by
        if encoder is not None:
            filled_by.check(encoder, uri)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.uri!r})"

    def __len__(self) -> int:
        return self._count(EVERYTHING)

    def add(
        self,
        drawings: Iterable[Drawing] | DrawingBatch,
        *,
        embeddings: FloatArray | None = None,
        tags: Sequence[str] = (),
    ) -> Added:
        """Embed and store drawings. They are durable and can be found when this returns.

        A drawing replaces the stored one with the same key_id; if several have one key_id, the
        last is kept. A drawing without a key_id gets one made from its strokes, so the same
        strokes are stored once. Up to 16,384 drawings are stored all or none; more are stored in
        such transactions, in order. Pass `embeddings` (N, D) float32 to skip the encoder.
        """
        tags = as_tags(tags)
        added = Added()
        for transaction in transactions(drawings, embeddings, self._encoder, self._filled_by):
            stored = Added()
            if transaction.batches:
                rows = [to_rows(batch, vectors, tags) for batch, vectors in transaction.batches]
                stored = self._upsert(pa.concat_tables(rows))
            added += stored + Added(n_empty=transaction.n_empty)
        return added

    def search(
        self, query: Query, k: int = 10, *, where: Where | None = None
    ) -> builtins.list[Hit]:
        """The `k` drawings most similar to a drawing or to an embedding (D,), best first.

        `where` is applied before ranking, so k hits are returned whenever k drawings pass it.
        """
        k, condition = check_k(k), parse_where(where)
        embedding = as_embedding(query, self._encoder, self._filled_by)
        return to_hits(*self._nearest(embedding, k, condition))

    def get(self, key_ids: Sequence[str]) -> builtins.list[Drawing]:
        """The drawings with these key_ids, in that order. Those that don't exist are left out."""
        found: dict[str, Drawing] = {}
        for part in _parts(key_ids):
            for drawing, _ in to_drawings(self._fetch(part, COLUMNS)):
                found[str(drawing.key_id)] = drawing
        return [found[key_id] for key_id in key_ids if key_id in found]

    def missing(self, key_ids: Sequence[str]) -> builtins.list[str]:
        """The key_ids that are not stored, in the order given."""
        stored: set[str] = set()
        for part in _parts(key_ids):
            stored.update(self._fetch(part, ("key_id",))["key_id"].to_pylist())
        return [key_id for key_id in key_ids if key_id not in stored]

    def delete(self, key_ids: Iterable[str] | None = None, *, where: Where | None = None) -> int:
        """Delete drawings, by key_id or by filter. Returns how many there were."""
        if (key_ids is None) == (where is None):
            raise InputError("delete takes key_ids or where, one of the two")
        if key_ids is not None:
            given = [key_ids] if isinstance(key_ids, str) else builtins.list(key_ids)
            return self._delete([Filter(key_ids=tuple(part)) for part in _parts(given)])
        condition = parse_where(where)
        if condition.is_empty:
            raise InputError("an empty filter would delete everything; name what to delete")
        return self._delete([condition])

    def list(
        self, *, after: str | None = None, limit: int = 100, where: Where | None = None
    ) -> builtins.list[StoredDrawing]:
        """Up to `limit` drawings in the order of their key_ids, starting behind `after`.

        Pass the last key_id of a page as `after` to get the next one.
        """
        if limit < 1:
            raise InputError(f"limit must be at least 1, not {limit}")
        return to_drawings(self._page(parse_where(where), after, limit))

    @overload
    def count(self, *, where: Where | None = None) -> int: ...
    @overload
    def count(self, *, by: str, where: Where | None = None) -> dict[Any, int]: ...
    def count(self, *, by: str | None = None, where: Where | None = None) -> int | dict[Any, int]:
        """How many drawings there are.

        `by` ("category", "country", "recognized" or "tags") gives a dictionary from each value to
        its number of drawings. Drawings where it is unknown are counted under None.
        """
        condition = parse_where(where)
        if by is None:
            return self._count(condition)
        if by not in GROUPS:
            raise InputError(f"drawings can be counted by {', '.join(GROUPS)}, not by {by!r}")
        return self._count_by(by, condition)

    def scan(self, *, where: Where | None = None) -> Iterator[Stored]:
        """Iterate over everything stored (or what passes `where`), from one consistent state."""
        for rows in self._scan(parse_where(where), (*COLUMNS, "embedding")):
            yield from to_stored(rows)

    def columns(self, *names: str, where: Where | None = None) -> Iterator[pa.RecordBatch]:
        """Iterate over some columns only, as Arrow record batches; much faster than `scan`.

        `names` are from key_id, category, country, recognized, timestamp, tags and embedding.
        """
        for name in names:
            if name not in (*COLUMNS, "embedding"):
                raise InputError(f"{name!r} is not a column of a gallery")
        yield from self._scan(parse_where(where), names)

    def export(self, path: str | PathLike[str], *, where: Where | None = None) -> int:
        """Write the drawings to a .ndjson or .parquet file, or to a folder with a file a category.

        Returns how many were written.
        """
        return export_drawings(self.scan(where=where), path)

    def warm(self) -> None:
        """Prepare for queries: load what the first ones would otherwise wait for."""
        # Any direction will do: the search loads indexes and compiled code.
        self._nearest(np.eye(1, self._filled_by.embedding_dim, dtype=np.float32)[0], 1, EVERYTHING)

    def tune(self, *, recall: float = 0.98, n_queries: int = 100) -> builtins.list[Tuned]:
        """Set an approximate index to reach `recall`@10, measured against exact search.

        Returns the settings measured, the one kept last; an empty list if search is exact or the
        backend tunes itself.
        """
        if not 0 < recall <= 1:
            raise InputError(f"recall must be in (0, 1], not {recall}")
        return []

    def settle(self) -> None:  # noqa: B027  (not every backend puts work off)
        """Do the work that `add` puts off, such as merging small pieces. Call it after the last."""

    @abstractmethod
    def compact(self) -> None:
        """Merge small pieces, update indexes and free the space of deleted drawings."""

    @abstractmethod
    def info(self) -> GalleryInfo:
        """What is stored and how it is searched."""

    @abstractmethod
    def version(self) -> Hashable:
        """A value that differs whenever the stored drawings may differ, for caches."""

    # What a backend implements. Rows have the columns of `rows.row_schema`.

    @abstractmethod
    def _upsert(self, rows: pa.Table) -> Added:
        """Store rows whose key_ids all differ, in one transaction, replacing those with the same
        key_ids."""

    @abstractmethod
    def _nearest(
        self, embedding: FloatArray, k: int, condition: Filter
    ) -> tuple[pa.Table, FloatArray]:
        """The k nearest rows (COLUMNS) that pass, best first, and their cosine similarities."""

    @abstractmethod
    def _delete(self, conditions: Sequence[Filter]) -> int:
        """Delete the rows that pass any of these; how many there were."""

    @abstractmethod
    def _fetch(self, key_ids: Sequence[str], columns: Sequence[str]) -> pa.Table:
        """The stored rows among up to KEYS_AT_ONCE key_ids, in any order."""

    @abstractmethod
    def _page(self, condition: Filter, after: str | None, limit: int) -> pa.Table:
        """The first `limit` rows (COLUMNS) that pass, in the order of key_ids, behind `after`."""

    @abstractmethod
    def _scan(self, condition: Filter, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """All rows that pass, without empty batches, from one consistent state."""

    @abstractmethod
    def _count(self, condition: Filter) -> int:
        """How many rows pass."""

    def _count_by(self, column: str, condition: Filter) -> dict[Any, int]:
        """How many rows that pass have each value of a column."""
        counts: Counter[Any] = Counter()
        for rows in self._scan(condition, (column,)):
            values = rows[column]
            if column == "tags":
                values = values.flatten()
            for group in values.value_counts().to_pylist():
                counts[group["values"]] += group["counts"]
        return dict(counts)


def _parts(key_ids: Sequence[str]) -> Iterator[builtins.list[str]]:
    iterator = iter(key_ids)
    while part := builtins.list(islice(iterator, KEYS_AT_ONCE)):
        yield part
