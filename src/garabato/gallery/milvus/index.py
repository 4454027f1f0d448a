"""The index of a Milvus gallery: create it, describe it, bring it up to date."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from garabato.errors import GalleryError
from garabato.gallery.milvus.server import Address, Server, Settings

_NAME = "embedding"
_COMPACTION_S = 3_600.0


@dataclass(frozen=True, slots=True)
class Index:
    """The index as the server describes it: kind, settings, and the numbers of all rows, indexed
    rows and rows waiting to be indexed."""

    kind: str
    m: int
    ef_construction: int
    n_rows: int
    n_indexed: int
    n_pending: int

    def search_parameters(self, k: int, settings: Settings) -> dict[str, int]:
        """The parameters of a search for k hits; none for an index that garabato did not create."""
        return {"ef": max(k, settings.ef)} if self.kind == "HNSW" else {}

    def in_words(self, settings: Settings) -> str:
        """Kind and settings."""
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
        n_rows=int(described.get("total_rows", 0)),
        n_indexed=int(described.get("indexed_rows", 0)),
        n_pending=int(described.get("pending_index_rows", 0)),
    )


def make_searchable(server: Server, address: Address) -> None:
    """Create the index and load the collection, unless that was done."""
    from pymilvus.client.types import LoadState

    has_index = bool(server.call("list_indexes"))
    if has_index and server.call("get_load_state")["state"] == LoadState.Loaded:
        return
    if not has_index:  # milvus-lite reports collections without an index as loaded
        server.apply(
            lambda client, timeout_s: client.create_index(
                address.collection, _parameters(client, address.settings), timeout=timeout_s
            )
        )
    server.call("load_collection")


def compact(server: Server, uri: str) -> None:
    """Flush, index, compact, and index the result. Raises GalleryError after an hour."""
    deadline = time.monotonic() + _COMPACTION_S

    def wait(is_done: Callable[[], bool]) -> None:
        while not is_done():
            if time.monotonic() > deadline:
                raise GalleryError(
                    f"{uri}: the server is still compacting after {_COMPACTION_S / 60:.0f} "
                    "minutes; it will finish by itself"
                )
            time.sleep(0.1)

    def is_indexed() -> bool:
        return describe_index(server).n_pending == 0

    def is_compacted() -> bool:
        state = server.apply(
            lambda client, timeout_s: client.get_compaction_state(job, timeout=timeout_s)
        )
        return bool(state == "Completed")

    server.call("flush")
    wait(is_indexed)  # Milvus compacts only indexed segments
    job = server.call("compact")
    wait(is_compacted)
    wait(is_indexed)


def _parameters(client: Any, settings: Settings) -> Any:
    parameters = client.prepare_index_params()
    parameters.add_index(
        _NAME,
        index_type="HNSW",
        index_name=_NAME,
        metric_type="COSINE",
        params={"M": settings.m, "efConstruction": settings.ef_construction},
    )
    return parameters
