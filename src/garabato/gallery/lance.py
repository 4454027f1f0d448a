"""The embedded gallery: a folder with a Lance table, safe against kills, open to many processes.

One row a drawing: key_id, category, country, recognized, timestamp, tags, strokes (binary, see
`packing`) and embedding (float16: half of float32's bytes; cosines are off by less than 0.001).
The table's metadata says which encoder filled it.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from itertools import islice
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from garabato.drawing import Drawing, DrawingBatch, FloatArray, IntArray
from garabato.errors import GalleryError, InputError, StorageError, storage_errors
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
    normalised_rows,
)
from garabato.gallery.exporting import export_drawings
from garabato.gallery.filters import Filter, Where, parse_where, quote, to_sql
from garabato.gallery.lance_folder import (
    TABLE,
    bytes_on_disk,
    connect,
    is_gallery,
    lance_errors,
    writing,
)
from garabato.gallery.packing import has_ink, of_one_kind, pack_batch, unpack, with_key_ids
from garabato.gallery.resident import COLUMNS, Resident, load, refresh

_log = logging.getLogger(__name__)

#: Drawings stored in one transaction.
TRANSACTION = 16_384
#: Up to here all embeddings are scanned, which is exact; beyond, an approximate index is used.
EXACT_UP_TO = 1_000_000
#: Small pieces (one a transaction) that `add` lets pile up before it merges them.
MAX_SMALL_PIECES = 64
#: Versions older than this are given up when compacting; younger ones may still be being read.
KEEP_VERSIONS_S = 600.0
_KEYS_PER_CONDITION = 1_000
_KNOWN = ("key_id", "category", "country", "recognized", "timestamp")


class LanceGallery:
    """A gallery in a folder on this machine; see `garabato.gallery.base.Gallery`."""

    def __init__(self, uri: str, table: Any, encoder: Embedder | None) -> None:
        self.uri = uri
        self._folder = Path(uri)
        self._table = table
        self._encoder = encoder
        self._filled_by = _read_metadata(uri, table)
        self._resident: Resident | None = None
        self._n_searches = 0
        self._refreshing = threading.Lock()
        if encoder is not None:
            self._filled_by.check(encoder, uri)

    @classmethod
    def open(
        cls, uri: str, *, encoder: Embedder | None = None, must_exist: bool = False
    ) -> LanceGallery:
        """Open the gallery in a folder, or make it where there is none and an encoder is given."""
        folder = Path(uri)
        if not is_gallery(folder):
            if encoder is None or must_exist:
                raise GalleryError(
                    f"there is no gallery at {uri}; fill one: "
                    f"garabato index --source DIR --gallery {uri}"
                )
            return cls(uri, _create(uri, FilledBy.of(encoder)), encoder)
        with lance_errors(uri):
            return cls(uri, connect(folder).open_table(TABLE), encoder)

    def add(
        self,
        drawings: Iterable[Drawing] | DrawingBatch,
        *,
        embeddings: FloatArray | None = None,
        tags: Sequence[str] = (),
    ) -> Added:
        if embeddings is not None:
            drawings = drawings if isinstance(drawings, DrawingBatch) else list(drawings)
            if len(drawings) != len(embeddings):
                raise InputError(
                    f"{len(embeddings)} embeddings were given for {len(drawings)} drawings"
                )
            embeddings = normalised_rows(embeddings, self._filled_by)
        added = Added()
        n_seen = 0
        for chunk in _chunks(drawings):
            parts = [(batch, places + n_seen) for batch, places in chunk]
            n_seen += sum(len(batch) for batch, _ in parts)
            added += self._add_chunk(parts, embeddings, tuple(tags))
        return added

    def search(self, query: Query, k: int = 10, *, where: Where | None = None) -> list[Hit]:
        k, condition = check_k(k), parse_where(where)
        embedding = as_embedding(query, self._encoder, self._filled_by)
        with lance_errors(self.uri):
            n_searches, self._n_searches = self._n_searches, self._n_searches + 1
            # Holding all in memory pays from the second query on; a first one is often the last.
            if (n_searches or self._resident) and len(self) <= EXACT_UP_TO:
                rows, scores = self._up_to_date().search(embedding, k, condition)
            else:
                rows, scores = self._search_on_disk(embedding, k, condition)
        return [
            Hit(
                key_id=row["key_id"],
                category=row["category"],
                score=min(1.0, float(score)),
                drawing=_drawing(row),
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
            if len(self) <= EXACT_UP_TO:
                self._up_to_date()

    def delete(self, key_ids: Iterable[str] | None = None, *, where: Where | None = None) -> int:
        if (key_ids is None) == (where is None):
            raise InputError("delete takes key_ids or where, one of the two")
        if key_ids is not None:
            key_ids = [key_ids] if isinstance(key_ids, str) else list(key_ids)
            conditions = [_is_one_of(part) for part in _parts(key_ids)]
        else:
            condition = to_sql(parse_where(where))
            if condition is None:
                raise InputError("an empty filter would delete everything; name what to delete")
            conditions = [condition]
        n_deleted = 0
        with lance_errors(self.uri), writing(self._folder):
            for condition in conditions:
                n_deleted += self._table.delete(condition).num_deleted_rows
        return n_deleted

    def get(self, key_ids: Sequence[str]) -> list[Drawing]:
        found: dict[str, Drawing] = {}
        with lance_errors(self.uri):
            for part in _parts(key_ids):
                rows = self._table.search().where(_is_one_of(part)).select(list(COLUMNS))
                for row in rows.limit(len(part)).to_arrow().to_pylist():
                    found[row["key_id"]] = _drawing(row)
        return [found[key_id] for key_id in key_ids if key_id in found]

    def missing(self, key_ids: Sequence[str]) -> list[str]:
        there: set[str] = set()
        with lance_errors(self.uri):
            for part in _parts(key_ids):
                rows = self._table.search().where(_is_one_of(part)).select(["key_id"])
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
                    yield from self._stored(rows)

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
            mode = "scan on disk"
        return GalleryInfo(
            uri=self.uri,
            engine="lance",
            format_version=FORMAT_VERSION,
            n_drawings=n_drawings,
            encoder=self._filled_by,
            mode=mode,
            exact=exact,
            n_indexed=0,
            bytes_on_disk=bytes_on_disk(self._folder),
        )

    def compact(self, *, keep_versions_s: float = KEEP_VERSIONS_S) -> None:
        """Merge small pieces and give up the space of versions older than `keep_versions_s`.

        Younger versions may be being read by other processes; 0 is for when there are none.
        """
        with lance_errors(self.uri), writing(self._folder):
            self._optimize(keep_versions_s)

    def __len__(self) -> int:
        with lance_errors(self.uri):
            return int(self._table.count_rows())

    def _add_chunk(
        self,
        parts: list[tuple[DrawingBatch, IntArray]],
        embeddings: FloatArray | None,
        tags: tuple[str, ...],
    ) -> Added:
        """Store one transaction's drawings; the places (n,) are their rows of `embeddings`."""
        n_empty = 0
        tables = []
        for batch, places in parts:
            inked = np.flatnonzero(has_ink(batch))
            n_empty += len(batch) - len(inked)
            if len(inked) < len(batch):
                batch, places = batch.take(inked), places[inked]
            if len(batch):
                vectors = self._embed(batch) if embeddings is None else embeddings[places]
                tables.append(_to_rows(batch, vectors, tags, self._table.schema))
        if not tables:
            return Added(n_empty=n_empty)
        rows = _last_of_each(pa.concat_tables(tables))
        with lance_errors(self.uri), writing(self._folder):
            merge = self._table.merge_insert("key_id")
            merge = merge.when_matched_update_all().when_not_matched_insert_all()
            result = merge.execute(rows)
        self._keep_tidy()
        return Added(result.num_inserted_rows, result.num_updated_rows, n_empty)

    def _embed(self, batch: DrawingBatch) -> FloatArray:
        if self._encoder is None:
            raise GalleryError("adding drawings needs the encoder: open_gallery(uri, encoder=...)")
        return normalised_rows(self._encoder.embed(batch), self._filled_by)

    def _keep_tidy(self) -> None:
        """Merge small pieces when many have piled up; what was added stays added if that fails."""
        try:
            with lance_errors(self.uri):
                pieces = self._table.stats()["fragment_stats"]["num_small_fragments"]
                if pieces > MAX_SMALL_PIECES:
                    with writing(self._folder):
                        self._optimize(KEEP_VERSIONS_S)
        except (GalleryError, StorageError) as error:
            _log.warning("%s could not be compacted: %s", self.uri, error)

    def _optimize(self, keep_versions_s: float) -> None:
        from datetime import timedelta

        # The write lock is held, so what a killed writer left behind belongs to nobody.
        self._table.optimize(
            cleanup_older_than=timedelta(seconds=max(keep_versions_s, 0.001)),
            delete_unverified=True,
        )

    def _search_on_disk(
        self, embedding: FloatArray, k: int, condition: Filter
    ) -> tuple[pa.Table, FloatArray]:
        query = self._table.search(embedding.astype(np.float16), vector_column_name="embedding")
        query = query.distance_type("cosine").limit(k).select([*COLUMNS, "_distance"])
        sql = to_sql(condition)
        if sql is not None:
            query = query.where(sql, prefilter=True)
        rows = query.to_arrow()
        scores = 1 - rows["_distance"].to_numpy()
        return rows, scores.astype(np.float32)

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

    def _stored(self, rows: pa.RecordBatch) -> Iterator[Stored]:
        drawings = [_drawing(row) for row in rows.select(list(COLUMNS)).to_pylist()]
        dim = self._filled_by.embedding_dim
        embeddings = rows["embedding"].flatten().to_numpy().reshape(-1, dim).astype(np.float32)
        embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
        tags = [tuple(listed or ()) for listed in rows["tags"].to_pylist()]
        for places in of_one_kind(drawings):
            yield Stored(
                DrawingBatch.from_drawings([drawings[i] for i in places]),
                embeddings[places],
                [tags[i] for i in places],
            )


