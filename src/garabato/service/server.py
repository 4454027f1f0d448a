"""Running the application with uvicorn."""

from __future__ import annotations

import asyncio
import resource
from contextlib import suppress
from typing import Any

import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from garabato.service.logs import log_config
from garabato.service.settings import Settings

#: Time requests under way have to be finished when the service is told to stop.
SHUTDOWN_S = 10


def run(app: FastAPI, settings: Settings) -> None:
    """Serve until SIGTERM or Ctrl-C; requests under way are finished."""
    _raise_file_limit(settings.max_connections)
    uvicorn.Server(config(app, settings)).run()


def config(app: FastAPI, settings: Settings) -> uvicorn.Config:
    """How uvicorn is set up."""
    return uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        http=_impatient(settings.idle_timeout_s),
        ws="none",
        lifespan="on",
        access_log=False,
        log_config=log_config(),
        server_header=False,
        limit_concurrency=settings.max_connections,
        timeout_keep_alive=int(settings.idle_timeout_s),
        timeout_graceful_shutdown=SHUTDOWN_S,
        backlog=2048,
    )


def _impatient(idle_timeout_s: float) -> type[HttpToolsProtocol]:
    """uvicorn's protocol, which also closes connections whose request's head does not arrive."""

    class Impatient(HttpToolsProtocol):
        _head_timer: asyncio.TimerHandle | None = None

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self._expect_head()

        def on_message_begin(self) -> None:
            super().on_message_begin()
            self._expect_head()

        def on_headers_complete(self) -> None:
            self._forget()
            super().on_headers_complete()

        def connection_lost(self, exc: Exception | None) -> None:
            self._forget()
            super().connection_lost(exc)

        def _expect_head(self) -> None:
            self._forget()
            self._head_timer = self.loop.call_later(idle_timeout_s, self._give_up)

        def _forget(self) -> None:
            if self._head_timer is not None:
                self._head_timer.cancel()
                self._head_timer = None

        def _give_up(self) -> None:
            if not self.transport.is_closing():
                self.transport.close()

    return Impatient


def _raise_file_limit(n_connections: int) -> None:
    """Each connection is a file."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = n_connections + 1_000
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    if soft < wanted:
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
