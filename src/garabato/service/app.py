"""The FastAPI application."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import Depends, FastAPI
from fastapi.openapi.utils import get_openapi

import garabato
from garabato.service.http import problems
from garabato.service.http import requests as schemas
from garabato.service.http.middleware import Guard
from garabato.service.jobs import startup as boot
from garabato.service.jobs.starter_gallery import ChooseSource
from garabato.service.routes import (
    drawings,
    explore,
    hiding,
    operations,
    page,
    queries,
    reporting,
    state,
)
from garabato.service.routes.shared import only_known_parameters
from garabato.service.service import Service
from garabato.service.settings import Settings

#: Schemas of bodies that routes read themselves.
_BODIES = (schemas.Classify, schemas.Search, schemas.Add, schemas.Delete, schemas.Hide)


def create_app(settings: Settings, choose_source: ChooseSource) -> FastAPI:
    """The application. `choose_source` says where the starter gallery's drawings come from."""
    service = Service(settings)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        service.batcher.start()
        thread = boot.start(service, choose_source)
        yield
        await service.batcher.stop()
        await asyncio.to_thread(service.shut_down)
        await asyncio.to_thread(thread.join, 5.0)

    app = FastAPI(
        title="garabato",
        summary="Says what a drawing shows and finds the drawings most like it.",
        version=garabato.__version__,
        lifespan=lifespan,
        openapi_url="/v1/openapi.json",
        docs_url=None,  # these pages load scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.service = service
    # key_ids may hold slashes, so the addresses below a drawing's own come before it
    for router in (queries, hiding, reporting, drawings, explore, state):
        app.include_router(router.router, dependencies=[Depends(only_known_parameters)])
    app.include_router(operations.router)
    app.include_router(page.make_router())
    problems.install(app)
    app.add_middleware(Guard, service=service)
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]
    return app


def _openapi(app: FastAPI) -> dict[str, Any]:
    """FastAPI's document, with the bodies that routes read themselves."""
    if app.openapi_schema is None:
        document = get_openapi(
            title=app.title, version=app.version, summary=app.summary, routes=app.routes
        )
        known = document.setdefault("components", {}).setdefault("schemas", {})
        for model in _BODIES:
            schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
            known |= schema.pop("$defs", {})
            known[model.__name__] = schema
        app.openapi_schema = document
    return app.openapi_schema
