"""The embedded gallery: a folder with a Lance table.

It survives kills, and many processes may use it at the same time. A row is a drawing: key_id,
category, country, recognized, timestamp, tags, strokes (see `stroke_codec`) and embedding (see
`table`). The columns title, link, source_path, original_type and original are added with the first
drawing that has any of them. The table's metadata names the encoder that filled it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Hashable, Iterator, Sequence
from datetime import timedelta
from functools import wraps
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

import numpy as np
import pyarrow as pa

from garabato.drawing import FloatArray, IntArray
from garabato.drawing.times import NORMAL_TIME, time_or_none
from garabato.errors import GalleryError, StorageError
from garabato.gallery.base import Gallery
from garabato.gallery.filters import EVERYTHING, Filter, is_one_of, quote, to_sql
from garabato.gallery.key_id_list import KeyIdList
from garabato.gallery.lance import limits
from garabato.gallery.lance.folder import (
    TABLE,
    bytes_on_disk,
    connect,
    is_gallery,
    lance_errors,
    n_old_versions,
    stamp,
    versions_stamp,
    writing,
)
from garabato.gallery.lance.index import (
    KeyRanges,
    OnDisk,
    build_index,
    index_keys,
    is_outgrown,
    n_indexed,
    needs_index,
    read_settings,
    tune,
)
from garabato.gallery.lance.memory_table import MemoryTable, RowSample, load, refresh
from garabato.gallery.lance.table import (
    EMBEDDING,
    create_table,
    embedding_columns,
    from_table,
    has_normal_times,
    make_columns,
    read_id,
    read_metadata,
    to_table,
)
from garabato.gallery.records import (
    Added,
    Embedder,
    FilledBy,
    GalleryInfo,
    Hidden,
    Tuned,
    no_gallery_at,
)
from garabato.gallery.rows import Nearest, described_by

#: The file in the gallery's folder that lists the hidden drawings.
HIDDEN = "hidden.json"
_log = logging.getLogger(__name__)

P = ParamSpec("P")
R = TypeVar("R")


def _repeated_if_compacted(
    read: Callable[Concatenate[LanceGallery, P], R],
) -> Callable[Concatenate[LanceGallery, P], R]:
    """Repeats a read that fails because a compaction removed the version it was reading."""

    @wraps(read)
    def repeated(gallery: LanceGallery, /, *args: P.args, **kwargs: P.kwargs) -> R:
        failed_at: Hashable = None
        while True:
            try:
                return read(gallery, *args, **kwargs)
            except GalleryError:
                newest = gallery._version()
                if newest == failed_at:  # nothing was compacted: the gallery is damaged
                    raise
                failed_at = newest

    return repeated


class LanceGallery(Gallery):
    """A gallery in a folder on this machine."""

    def __init__(self, uri: str, table: Any, encoder: Embedder | None) -> None:
        folder = Path(uri).absolute()
        resolved = folder.resolve()
        hidden = KeyIdList(
            folder / HIDDEN,
            Hidden,
            "the hidden drawings",
            # Services of earlier versions kept it beside the gallery.
            older_file=resolved.with_name(f"{resolved.name}.service") / HIDDEN,
        )
        super().__init__(uri, encoder, read_metadata(uri, table), hidden)
        self._folder = folder
        self._table = table
        self._id = read_id(table)
        self._stamp = stamp(self._folder)
        self._in_memory: MemoryTable | None = None
        #: The newest rows in memory, and the state of the list of versions when they were.
        self._newest: tuple[tuple[int, int], MemoryTable] | None = None
        self._n_searches = 0
        self._settle_from_s = 0.0
        self._refreshing = threading.Lock()
        self._counts: dict[str, tuple[Hashable, dict[Any, int]]] = {}
        #: A version of the table, and its times that are not stored in the normal form, by key_id.
        self._converted: tuple[int, dict[str, str]] = (-1, {})
        #: The table to be searched on disk, and its version.
        self._searched: tuple[int, OnDisk] | None = None
        #: Random rows, for filtered searches on disk.
        self._sample: RowSample | None = None
        self._key_ranges = KeyRanges()

    @classmethod
    def open(
        cls, uri: str, *, encoder: Embedder | None = None, must_exist: bool = False
    ) -> LanceGallery:
        """Open the gallery in a folder; see `open_gallery`."""
        folder = Path(uri)
        if not is_gallery(folder):
            if encoder is None or must_exist:
                raise no_gallery_at(uri)
            return cls(uri, create_table(uri, FilledBy.of(encoder)), encoder)
        with lance_errors(uri):
            return cls(uri, connect(folder).open_table(TABLE), encoder)

    @_repeated_if_compacted
    def warm(self) -> None:
        """Hold the gallery in memory if it is searched exactly."""
        with lance_errors(self.uri):
            if not self._is_large():
                self._up_to_date()
            else:
                self._key_ranges.boundaries(self._table)
                self._row_sample()
        super().warm()

    def info(self) -> GalleryInfo:
        with lance_errors(self.uri):
            n_drawings = self._table.count_rows()
            is_held = limits.is_exact(n_drawings)
            settings = None if is_held else read_settings(self._table)
            indexed = 0 if settings is None else n_indexed(self._table)
        held = self._in_memory if is_held else None
        if held is not None:
            mode = f"exact, {held.nbytes / 2**20:.0f} MiB in memory"
        elif is_held:
            mode = "exact, from disk for the first query, then in memory"
        elif settings is None:
            mode = "exact, on disk and slow; garabato gallery compact makes an index"
        else:
            recall = "not measured" if settings.recall is None else f"{settings.recall:.3f}"
            mode = (
                f"approximate, index on disk (IVF, int8): {settings.n_probes} of "
                f"{settings.n_clusters} clusters probed, recall@10 {recall}; newest rows all ranked"
            )
        return GalleryInfo(
            uri=self.uri,
            backend="lance",
            n_drawings=n_drawings,
            encoder=self._filled_by,
            mode=mode,
            exact=settings is None,
            n_indexed=indexed,
            bytes_on_disk=bytes_on_disk(self._folder),
            bytes_in_memory=None if held is None else held.nbytes,
        )

    def tune(self, *, recall: float = 0.98, n_queries: int = 100) -> list[Tuned]:
        super().tune(recall=recall, n_queries=n_queries)
        with lance_errors(self.uri):
            if not self._is_large():
                return []
            with writing(self._folder):
                if needs_index(self._table):
                    self._optimize(limits.KEEP_VERSIONS_S)
                return tune(self._table, recall=recall, n_queries=n_queries)

    def settle(self) -> None:
        """Merge small fragments, remove old versions and index drawings, if many have piled up.

        `add` and `delete` do this now and then. If it fails, their changes are kept.
        """
        started_s = time.monotonic()
        try:
            with lance_errors(self.uri):
                n_small = self._table.stats()["fragment_stats"]["num_small_fragments"]
                behind = self._is_large() and needs_index(self._table)
                old = n_old_versions(self._folder, limits.KEEP_VERSIONS_S)
                if n_small > limits.MAX_SMALL_FRAGMENTS or old > limits.MAX_OLD_VERSIONS or behind:
                    with writing(self._folder):
                        self._optimize(limits.KEEP_VERSIONS_S)
        except (GalleryError, StorageError) as error:
            _log.warning("%s could not be compacted: %s", self.uri, error)
        ended_s = time.monotonic()
        self._settle_from_s = ended_s + limits.REST * (ended_s - started_s)

    def compact(self, *, keep_versions_s: float | None = None) -> None:
        """Merge small fragments and free the space of versions older than `keep_versions_s`.

        Other processes may still be reading newer versions; pass 0 only if there are none. The
        default is `limits.KEEP_VERSIONS_S`.
        """
        keep_s = limits.KEEP_VERSIONS_S if keep_versions_s is None else keep_versions_s
        with lance_errors(self.uri), writing(self._folder):
            self._optimize(keep_s)

    def _columns(self) -> tuple[str, ...]:
        with lance_errors(self.uri):
            return described_by(self._table.schema.names)

    def _version(self) -> tuple[str | None, int]:
        with lance_errors(self.uri):
            self._notice_new_table()
            return self._id, int(self._table.version)

    def _upsert(self, rows: pa.Table) -> Added:
        with lance_errors(self.uri), writing(self._folder):
            self._notice_new_table()
            make_columns(self._table, rows)
            merge = self._table.merge_insert("key_id")
            merge = merge.when_matched_update_all().when_not_matched_insert_all()
            result = merge.execute(to_table(rows, self._table.schema))
        self._settle_now_and_then()
        return Added(result.num_inserted_rows, result.num_updated_rows)

    @_repeated_if_compacted
    def _nearest(self, embeddings: FloatArray, k: int, condition: Filter) -> Nearest:
        with lance_errors(self.uri):
            self._notice_new_table()
            held = self._held(len(embeddings))
            if held is not None:
                return held.search(embeddings, k, condition)
            on_disk = self._on_disk()
            sql = self._sql(condition)
            sample = None
            if not condition.is_empty and on_disk.settings is not None:
                sample = self._row_sample(condition, on_disk.n_passing(sql))
            found = []
            for one in embeddings:
                rank = 0.0 if sample is None else sample.rank_of_passing(k, one, condition)
                found.append(on_disk.search(one, k, sql, rank=rank))
            return Nearest.of(found)

    def _delete(self, conditions: Sequence[Filter]) -> int:
        n_deleted = 0
        with lance_errors(self.uri), writing(self._folder):
            self._notice_new_table()
            for condition in conditions:
                n_deleted += self._table.delete(self._sql(condition)).num_deleted_rows
        self._settle_now_and_then()
        return n_deleted

    @_repeated_if_compacted
    def _fetch(self, key_ids: Sequence[str], columns: Sequence[str]) -> pa.Table:
        with lance_errors(self.uri):
            query = self._table.search().where(is_one_of("key_id", key_ids)).select(list(columns))
            return query.limit(max(1, len(key_ids))).to_arrow()

    @_repeated_if_compacted
    def _page(self, condition: Filter, after: str | None, limit: int) -> pa.Table:
        with lance_errors(self.uri):
            table = self._pinned(self._table.version)
            key_ids = self._key_ranges.next_key_ids(
                table, self._sql(condition), after, limit, in_ranges=condition.key_ids is None
            )
            query = table.search().select(list(described_by(table.schema.names)))
            query = query.where(is_one_of("key_id", key_ids))
            return query.limit(max(1, len(key_ids))).to_arrow().sort_by("key_id")

    def _scan(self, condition: Filter, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        done = np.zeros(0, np.int64)
        while True:
            version = self._version()
            hashes: list[IntArray] = []
            try:
                for rows in self._scan_version(version[1], condition, columns):
                    keys = np.fromiter(map(hash, rows["key_id"].to_pylist()), np.int64)
                    hashes.append(keys)
                    new = np.flatnonzero(~np.isin(keys, done)) if len(done) else None
                    if new is not None:
                        rows = rows.take(pa.array(new))
                    if rows.num_rows:
                        yield rows.select(list(columns))
                return
            except GalleryError as error:
                if self._version() == version:
                    raise
                # A compaction removed the version that was read. Continue with the newest one and
                # skip the drawings that were yielded: a drawing that is stored throughout is
                # yielded exactly once.
                _log.info("%s: version %s was compacted away (%s)", self.uri, version[1], error)
                done = np.concatenate([done, *hashes])

    def _scan_version(
        self, version: int, condition: Filter, columns: Sequence[str]
    ) -> Iterator[pa.RecordBatch]:
        """All rows of a version that pass; key_id is always among their columns."""
        with lance_errors(self.uri):
            sql = self._sql(condition)
            table = self._pinned(version)
            query = table.search()
            if sql is not None:
                query = query.where(sql)
            wanted = list(dict.fromkeys(("key_id", *columns)))
            stored = [name for name in wanted if name != EMBEDDING]
            if EMBEDDING in columns:
                stored += embedding_columns(table)
            for rows in query.select(stored).to_batches():
                if rows.num_rows:
                    yield from_table(rows, wanted)

    @_repeated_if_compacted
    def _count(self, condition: Filter) -> int:
        with lance_errors(self.uri):
            return int(self._table.count_rows(self._sql(condition)))

    @_repeated_if_compacted
    def _count_by(self, column: str, condition: Filter) -> dict[Any, int]:
        version = self._version()
        kept = self._counts.get(column)
        if condition == EVERYTHING and kept is not None and kept[0] == version:
            return dict(kept[1])
        with lance_errors(self.uri):
            is_read = column == "tags" or self._in_memory is None or self._is_large()
            held = None if is_read else self._up_to_date()
        if held is not None:
            values = held.rows[column]
            if not condition.is_empty:
                values = values.take(pa.array(held.index.rows[held.passing(condition).positions]))
            counts = {v["values"]: v["counts"] for v in values.value_counts().to_pylist()}
        else:
            counts = super()._count_by(column, condition)
        if condition == EVERYTHING:
            self._counts[column] = version, counts
        return dict(counts)

    def _sql(self, condition: Filter) -> str | None:
        has_titles = condition.text is not None and "title" in self._columns()
        has_bound = condition.after is not None or condition.before is not None
        times = self._converted_times() if has_bound else None
        if times is None:
            return to_sql(condition, has_titles=has_titles)
        passing = [key_id for key_id, time in times.items() if condition.passes_time(time)]
        return to_sql(condition, passing, has_titles=has_titles)

    def _converted_times(self) -> dict[str, str] | None:
        """The times that earlier versions stored in other forms, converted to the normal form, by
        key_id; None if the table was made by this version, which stores only the normal form."""
        if has_normal_times(self._table):
            return None
        version = self._table.version
        if self._converted[0] != version:
            query = self._table.search().select(["key_id", "timestamp"])
            rows = query.where(f"NOT (timestamp LIKE {quote(NORMAL_TIME)})").to_arrow()
            times = zip(rows["key_id"].to_pylist(), rows["timestamp"].to_pylist(), strict=True)
            normal = ((key_id, time_or_none(text)) for key_id, text in times)
            self._converted = version, {key_id: time for key_id, time in normal if time is not None}
        return self._converted[1]

    def _settle_now_and_then(self) -> None:
        if time.monotonic() >= self._settle_from_s:
            self.settle()

    def _notice_new_table(self) -> None:
        """If the table was replaced by a new one, use the new one.

        Raises EncoderMismatchError if another encoder filled it.
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
                self._table, self._filled_by, self._in_memory = table, filled_by, None
                self._searched = self._sample = None
                self._id, self._key_ranges, self._converted = new_id, KeyRanges(), (-1, {})
            self._stamp = seen

    def _held(self, n_queries: int) -> MemoryTable | None:
        """The rows of the newest version in memory; None if the table on disk is to be searched."""
        held = self._in_memory
        if held is not None:
            # Asking Lance takes longer than a search, so ask only if a version was written since.
            seen, is_settled = versions_stamp(self._folder)
            newest = self._newest
            if newest is not None and newest[0] == seen and newest[1] is held:
                return held
            if held.version == self._table.version:
                self._newest = (seen, held) if is_settled else None
                return held
        self._n_searches += n_queries
        # Loading all rows pays off from the second query on; the first is often the only one.
        if self._is_large() or (held is None and self._n_searches == 1):
            return None
        return self._up_to_date()

    def _is_large(self) -> bool:
        """Whether the gallery is searched by its index on disk; then no rows are held in memory."""
        if limits.is_exact(self._table.count_rows()):
            return False
        self._in_memory = None
        return True

    def _on_disk(self) -> OnDisk:
        """The newest version of the table, to be searched on disk."""
        version, searched = self._table.version, self._searched
        if searched is None or searched[0] != version:
            settings = read_settings(self._table) if self._is_large() else None
            searched = self._searched = version, OnDisk(self._table, settings=settings)
        return searched[1]

    def _row_sample(
        self, condition: Filter = EVERYTHING, n_passing: int | None = None
    ) -> RowSample:
        """A sample of the rows, to estimate where the rows that pass a filter lie.

        Read again when the size of the gallery has changed by a fifth, or when the share of rows
        that pass has halved or doubled.
        """
        table, sample = self._table, self._sample
        n = table.count_rows()
        if (
            sample is None
            or sample.table is not table  # another thread may have read it from a replaced table
            or not sample.n_rows / 1.2 < n < 1.2 * sample.n_rows
            or (n_passing is not None and sample.is_outdated(condition, n_passing))
        ):
            sample = self._sample = RowSample(table)
        return sample

    def _optimize(self, keep_versions_s: float) -> None:
        # The write lock is held, so nobody else uses the files that a killed writer left behind.
        self._table.optimize(
            cleanup_older_than=timedelta(seconds=max(keep_versions_s, 0.001)),
            delete_unverified=True,
        )
        index_keys(self._table)
        if self._is_large() and is_outgrown(self._table):
            build_index(self._table)

    def _up_to_date(self) -> MemoryTable:
        """The rows of the newest version, held in memory."""
        with self._refreshing:
            version = self._table.version
            held = self._in_memory
            if held is None or version < held.version:  # lower: the table was replaced
                self._in_memory = load(self._pinned(version), version)
            elif version > held.version:
                self._in_memory = refresh(held, self._pinned(version), version)
            assert self._in_memory is not None
            return self._in_memory

    def _pinned(self, version: int) -> Any:
        """The table at one version, so that several reads see the same state."""
        return connect(self._folder).open_table(TABLE, version=version)
