"""The embedded gallery: a folder with a Lance table, safe against kills, open to many processes.

One row a drawing: key_id, category, country, recognized, timestamp, tags, strokes (binary, see
`packing`) and embedding (float16: half of float32's bytes; cosines are off by less than 0.001).
The table's metadata says which encoder filled it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import pyarrow as pa

from garabato.drawing import Drawing, DrawingBatch, FloatArray
from garabato.errors import GalleryError, InputError, StorageError
from garabato.gallery.base import (
    FORMAT_VERSION,
    Added,
    Embedder,
    FilledBy,
    GalleryInfo,
    Hit,
    Query,
    Stored,
    as_embedding,
    check_k,
    no_gallery_at,
)
from garabato.gallery.batching import Transaction, as_tags, transactions
from garabato.gallery.export import export_drawings
from garabato.gallery.filters import Where, parse_where, to_sql
from garabato.gallery.lance.folder import (
    TABLE,
    bytes_on_disk,
    connect,
    is_gallery,
    lance_errors,
    n_old_versions,
    stamp,
    writing,
)
from garabato.gallery.lance.index import (
    Tuned,
    build_index,
    index_keys,
    is_outgrown,
    n_indexed,
    needs_index,
    read_settings,
    search_on_disk,
    tune,
)
from garabato.gallery.lance.memory_search import scannable_rows
from garabato.gallery.lance.memory_table import COLUMNS, Resident, load, refresh
from garabato.gallery.lance.table import (
    create_table,
    is_one_of,
    parts_of,
    read_id,
    read_metadata,
    to_drawing,
    to_rows,
    to_stored,
)

_log = logging.getLogger(__name__)

#: Up to here all embeddings are held in memory and scanned, which is exact; beyond, an approximate
#: index on disk is used. Eight million on two cores and 20 GB.
EXACT_UP_TO = scannable_rows()
#: Small pieces (one a transaction) that are let pile up before they are merged.
MAX_SMALL_PIECES = 64
#: Versions (one a change) past their time that are let pile up before they are given up.
MAX_OLD_VERSIONS = 256
#: Merging and indexing that took t seconds is not done again for so many times t, however much is
#: added meanwhile.
REST = 2.0
#: Versions older than this are given up when compacting; younger ones may still be being read.
KEEP_VERSIONS_S = 600.0


class LanceGallery:
    """A gallery in a folder on this machine; see `garabato.gallery.base.Gallery`."""

    def __init__(self, uri: str, table: Any, encoder: Embedder | None) -> None:
        self.uri = uri
        self._folder = Path(uri)
        self._table = table
        self._encoder = encoder
        self._filled_by = read_metadata(uri, table)
        self._id = read_id(table)
        self._stamp = stamp(self._folder)
        self._resident: Resident | None = None
        self._n_searches = 0
        self._tidy_from_s = 0.0
        self._refreshing = threading.Lock()
        if encoder is not None:
            self._filled_by.check(encoder, uri)

    def __repr__(self) -> str:
        return f"LanceGallery({self.uri!r})"

    @classmethod
    def open(
        cls, uri: str, *, encoder: Embedder | None = None, must_exist: bool = False
    ) -> LanceGallery:
        """Open the gallery in a folder, or make it where there is none and an encoder is given."""
        folder = Path(uri)
        if not is_gallery(folder):
            if encoder is None or must_exist:
                raise no_gallery_at(uri)
            return cls(uri, create_table(uri, FilledBy.of(encoder)), encoder)
        with lance_errors(uri):
            return cls(uri, connect(folder).open_table(TABLE), encoder)

    def add(
        self,
        drawings: Iterable[Drawing] | DrawingBatch,
        *,
        embeddings: FloatArray | None = None,
        tags: Sequence[str] = (),
    ) -> Added:
        added = Added()
        for transaction in transactions(drawings, embeddings, self._encoder, self._filled_by):
            added += self._store(transaction, as_tags(tags))
        return added

    def search(self, query: Query, k: int = 10, *, where: Where | None = None) -> list[Hit]:
        k, condition = check_k(k), parse_where(where)
        embedding = as_embedding(query, self._encoder, self._filled_by)
        with lance_errors(self.uri):
            self._notice_new_table()
            held = self._held()
            if held is not None:
                rows, scores = held.search(embedding, k, condition)
            else:
                settings = read_settings(self._table) if self._is_large() else None
                rows, scores = search_on_disk(
                    self._table, embedding, k, condition, settings=settings
                )
        return [
            Hit(
                key_id=row["key_id"],
                category=row["category"],
                score=min(1.0, float(score)),
                drawing=to_drawing(row),
                country=row["country"],
                recognized=row["recognized"],
                timestamp=row["timestamp"],
                tags=tuple(row["tags"] or ()),
            )
            for row, score in zip(rows.to_pylist(), scores, strict=True)
        ]

    def warm(self) -> None:
        """Make ready for many queries: hold the gallery in memory now, where it fits."""
        with lance_errors(self.uri):
            if not self._is_large():
                self._up_to_date()

    def delete(self, key_ids: Iterable[str] | None = None, *, where: Where | None = None) -> int:
        if (key_ids is None) == (where is None):
            raise InputError("delete takes key_ids or where, one of the two")
        if key_ids is not None:
            key_ids = [key_ids] if isinstance(key_ids, str) else list(key_ids)
            conditions = [is_one_of(part) for part in parts_of(key_ids)]
        else:
            condition = to_sql(parse_where(where))
            if condition is None:
                raise InputError("an empty filter would delete everything; name what to delete")
            conditions = [condition]
        n_deleted = 0
        with lance_errors(self.uri), writing(self._folder):
            self._notice_new_table()
            for condition in conditions:
                n_deleted += self._table.delete(condition).num_deleted_rows
        self._settle_now_and_then()
        return n_deleted

    def get(self, key_ids: Sequence[str]) -> list[Drawing]:
        found: dict[str, Drawing] = {}
        with lance_errors(self.uri):
            for part in parts_of(key_ids):
                rows = self._table.search().where(is_one_of(part)).select(list(COLUMNS))
                for row in rows.limit(len(part)).to_arrow().to_pylist():
                    found[row["key_id"]] = to_drawing(row)
        return [found[key_id] for key_id in key_ids if key_id in found]

    def missing(self, key_ids: Sequence[str]) -> list[str]:
        there: set[str] = set()
        with lance_errors(self.uri):
            for part in parts_of(key_ids):
                rows = self._table.search().where(is_one_of(part)).select(["key_id"])
                there.update(rows.limit(len(part)).to_arrow()["key_id"].to_pylist())
        return [key_id for key_id in key_ids if key_id not in there]

    def scan(self, *, where: Where | None = None) -> Iterator[Stored]:
        condition = to_sql(parse_where(where))
        with lance_errors(self.uri):
            query = self._pinned(self._table.version).search()
            if condition is not None:
                query = query.where(condition)
            for rows in query.select([*COLUMNS, "embedding"]).to_batches():
                if rows.num_rows:
                    yield from to_stored(rows, self._filled_by.embedding_dim)

    def export(self, path: str | PathLike[str], *, where: Where | None = None) -> int:
        return export_drawings(self.scan(where=where), path)

    def info(self) -> GalleryInfo:
        with lance_errors(self.uri):
            n_drawings = len(self)
            exact = n_drawings <= EXACT_UP_TO
        held = self._resident
        if exact and held is not None:
            mode = f"exact scan, {held.nbytes / 2**20:.0f} MiB in memory (int8 and float16)"
        elif exact:
            mode = "exact scan, from disk for the first query, then in memory"
        else:
            mode = self._index_mode()
        return GalleryInfo(
            uri=self.uri,
            engine="lance",
            format_version=FORMAT_VERSION,
            n_drawings=n_drawings,
            encoder=self._filled_by,
            mode=mode,
            exact=exact,
            n_indexed=0 if exact else n_indexed(self._table),
            bytes_on_disk=bytes_on_disk(self._folder),
            bytes_in_memory=None if held is None or not exact else held.nbytes,
        )

    def settle(self) -> None:
        """Merge small pieces and give up old versions if many have piled up, and index drawings
        if many are not.

        `add` and `delete` do so now and then. What they changed stays changed if it fails.
        """
        started_s = time.monotonic()
        try:
            with lance_errors(self.uri):
                pieces = self._table.stats()["fragment_stats"]["num_small_fragments"]
                behind = self._is_large() and needs_index(self._table)
                old = n_old_versions(self._folder, KEEP_VERSIONS_S)
                if pieces > MAX_SMALL_PIECES or old > MAX_OLD_VERSIONS or behind:
                    with writing(self._folder):
                        self._optimize(KEEP_VERSIONS_S)
        except (GalleryError, StorageError) as error:
            _log.warning("%s could not be compacted: %s", self.uri, error)
        ended_s = time.monotonic()
        self._tidy_from_s = ended_s + REST * (ended_s - started_s)

    def compact(self, *, keep_versions_s: float = KEEP_VERSIONS_S) -> None:
        """Merge small pieces and give up the space of versions older than `keep_versions_s`.

        Younger versions may be being read by other processes; 0 is for when there are none.
        """
        with lance_errors(self.uri), writing(self._folder):
            self._optimize(keep_versions_s)

    def tune(self, *, recall: float = 0.98, n_queries: int = 100) -> list[Tuned]:
        """Measure the approximate index against exact search and set it to reach `recall`@10.

        Returns what was measured, the setting that was kept last; an empty list where search is
        exact and there is nothing to set.
        """
        if not 0 < recall <= 1:
            raise InputError(f"a recall is in (0, 1], not {recall}")
        with lance_errors(self.uri):
            if not self._is_large():
                return []
            with writing(self._folder):
                if needs_index(self._table):
                    self._optimize(KEEP_VERSIONS_S)
                return tune(self._table, recall=recall, n_queries=n_queries)

    def __len__(self) -> int:
        with lance_errors(self.uri):
            return int(self._table.count_rows())

    def _store(self, transaction: Transaction, tags: tuple[str, ...]) -> Added:
        if not transaction.batches:
            return Added(n_empty=transaction.n_empty)
        with lance_errors(self.uri):
            schema = self._table.schema
            rows = pa.concat_tables(
                to_rows(batch, vectors, tags, schema) for batch, vectors in transaction.batches
            )
        with lance_errors(self.uri), writing(self._folder):
            self._notice_new_table()
            merge = self._table.merge_insert("key_id")
            merge = merge.when_matched_update_all().when_not_matched_insert_all()
            result = merge.execute(rows)
        self._settle_now_and_then()
        return Added(result.num_inserted_rows, result.num_updated_rows, transaction.n_empty)

    def _settle_now_and_then(self) -> None:
        if time.monotonic() >= self._tidy_from_s:
            self.settle()

    def _notice_new_table(self) -> None:
        """Take up the table that somebody made anew in this place, if so.

        Raises EncoderMismatchError where it was filled by another encoder.
        """
        seen = stamp(self._folder)
        if seen is None:
            raise no_gallery_at(self.uri)
        if seen == self._stamp:
            return
        with self._refreshing:
            table = connect(self._folder).open_table(TABLE)
            new_id = read_id(table)
            if new_id != self._id:
                filled_by = read_metadata(self.uri, table)
                if self._encoder is not None:
                    filled_by.check(self._encoder, self.uri)
                self._table, self._filled_by, self._resident = table, filled_by, None
                self._id = new_id
            self._stamp = seen

    def _held(self) -> Resident | None:
        """The rows in memory, of the newest version; None where the disk is to be searched."""
        held = self._resident
        if held is not None and held.version == self._table.version:
            return held
        n_searches, self._n_searches = self._n_searches, self._n_searches + 1
        # Holding all in memory pays from the second query on; a first one is often the last.
        if self._is_large() or (held is None and n_searches == 0):
            return None
        return self._up_to_date()

    def _is_large(self) -> bool:
        """Whether scanning all embeddings takes too long; then none are held in memory."""
        if len(self) <= EXACT_UP_TO:
            return False
        self._resident = None
        return True

    def _index_mode(self) -> str:
        settings = read_settings(self._table)
        if settings is None:
            return "exact scan on disk, slow; garabato gallery compact makes an index"
        recall = "not measured" if settings.recall is None else f"{settings.recall:.3f}"
        return (
            f"approximate index on disk (IVF, int8): {settings.n_probes} of {settings.n_cells} "
            f"cells probed, recall@10 {recall}; newest rows scanned"
        )

    def _optimize(self, keep_versions_s: float) -> None:
        from datetime import timedelta

        # The write lock is held, so what a killed writer left behind belongs to nobody.
        self._table.optimize(
            cleanup_older_than=timedelta(seconds=max(keep_versions_s, 0.001)),
            delete_unverified=True,
        )
        index_keys(self._table)
        if self._is_large() and is_outgrown(self._table):
            build_index(self._table)

    def _up_to_date(self) -> Resident:
        """The rows in memory, of the newest version."""
        with self._refreshing:
            version = self._table.version
            held = self._resident
            if held is None or version < held.version:  # lower: made anew by somebody
                self._resident = load(self._pinned(version), version)
            elif version > held.version:
                self._resident = refresh(held, self._pinned(version), version)
            assert self._resident is not None
            return self._resident

    def _pinned(self, version: int) -> Any:
        """A handle that stays at one version, so that several reads see one state."""
        return connect(self._folder).open_table(TABLE, version=version)
