"""The server of a Milvus gallery: its address, the connection, retries and errors."""

from __future__ import annotations

import logging
import os
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from functools import partial
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from garabato.errors import GalleryError, InputError, MissingExtraError, first_line
from garabato.gallery.milvus.rows import Row, quote

SCHEMES = ("http", "https", "milvus")
#: The token may be set here, which keeps it out of the shell's history.
TOKEN_VARIABLE = "GARABATO_MILVUS_TOKEN"
DEFAULT_COLLECTION = "garabato"
DEFAULT_PORT = 19530

#: Hits or rows that a server returns at most.
MAX_HITS = 16_384
#: How long a call is repeated while the server cannot be reached or is not ready.
PATIENCE_S = 120.0
#: How long the first connection may take.
CONNECT_S = 15.0
_FIRST_PAUSE_S, _MAX_PAUSE_S = 0.1, 3.0

_log = logging.getLogger(__name__)

# Errors of a server that is starting, moving segments or loading. They are temporary.
_NOT_READY = re.compile(
    r"not ready|unavailable|not available|not loaded|not fully loaded|no available|not serving"
    r"|node not (found|match)|offline|shard leaders|recovering"
    r"|connection (refused|reset)|broken pipe|initializing|abnormal|context canceled",
    re.IGNORECASE,
)

_BOUNDS = {
    "shards": (1, 16),
    "m": (4, 64),
    "ef_construction": (8, 512),
    "ef": (1, 32_768),
}


@dataclass(frozen=True, slots=True)
class Settings:
    """How a new collection is stored and searched; set by the query string of its address.

    `shards` distribute writing and scanning among the nodes of a cluster. `m` and `ef_construction`
    are the parameters of the HNSW graph. `ef` is the number of candidates that a search keeps, at
    least k.
    """

    shards: int = 1
    m: int = 32
    ef_construction: int = 400
    ef: int = 400


@dataclass(frozen=True, slots=True)
class Address:
    """The address of a gallery: the server (`http(s)://host:port`) and the collection on it."""

    server: str
    collection: str
    settings: Settings


def parse_address(uri: str) -> Address:
    """`http(s)://host:19530[/collection][?ef=400]`, `milvus://` is `http://`. Raises InputError."""
    parts = urlsplit(uri)
    example = f"http://localhost:{DEFAULT_PORT}/{DEFAULT_COLLECTION}"
    try:
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise InputError(f"{uri}: {error}; a gallery on a server is {example}") from None
    if parts.scheme not in SCHEMES or not host:
        raise InputError(f"{uri}: a gallery is a folder, or on a Milvus server as {example}")
    if parts.username is not None:
        raise InputError(
            "an address is printed and logged, so it must not hold a user name or password; set "
            f"{TOKEN_VARIABLE}=user:password, or use open_gallery(uri, token=...)"
        )
    collection = parts.path.strip("/") or DEFAULT_COLLECTION
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,254}", collection):
        raise InputError(
            f"{uri}: a collection's name consists of letters, digits and _, not {collection!r}"
        )
    scheme = "https" if parts.scheme == "https" else "http"
    shown_host = f"[{host}]" if ":" in host else host
    server = f"{scheme}://{shown_host}:{port or (443 if scheme == 'https' else DEFAULT_PORT)}"
    return Address(server, collection, _parse_settings(uri, parts.query))


