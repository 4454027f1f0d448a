"""Access rules: who may change what, from which pages, and how often."""

from __future__ import annotations

import hmac
import time
from collections import OrderedDict
from urllib.parse import SplitResult, urlsplit

from fastapi import Request

from garabato.service.http.problems import ProblemError
from garabato.service.settings import Settings, is_loopback

#: Clients that the rate limit remembers; the least recently seen is dropped first.
_MAX_CLIENTS = 10_000
#: Headers of requests that a proxy passed on.
_PROXY_HEADERS = {
    "forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip",
}  # fmt: skip


class Access:
    """Checks requests that change something."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._trusts_everyone = settings.token is None and settings.is_local
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def check_name(self, request: Request) -> None:
        """Refuse requests for other host names if the service trusts everyone who reaches it.

        It does if it is bound to loopback and has no token. A website whose name resolves to
        127.0.0.1 (DNS rebinding) must not be able to use it.
        """
        if self._trusts_everyone:
            host = _urlsplit(f"//{request.headers.get('host', '')}").hostname
            if not is_loopback(host or ""):
                raise ProblemError(
                    403,
                    "this service was started for this machine only; set GARABATO_TOKEN to serve "
                    "it under other names",
                )

    def check_operator(self, request: Request) -> None:
        """Check that a request has the token, or is local if no token is set.

        Raises ProblemError 401 or 403.
        """
        token = self._settings.token
        if token is not None:
            given = request.headers.get("authorization", "")
            kind, _, value = given.partition(" ")
            if kind.lower() == "bearer" and hmac.compare_digest(
                value.strip().encode(), token.encode()
            ):
                return
            raise ProblemError(
                401,
                "this request needs the token: Authorization: Bearer TOKEN",
                headers={"www-authenticate": "Bearer"},
            )
        if not self._settings.is_local or not _PROXY_HEADERS.isdisjoint(request.headers):
            raise ProblemError(
                403, "this service accepts no changes: its operator has set no GARABATO_TOKEN"
            )

    def rights(self, request: Request) -> dict[str, bool]:
        """What this client may do: `change` anything, `hide` drawings."""
        try:
            self.check_operator(request)
        except ProblemError:
            return {"change": False, "hide": self._settings.visitors_may_hide}
        return {"change": True, "hide": True}

    def check_write(self, request: Request, *, visitors: bool = False) -> None:
        """Check that a request may change something. Raises ProblemError 401, 403 or 429."""
        self._check_origin(request)
        if not visitors:
            self.check_operator(request)
        self._count(request.client.host if request.client else "")

    def _check_origin(self, request: Request) -> None:
        """Refuse changes sent by a page of another site (CSRF)."""
        origin = request.headers.get("origin")
        if origin is None or origin in self._settings.origins:
            return
        if _urlsplit(origin).netloc.lower() != request.headers.get("host", "").lower():
            raise ProblemError(
                403,
                f"changes are accepted from this service's own page, not from {origin[:200]!r}. If "
                "that is its page, a proxy rewrites Host: start the service with --public-url (or "
                "GARABATO_PUBLIC_URL) set to the address that visitors use",
            )

    def _count(self, client: str) -> None:
        """Limit changes per client by a token bucket, refilled at the limit per minute."""
        limit = float(self._settings.writes_per_minute)
        now = time.monotonic()
        left, then = self._buckets.pop(client, (limit, now))
        left = min(limit, left + (now - then) * limit / 60)
        allowed = left >= 1
        self._buckets[client] = (left - 1 if allowed else left, now)
        if len(self._buckets) > _MAX_CLIENTS:
            self._buckets.popitem(last=False)
        if not allowed:
            if limit == 0:
                raise ProblemError(403, "this service accepts no changes")
            wait_s = int((1 - left) * 60 / limit) + 1
            raise ProblemError(
                429,
                f"more than {self._settings.writes_per_minute} changes per minute; try again in "
                f"{wait_s} s",
                retry_after_s=wait_s,
            )


def _urlsplit(url: str) -> SplitResult:
    """The parts of a URL, all empty if it is malformed."""
    try:
        return urlsplit(url)
    except ValueError:
        return urlsplit("")
