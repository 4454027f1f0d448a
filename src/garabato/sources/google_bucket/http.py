"""HTTP with patience: byte ranges, retries, and errors that say what is wrong and what to do."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Self, TypeVar
from urllib.request import getproxies, proxy_bypass

import urllib3
from urllib3.exceptions import HTTPError
from urllib3.util import Retry, Timeout, parse_url

from garabato.sources.google_bucket.http_responses import (
    RemoteFile,
    StoppedError,
    TransientError,
    UnreachableError,
    check_range,
    check_status,
    describe,
    range_headers,
    reason_of,
)

_BLOCK_BYTES = 64 * 2**10
#: Tries before a server has answered at all: without a network nobody wants to wait long.
_FIRST_CONTACT_ATTEMPTS = 2
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to bear with a server.

    `attempts` in a row without a byte, with waits between that double from `first_delay_s` up to
    `max_delay_s`, plus or minus half (so that many do not come back at once). A Retry-After of up
    to `max_retry_after_s` is waited for. `timeout_s` is the longest silence.
    """

    attempts: int = 6
    first_delay_s: float = 0.5
    max_delay_s: float = 30.0
    max_retry_after_s: float = 120.0
    timeout_s: float = 30.0


class Web:
    """Requests to one server, by as many threads as there are `n_connections`.

    `answered` tells whether it ever did.
    """

    def __init__(self, base_url: str, *, patience: Patience, n_connections: int) -> None:
        self.base_url = base_url.rstrip("/")
        self._patience = patience
        self._pool = _pool(self.base_url, patience, n_connections)
        self.answered = False
        self._stopping = threading.Event()
        self._open: set[urllib3.BaseHTTPResponse] = set()

    def look_up(self, url: str) -> RemoteFile:
        """What the server knows of a file, without fetching it.

        Raises NotFoundError, UnreachableError, SourceError.
        """

        def ask() -> RemoteFile:
            with self._request("HEAD", url, {}) as response:
                response.read()  # nothing, but the connection is free again then
                return describe(url, response)

        return self._patiently(ask)

    def stream(
        self, file: RemoteFile, first: int = 0, end: int | None = None
    ) -> Generator[bytes, None, None]:
        """The bytes from `first` up to, not including, `end` (None: the file's).

        A dropped connection is taken up where it broke. Raises ChangedError where the file is
        another now, NoRangesError where the server does not send parts, UnreachableError.
        """
        at, end = first, file.size_bytes if end is None else end
        failures = 0
        while at < end:
            try:
                with self._request("GET", file.url, range_headers(file, at, end)) as response:
                    check_range(file, response, at, end)
                    for block in response.stream(_BLOCK_BYTES, decode_content=False):
                        block = block[: end - at]
                        at += len(block)
                        failures = 0
                        yield block
                        if at == end:
                            break
                        self._check_stopped()
                if at < end:
                    raise TransientError(
                        f"the connection ended at byte {at:,} of {file.size_bytes:,}"
                    )
            except TransientError as failure:
                failures += 1
                self._wait(failures, failure)

    def read(self, file: RemoteFile, first: int, end: int) -> bytes:
        """The bytes from `first` up to, not including, `end`; see `stream`."""
        return b"".join(self.stream(file, first, end))

    def stop(self) -> None:
        """End all requests, also those that wait; they raise StoppedError."""
        self._stopping.set()
        for response in list(self._open):
            with suppress(Exception):
                response.shutdown()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.clear()

    def _patiently(self, ask: Callable[[], _T]) -> _T:
        failures = 0
        while True:
            try:
                return ask()
            except TransientError as failure:
                failures += 1
                self._wait(failures, failure)

    def _wait(self, failures: int, failure: TransientError) -> None:
        """Wait before the next try, or raise UnreachableError where it was the last."""
        patience = self._patience
        limit = patience.attempts
        if not self.answered:
            limit = min(limit, _FIRST_CONTACT_ATTEMPTS)
        times = f", {failures} times" if failures > 1 else ""
        if failures >= limit:
            raise UnreachableError(f"{failure}{times}") from failure
        delay_s = min(patience.max_delay_s, patience.first_delay_s * 2 ** (failures - 1))
        delay_s *= random.uniform(0.5, 1.5)
        if failure.retry_after_s is not None:
            if failure.retry_after_s > patience.max_retry_after_s:
                raise UnreachableError(
                    f"{failure} and asks to come back in {failure.retry_after_s:,.0f} s"
                ) from failure
            delay_s += failure.retry_after_s
        self._stopping.wait(delay_s)
        self._check_stopped()

    def _check_stopped(self) -> None:
        if self._stopping.is_set():
            raise StoppedError("stopped")

    @contextmanager
    def _request(
        self, method: str, url: str, headers: dict[str, str]
    ) -> Iterator[urllib3.BaseHTTPResponse]:
        """A response of status 200 or 206, its body unread; the rest becomes errors."""
        self._check_stopped()
        response = None
        try:
            response = self._pool.request(
                method, url, headers={**self._pool.headers, **headers}, preload_content=False
            )
            self._open.add(response)
            self.answered = True
            check_status(url, response)
            yield response
        except HTTPError as error:
            self._check_stopped()
            raise TransientError(reason_of(self.base_url, error)) from error
        finally:
            if response is not None:
                self._open.discard(response)
                response.close()  # where the body was read to its end, the connection is kept


def _pool(base_url: str, patience: Patience, n_connections: int) -> urllib3.PoolManager:
    address = parse_url(base_url)
    timeout = Timeout(connect=min(10.0, patience.timeout_s), read=patience.timeout_s)
    redirects_only = Retry(total=None, connect=0, read=0, status=0, other=0, redirect=3)
    headers = {"User-Agent": "garabato", "Accept-Encoding": "identity"}
    proxy = None if proxy_bypass(address.host or "") else getproxies().get(address.scheme or "")
    if proxy:
        return urllib3.ProxyManager(
            proxy, maxsize=n_connections, timeout=timeout, retries=redirects_only, headers=headers
        )
    return urllib3.PoolManager(
        maxsize=n_connections, timeout=timeout, retries=redirects_only, headers=headers
    )
