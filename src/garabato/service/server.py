"""Runs the service with uvicorn: connections, timeouts, threads and logs."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import logging
import resource
import sys
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import orjson
import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from garabato.errors import GarabatoError
from garabato.service.settings import Settings

#: Time for requests under way to finish after SIGTERM.
SHUTDOWN_S = 10
#: glibc keeps freed memory in arenas, eight per core: 143 MiB after three times sixty pictures at
#: once, 55 with two arenas. The first number is `M_ARENA_MAX` of malloc.h.
_M_ARENA_MAX, _N_ARENAS = -8, 2
#: Bytes of a request beside its body: its head, the sizes of its chunks and its trailers.
_MAX_BYTES_BESIDE_BODY = 2**20
_STANDARD_FIELDS = set(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "color_message"}


def run(app: FastAPI, settings: Settings) -> None:
    """Serve `app` until SIGTERM or Ctrl-C, then finish requests under way.

    Raises GarabatoError if it cannot start.
    """
    _raise_file_limit(settings.max_connections)
    with suppress(AttributeError):  # not glibc
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, _N_ARENAS)
    server = uvicorn.Server(config(app, settings))
    failures: list[str] = []

    def stop(reason: str) -> None:
        failures.append(reason)
        server.should_exit = True

    app.state.service.start_failed = stop
    app.state.service.started = _leave_out_of_collections
    server.run()
    gc.unfreeze()
    if failures:
        raise GarabatoError(f"the service could not start: {failures[0]}")


def config(app: FastAPI, settings: Settings) -> uvicorn.Config:
    """uvicorn's configuration."""
    return uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        http=_limiting_protocol(settings.idle_timeout_s),
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


def log_config() -> dict[str, Any]:
    """Logs on stderr, for `logging.config.dictConfig`: JSON lines, or plain lines on a terminal."""
    formatter = TextFormatter if sys.stderr.isatty() else JsonFormatter
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"lines": {"()": formatter}},
        "handlers": {
            "stderr": {
                "class": "logging.StreamHandler",
                "formatter": "lines",
                "stream": "ext://sys.stderr",
            }
        },
        "root": {"handlers": ["stderr"], "level": "WARNING"},
        "loggers": {
            "garabato": {"level": "INFO"},
            "garabato.host.kernels": {},  # without the handler of the command line
            "uvicorn": {"level": "INFO"},
        },
    }


class JsonFormatter(logging.Formatter):
    """One JSON object a record: time (UTC), level, logger, message, and the fields of `extra`."""

    def format(self, record: logging.LogRecord) -> str:
        document: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        document |= _extra(record)
        if record.exc_info:
            document["exception"] = self.formatException(record.exc_info)
        return orjson.dumps(document, default=str).decode()


class TextFormatter(logging.Formatter):
    """Time, message, and the fields of `extra`."""

    def format(self, record: logging.LogRecord) -> str:
        time = datetime.fromtimestamp(record.created).strftime("%H:%M:%S")
        extra = " ".join(f"{name}={value}" for name, value in _extra(record).items())
        line = f"{time} {record.getMessage()} {extra}".rstrip()
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


def _raise_file_limit(n_connections: int) -> None:
    """Allow `n_connections` sockets and some files."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = n_connections + 1_000
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    if soft < wanted:
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _leave_out_of_collections() -> None:
    """Leave what there is now, most of it objects of libraries, out of later garbage collections.

    They would go through all of it while requests wait.
    """
    gc.collect()
    gc.freeze()


def _limiting_protocol(timeout_s: float) -> type[HttpToolsProtocol]:
    """uvicorn's protocol, which also closes connections whose request head does not arrive in time,
    or that send too much beside the bodies of requests.

    uvicorn has no settings for that: `timeout_keep_alive` starts only after the first response. A
    subclass is the only way in; tests/service/test_rude_clients.py fails if its hooks change.
    """

    class LimitingProtocol(HttpToolsProtocol):
        _head_timer: asyncio.TimerHandle | None = None
        _n_beside_body = 0

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self._start_timer()

        def data_received(self, data: bytes) -> None:
            self._n_beside_body += len(data)
            super().data_received(data)
            if self._n_beside_body > _MAX_BYTES_BESIDE_BODY:
                self._close()

        def on_message_begin(self) -> None:
            super().on_message_begin()
            self._start_timer()

        def on_headers_complete(self) -> None:
            self._stop_timer()
            super().on_headers_complete()

        def on_body(self, body: bytes) -> None:
            self._n_beside_body -= len(body)
            super().on_body(body)

        def on_message_complete(self) -> None:
            self._n_beside_body = 0
            super().on_message_complete()

        def connection_lost(self, exc: Exception | None) -> None:
            self._stop_timer()
            super().connection_lost(exc)

        def _start_timer(self) -> None:
            self._stop_timer()
            self._head_timer = self.loop.call_later(timeout_s, self._close)

        def _stop_timer(self) -> None:
            if self._head_timer is not None:
                self._head_timer.cancel()
                self._head_timer = None

        def _close(self) -> None:
            if not self.transport.is_closing():
                self.transport.close()

    return LimitingProtocol


def _extra(record: logging.LogRecord) -> dict[str, Any]:
    return {name: value for name, value in vars(record).items() if name not in _STANDARD_FIELDS}