class Server:
    """A connection to a Milvus server that is restored when it breaks. Thread-safe.

    While the server cannot be reached or is not ready, every call is repeated for up to PATIENCE_S,
    with growing pauses; calls must therefore be idempotent.
    """

    def __init__(self, address: Address, uri: str, token: str | None) -> None:
        try:
            from pymilvus import MilvusClient
        except ImportError:
            raise MissingExtraError("a gallery on a Milvus server", "milvus") from None
        # pymilvus also logs the errors that it raises, with stack traces.
        logging.getLogger("pymilvus").setLevel(logging.CRITICAL)
        self._uri = uri
        self._collection = address.collection
        token = token or os.environ.get(TOKEN_VARIABLE) or ""
        try:
            self._client = MilvusClient(uri=address.server, token=token, timeout=CONNECT_S)
        except Exception as error:
            raise self._explained(error, CONNECT_S) from error

    def call(self, method: str, **arguments: Any) -> Any:
        """Call a method of pymilvus' client; repeat it while the server is not ready.

        It is about the gallery's collection, unless `arguments` name another one.
        """
        arguments = {"collection_name": self._collection, **arguments}
        started = time.monotonic()
        pause_s = _FIRST_PAUSE_S
        while True:
            left_s = PATIENCE_S - (time.monotonic() - started)
            try:
                return getattr(self._client, method)(timeout=max(left_s, 1.0), **arguments)
            except Exception as error:
                if not _is_temporary(error) or left_s <= pause_s:
                    raise self._explained(error, PATIENCE_S) from error
                _log.info("%s: %s; trying again", self._uri, _message(error))
            time.sleep(pause_s)
            pause_s = min(2 * pause_s, _MAX_PAUSE_S)

    def query(self, expression: str, columns: Sequence[str], **options: Any) -> list[Row]:
        """The rows that pass, after all acknowledged changes."""
        found = self.call(
            "query",
            filter=expression,
            output_fields=list(columns),
            consistency_level="Strong",
            **options,
        )
        return list(found)

    def pages(
        self,
        expression: str,
        columns: Sequence[str],
        *,
        after: str | None = None,
        size: int = MAX_HITS,
        **options: Any,
    ) -> Iterator[list[Row]]:
        """The rows that pass, sorted by key_id, page by page."""
        while True:
            terms = [] if after is None else [f"key_id > {quote(after)}"]
            terms += [f"({expression})"] if expression else []
            try:  # Milvus returns the smallest key_ids that pass, but in any order
                page = self.query(" and ".join(terms), columns, limit=size, **options)
            except GalleryError as error:
                if size == 1 or "larger than max" not in str(error):
                    raise
                size //= 2  # these rows are too large for one response
                continue
            page.sort(key=lambda row: row["key_id"].encode())
            if page:
                yield page
            if len(page) < size:
                return
            after = page[-1]["key_id"]

    def make_searchable(self, collection: str, column: str, **index: Any) -> None:
        """Index a column of vectors and load the collection, unless that was done."""
        from pymilvus import MilvusClient
        from pymilvus.client.types import LoadState

        call = partial(self.call, collection_name=collection)
        has_index = bool(call("list_indexes"))
        if has_index and call("get_load_state")["state"] == LoadState.Loaded:
            return
        if not has_index:  # milvus-lite reports collections without an index as loaded
            parameters = MilvusClient.prepare_index_params(column, index_name=column, **index)
            call("create_index", index_params=parameters)
        call("load_collection")

    def _explained(self, error: Exception, tried_s: float) -> GalleryError:
        message = _message(error)
        # pymilvus turns a refusal into "cannot connect", too; the cause tells them apart.
        reasons = f"{message} {_message(error.__cause__)}" if error.__cause__ else message
        if re.search(r"auth check failure|unauthenticated|invalid token", reasons, re.IGNORECASE):
            return GalleryError(
                f"{self._uri}: the server refuses the token; set {TOKEN_VARIABLE}=user:password, "
                "or use open_gallery(uri, token=...)"
            )
        if _is_temporary(error):
            return GalleryError(
                f"{self._uri}: no response from the Milvus server, tried for {tried_s:.0f} s "
                f"({message}). Is it running, is the address right, does it need https://? Run the "
                "same command again to continue"
            )
        return GalleryError(f"{self._uri}: the Milvus server says: {message}")


def _parse_settings(uri: str, query: str) -> Settings:
    given: dict[str, int] = {}
    names = [field.name for field in fields(Settings)]
    for name, text in parse_qsl(query, keep_blank_values=True):
        if name not in names:
            raise InputError(f"{uri}: there is no setting {name!r}, only {', '.join(names)}")
        low, high = _BOUNDS[name]
        if not text.isdecimal() or not low <= int(text) <= high:
            raise InputError(f"{uri}: {name} must be a whole number from {low} to {high:,}")
        given[name] = int(text)
    return Settings(**given)


def _is_temporary(error: Exception) -> bool:
    """Whether the same call may succeed later."""
    if _is_away(error) or getattr(error, "retriable", False):
        return True
    return not getattr(error, "is_input_error", False) and bool(_NOT_READY.search(_message(error)))


def _is_away(error: Exception) -> bool:
    """Whether the connection failed or broke."""
    code = getattr(error, "code", None)
    code = code() if callable(code) else code
    name = getattr(code, "name", "")
    return name in ("UNAVAILABLE", "UNKNOWN", "DEADLINE_EXCEEDED", "CANCELLED") or bool(
        re.search(r"fail connecting|server unavailable|retry timeout", _message(error), re.I)
    )


def _message(error: BaseException) -> str:
    details = getattr(error, "details", None)
    text = details() if callable(details) else getattr(error, "message", None)
    return first_line(str(text or "").strip() or error)
