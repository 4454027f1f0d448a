"""The folder for a service's own data about a gallery."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from garabato.gallery.milvus.server import parse_address
from garabato.host.cache import service_cache


def state_folder(uri: str) -> Path:
    """The folder for reports and the map of a gallery.

    It is beside the gallery's folder. For a gallery on a server it is in the user's cache folder,
    the same for all ways to write the address. Folders of older versions, named after the address
    as written, are moved.
    """
    if "://" in uri:
        address = parse_address(uri)
        folder = service_cache(f"{address.server}/{address.collection}")
        before = service_cache(uri)
        if before.is_dir() and not folder.exists():
            with suppress(FileNotFoundError):  # another service moved it first
                before.rename(folder)
        return folder
    path = Path(uri).absolute()
    return path.with_name(path.name + ".service")
