"""The gallery on a Milvus server or cluster, for galleries that outgrow one machine.

A gallery is a collection, and each drawing is a row of it (see `rows`). Milvus acknowledges changes
once they are in its log, which survives a kill. All reads use strong consistency, so they see every
acknowledged change. Changes are idempotent and are sent again if a connection breaks (see
`server`).
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial

import numpy as np
import pyarrow as pa

from garabato.drawing import FloatArray
from garabato.drawing.times import time_or_none
from garabato.errors import GalleryError
from garabato.gallery.base import Gallery
from garabato.gallery.filters import EVERYTHING, Filter, has_text
from garabato.gallery.key_id_list import KeyIdList
from garabato.gallery.milvus.rows import (
    MAX_TEXT_BYTES,
    METADATA,
    Row,
    from_documents,
    is_one_of,
    metadata_document,
    read_metadata,
    to_documents,
    to_expression,
    to_schema,
)
from garabato.gallery.milvus.server import MAX_HITS, Address, Server, Settings, parse_address
from garabato.gallery.records import (
    Added,
    Embedder,
    FilledBy,
    GalleryInfo,
    Hidden,
    no_gallery_at,
)
from garabato.gallery.rows import ORIGINAL, Nearest, described_by
from garabato.host.machine import service_cache

#: Queries per request at most.
MAX_QUERIES = 256
#: Rows read at a time, if any of these columns, which may be large, is read.
PAGE, _LARGE = 1_024, frozenset(("strokes", ORIGINAL, "embedding"))
#: The approximate size of a request; the server accepts 64 MiB.
_MAX_REQUEST_BYTES = 2**24
#: The columns that are compared here instead of by the server, and the key_id.
_COMPARED = ("key_id", "category", "timestamp", "tags", "title")
#: The column that is searched, and the name of its index.
_NAME = "embedding"
#: How long `compact` waits for the server.
_COMPACTION_S = 3_600.0
#: The list of hidden drawings is read again if it is older than this.
_MAX_AGE_S = 1.0
#: Milvus requires a vector in every collection.
_NO_VECTOR = [0.0, 1.0]
_log = logging.getLogger(__name__)


class MilvusGallery(Gallery):
    """A gallery on a Milvus server.

    It differs from `Gallery` in two ways. A scan, and therefore an export, is not from one
    consistent state: drawings that are stored throughout come exactly once, but those added or
    deleted meanwhile may or may not come. And a server that is killed while it stores may keep part
    of a transaction; adding the same drawings again completes it.
    """

    def __init__(
        self, uri: str, address: Address, server: Server, encoder: Embedder | None
    ) -> None:
        collection = server.call("describe_collection")
        hidden = MilvusHidden(server, address)
        super().__init__(uri, encoder, read_metadata(uri, collection), hidden)
        self._settings = address.settings
        self._server = server
        self._n_changes = 0
        self._drawing_columns = described_by([field["name"] for field in collection["fields"]])
        #: False in collections of earlier versions.
        self._has_details = self._drawing_columns != described_by(())
        server.make_searchable(
            address.collection,
            _NAME,
            index_type="HNSW",
            metric_type="COSINE",
            params={"M": address.settings.m, "efConstruction": address.settings.ef_construction},
        )
        self._index = describe_index(server)

    @classmethod
    def open(
        cls,
        uri: str,
        *,
        encoder: Embedder | None = None,
        must_exist: bool = False,
        token: str | None = None,
    ) -> MilvusGallery:
        """Open the gallery at an address; see `open_gallery`."""
        address = parse_address(uri)
        server = Server(address, uri, token)
        if not server.call("has_collection"):
            if encoder is None or must_exist:
                raise no_gallery_at(uri)
            filled_by = FilledBy.of(encoder)
            server.call(
                "create_collection",
                schema=to_schema(filled_by),
                num_shards=address.settings.shards,
                consistency_level="Strong",
            )
            if not server.call("describe_collection")["description"]:  # milvus-lite drops it
                properties = {METADATA: metadata_document(filled_by)}
                server.call("alter_collection_properties", properties=properties)
        return cls(uri, address, server, encoder)

    def info(self) -> GalleryInfo:
        index = describe_index(self._server)
        n_drawings = self._count(EVERYTHING)
        return GalleryInfo(
            uri=self.uri,
            backend="milvus",
            n_drawings=n_drawings,
            encoder=self._filled_by,
            mode=f"approximate index on the server ({index.in_words(self._settings)}); "
            "newest rows all ranked",
            exact=False,
            # Milvus counts deleted rows, too, until they are compacted away.
            n_indexed=min(n_drawings, index.n_indexed),
            bytes_on_disk=None,
        )

    def compact(self) -> None:
        """Make the server flush and index new rows, merge small segments and remove deleted rows,
        which reduce the recall of an HNSW graph. Raises GalleryError after an hour."""
        deadline = time.monotonic() + _COMPACTION_S

        def wait(is_done: Callable[[], bool]) -> None:
            while not is_done():
                if time.monotonic() > deadline:
                    raise GalleryError(
                        f"{self.uri}: the server is still compacting after "
                        f"{_COMPACTION_S / 60:.0f} minutes; it will finish by itself"
                    )
                time.sleep(0.1)

        def is_indexed() -> bool:
            return describe_index(self._server).n_pending == 0

        def is_compacted() -> bool:
            return bool(self._server.call("get_compaction_state", job_id=job) == "Completed")

        self._server.call("flush")
        wait(is_indexed)  # Milvus compacts only indexed segments
        job = self._server.call("compact")
        wait(is_compacted)
        wait(is_indexed)

    def _columns(self) -> tuple[str, ...]:
        return self._drawing_columns

    def _version(self) -> Hashable:
        """Changes with every change through this object and with the number of drawings. It does
        not notice that another process replaced a drawing."""
        return self._n_changes, self._count(EVERYTHING)

    def _upsert(self, rows: pa.Table) -> Added:
        if ORIGINAL in rows.schema.names and not self._has_details:
            _log.warning(
                "%s was created by an earlier version and cannot hold titles, links and original "
                "files: they are left out. garabato gallery copy creates one that can",
                self.uri,
            )
        documents = to_documents(rows, with_details=self._has_details)
        n_new = len(self.missing(rows["key_id"].to_pylist()))
        for part in _requests(documents):
            self._server.call("upsert", data=part)
        self._n_changes += 1
        return Added(n_new, len(documents) - n_new)

    def _nearest(self, embeddings: FloatArray, k: int, condition: Filter) -> Nearest:
        condition = self._comparable(condition)
        found: list[list[tuple[Row, float]]] = [[] for _ in embeddings]
        if k <= MAX_HITS:  # for more, all rows are read and ranked
            found = self._search_index(embeddings, k, to_expression(condition))
        # The index may miss some rows if only few pass; then all that pass are ranked.
        if min(map(len, found)) < k:
            n_passing = self._count(condition)
            lacking = [i for i, hits in enumerate(found) if len(hits) < min(k, n_passing)]
            ranked = self._rank_all(embeddings[lacking], k, condition) if lacking else []
            for i, hits in zip(lacking, ranked, strict=True):
                found[i] = hits
        rows = self._to_rows([row for hits in found for row, _ in hits], self._drawing_columns)
        scores = np.array([score for hits in found for _, score in hits], np.float32)
        return Nearest(rows, scores, np.array([len(hits) for hits in found]))

    def _search_index(
        self, embeddings: FloatArray, k: int, expression: str
    ) -> list[list[tuple[Row, float]]]:
        # The server limits both the queries and the hits of a request.
        n_together = max(1, min(MAX_QUERIES, MAX_HITS // k))
        # An index that garabato did not create is searched with its own parameters.
        parameters = {"ef": max(k, self._settings.ef)} if self._index.kind == "HNSW" else {}
        found = []
        for first in range(0, len(embeddings), n_together):
            found += self._server.call(
                "search",
                data=list(embeddings[first : first + n_together]),
                filter=expression,
                limit=k,
                output_fields=list(self._drawing_columns),
                search_params={"params": parameters},
                consistency_level="Strong",
            )
        return [[(hit["entity"], float(hit["distance"])) for hit in hits] for hits in found]

    def _rank_all(
        self, embeddings: FloatArray, k: int, condition: Filter
    ) -> list[list[tuple[Row, float]]]:
        best: list[list[tuple[Row, float]]] = [[] for _ in embeddings]
        for page in self._pages(condition, (*self._drawing_columns, "embedding")):
            stored = np.array([row.pop("embedding") for row in page], np.float32)
            for i, scores in enumerate((embeddings @ stored.T).tolist()):
                hits = [*best[i], *zip(page, scores, strict=True)]
                best[i] = sorted(hits, key=lambda hit: -hit[1])[:k]
        return best

    def _delete(self, conditions: Sequence[Filter]) -> int:
        n_deleted = 0
        for condition in conditions:
            for page in self._pages(condition, ("key_id",)):
                key_ids = [row["key_id"] for row in page]
                self._server.call("delete", filter=is_one_of(key_ids))
                n_deleted += len(key_ids)
        self._n_changes += 1
        return n_deleted

    def _fetch(self, key_ids: Sequence[str], columns: Sequence[str]) -> pa.Table:
        pages = self._pages(Filter(key_ids=tuple(key_ids)), ("key_id", *columns))
        return self._to_rows([row for page in pages for row in page], columns)

    def _page(self, condition: Filter, after: str | None, limit: int) -> pa.Table:
        found: list[Row] = []
        for page in self._pages(condition, self._drawing_columns, after=after, size=limit):
            found += page
            if len(found) >= limit:
                break
        return self._to_rows(found[:limit], self._drawing_columns)

    def _scan(self, condition: Filter, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        wanted = list(dict.fromkeys(["key_id", *columns]))  # a page starts after a key_id
        for page in self._pages(condition, wanted):
            yield from_documents(page, columns, self._filled_by.embedding_dim)

    def _count(self, condition: Filter) -> int:
        expression = to_expression(self._comparable(condition))
        return int(self._server.query(expression, ["count(*)"])[0]["count(*)"])

    def _comparable(self, condition: Filter) -> Filter:
        """The same filter with key_ids instead of what the server cannot compare: text, and times
        of earlier versions, which stored any form."""
        has_bound = condition.after is not None or condition.before is not None
        by_time = has_bound and not self._has_details
        if condition.text is None and not by_time:
            return condition
        rest = replace(condition, text=None)
        if by_time:
            rest = replace(rest, after=None, before=None)
        wanted = [name for name in self._drawing_columns if name in _COMPARED]
        key_ids: list[str] = []
        for page in self._pages(rest, wanted):
            rows = from_documents(page, wanted, self._filled_by.embedding_dim)
            if condition.text is not None:
                rows = rows.filter(pa.array(has_text(rows, condition.text)))
            if by_time:
                times = map(time_or_none, rows["timestamp"].to_pylist())
                rows = rows.filter(pa.array(map(condition.passes_time, times), pa.bool_()))
            key_ids += rows["key_id"].to_pylist()
        return replace(rest, key_ids=tuple(key_ids))

    def _pages(
        self,
        condition: Filter,
        columns: Sequence[str],
        *,
        after: str | None = None,
        size: int = MAX_HITS,
    ) -> Iterator[list[Row]]:
        """The rows that pass, sorted by key_id, page by page."""
        size = min(size, MAX_HITS if _LARGE.isdisjoint(columns) else PAGE)
        expression = to_expression(self._comparable(condition))
        return self._server.pages(expression, columns, after=after, size=size)

    def _to_rows(self, documents: Sequence[Row], columns: Sequence[str]) -> pa.Table:
        rows = from_documents(documents, columns, self._filled_by.embedding_dim)
        return pa.Table.from_batches([rows])


@dataclass(frozen=True, slots=True)
class Index:
    """The index as the server describes it: kind, settings, and the numbers of indexed rows and of
    rows waiting to be indexed."""

    kind: str
    m: int
    ef_construction: int
    n_indexed: int
    n_pending: int

    def in_words(self, settings: Settings) -> str:
        if self.kind != "HNSW" or not self.m:  # some servers don't report the settings
            return self.kind
        return f"HNSW, M {self.m}, efConstruction {self.ef_construction}, ef {settings.ef}"


def describe_index(server: Server) -> Index:
    """The index as it is now."""
    described = server.call("describe_index", index_name=_NAME)
    return Index(
        kind=str(described.get("index_type")),
        m=int(described.get("M", 0)),
        ef_construction=int(described.get("efConstruction", 0)),
        n_indexed=int(described.get("indexed_rows", 0)),
        n_pending=int(described.get("pending_index_rows", 0)),
    )


class MilvusHidden:
    """The hidden drawings, in a collection of their own, `<name>_hidden`; see `HiddenStore`.

    It is created when the first drawing is hidden. Changes by other processes are seen after at
    most a second.
    """

    def __init__(self, server: Server, address: Address) -> None:
        self._server = server
        self._address = address
        self._collection = f"{address.collection}_hidden"
        self._call = partial(server.call, collection_name=self._collection)
        self._lock = threading.Lock()
        self._entries: dict[str, Hidden] = {}
        self._read_at_s = float("-inf")
        self._exists = False
        self._import_older_list()

    def all(self) -> dict[str, Hidden]:
        with self._lock:
            if time.monotonic() - self._read_at_s > _MAX_AGE_S:
                self._read()
            return self._entries

    def put(self, entries: Iterable[Hidden]) -> int:
        with self._lock:
            self._read()
            new = {one.key_id: one for one in entries if one.key_id not in self._entries}
            if new:
                if not self._exists:
                    self._create()
                rows = [
                    asdict(one) | {"reason": one.reason or "", "no_vector": _NO_VECTOR}
                    for one in new.values()
                ]
                self._call("upsert", data=rows)
                self._read()
            return len(new)

    def remove(self, key_ids: Iterable[str]) -> int:
        with self._lock:
            self._read()
            gone = [key_id for key_id in dict.fromkeys(key_ids) if key_id in self._entries]
            if gone:
                self._call("delete", filter=is_one_of(gone))
                self._read()
            return len(gone)

    def _read(self) -> None:
        if not self._exists and self._call("has_collection"):
            self._make_searchable()
        entries: list[Hidden] = []
        if self._exists:
            columns = ["key_id", "hidden_at", "reason"]
            for page in self._server.pages("", columns, collection_name=self._collection):
                entries += [
                    Hidden(row["key_id"], row["hidden_at"], row["reason"] or None) for row in page
                ]
        entries.sort(key=lambda one: (one.hidden_at, one.key_id))
        self._entries = {one.key_id: one for one in entries}
        self._read_at_s = time.monotonic()

    def _create(self) -> None:
        from pymilvus import DataType, MilvusClient

        schema = MilvusClient.create_schema(auto_id=False, enable_dynamic_field=False)
        text = {"datatype": DataType.VARCHAR, "max_length": MAX_TEXT_BYTES}
        schema.add_field("key_id", is_primary=True, **text)
        schema.add_field("hidden_at", **text)
        schema.add_field("reason", **text)
        schema.add_field("no_vector", datatype=DataType.FLOAT_VECTOR, dim=len(_NO_VECTOR))
        self._call("create_collection", schema=schema, consistency_level="Strong")
        self._make_searchable()

    def _make_searchable(self) -> None:
        self._server.make_searchable(
            self._collection, "no_vector", index_type="FLAT", metric_type="L2"
        )
        self._exists = True

    def _import_older_list(self) -> None:
        """Hide the drawings that services of earlier versions listed in the user's cache folder."""
        address = f"{self._address.server}/{self._address.collection}"
        file = service_cache(address) / "hidden.json"
        if file.exists():
            self.put(KeyIdList(file, Hidden, "the hidden drawings").all().values())
            file.rename(file.with_suffix(".moved"))


def _requests(rows: Iterable[Row]) -> Iterator[list[Row]]:
    """The rows in parts of at most _MAX_REQUEST_BYTES."""
    part: list[Row] = []
    n_bytes = 0
    for row in rows:
        size = row["embedding"].nbytes + 200
        for value in row.values():
            if isinstance(value, str):
                size += len(value)
            elif isinstance(value, list):
                size += sum(map(len, value))
        if part and n_bytes + size > _MAX_REQUEST_BYTES:
            yield part
            part, n_bytes = [], 0
        part.append(row)
        n_bytes += size
    if part:
        yield part
