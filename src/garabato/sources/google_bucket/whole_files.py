"""Fetching a whole file: resumed where it broke off, checked, and there only when it is right."""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from garabato.errors import SourceError, storage_errors
from garabato.host.atomic import sync

if TYPE_CHECKING:
    from garabato.sources.google_bucket.http import Web
    from garabato.sources.google_bucket.http_responses import RemoteFile

#: Times a file is fetched from its start: what arrives may be wrong, or a server not resume.
_MAX_STARTS = 3


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
    """Fetch `file` to `target`; returns how many bytes came over the network.

    What an earlier call left at `part_path(target)` must be of this very file, and is gone on
    with; without an ETag nobody knows, and it is not. `on_bytes(n)` is told how much there is.
    Length and the server's MD5 or CRC32C are checked before anything stands at `target`.
    Raises SourceError for what is not what the server says, StorageError, and what Web raises.
    """
    from garabato.sources.google_bucket.http_responses import NoRangesError

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
        wrong = _what_is_wrong(part, file)
        if not wrong:
            with storage_errors(target):
                sync(part)
                os.replace(part, target)
                sync(target.parent)
            return n_fetched
        part.unlink()
    raise SourceError(f"{file.url}: {wrong}, {_MAX_STARTS} times")


def _what_is_wrong(part: Path, file: RemoteFile) -> str:
    """How the bytes on the disk differ from what the server says of the file; "" if they don't."""
    size_bytes = part.stat().st_size
    if size_bytes != file.size_bytes:
        return f"{size_bytes:,} bytes arrived, the server says {file.size_bytes:,}"
    if file.md5 is not None:
        with open(part, "rb") as content:
            md5 = hashlib.file_digest(content, lambda: hashlib.md5(usedforsecurity=False)).digest()
        return _difference("MD5", md5, file.md5)
    if file.crc32c is not None:
        return _difference("CRC32C", _crc32c(part), file.crc32c)
    return ""


def _crc32c(path: Path) -> bytes:
    import google_crc32c

    crc = 0
    with open(path, "rb") as content:
        while block := content.read(2**20):
            crc = google_crc32c.extend(crc, block)
    return crc.to_bytes(4, "big")


def _difference(name: str, arrived: bytes, said: bytes) -> str:
    if arrived == said:
        return ""
    arrived_text, said_text = (base64.b64encode(value).decode() for value in (arrived, said))
    return f"the {name} of what arrived is {arrived_text}, the server says {said_text}"
