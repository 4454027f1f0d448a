"""HTTP downloads: byte ranges, retries, whole files with their checksums.

`urllib3.Retry` is not enough: it repeats requests but cannot resume at the byte where a stream
broke, nor be stopped while it waits.
"""

from __future__ import annotations

import base64
import hashlib
import os
import random
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Self
from urllib.request import getproxies, proxy_bypass

import urllib3
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    InvalidHeader,
    NameResolutionError,
    NewConnectionError,
    ProxyError,
    ReadTimeoutError,
    SSLError,
)
from urllib3.util import Retry, Timeout, parse_url

from garabato.errors import SourceError, storage_errors
from garabato.host.atomic import sync

_BLOCK_BYTES = 64 * 2**10
#: Attempts before the server has answered at all: without a network, fail quickly.
_FIRST_CONTACT_ATTEMPTS = 2
#: Temporary failures: timeouts, too many requests, a server that is briefly down.
_TRANSIENT = {408, 429, 500, 502, 503, 504}
#: Parses the header Retry-After.
_RETRY_AFTER = Retry(total=0)
#: Times a file is fetched from its start: if the checksum is wrong or the server can't resume.
_MAX_STARTS = 3


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """When to retry and when to give up.

    Give up after `attempts` in a row without a byte. The delay between them doubles from
    `first_delay_s` to `max_delay_s`, plus or minus half, so that many clients do not retry at once.
    A Retry-After of up to `max_retry_after_s` is respected. `timeout_s` is the longest time without
    data.
    """

    attempts: int = 6
    first_delay_s: float = 0.5
    max_delay_s: float = 30.0
    max_retry_after_s: float = 120.0
    timeout_s: float = 30.0


class Web:
    """Requests to one server, for up to `n_connections` threads.

    `answered` is True once the server has responded.
    """

    def __init__(self, base_url: str, *, policy: RetryPolicy, n_connections: int) -> None:
        self.base_url = base_url.rstrip("/")
        self._policy = policy
        self._pool = _pool(self.base_url, policy, n_connections)
        self.answered = False
        self._stopping = threading.Event()
        self._open: set[urllib3.BaseHTTPResponse] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.clear()

    def look_up(self, url: str) -> RemoteFile:
        """Ask for a file's size and hashes without fetching it.

        Raises NotFoundError, UnreachableError, SourceError.
        """
        failures = 0
        while True:
            try:
                with self._request("HEAD", url, {}) as response:
                    response.read()  # empty, but it frees the connection
                    return describe(url, response)
            except TransientError as failure:
                failures += 1
                self._wait(failures, failure)

    def stream(
        self, file: RemoteFile, first: int = 0, end: int | None = None
    ) -> Generator[bytes, None, None]:
        """Yield the bytes from `first` up to, not including, `end` (None: the end of the file).

        A dropped connection is resumed where it broke. Raises ChangedError if the file has changed,
        NoRangesError if the server sends whole files only, and UnreachableError.
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
        """End all requests, including those waiting to retry; they raise StoppedError."""
        self._stopping.set()
        for response in list(self._open):
            with suppress(Exception):
                response.shutdown()

    @contextmanager
    def _request(
        self, method: str, url: str, headers: dict[str, str]
    ) -> Iterator[urllib3.BaseHTTPResponse]:
        """Yield a response of status 200 or 206 with its body unread; raise for any other."""
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
                response.close()  # keeps the connection if the body was read to its end

    def _check_stopped(self) -> None:
        if self._stopping.is_set():
            raise StoppedError("stopped")

    def _wait(self, failures: int, failure: TransientError) -> None:
        """Wait before the next attempt, or raise UnreachableError if there is none left."""
        policy = self._policy
        limit = policy.attempts
        if not self.answered:
            limit = min(limit, _FIRST_CONTACT_ATTEMPTS)
        times = f", {failures} times" if failures > 1 else ""
        if failures >= limit:
            raise UnreachableError(f"{failure}{times}") from failure
        delay_s = min(policy.max_delay_s, policy.first_delay_s * 2 ** (failures - 1))
        delay_s *= random.uniform(0.5, 1.5)
        if failure.retry_after_s is not None:
            if failure.retry_after_s > policy.max_retry_after_s:
                raise UnreachableError(
                    f"{failure} and asks to retry after {failure.retry_after_s:,.0f} s"
                ) from failure
            delay_s += failure.retry_after_s
        self._stopping.wait(delay_s)
        self._check_stopped()


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file as the server describes it; hashes and ETag are None if it does not send them."""

    url: str
    size_bytes: int
    etag: str | None
    md5: bytes | None
    crc32c: bytes | None


