"""The cache folder, for files that would otherwise be downloaded or computed again."""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
from pathlib import Path

from garabato.errors import StorageError


def cache_folder() -> Path:
    """The first writable folder of `$XDG_CACHE_HOME/garabato` (or `~/.cache/garabato`) and a
    private one for temporary files. Raises StorageError if there is none."""
    for folder in (_user_cache(), _temporary_cache()):
        if folder is not None and _is_writable(folder):
            return folder
    raise StorageError("there is no writable cache folder; set XDG_CACHE_HOME to a writable folder")


def service_cache(gallery: str) -> Path:
    """The folder of services for a gallery on a server, `gallery` being its address."""
    return cache_folder() / "service" / hashlib.sha256(gallery.encode()).hexdigest()[:16]


def _user_cache() -> Path | None:
    given = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if given.is_absolute():
        return given / "garabato"
    try:
        return Path.home() / ".cache" / "garabato"
    except RuntimeError:  # neither HOME nor an entry in /etc/passwd
        return None


def _temporary_cache() -> Path | None:
    """A folder that only this user can write to; others can write to the temporary folder, too."""
    user = os.getuid()
    try:
        folder = Path(tempfile.gettempdir()) / f"garabato-{user}"
        folder.mkdir(mode=0o700, exist_ok=True)
        status = folder.lstat()
    except OSError:
        return None
    is_ours = stat.S_ISDIR(status.st_mode) and status.st_uid == user
    return folder if is_ours and not status.st_mode & 0o022 else None


def _is_writable(folder: Path) -> bool:
    """True if `folder` can be written, or created and then written."""
    for ancestor in (folder, *folder.parents):
        if ancestor.exists():
            return ancestor.is_dir() and os.access(ancestor, os.W_OK | os.X_OK)
    return False
