"""Middleware for every route: size and time limits, security headers, one log line per request."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time

from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect, Request
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from garabato.service.http.access import Access
from garabato.service.http.problems import ProblemError
from garabato.service.metrics import Metrics
from garabato.service.settings import Settings

_log = logging.getLogger("garabato.requests")

#: Pages load only this service's own files and can't be framed.
CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob: data:",
        "connect-src 'self'",
        "font-src 'self'",
        "manifest-src 'self'",
        "worker-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
#: For original files: no scripts, no external references, and no access to the page.
ORIGINAL_POLICY = "default-src 'none'; style-src 'unsafe-inline'; sandbox"
_HEADERS = {
    "content-security-policy": CONTENT_SECURITY_POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
}
#: How long to read a request that already has its response.
_LINGER_S = 2.0
_METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}


class Middleware:
    """ASGI middleware around the whole application."""

    def __init__(
        self, app: ASGIApp, *, settings: Settings, access: Access, metrics: Metrics
    ) -> None:
        self._app = app
        self._settings = settings
        self._access = access
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = _Exchange(scope, receive, send, self._settings)
        # HEAD is GET here, for every route; uvicorn leaves out the body.
        method = "GET" if exchange.method == "HEAD" else exchange.method
        scope = {**scope, "root_path": self._settings.root_path, "method": method}
        self._metrics.in_flight.inc()
        try:
            await self._respond(scope, exchange)
        finally:
            self._metrics.in_flight.dec()
            self._record(scope, exchange)

    async def _respond(self, scope: Scope, exchange: _Exchange) -> None:
        try:
            async with asyncio.timeout(self._settings.request_timeout_s) as timeout:
                exchange.timeout = timeout
                self._access.check_name(Request(scope))
                exchange.check_announced_size()
                if scope["path"] == scope["root_path"] != "":  # the page's links are relative
                    query = scope["query_string"].decode("latin-1")
                    redirect = RedirectResponse(f"{scope['root_path']}/{query and '?'}{query}")
                    await redirect(scope, exchange.receive, exchange.send)
                    return
                await self._app(scope, exchange.receive, exchange.send)
        except ProblemError as problem:
            await exchange.respond(problem)
        except ClientDisconnect:
            pass  # the client is gone; recorded as 499
        except TimeoutError:
            late = ProblemError(408, "the request took too long to arrive")
            if exchange.is_read:
                text = "the response took too long; try again later"
                late = ProblemError(503, text, retry_after_s=5)
            await exchange.respond(late)
        except asyncio.CancelledError:  # SHUTDOWN_S has passed since SIGTERM
            exchange.is_read = True  # there is no time to read the rest
            text = "the service is stopping; try again later"
            await exchange.respond(ProblemError(503, text, retry_after_s=5))
        except Exception:
            if exchange.status:  # the response has begun: uvicorn closes the connection
                raise
            _log.exception("a request failed")
            fault = ProblemError(500, "a fault in the service; the operator's log says why")
            await exchange.respond(fault)

    def _record(self, scope: Scope, exchange: _Exchange) -> None:
        route = getattr(scope.get("route"), "path", "other")
        seconds = time.perf_counter() - exchange.started
        status = exchange.status or 499  # nginx's code for a client that went away first
        method = exchange.method if exchange.method in _METHODS else "other"
        self._metrics.requests.labels(route, method, str(status)).inc()
        self._metrics.request_seconds.labels(route).observe(seconds)
        client = scope.get("client")
        _log.log(
            logging.ERROR if status >= 500 and status != 503 else logging.INFO,
            "request",
            extra={
                "method": exchange.method,
                "route": route,
                "status": status,
                "took_ms": round(1000 * seconds, 1),
                "bytes_in": exchange.n_received,
                "bytes_out": exchange.n_sent,
                "client": client[0] if client else None,
            },
        )


class _Exchange:
    """One request and its response."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, settings: Settings) -> None:
        self._scope = scope
        self._receive = receive
        self._send = send
        self._max_bytes = settings.max_body_bytes
        self._send_timeout_s = settings.send_timeout_s
        self.method: str = scope["method"]
        self.started = time.perf_counter()
        self.timeout: asyncio.Timeout | None = None
        self.n_received = 0
        self.n_sent = 0
        self.is_read = self.method in ("GET", "HEAD")
        self.status = 0

    def check_announced_size(self) -> None:
        """Refuse a body whose Content-Length is too large. Raises ProblemError 413."""
        for name, value in self._scope["headers"]:
            if name == b"content-length" and (not value.isdigit() or int(value) > self._max_bytes):
                raise self._too_big()

    async def receive(self) -> Message:
        """The next part of the request. Raises ProblemError 413."""
        message = await self._receive()
        if message["type"] == "http.request":
            self.n_received += len(message.get("body", b""))
            if self.n_received > self._max_bytes:
                raise self._too_big()
            self.is_read = self.is_read or not message.get("more_body", False)
        return message

    async def send(self, message: Message) -> None:
        """Pass on a part of the response."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            for name, value in _HEADERS.items():
                headers.setdefault(name, value)
            if "cache-control" not in headers:
                headers["cache-control"] = "no-store"
            if self.timeout is not None:
                now = asyncio.get_running_loop().time()
                self.timeout.reschedule(now + self._send_timeout_s)
        else:
            self.n_sent += len(message.get("body", b""))
            if not message.get("more_body", False) and not self.is_read:
                await self._send({**message, "more_body": True})
                await self._discard_rest()
                message = {"type": "http.response.body"}
        await self._send(message)

    async def respond(self, problem: ProblemError) -> None:
        """Respond with a problem if no response has begun; otherwise abort the connection."""
        if self.status:
            raise ConnectionAbortedError("the client did not receive the response in time")
        self.timeout = None
        response = problem.to_response()
        if not self.is_read:  # the rest of the request will not be read
            response.headers["connection"] = "close"
        await response(self._scope, self.receive, self.send)

    async def _discard_rest(self) -> None:
        """Read what is left of the request, for a short time.

        A connection closed on unread bytes is reset, and the reset can overtake the response.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(min(_LINGER_S, self._send_timeout_s)):
                while not self.is_read:
                    message = await self._receive()
                    self.n_received += len(message.get("body", b""))
                    self.is_read = not message.get("more_body", False)

    def _too_big(self) -> ProblemError:
        return ProblemError(413, f"the body is more than {self._max_bytes:,} bytes")