class NotFoundError(SourceError):
    """There is no such file on the server."""


class ChangedError(SourceError):
    """The file on the server is no longer the one that was looked up."""


class NoRangesError(SourceError):
    """The server sends whole files only."""


class UnreachableError(SourceError):
    """The server cannot be reached, or failed on every attempt."""


class StoppedError(SourceError):
    """`Web.stop` was called."""


class TransientError(Exception):
    """A failure worth another attempt, after `retry_after_s` if the server named a time."""

    def __init__(self, reason: str, retry_after_s: float | None = None) -> None:
        super().__init__(reason)
        self.retry_after_s = retry_after_s


def describe(url: str, response: urllib3.BaseHTTPResponse) -> RemoteFile:
    """Read the response's headers; raise SourceError if they do not give the length."""
    length = response.headers.get("Content-Length", "")
    if not length.isdecimal():
        raise SourceError(f"{url}: the server does not say how long the file is")
    hashes: dict[str, bytes] = {}
    for entry in response.headers.get("x-goog-hash", "").split(","):
        name, _, value = entry.strip().partition("=")
        with suppress(ValueError):
            hashes[name] = base64.b64decode(value, validate=True)
    etag = response.headers.get("ETag")
    if etag is not None and etag.startswith("W/"):
        etag = None  # a weak ETag: the bytes may differ, so it can't be used to resume
    return RemoteFile(url, int(length), etag, hashes.get("md5"), hashes.get("crc32c"))


def range_headers(file: RemoteFile, first: int, end: int) -> dict[str, str]:
    """Headers that ask for the bytes from `first` up to `end` of this version of the file."""
    headers = {}
    if file.etag is not None:
        headers["If-Match"] = file.etag
    if (first, end) != (0, file.size_bytes):
        headers["Range"] = f"bytes={first}-{end - 1}"
    return headers


def check_status(url: str, response: urllib3.BaseHTTPResponse) -> None:
    """Raise the error that a status other than 200 and 206 stands for."""
    status = response.status
    if status in (200, 206):
        return
    answer = f"{url}: the server answers {status} {response.reason or ''}".rstrip()
    if status in _TRANSIENT:
        raise TransientError(answer, _retry_after_s(response))
    if status in (403, 404, 410):
        raise NotFoundError(answer)
    if status in (412, 416):
        raise ChangedError(f"{url}: the file changed on the server meanwhile")
    raise SourceError(answer)


def check_range(file: RemoteFile, response: urllib3.BaseHTTPResponse, first: int, end: int) -> None:
    """Raise unless the response holds the bytes from `first` of the file that was looked up."""
    if response.status == 200:
        if "Range" in range_headers(file, first, end):
            raise NoRangesError(f"{file.url}: the server sends whole files only")
        starts, total = "0", response.headers.get("Content-Length", "")
    else:
        span, _, total = response.headers.get("Content-Range", "").partition("/")
        starts = span.removeprefix("bytes").strip().partition("-")[0]
    if starts != str(first) or total != str(file.size_bytes):
        raise ChangedError(
            f"{file.url}: byte {first} of {file.size_bytes} was asked for, but the server sent "
            f"byte {starts or '?'} of {total or '?'}"
        )


