"""What an HTTP server answers, in the terms of a download: a file, its bytes, or what is wrong."""

from __future__ import annotations

import base64
from contextlib import suppress
from dataclasses import dataclass

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
from urllib3.util import Retry, parse_url

from garabato.errors import SourceError

#: What may go away by waiting: timeouts, too many requests, a server that is down for a moment.
_TRANSIENT = {408, 429, 500, 502, 503, 504}
_RETRY_AFTER = Retry(total=0)


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file as the server describes it; hashes and etag where it tells them."""

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
    """The server cannot be reached, or went on failing for longer than patience lasts."""


class StoppedError(SourceError):
    """`Web.stop` was called."""


class TransientError(Exception):
    """Something that is tried again, after `retry_after_s` where the server named a time."""

    def __init__(self, reason: str, retry_after_s: float | None = None) -> None:
        super().__init__(reason)
        self.retry_after_s = retry_after_s


def describe(url: str, response: urllib3.BaseHTTPResponse) -> RemoteFile:
    """The file that the headers of a response tell of; SourceError without a length."""
    length = response.headers.get("Content-Length", "")
    if not length.isdecimal():
        raise SourceError(f"{url}: the server does not say how long the file is")
    hashes: dict[str, bytes] = {}
    for entry in response.headers.get("x-goog-hash", "").split(","):
        name, _, value = entry.strip().partition("=")
        with suppress(ValueError):
            hashes[name] = base64.b64decode(value, validate=True)
    etag = response.headers.get("ETag")
    if etag is not None and etag.startswith("W/"):  # may stand for other bytes: not to resume by
        etag = None
    return RemoteFile(url, int(length), etag, hashes.get("md5"), hashes.get("crc32c"))


def range_headers(file: RemoteFile, first: int, end: int) -> dict[str, str]:
    """What asks for the bytes from `first` up to `end`, and for no other version of the file."""
    headers = {}
    if file.etag is not None:
        headers["If-Match"] = file.etag
    if (first, end) != (0, file.size_bytes):
        headers["Range"] = f"bytes={first}-{end - 1}"
    return headers


def check_status(url: str, response: urllib3.BaseHTTPResponse) -> None:
    """Raise what a status other than 200 and 206 means."""
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


def _retry_after_s(response: urllib3.BaseHTTPResponse) -> float | None:
    try:
        return _RETRY_AFTER.get_retry_after(response)
    except InvalidHeader:
        return None


def check_range(file: RemoteFile, response: urllib3.BaseHTTPResponse, first: int, end: int) -> None:
    """What is sent must be the bytes from `first` of the file that was looked up."""
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
    """What is wrong, in words, without addresses in memory."""
    host = parse_url(base_url).netloc
    error = getattr(error, "reason", None) or error  # MaxRetryError: what it wraps
    if isinstance(error, ProxyError):
        return f"the proxy to {host} does not answer"
    if isinstance(error, NameResolutionError):
        return f"{host} cannot be found (name not resolved)"
    if isinstance(error, NewConnectionError):  # before the next: it is one, though no timeout
        return f"{host} cannot be connected to"
    if isinstance(error, ConnectTimeoutError):
        return f"{host} does not answer (connection timed out)"
    if isinstance(error, SSLError):
        return f"{host} shows no certificate that is trusted here ({error})"
    if isinstance(error, ReadTimeoutError):
        return f"{host} went silent"
    return f"{host} dropped the connection"