def _create(uri: str, filled_by: FilledBy) -> Any:
    document = {"format_version": FORMAT_VERSION, "encoder": asdict(filled_by)}
    is_key = {"lance-schema:unenforced-primary-key": "true"}
    schema = pa.schema(
        [
            pa.field("key_id", pa.string(), nullable=False, metadata=is_key),
            pa.field("category", pa.string()),
            pa.field("country", pa.string()),
            pa.field("recognized", pa.bool_()),
            pa.field("timestamp", pa.string()),
            pa.field("tags", pa.list_(pa.string())),
            pa.field("strokes", pa.binary()),
            pa.field("embedding", pa.list_(pa.float16(), filled_by.embedding_dim)),
        ],
        metadata={"garabato": json.dumps(document)},
    )
    folder = Path(uri)
    try:
        with storage_errors(uri):
            folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"cannot make the folder {uri}: {error.strerror}") from error
    with lance_errors(uri), writing(folder):
        return connect(folder).create_table(TABLE, schema=schema, exist_ok=True)


def _read_metadata(uri: str, table: Any) -> FilledBy:
    """The encoder that filled the gallery. Raises GalleryError for another format."""
    written = (table.schema.metadata or {}).get(b"garabato", b"")
    try:
        document = json.loads(written)
        version = int(document["format_version"])
    except (TypeError, ValueError, KeyError):
        raise GalleryError(
            f"{uri} holds a Lance table that is not garabato's; give a new folder"
        ) from None
    if version > FORMAT_VERSION:
        raise GalleryError(
            f"{uri} is of gallery format {version}, this garabato reads up to {FORMAT_VERSION}: "
            "pip install --upgrade garabato"
        )
    return FilledBy(**document["encoder"])


