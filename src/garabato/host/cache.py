"""The cache folder: what garabato keeps so that it need not fetch or compute it again."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

from garabato.errors import StorageError


def cache_folder() -> Path:
    """`$XDG_CACHE_HOME/garabato`, else `~/.cache/garabato`, else a folder for temporary files.

    The first one that can be written. Raises StorageError if none can.
    """
    for folder in (_user_cache(), _temporary_cache()):
        if folder is not None and _is_writable(folder):
            return folder
    raise StorageError(
        "there is no folder to keep files in; set XDG_CACHE_HOME to a folder that can be written"
    )


def _user_cache() -> Path | None:
    given = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if given.is_absolute():
        return given / "garabato"
    try:
        return Path.home() / ".cache" / "garabato"
    except RuntimeError:  # neither HOME nor an entry in /etc/passwd
        return None


def _temporary_cache() -> Path | None:
    """A folder of this user alone: others may write into the temporary folder too."""
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
