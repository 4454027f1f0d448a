"""The page: its files are read once, and only these have addresses."""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable

from fastapi import APIRouter, Request, Response

from garabato.service.http.problems import ProblemError

_TYPES = {
    "css": "text/css; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "ico": "image/x-icon",
    "js": "text/javascript; charset=utf-8",
    "json": "application/json",
    "png": "image/png",
    "svg": "image/svg+xml",
    "webmanifest": "application/manifest+json",
    "woff2": "font/woff2",
}


@dataclass(frozen=True, slots=True)
class Asset:
    """One file of the page, as it is sent."""

    content: bytes
    zipped: bytes
    media_type: str
    etag: str

    def answer(self, request: Request) -> Response:
        """The file, or 304 where the client has it."""
        headers = {
            "etag": self.etag,
            "cache-control": "no-cache",  # ask each time whether it changed, which is quick
            "vary": "accept-encoding",
        }
        known = request.headers.get("if-none-match", "")
        if self.etag in [tag.strip().removeprefix("W/") for tag in known.split(",")]:
            return Response(status_code=304, headers=headers)
        if "gzip" in request.headers.get("accept-encoding", ""):
            headers["content-encoding"] = "gzip"
            return Response(self.zipped, headers=headers, media_type=self.media_type)
        return Response(self.content, headers=headers, media_type=self.media_type)


def make_asset(content: bytes, media_type: str) -> Asset:
    """A file as it is sent."""
    etag = f'"{hashlib.sha256(content).hexdigest()[:20]}"'
    return Asset(content, gzip.compress(content, 6, mtime=0), media_type, etag)


def read_assets() -> dict[str, Asset]:
    """The files of the page by their names ("js/canvas.js")."""
    found: dict[str, Asset] = {}

    def read(folder: Traversable, prefix: str) -> None:
        for entry in folder.iterdir():
            if entry.is_dir():
                read(entry, f"{prefix}{entry.name}/")
            elif media_type := _TYPES.get(entry.name.rpartition(".")[2]):
                found[prefix + entry.name] = make_asset(entry.read_bytes(), media_type)

    page = resources.files("garabato.service") / "page"
    if page.is_dir():
        read(page, "")
    return found


def make_router() -> APIRouter:
    """`/` and `/static/...`."""
    router = APIRouter(include_in_schema=False)
    assets = read_assets()

    @router.get("/")
    async def index(request: Request) -> Response:
        return _find("index.html").answer(request)

    @router.get("/favicon.ico")
    async def favicon(request: Request) -> Response:
        return _find("favicon.ico").answer(request)

    @router.get("/static/{name:path}")
    async def static(name: str, request: Request) -> Response:
        return _find(name).answer(request)

    def _find(name: str) -> Asset:
        if name not in assets:
            raise ProblemError(404, "there is no such file")
        return assets[name]

    return router
