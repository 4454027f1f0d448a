"""The gallery on a Milvus server or cluster, for those who outgrow one machine.

One collection a gallery, one row a drawing (see `milvus_rows`). Milvus acknowledges what stands in
its log, which outlives a kill; all reads ask for strong consistency, so whoever reads after an
acknowledgement sees what was acknowledged. Changes have the same effect once and twice, so they are
sent again when a connection breaks (see `milvus_server`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from os import PathLike

import numpy as np

from garabato.drawing import Drawing, DrawingBatch, FloatArray
from garabato.errors import InputError
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
from garabato.gallery.filters import Where, parse_where
from garabato.gallery.milvus.index import compact, describe_index, make_searchable
from garabato.gallery.milvus.rows import (
    COLUMNS,
    Row,
    is_one_of,
    known,
    quote,
    read_metadata,
    to_drawing,
    to_expression,
    to_rows,
    to_schema,
    to_stored,
)
from garabato.gallery.milvus.server import Address, Server, parse_address

#: Hits that Milvus gives at most; more are found by reading everything.
MOST_HITS = 16_384
#: Rows read, and key_ids named in a condition, at a time.
PAGE = 1_024
#: Bytes sent at a time, about; the server takes 64 MiB.
_REQUEST = 2**24


class MilvusGallery:
    """A gallery on a Milvus server; see `garabato.gallery.base.Gallery`.

    Two differences: a scan (and so an export) is not of one moment. A drawing that is there all
    the time comes exactly once; one that is added or deleted meanwhile may or may not come. And a
    server that is killed while it stores may keep a part of a piece; adding again completes it.
    """

    def __init__(
        self, uri: str, address: Address, server: Server, encoder: Embedder | None
    ) -> None:
        self.uri = uri
        self._settings = address.settings
        self._server = server
        self._encoder = encoder
        description = server.call("describe_collection")["description"]
        self._filled_by = read_metadata(uri, description)
        if encoder is not None:
            self._filled_by.check(encoder, uri)
        make_searchable(server, address)
        self._index = describe_index(server)

    def __repr__(self) -> str:
        return f"MilvusGallery({self.uri!r})"

    @classmethod
    def open(
        cls,
        uri: str,
        *,
        encoder: Embedder | None = None,
        must_exist: bool = False,
        token: str | None = None,
    ) -> MilvusGallery:
        """Open the gallery at an address, or make it where there is none and an encoder is given.

        `token` ("user:password") defaults to the environment's GARABATO_MILVUS_TOKEN.
        """
        address = parse_address(uri)
        server = Server(address, uri, token)
        if not server.call("has_collection"):
            if encoder is None or must_exist:
                raise no_gallery_at(uri)
            filled_by = FilledBy.of(encoder)
            server.apply(
                lambda client, timeout_s: client.create_collection(
                    address.collection,
                    schema=to_schema(client, filled_by),
                    num_shards=address.settings.shards,
                    consistency_level="Strong",
                    timeout=timeout_s,
                )
            )
        return cls(uri, address, server, encoder)

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
        k, expression = check_k(k), to_expression(parse_where(where))
        embedding = as_embedding(query, self._encoder, self._filled_by)
        found: list[tuple[Row, float]] = []
        if k <= MOST_HITS:
            found = self._search_index(embedding, k, expression)
        # An approximate index may miss some of the few that pass; then all of them are read.
        if len(found) < k and len(found) < self._count(expression):
            found = self._search_all(embedding, k, expression)
        return [
            Hit(
                key_id=row["key_id"],
                category=known(row["category"]),
                score=min(1.0, score),
                drawing=(drawing := to_drawing(row)),
                country=drawing.country,
                recognized=drawing.recognized,
                timestamp=drawing.timestamp,
                tags=tuple(row["tags"]),
            )
            for row, score in found
        ]

    def delete(self, key_ids: Iterable[str] | None = None, *, where: Where | None = None) -> int:
        if (key_ids is None) == (where is None):
            raise InputError("delete takes key_ids or where, one of the two")
        if key_ids is not None:
            there = self._there([key_ids] if isinstance(key_ids, str) else list(key_ids))
            parts = _parts(sorted(there))
        else:
            expression = to_expression(parse_where(where))
            if not expression:
                raise InputError("an empty filter would delete everything; name what to delete")
            pages = self._pages(expression, ["key_id"])
            parts = ([row["key_id"] for row in page] for page in pages)
        n_deleted = 0
        for part in parts:
            self._server.call("delete", filter=is_one_of(part))
            n_deleted += len(part)
        return n_deleted

    def get(self, key_ids: Sequence[str]) -> list[Drawing]:
        found = {
            row["key_id"]: to_drawing(row)
            for part in _parts(key_ids)
            for row in self._query(is_one_of(part), list(COLUMNS))
        }
        return [found[key_id] for key_id in key_ids if key_id in found]

    def missing(self, key_ids: Sequence[str]) -> list[str]:
        there = self._there(key_ids)
        return [key_id for key_id in key_ids if key_id not in there]

    def scan(self, *, where: Where | None = None) -> Iterator[Stored]:
        expression = to_expression(parse_where(where))
        for page in self._pages(expression, [*COLUMNS, "embedding"]):
            yield from to_stored(page)

    def export(self, path: str | PathLike[str], *, where: Where | None = None) -> int:
        return export_drawings(self.scan(where=where), path)

    def info(self) -> GalleryInfo:
        index = describe_index(self._server)
        n_drawings = len(self)
        return GalleryInfo(
            uri=self.uri,
            engine="milvus",
            format_version=FORMAT_VERSION,
            n_drawings=n_drawings,
            encoder=self._filled_by,
            mode=f"approximate index on the server ({index.in_words(self._settings)}); "
            "newest rows scanned",
            exact=False,
            # Milvus counts deleted rows as well, until they are compacted away.
            n_indexed=min(n_drawings, index.n_indexed),
            bytes_on_disk=None,
        )

    def settle(self) -> None:
        """Nothing: the server indexes by itself."""

    def compact(self) -> None:
        """Have the server write out what is new, index it, merge small segments and drop what was
        deleted or replaced: in an HNSW graph that costs recall as long as it is there."""
        compact(self._server, self.uri)

    def __len__(self) -> int:
        return self._count("")

    def _store(self, transaction: Transaction, tags: tuple[str, ...]) -> Added:
        rows = [
            row
            for batch, embeddings in transaction.batches
            for row in to_rows(batch, embeddings, tags)
        ]
        n_replaced = len(self._there([row["key_id"] for row in rows]))
        for part in _requests(rows):
            self._server.call("upsert", data=part)
        return Added(len(rows) - n_replaced, n_replaced, transaction.n_empty)

    def _search_index(
        self, embedding: FloatArray, k: int, expression: str
    ) -> list[tuple[Row, float]]:
        (hits,) = self._server.call(
            "search",
            data=[embedding],
            filter=expression,
            limit=k,
            output_fields=list(COLUMNS),
            search_params={"params": self._index.search_parameters(k, self._settings)},
            consistency_level="Strong",
        )
        return [(hit["entity"], float(hit["distance"])) for hit in hits]

    def _search_all(
        self, embedding: FloatArray, k: int, expression: str
    ) -> list[tuple[Row, float]]:
        best: list[tuple[Row, float]] = []
        for page in self._pages(expression, [*COLUMNS, "embedding"]):
            stored = np.array([row.pop("embedding") for row in page], np.float32)
            best += zip(page, (stored @ embedding).tolist(), strict=True)
            best = sorted(best, key=lambda one: -one[1])[:k]
        return best

    def _pages(self, expression: str, columns: list[str]) -> Iterator[list[Row]]:
        """The rows that pass, in the order of their key_ids."""
        page = self._query(expression, columns, limit=PAGE)
        while page:
            yield page
            if len(page) < PAGE:
                return
            after = f"key_id > {quote(max(row['key_id'] for row in page))}"
            bounded = f"{after} and ({expression})" if expression else after
            page = self._query(bounded, columns, limit=PAGE)

    def _there(self, key_ids: Sequence[str]) -> set[str]:
        return {
            row["key_id"]
            for part in _parts(key_ids)
            for row in self._query(is_one_of(part), ["key_id"])
        }

    def _count(self, expression: str) -> int:
        return int(self._query(expression, ["count(*)"])[0]["count(*)"])

    def _query(self, expression: str, columns: list[str], **limits: int) -> list[Row]:
        found = self._server.call(
            "query",
            filter=expression,
            output_fields=columns,
            consistency_level="Strong",
            **limits,
        )
        return list(found)


def _parts(key_ids: Sequence[str]) -> Iterator[list[str]]:
    """The key_ids in parts that a condition can name."""
    iterator = iter(key_ids)
    while part := list(islice(iterator, PAGE)):
        yield part


def _requests(rows: Iterable[Row]) -> Iterator[list[Row]]:
    """The rows in parts that the server takes at a time."""
    part: list[Row] = []
    n_bytes = 0
    for row in rows:
        size = row["embedding"].nbytes + sum(map(len, row["strokes"])) + 200
        if part and n_bytes + size > _REQUEST:
            yield part
            part, n_bytes = [], 0
        part.append(row)
        n_bytes += size
    if part:
        yield part
