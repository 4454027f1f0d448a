"""A Python client of the HTTP service (`garabato serve`), which returns garabato's own types."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice
from os import PathLike
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

import orjson
import urllib3

from garabato.drawing import Details, Drawing, DrawingBatch, list_drawings
from garabato.drawing.drawing import DETAIL_NAMES
from garabato.encoder import Prediction, Predictions
from garabato.errors import InputError, ServiceError
from garabato.gallery import Hidden, Hit, Hits
from garabato.gallery.filters import Where, parse_where
from garabato.gallery.records import Original, as_key_ids, as_tags, check_text
from garabato.render import as_strokes

_T = TypeVar("_T")
#: A request is repeated this many times if the server cannot be reached, is busy (503) or limits
#: the rate of changes (429); the last two have a Retry-After header.
_N_RETRIES = 3
#: Drawings per request.
_PAGE = 200
#: Characters of the parameters of a request: servers take about 64 KiB, with its headers.
_MAX_QUERY = 60_000
_TAUGHT = "/v1/encoder/categories"
#: Paths of requests that do not take `gallery` begin with one of these.
_OF_ALL_GALLERIES = ("/v1/classify", "/v1/galleries", _TAUGHT)


class Client:
    """A client of the service at `url` ("http://127.0.0.1:8000"). Thread-safe.

    `gallery` is one of `galleries`, by default the first. `token` is the operator's token for
    changes. Every method raises ServiceError with the message of the server, which names the field
    and the problem.
    """

    def __init__(
        self,
        url: str,
        *,
        gallery: str | None = None,
        token: str | None = None,
        timeout_s: float = 30.0,
    ) -> None:
        self._url = url.rstrip("/")
        if not self._url.startswith(("http://", "https://")):
            raise InputError(f"{url!r} is not the address of a service; write http://{self._url}")
        self._gallery = gallery
        self._headers = {} if token is None else {"authorization": f"Bearer {token}"}
        retry = urllib3.Retry(
            _N_RETRIES,
            backoff_factor=0.2,
            status_forcelist=[429, 503],
            allowed_methods=None,  # all requests are idempotent
            raise_on_status=False,
        )
        self._pool = urllib3.PoolManager(timeout=timeout_s, retries=retry, maxsize=8)

    def __repr__(self) -> str:
        return f"Client({self._url!r}, gallery={self._gallery!r})"

    def classify(
        self,
        drawing: Drawing | str | PathLike[str],
        k: int = 5,
        *,
        among: Iterable[str] | None = None,
    ) -> Predictions:
        """The `k` most probable categories of a drawing, or of the first one in a file.

        With `among` only these categories are considered: their probabilities sum to 1, and the
        drawing is not unknown.
        """
        options: dict[str, Any] = {"k": k}
        if among is not None:
            options["among"] = [among] if isinstance(among, str) else list(among)
        response = self._query("/v1/classify", drawing, options)
        return Predictions(
            [Prediction(**one) for one in response["predictions"]],
            unsure=response["unsure"],
            unknown=response["unknown"],
        )

    def search(
        self,
        query: Drawing | str | PathLike[str],
        k: int = 10,
        *,
        where: Where | None = None,
    ) -> Hits:
        """The `k` stored drawings most similar to a drawing, or to the first one in a file.

        `where` is as in `Gallery.search`: {"category": ["cat"], "recognized": True}, ...
        """
        options: dict[str, Any] = {"k": k, **_filter(where)}
        return Hits(_hit(hit) for hit in self._query("/v1/search", query, options)["hits"])

    def search_like(self, key_id: str, k: int = 10, *, where: Where | None = None) -> Hits:
        """The `k` stored drawings most similar to a stored one."""
        body: dict[str, Any] = {"key_id": key_id, "k": k, **_filter(where)}
        return Hits(_hit(hit) for hit in self._send("POST", "/v1/search", body)["hits"])

    def add(
        self, drawings: Iterable[Drawing] | DrawingBatch, *, tags: Sequence[str] = ()
    ) -> list[str]:
        """Store drawings with their metadata; returns their key_ids once they are durable.

        A drawing replaces the one with the same key_id. Drawings without a key_id get one made from
        their strokes. Bitmaps are traced, and the strokes stored. A drawing that was read from this
        gallery keeps its original file, although it doesn't hold it.
        """
        tags = as_tags(tags)
        key_ids: list[str] = []
        iterator = iter(drawings if isinstance(drawings, Iterable) else list_drawings(drawings))
        while piece := list_drawings(islice(iterator, _PAGE), len(key_ids) + 1):
            documents = [_to_document(self._with_original(drawing), tags) for drawing in piece]
            key_ids += self._send("POST", "/v1/drawings", {"drawings": documents})["key_ids"]
        return key_ids

    def get(self, key_id: str) -> Drawing | None:
        """A stored drawing; None if it is not stored or is hidden."""
        return _unless_missing(lambda: _drawing(self._send("GET", _path(key_id))))

    def original(self, key_id: str) -> Original | None:
        """The original file of a drawing; None if none is stored or the drawing is hidden."""
        path = f"{_path(key_id)}/original"
        found = _unless_missing(lambda: Original(*self._receive("GET", path)))
        # JSON is the drawing that is stored under a key_id with /original at its end
        return None if found is None or found.media_type == "application/json" else found

    def drawings(self, *, where: Where | None = None) -> Iterator[Drawing]:
        """All stored drawings that pass `where`, sorted by key_id, fetched page by page."""
        parameters = [("limit", str(_PAGE))]
        for name, value in _filter(where).get("where", {}).items():
            if value == []:
                return  # an empty list passes no drawing
            parameters += _parameters(name, value)
        if len(urlencode(parameters)) > _MAX_QUERY:
            raise InputError("where is too long for a request; list fewer values at a time")
        after: list[tuple[str, str]] = []
        while True:
            page = self._send("GET", "/v1/drawings", parameters=parameters + after)
            yield from map(_drawing, page["drawings"])
            if page["next"] is None:
                return
            after = [("after", page["next"])]

    def delete(
        self, key_ids: str | Iterable[str] | None = None, *, where: Where | None = None
    ) -> int:
        """Delete drawings permanently, by key_id or by filter. Returns how many were deleted."""
        if (key_ids is None) == (not where):
            raise InputError("give the drawings to delete: key_ids, or where with a condition")
        if key_ids is None:
            return int(self._send("POST", "/v1/drawings/delete", _filter(where))["n_deleted"])
        n_deleted = 0
        iterator = iter(as_key_ids(key_ids))
        while piece := list(islice(iterator, _PAGE)):
            n_deleted += self._send("POST", "/v1/drawings/delete", {"key_ids": piece})["n_deleted"]
        return n_deleted

    def hide(self, key_ids: str | Iterable[str], *, reason: str | None = None) -> None:
        """Remove drawings from all results until an operator restores them."""
        body = {} if reason is None else {"reason": reason}
        for key_id in as_key_ids(key_ids):
            self._send("POST", f"{_path(key_id)}/hide", body)

    def restore(self, key_ids: str | Iterable[str]) -> int:
        """Show hidden drawings again. Returns how many were hidden."""
        paths = [f"{_path(key_id)}/restore" for key_id in as_key_ids(key_ids)]
        return sum(
            _unless_missing(partial(self._receive, "POST", path, {})) is not None for path in paths
        )

    def hidden(self) -> list[Hidden]:
        """The hidden drawings, in the order they were hidden."""
        listed = self._send("GET", "/v1/hidden")["hidden"]
        return [Hidden(one["key_id"], one["hidden_at"], one.get("reason")) for one in listed[::-1]]

    def galleries(self) -> dict[str, int]:
        """The galleries of the service by name, and the number of drawings in each."""
        listed = self._send("GET", "/v1/galleries")["galleries"]
        return {entry["name"]: entry["n_drawings"] for entry in listed}

    def categories(self) -> dict[str, int]:
        """The number of drawings in each category of the gallery."""
        listed = self._send("GET", "/v1/categories")["categories"]
        return {entry["category"]: entry["n_drawings"] for entry in listed}

    def teach(self, category: str, drawings: Drawing | Iterable[Drawing] | DrawingBatch) -> None:
        """Teach the encoder of the service a category from drawings of it, up to 100.

        Classification knows it at once. A taught category of this name is replaced.
        """
        strokes = [as_strokes(drawing) for drawing in list_drawings(drawings)]
        body: dict[str, Any] = {"drawings": [drawing.to_lists() for drawing in strokes]}
        if any(drawing.traced for drawing in strokes):
            body["traced"] = [bool(drawing.traced) for drawing in strokes]
        self._send("PUT", f"{_TAUGHT}/{quote(category, safe='')}", body)

    def forget(self, category: str) -> None:
        """Remove a taught category."""
        self._send("DELETE", f"{_TAUGHT}/{quote(category, safe='')}")

    def taught(self) -> dict[str, int]:
        """The number of drawings that each taught category was made from."""
        listed = self._send("GET", _TAUGHT)["categories"]
        return {entry["category"]: entry["n_drawings"] for entry in listed}

    def _with_original(self, drawing: Drawing) -> Drawing:
        """The drawing with its stored original, if it was read without it."""
        details = drawing.details
        if not details or not details.original_type or details.original or not drawing.key_id:
            return drawing
        stored = self.original(drawing.key_id)
        if stored is None:
            return drawing
        return drawing.replace(details=replace(details, original=stored.content))

    def _query(
        self, path: str, query: Drawing | str | PathLike[str], options: dict[str, Any]
    ) -> dict[str, Any]:
        if isinstance(query, Drawing) and query.bitmap is None:
            if query.traced:
                options["traced"] = True
            return dict(self._send("POST", path, {"drawing": query.to_lists(), **options}))
        content = _picture(query) if isinstance(query, Drawing) else _read(query)
        fields: dict[str, Any] = {name: orjson.dumps(value) for name, value in options.items()}
        fields["file"] = ("query", content, "application/octet-stream")
        return dict(self._send("POST", path, fields=fields))

    def _send(self, method: str, path: str, body: Any = None, **options: Any) -> Any:
        content, _ = self._receive(method, path, body, **options)
        return orjson.loads(content) if content else None

    def _receive(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        fields: Mapping[str, Any] | None = None,
        parameters: Sequence[tuple[str, str]] = (),
    ) -> tuple[bytes, str]:
        """The content of the response and its media type."""
        options: dict[str, Any] = {"headers": dict(self._headers)}
        if body is not None:
            options["body"] = orjson.dumps(body)
            options["headers"]["content-type"] = "application/json"
        if fields is not None:
            options["fields"] = fields
        query = list(parameters)
        if self._gallery is not None and not path.startswith(_OF_ALL_GALLERIES):
            query.append(("gallery", self._gallery))
        url = self._url + path + (f"?{urlencode(query)}" if query else "")
        try:
            response = self._pool.request(method, url, **options)
        except urllib3.exceptions.HTTPError as error:
            reason = getattr(error, "reason", None) or error
            raise ServiceError(f"no response from {self._url}: {reason}. Is it running?") from error
        if response.status >= 400:
            raise _error(response.status, response.data)
        return response.data, response.headers.get("content-type", "")


def _unless_missing(fetch: Callable[[], _T]) -> _T | None:
    """What `fetch` returns; None if the service says that nothing is stored under the key_id."""
    try:
        return fetch()
    except ServiceError as error:
        fields = [one["field"] for one in error.problem.get("errors", ())]
        if error.status == 404 and fields == ["key_id"]:
            return None
        raise


def _filter(where: Where | None) -> dict[str, Any]:
    """The field `where` of a request, left out if every drawing passes. Raises InputError."""
    condition = parse_where(where)
    span = {"after": condition.after, "before": condition.before}
    conditions = {
        # as given: parse_where lists each name in all its Unicode forms, as the service does, too
        **{
            name: [value] if isinstance(value, str) else list(value)
            for name in ("category", "country", "key_id", "tags")
            if (value := (where or {}).get(name)) is not None
        },
        "recognized": condition.recognized,
        "text": condition.text,
        "timestamp": {end: time for end, time in span.items() if time is not None} or None,
    }
    given = {name: value for name, value in conditions.items() if value is not None}
    return {"where": given} if given else {}


def _parameters(name: str, value: Any) -> list[tuple[str, str]]:
    """A condition of `_filter` as parameters of GET /v1/drawings."""
    if isinstance(value, dict):
        return [(f"{name}_{end}", bound) for end, bound in value.items()]
    if isinstance(value, list):
        return [(name, one) for one in value]
    return [(name, str(value).lower() if isinstance(value, bool) else value)]


def _hit(document: Mapping[str, Any]) -> Hit:
    hit = Hit.of(_drawing(document), document["score"])
    return replace(hit, name_match=document.get("name_match"))


def _drawing(document: Mapping[str, Any]) -> Drawing:
    names = ("key_id", "category", "country", "recognized", "timestamp", "traced")
    metadata: dict[str, Any] = {name: document.get(name) for name in names}
    details = {name: document[name] for name in DETAIL_NAMES if document.get(name)}
    if details:
        metadata["details"] = Details(**details)
    return Drawing(document["drawing"], **metadata)


def _to_document(drawing: Drawing, tags: Sequence[str]) -> dict[str, Any]:
    """A drawing to store, as JSON, without unknown fields."""
    drawing = as_strokes(drawing)
    metadata = drawing.metadata
    details = metadata.pop("details", None) or Details()
    metadata |= {name: getattr(details, name) for name in ("title", "link", "source_path")}
    metadata["tags"] = list(dict.fromkeys([*details.tags, *tags])) or None
    if details.original is not None:
        metadata["original"] = base64.b64encode(details.original).decode()
    known = {name: value for name, value in metadata.items() if value is not None}
    return {"drawing": drawing.to_lists(), **known}


def _path(key_id: str) -> str:
    return f"/v1/drawings/{quote(check_text('key_id', key_id), safe='')}"


def _picture(drawing: Drawing) -> bytes:
    """A bitmap as a PNG file, black on white."""
    from garabato.render.contact_sheets import encode_png

    assert drawing.bitmap is not None
    return encode_png(255 - drawing.bitmap)


def _read(path: str | PathLike[str]) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from None


def _error(status: int, body: bytes) -> ServiceError:
    try:
        problem = orjson.loads(body)
        detail = str(problem["detail"])
    except (ValueError, KeyError, TypeError):
        return ServiceError(f"the service responded with status {status}", status=status)
    return ServiceError(f"{detail} ({status})", status=status, problem=problem)
