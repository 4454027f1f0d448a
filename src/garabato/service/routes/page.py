"""The page. Its files are read once at start; only they have addresses."""

from __future__ import annotations

from importlib import resources
from importlib.resources.abc import Traversable

from fastapi import APIRouter, Request, Response

from garabato.service.http.problems import ProblemError
from garabato.service.http.serializers import CachedContent

_MEDIA_TYPES = {
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


def make_router() -> APIRouter:
    """Routes for `/` and `/static/...`."""
    router = APIRouter(include_in_schema=False)
    files = _read_files()

    @router.head("/")
    @router.get("/")
    async def index(request: Request) -> Response:
        return find("index.html").to_response(request)

    @router.get("/favicon.ico")
    async def favicon(request: Request) -> Response:
        return find("favicon.ico").to_response(request)

    @router.get("/static/{name:path}")
    async def static(name: str, request: Request) -> Response:
        return find(name).to_response(request)

    def find(name: str) -> CachedContent:
        if name not in files:
            raise ProblemError(404, "there is no such file")
        return files[name]

    return router


def _read_files() -> dict[str, CachedContent]:
    """The page's files by name ("script/main.js")."""
    found: dict[str, CachedContent] = {}

    def read(folder: Traversable, prefix: str) -> None:
        for entry in folder.iterdir():
            if entry.is_dir():
                read(entry, f"{prefix}{entry.name}/")
            elif media_type := _MEDIA_TYPES.get(entry.name.rpartition(".")[2]):
                found[prefix + entry.name] = CachedContent.of(entry.read_bytes(), media_type)

    read(resources.files("garabato.service") / "page", "")
    return found