def reason_of(base_url: str, error: HTTPError) -> str:
    """Describe a urllib3 error without its object addresses."""
    host = parse_url(base_url).netloc
    error = getattr(error, "reason", None) or error  # MaxRetryError: what it wraps
    if isinstance(error, ProxyError):
        return f"the proxy to {host} does not answer"
    if isinstance(error, NameResolutionError):
        return f"{host} cannot be found (name not resolved)"
    if isinstance(error, NewConnectionError):  # also a ConnectTimeoutError
        return f"{host} cannot be connected to"
    if isinstance(error, ConnectTimeoutError):
        return f"{host} does not answer (connection timed out)"
    if isinstance(error, SSLError):
        return f"the certificate of {host} is not trusted here ({error})"
    if isinstance(error, ReadTimeoutError):
        return f"{host} went silent"
    return f"{host} dropped the connection"


def part_path(target: Path) -> Path:
    """Where the bytes of an unfinished file are kept."""
    return target.with_name(f".{target.name}.part")


def fetch_whole(
    web: Web,
    file: RemoteFile,
    target: Path,
    *,
    on_bytes: Callable[[int], None] = lambda n_bytes: None,
) -> int:
    """Fetch `file` to `target`; return how many bytes came over the network.

    Resumes what an earlier call left at `part_path(target)`, which must belong to this version of
    the file; without an ETag it starts again. `on_bytes(n)` is called with the size so far. The
    length and the server's MD5 or CRC32C are checked before the file appears at `target`. Raises
    SourceError if they differ, StorageError, and what Web raises.
    """
    part = part_path(target)
    if file.etag is None:
        part.unlink(missing_ok=True)
    n_fetched = 0
    wrong = "the server does not resume"
    for _ in range(_MAX_STARTS):
        have = part.stat().st_size if part.exists() else 0
        if have > file.size_bytes:
            part.unlink()
            have = 0
        on_bytes(have)
        try:
            with storage_errors(target), open(part, "ab") as out:
                for block in web.stream(file, have):
                    out.write(block)
                    have += len(block)
                    n_fetched += len(block)
                    on_bytes(have)
        except NoRangesError:
            part.unlink(missing_ok=True)
            continue
        wrong = _difference_from(part, file)
        if not wrong:
            with storage_errors(target):
                sync(part)
                os.replace(part, target)
                sync(target.parent)
            return n_fetched
        part.unlink()
    raise SourceError(f"{file.url}: {wrong}, {_MAX_STARTS} times")


def _pool(base_url: str, policy: RetryPolicy, n_connections: int) -> urllib3.PoolManager:
    address = parse_url(base_url)
    timeout = Timeout(connect=min(10.0, policy.timeout_s), read=policy.timeout_s)
    redirects_only = Retry(total=None, connect=0, read=0, status=0, other=0, redirect=3)
    headers = {"User-Agent": "garabato", "Accept-Encoding": "identity"}
    proxy = None if proxy_bypass(address.host or "") else getproxies().get(address.scheme or "")
    new = partial(urllib3.ProxyManager, proxy) if proxy else urllib3.PoolManager
    return new(maxsize=n_connections, timeout=timeout, retries=redirects_only, headers=headers)


def _retry_after_s(response: urllib3.BaseHTTPResponse) -> float | None:
    try:
        return _RETRY_AFTER.get_retry_after(response)
    except InvalidHeader:
        return None


def _difference_from(part: Path, file: RemoteFile) -> str:
    """How the file on disk differs from the server's description; "" if it does not."""
    size_bytes = part.stat().st_size
    if size_bytes != file.size_bytes:
        return f"{size_bytes:,} bytes arrived, the server says {file.size_bytes:,}"
    checksum: Any
    if file.md5 is not None:
        name, said, checksum = "MD5", file.md5, hashlib.md5(usedforsecurity=False)
    elif file.crc32c is not None:
        import google_crc32c

        name, said = "CRC32C", file.crc32c
        checksum = google_crc32c.Checksum()  # type: ignore[no-untyped-call]
    else:
        return ""
    with open(part, "rb") as content:
        while block := content.read(2**20):
            checksum.update(block)
    arrived = checksum.digest()
    if arrived == said:
        return ""
    arrived_text, said_text = (base64.b64encode(value).decode() for value in (arrived, said))
    return f"the {name} of the received file is {arrived_text}, the server says {said_text}"
