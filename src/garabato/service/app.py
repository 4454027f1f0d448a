"""The FastAPI application, and the files of the page."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.middleware.cors import CORSMiddleware
from fastapi.openapi.utils import get_openapi

import garabato
from garabato.service.http import problems, requests
from garabato.service.http.middleware import Middleware
from garabato.service.http.problems import ProblemError
from garabato.service.http.serializers import CachedContent
from garabato.service.jobs import startup
from garabato.service.routes import drawings, encoder, explore, moderation, operations, queries
from garabato.service.service import Service
from garabato.service.settings import Settings

_MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".webmanifest": "application/manifest+json",
    ".woff2": "font/woff2",
}


def create_app(settings: Settings, choose_source: startup.ChooseSource) -> FastAPI:
    """The application. `choose_source` chooses where drawings for the starter gallery come from."""
    service = Service(settings)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        service.batcher.start()
        service.search_batcher.start()
        thread = startup.start(service, choose_source)
        yield
        await service.batcher.stop()
        await service.search_batcher.stop()
        await asyncio.to_thread(service.shut_down)
        await asyncio.to_thread(thread.join, 5.0)

    app = FastAPI(
        title="garabato",
        summary="Classifies a drawing and finds the drawings most similar to it.",
        version=garabato.__version__,
        lifespan=lifespan,
        openapi_url="/v1/openapi.json",
        docs_url=None,  # they would load scripts from other sites
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.service = service
    # A key_id may contain slashes: /v1/drawings/{key_id}/hide comes before /v1/drawings/{key_id}.
    for part in (queries, moderation, drawings, encoder, explore, operations):
        app.include_router(part.router)
    app.include_router(operations.probes)
    app.include_router(_page_router())
    problems.install(app)
    app.add_middleware(
        Middleware, settings=settings, access=service.access, metrics=service.metrics
    )
    if settings.origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.origins,
            allow_methods=["GET", "POST", "PUT", "DELETE"],
            allow_headers=["authorization", "content-type"],
            expose_headers=["retry-after"],
        )
    app.openapi = lambda: _openapi(app, settings.root_path)  # type: ignore[method-assign]
    return app


def _page_router() -> APIRouter:
    """Routes for `/` and `/static/...`. The files are read once; only they have addresses."""
    router = APIRouter(include_in_schema=False)
    files = _read_files()

    @router.get("/static/{name:path}")
    async def static(name: str, request: Request) -> Response:
        if name not in files:
            raise ProblemError(404, "there is no such file")
        return files[name].to_response(request)

    @router.get("/")
    async def index(request: Request) -> Response:
        return files["index.html"].to_response(request)

    @router.get("/favicon.ico")
    async def favicon(request: Request) -> Response:
        return files["icon.svg"].to_response(request)

    return router


def _read_files() -> dict[str, CachedContent]:
    """The page's files by name ("script/main.js")."""
    page = Path(__file__).with_name("page")
    return {
        file.relative_to(page).as_posix(): CachedContent.of(file.read_bytes(), media_type)
        for file in page.rglob("*")
        if (media_type := _MEDIA_TYPES.get(file.suffix))
    }


def _openapi(app: FastAPI, root_path: str) -> dict[str, Any]:
    """FastAPI's OpenAPI document, plus the subpath and the bodies that routes parse themselves."""
    if app.openapi_schema is None:
        document = get_openapi(
            title=app.title,
            version=app.version,
            summary=app.summary,
            routes=app.routes,
            servers=[{"url": root_path}] if root_path else None,
        )
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        for model in requests.BODIES:
            schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
            schemas |= schema.pop("$defs", {})
            schemas[model.__name__] = schema
        app.openapi_schema = document
    return app.openapi_schema
