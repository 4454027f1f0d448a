"""Drawings and hits as JSON, and the responses that carry them."""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass, replace
from typing import Any

import orjson
from fastapi import Request, Response

from garabato.drawing import Drawing
from garabato.gallery import Hit
from garabato.render import as_strokes


def json_response(document: Any, status: int = 200) -> Response:
    """`document` as a JSON response."""
    return Response(orjson.dumps(document), status, media_type="application/json")


@dataclass(frozen=True, slots=True)
class CachedContent:
    """Content that many clients get, with an ETag; if it is kept, also compressed."""

    content: bytes
    gzipped: bytes | None
    media_type: str
    etag: str

    @classmethod
    def of(cls, content: bytes, media_type: str, *, is_kept: bool = True) -> CachedContent:
        """Compute the ETag of `content`, and compress it unless it is for one response only."""
        etag = f'"{hashlib.sha256(content).hexdigest()[:20]}"'
        gzipped = gzip.compress(content, 6, mtime=0) if is_kept else None
        return cls(content, gzipped, media_type, etag)

    def to_response(self, request: Request) -> Response:
        """The content, or 304 if the client already has it."""
        headers = {
            "etag": self.etag,
            "cache-control": "no-cache",  # the client asks each time whether it changed
            "vary": "accept-encoding",
        }
        cached = request.headers.get("if-none-match", "")
        if self.etag in [tag.strip().removeprefix("W/") for tag in cached.split(",")]:
            return Response(status_code=304, headers=headers)
        if self.gzipped is not None and "gzip" in request.headers.get("accept-encoding", ""):
            headers["content-encoding"] = "gzip"
            return Response(self.gzipped, headers=headers, media_type=self.media_type)
        return Response(self.content, headers=headers, media_type=self.media_type)


def hit_document(hit: Hit) -> dict[str, Any]:
    """A hit as JSON, without unknown fields."""
    if hit.drawing.bitmap is not None:
        hit = replace(hit, drawing=as_strokes(hit.drawing))
    return hit.to_dict()


def drawing_document(drawing: Drawing) -> dict[str, Any]:
    """A stored drawing as JSON, without unknown fields."""
    return as_strokes(drawing).to_dict()
