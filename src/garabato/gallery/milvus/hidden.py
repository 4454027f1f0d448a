"""The hidden drawings of a Milvus gallery, in a collection of their own, `<name>_hidden`.

It is created when the first drawing is hidden. Changes by other processes are seen after at most a
second.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from dataclasses import asdict
from functools import partial

from garabato.gallery.key_id_list import KeyIdList
from garabato.gallery.milvus.rows import MAX_TEXT_BYTES, is_one_of
from garabato.gallery.milvus.server import Address, Server
from garabato.gallery.records import Hidden
from garabato.host.cache import service_cache

#: The list is read again if it is older than this.
_MAX_AGE_S = 1.0
#: Milvus requires a vector in every collection.
_NO_VECTOR = [0.0, 1.0]


class MilvusHidden:
    """The list of hidden drawings on the server; see `records.HiddenStore`."""

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
