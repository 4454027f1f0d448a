"""A client of the HTTP service: what `garabato serve` answers, as garabato's own types.

Loads no PyTorch: programs that only ask a server start fast.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any
from urllib.parse import quote

import orjson
import urllib3

from garabato.drawing import Drawing
from garabato.encoder import Prediction
from garabato.errors import ServiceError
from garabato.gallery import Hit

#: Times a request is sent again where the server is busy (503 with Retry-After) or not there.
_N_RETRIES = 3
#: Drawings asked for at a time by `drawings`.
_PAGE = 200


class Client:
    """Asks the service at `url` ("http://127.0.0.1:8000"). May be used by several threads.

    `token` is what the operator set for changes. Raises ServiceError for every answer that is an
    error; its text is the server's, and says what is wrong with which field.
    """

    def __init__(self, url: str, *, token: str | None = None, timeout_s: float = 30.0) -> None:
        self._url = url.rstrip("/")
        self._headers = {} if token is None else {"authorization": f"Bearer {token}"}
        retry = urllib3.Retry(
            _N_RETRIES,
            backoff_factor=0.2,
            status_forcelist=[503],
            allowed_methods=None,  # every request may be repeated: none does more the second time
            raise_on_status=False,
        )
        self._pool = urllib3.PoolManager(timeout=timeout_s, retries=retry, maxsize=8)

    def classify(self, drawing: Drawing | str | PathLike[str], k: int = 5) -> list[Prediction]:
        """The `k` most probable categories of a drawing, or of the first one in a file."""
        answer = self._ask("/v1/classify", drawing, {"k": k})
        return [Prediction(p["category"], p["probability"]) for p in answer["predictions"]]

    def search(
        self,
        query: Drawing | str | PathLike[str],
        k: int = 10,
        *,
        where: Mapping[str, Any] | None = None,
    ) -> list[Hit]:
        """The `k` stored drawings most like a drawing, or like the first one in a file."""
        options: dict[str, Any] = {"k": k} | ({"where": dict(where)} if where else {})
        return [_hit(hit) for hit in self._ask("/v1/search", query, options)["hits"]]

    def search_like(
        self, key_id: str, k: int = 10, *, where: Mapping[str, Any] | None = None
    ) -> list[Hit]:
        """The `k` stored drawings most like a stored one."""
        body: dict[str, Any] = {"key_id": key_id, "k": k} | (
            {"where": dict(where)} if where else {}
        )
        return [_hit(hit) for hit in self._send("POST", "/v1/search", body)["hits"]]

    def add(self, drawings: Sequence[Drawing], *, tags: Sequence[str] = ()) -> list[str]:
        """Store drawings (strokes and category); their key_ids, once they are durable."""
        bodies = []
        for drawing in drawings:
            body: dict[str, Any] = {"drawing": drawing.to_lists()}
            if drawing.category is not None:
                body["category"] = drawing.category
            if tags:
                body["tags"] = list(tags)
            bodies.append(body)
        key_ids: list[str] = self._send("POST", "/v1/drawings", {"drawings": bodies})["key_ids"]
        return key_ids

    def get(self, key_id: str) -> Drawing:
        """One stored drawing."""
        return _drawing(self._send("GET", _path(key_id)))

    def drawings(
        self, *, category: str | None = None, country: str | None = None
    ) -> Iterator[Drawing]:
        """All stored drawings (that pass), in the order of their key_ids, fetched page by page."""
        given = {"category": category, "country": country}
        asked: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
        asked["limit"] = _PAGE
        while True:
            page = self._send("GET", "/v1/drawings", fields=asked)
            yield from map(_drawing, page["drawings"])
            if page["next"] is None:
                return
            asked["after"] = page["next"]

    def delete(self, key_id: str) -> None:
        """Delete a stored drawing for good."""
        self._send("DELETE", _path(key_id))

    def hide(self, key_id: str, reason: str | None = None) -> None:
        """Take a drawing out of all results until an operator restores it."""
        self._send("POST", f"{_path(key_id)}/hide", {} if reason is None else {"reason": reason})

    def restore(self, key_id: str) -> None:
        """Show a hidden drawing again."""
        self._send("POST", f"{_path(key_id)}/restore", {})

    def categories(self) -> dict[str, int]:
        """The gallery's categories and how many drawings each has."""
        listed = self._send("GET", "/v1/categories")["categories"]
        return {entry["category"]: entry["n_drawings"] for entry in listed}

    def _ask(
        self, path: str, query: Drawing | str | PathLike[str], options: dict[str, Any]
    ) -> dict[str, Any]:
        if isinstance(query, Drawing) and query.bitmap is None:
            return dict(self._send("POST", path, {"drawing": query.to_lists(), **options}))
        if isinstance(query, Drawing):
            raise ServiceError("a drawing that is a bitmap is sent as a file: give its path")
        fields: dict[str, Any] = {name: orjson.dumps(value) for name, value in options.items()}
        fields["file"] = ("query", Path(query).read_bytes(), "application/octet-stream")
        return dict(self._send("POST", path, fields=fields))

    def _send(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        fields: dict[str, Any] | None = None,
    ) -> Any:
        sent: dict[str, Any] = {"headers": dict(self._headers)}
        if body is not None:
            sent["body"] = orjson.dumps(body)
            sent["headers"]["content-type"] = "application/json"
        if fields is not None:
            sent["fields"] = fields
        try:
            answer = self._pool.request(method, self._url + path, **sent)
        except urllib3.exceptions.HTTPError as error:
            reason = getattr(error, "reason", None) or error
            raise ServiceError(f"no answer from {self._url}: {reason}") from error
        if answer.status >= 400:
            raise _error(answer.status, answer.data)
        return orjson.loads(answer.data) if answer.data else None


def _path(key_id: str) -> str:
    return f"/v1/drawings/{quote(key_id, safe='')}"


def _error(status: int, body: bytes) -> ServiceError:
    try:
        problem = orjson.loads(body)
        detail = str(problem["detail"])
    except (ValueError, KeyError, TypeError):
        return ServiceError(f"the service answered {status}", status=status)
    return ServiceError(f"{detail} ({status})", status=status, problem=problem)


def _hit(hit: Mapping[str, Any]) -> Hit:
    drawing = _drawing(hit)
    return Hit(
        key_id=hit["key_id"],
        category=hit["category"],
        score=hit["score"],
        drawing=drawing,
        country=drawing.country,
        recognized=drawing.recognized,
        timestamp=drawing.timestamp,
        tags=tuple(hit.get("tags") or ()),
    )


def _drawing(document: Mapping[str, Any]) -> Drawing:
    known = ("key_id", "category", "country", "recognized", "timestamp")
    return Drawing(document["drawing"], **{name: document.get(name) for name in known})
