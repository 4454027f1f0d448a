"""Where a service keeps what belongs to a gallery."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from pathlib import Path

from garabato.gallery.milvus.server import parse_address
from garabato.host.cache import cache_folder


def state_folder(uri: str) -> Path:
    """Where a service keeps what belongs to a gallery: beside its folder, or for a gallery on a
    server in the user's cache folder, whichever way its address is written.

    It was named after the address as written; such a folder is moved.
    """
    if "://" in uri:
        address = parse_address(uri)
        folder = _in_cache(f"{address.server}/{address.collection}")
        before = _in_cache(uri)
        if before.is_dir() and not folder.exists():
            with suppress(FileNotFoundError):  # another service was faster
                before.rename(folder)
        return folder
    path = Path(uri).absolute()
    return path.with_name(path.name + ".service")


def _in_cache(address: str) -> Path:
    digest = hashlib.sha256(address.encode()).hexdigest()[:16]
    return cache_folder() / "service" / digest