def _to_rows(
    batch: DrawingBatch, embeddings: FloatArray, tags: tuple[str, ...], schema: pa.Schema
) -> pa.Table:
    vectors = pa.array(embeddings.astype(np.float16).reshape(-1))
    return pa.table(
        [
            pa.array(with_key_ids(batch).key_ids, pa.string()),
            pa.array(batch.categories, pa.string()),
            pa.array(batch.countries, pa.string()),
            pa.array(batch.recognized, pa.bool_()),
            pa.array(batch.timestamps, pa.string()),
            pa.array([tags] * len(batch), pa.list_(pa.string())),
            pack_batch(batch),
            pa.FixedSizeListArray.from_arrays(vectors, embeddings.shape[1]),
        ],
        schema=schema,
    )


def _last_of_each(rows: pa.Table) -> pa.Table:
    """Of the rows with one key_id only the last, which is what upserting one by one would leave."""
    last = {key_id: i for i, key_id in enumerate(rows["key_id"].to_pylist())}
    return rows if len(last) == len(rows) else rows.take(pa.array(sorted(last.values())))


def _chunks(
    drawings: Iterable[Drawing] | DrawingBatch,
) -> Iterator[list[tuple[DrawingBatch, IntArray]]]:
    """A transaction's drawings as batches (strokes and bitmaps apart) with their places in it."""
    if isinstance(drawings, DrawingBatch):
        for first in range(0, len(drawings), TRANSACTION):
            batch = drawings[first : first + TRANSACTION]
            yield [(batch, np.arange(len(batch)))]
        return
    iterator = iter([drawings] if isinstance(drawings, Drawing) else drawings)
    while chunk := list(islice(iterator, TRANSACTION)):
        yield [
            (DrawingBatch.from_drawings([chunk[i] for i in places]), places)
            for places in of_one_kind(chunk)
        ]


def _drawing(row: dict[str, Any]) -> Drawing:
    return unpack(row["strokes"], **{name: row[name] for name in _KNOWN})


def _parts(key_ids: Sequence[str]) -> Iterator[Sequence[str]]:
    return (
        key_ids[first : first + _KEYS_PER_CONDITION]
        for first in range(0, len(key_ids), _KEYS_PER_CONDITION)
    )


def _is_one_of(key_ids: Sequence[str]) -> str:
    return f"key_id IN ({', '.join(map(quote, key_ids))})"
