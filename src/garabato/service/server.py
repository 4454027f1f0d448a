"""Runs the service: `garabato.serve`, and uvicorn with its connections, timeouts, threads and logs.

FastAPI and uvicorn are imported when the service starts: `garabato.serve` says how to install them.
"""

from __future__ import annotations

import asyncio
import ctypes
import errno
import gc
import logging
import re
import resource
import signal
import socket
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from os import PathLike, fspath
from typing import TYPE_CHECKING, Any

import orjson

from garabato.errors import EncoderMismatchError, GarabatoError, InputError, MissingExtraError
from garabato.gallery import open_gallery
from garabato.host.machine import limit_native_threads
from garabato.service.settings import Settings
from garabato.sources.source import choose_source

if TYPE_CHECKING:
    import uvicorn
    from fastapi import FastAPI
    from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

#: Time for requests under way to finish after SIGTERM.
SHUTDOWN_S = 10
#: glibc keeps freed memory in arenas, eight per core: 143 MiB after three times sixty pictures at
#: once, 55 with two arenas. The first number is `M_ARENA_MAX` of malloc.h.
_M_ARENA_MAX, _N_ARENAS = -8, 2
#: Bytes of a request beside its body: its head, the sizes of its chunks and its trailers.
_MAX_BYTES_BESIDE_BODY = 2**20
_STANDARD_FIELDS = set(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "color_message"}


def serve(
    gallery: str | PathLike[str] | Sequence[str] | Mapping[str, str | PathLike[str]] | None = None,
    *,
    model: str | PathLike[str] | None = None,
    categories: str | PathLike[str] | None = None,
    source: str | PathLike[str] | None = None,
    host: str | None = None,
    port: int | None = None,
    token: str | None = None,
    public_url: Sequence[str] = (),
) -> None:
    """Serve the page and the HTTP API until SIGTERM or Ctrl-C.

    `gallery` is one gallery, or several by name, all filled by one encoder: {"icons": "icons",
    "drawings": "my.gallery"} or ["icons=icons", "drawings=my.gallery"]. The page switches between
    them; the first is the default. Without `gallery` the starter gallery is served; it is filled on
    first use from `source`, else from Google's bucket or the starter set. The gallery that
    `garabato icons` made is served beside it.

    `public_url` is the address that visitors use, if there is a proxy, and then the addresses of
    other sites whose pages may use the API. Arguments that are None or empty take the value of the
    variable GARABATO_<NAME>, as do all other settings (docs/run_for_others.md lists them).

    Raises GalleryError if there is no gallery at `gallery`, different encoders filled them or the
    service cannot start, InputError for an invalid setting or a port in use, and
    MissingExtraError without the extra `serve`.
    """
    settings = Settings.from_environment(
        {
            "gallery": _listed(gallery),
            "model": None if model is None else fspath(model),
            "categories": None if categories is None else fspath(categories),
            "host": host,
            "port": port,
            "token": token,
            "public_url": tuple(public_url),
        }
    )
    _check_galleries(settings.galleries)  # before anything slow is loaded
    _check_address(settings.host, settings.port)
    limit_native_threads()
    try:
        import uvicorn.protocols.http.httptools_impl  # noqa: F401  (for `run`)

        from garabato.service.app import create_app
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("garabato"):
            raise
        raise MissingExtraError("garabato serve", "serve") from None
    run(create_app(settings, partial(choose_source, source)), settings)


def run(app: FastAPI, settings: Settings) -> None:
    """Serve `app` until SIGTERM or Ctrl-C, then finish requests under way.

    Raises GarabatoError if it cannot start.
    """
    import uvicorn

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
    with _ending_by_hangup():
        server.run()
    gc.unfreeze()
    if failures:
        raise GarabatoError(f"the service could not start: {failures[0]}")


def config(app: FastAPI, settings: Settings) -> uvicorn.Config:
    """uvicorn's configuration."""
    import uvicorn

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
    """One JSON object per record: time (UTC), level, logger, message, and the fields of `extra`."""

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


def _listed(
    gallery: str | PathLike[str] | Sequence[str] | Mapping[str, str | PathLike[str]] | None,
) -> tuple[str, ...]:
    """The galleries as `Settings` takes them."""
    if gallery is None:
        return ()
    if isinstance(gallery, Mapping):
        for name in gallery:
            if not re.fullmatch(r"[\w.-]+", name):
                raise InputError(
                    f"the name of a gallery has letters, digits, '.', '-' and '_', not {name!r}"
                )
        return tuple(f"{name}={fspath(uri)}" for name, uri in gallery.items())
    listed = [gallery] if isinstance(gallery, str | PathLike) else gallery
    return tuple(fspath(one) for one in listed)


def _check_galleries(galleries: Mapping[str, str]) -> None:
    """Raise GalleryError if one is missing, or if they were not filled by one encoder."""
    opened = {name: open_gallery(uri, must_exist=True) for name, uri in galleries.items()}
    if len(opened) < 2:
        return
    filled_by = {name: one.info().encoder for name, one in opened.items()}
    if len({encoder.fingerprint for encoder in filled_by.values()}) > 1:
        listed = ", ".join(
            f"{name} by {encoder.fingerprint} ({encoder.model_name})"
            for name, encoder in filled_by.items()
        )
        raise EncoderMismatchError(
            f"the galleries were filled by different encoders: {listed}. One service has one "
            "encoder: serve them apart, or copy a gallery with the encoder of the others (a file, "
            "or `shipped`):\n"
            "  garabato gallery copy URI NEW --model shipped"
        )


def _check_address(host: str, port: int) -> None:
    """Raise InputError if the server can't listen there."""
    try:
        families = [address[0] for address in socket.getaddrinfo(host or None, port)]
        family = socket.AF_INET if socket.AF_INET in families else socket.AF_INET6
        socket.create_server((host, port), family=family).close()
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise InputError(
                f"port {port} of {host} is in use, perhaps by another garabato; choose another "
                "port, such as --port 8001"
            ) from None
        raise InputError(f"cannot listen on port {port} of {host}: {error.strerror}") from None


def _raise_file_limit(n_connections: int) -> None:
    """Allow `n_connections` sockets and some files."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = n_connections + 1_000
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    if soft < wanted:
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


@contextmanager
def _ending_by_hangup() -> Iterator[None]:
    """End at SIGHUP, as from a closed terminal, as at SIGTERM: uvicorn has no handler for it."""
    before = signal.getsignal(signal.SIGHUP)
    if before == signal.SIG_IGN or threading.current_thread() is not threading.main_thread():
        yield  # nohup
        return
    signal.signal(signal.SIGHUP, lambda *_: signal.raise_signal(signal.SIGTERM))
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, before)


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
    from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

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
