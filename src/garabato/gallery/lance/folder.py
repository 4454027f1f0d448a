"""The folder of a Lance gallery: what it holds, the write lock, durability, errors."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from filelock import FileLock

from garabato.errors import (
    GalleryError,
    GarabatoError,
    InputError,
    StorageError,
    first_line,
    storage_errors,
)
from garabato.gallery.records import no_gallery_at
from garabato.host.atomic import sync
from garabato.host.lean_imports import import_lean

TABLE = "drawings"
LOCK = "writer.lock"
_TABLE_FOLDER = f"{TABLE}.lance"
#: Lance's client of remote catalogs: some 300 pydantic models, two thirds of lancedb's import time.
#: `overrides` (Python 3.11) checks the signatures of methods: a third of the rest.
_UNNEEDED = ("lance_namespace", "lance_namespace_urllib3_client", "overrides")
#: pyarrow.dataset imports pandas where it is installed, which takes as long as lancedb.
_PANDAS = ("pandas",)

#: Longer than a tick of any file system's clock (FAT: two seconds).
_SETTLED_NS = 3 * 10**9

_OS_ERROR = re.compile(r"os error (\d+)|\[Errno (\d+)\]")


def is_gallery(folder: Path) -> bool:
    """Whether a table was committed in this folder.

    Raises GalleryError for a file, a damaged gallery, or a folder that holds other files.
    """
    if folder.exists() and not folder.is_dir():
        raise GalleryError(f"{folder} is a file; a gallery is a folder")
    with storage_errors(folder):
        names = {entry.name for entry in os.scandir(folder)} if folder.is_dir() else set()
    versions = folder / _TABLE_FOLDER / "_versions"
    if versions.is_dir() and any(name.endswith(".manifest") for name in os.listdir(versions)):
        return True
    foreign = sorted(names - {_TABLE_FOLDER, LOCK})
    if foreign:
        shown = ", ".join(foreign[:3]) + (", ..." if len(foreign) > 3 else "")
        raise GalleryError(
            f"{folder} is not a gallery: it holds {shown}; give a gallery, "
            "or a new or empty folder to fill"
        )
    data = folder / _TABLE_FOLDER / "data"
    if data.is_dir() and any(data.iterdir()):
        raise GalleryError(
            f"{folder} is damaged: it holds drawings but the list of its versions ({versions}) is "
            "missing; restore that from a backup, or index the drawings into a new folder"
        )
    return False


@contextmanager
def lance_errors(folder: str) -> Iterator[None]:
    """Turn Lance's errors and panics into GalleryError, errors of the disk into StorageError, and
    errors of invalid text (half a surrogate pair) into InputError. Too little memory and faults of
    the code are left as they are."""
    try:
        yield
    except (GarabatoError, MemoryError, NameError, AttributeError):
        raise
    except UnicodeEncodeError as error:
        raise InputError(f"{error.object[:80]!r} is not valid text: {error.reason}") from None
    except BaseException as error:
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        with storage_errors(folder):
            number = _os_error_number(error)
            if number is not None:
                raise OSError(number, os.strerror(number)) from error
        if stamp(Path(folder)) is None:
            raise no_gallery_at(folder) from error
        raise GalleryError(
            f"{folder} cannot be used, its files may be damaged: {first_line(error)}. Restore it "
            "from a backup, or index the drawings into a new folder"
        ) from error


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Hold the gallery's write lock, and flush what was written before releasing it.

    One process writes at a time; if it is killed, the lock is released. Lance commits by renaming,
    which survives a killed process, but does not flush: to survive a power cut, every file that was
    written is flushed here. (The list of hidden drawings, which others may be writing meanwhile,
    has its own lock.)
    """
    if not folder.is_dir():  # it was moved or deleted; FileLock would create it
        raise no_gallery_at(str(folder))
    with storage_errors(folder), FileLock(folder / LOCK):
        before = _files(folder / _TABLE_FOLDER)
        yield
        after = _files(folder / _TABLE_FOLDER)
        touched = [path for path, stamp in after.items() if before.get(path) != stamp]
        for path in [*touched, *{os.path.dirname(path) for path in touched}]:
            sync(Path(path))


def stamp(folder: Path) -> tuple[int, int] | None:
    """A value that changes when another table replaces the one in the folder (and may change more
    often); None if there is no table."""
    try:
        status = os.stat(folder / _TABLE_FOLDER)
    except FileNotFoundError:
        return None
    return status.st_ino, status.st_ctime_ns


def versions_stamp(folder: Path) -> tuple[tuple[int, int], bool]:
    """A value that changes when a version of the table is written, and whether it is settled.

    Until then, a version written within one tick of the file system's clock could share it.
    """
    try:
        status = os.stat(folder / _TABLE_FOLDER / "_versions")
    except FileNotFoundError:
        return (0, 0), False
    is_settled = time.time_ns() - status.st_mtime_ns > _SETTLED_NS
    return (status.st_ino, status.st_mtime_ns), is_settled


def n_old_versions(folder: Path, keep_s: float) -> int:
    """The number of versions of the table that were written more than `keep_s` seconds ago."""
    oldest_ns = time.time_ns() - int(keep_s * 1e9)
    versions = _files(folder / _TABLE_FOLDER / "_versions").values()
    return sum(written_ns < oldest_ns for _, written_ns in versions)


def bytes_on_disk(folder: Path) -> int:
    """The size of all files in the folder."""
    return sum(size for size, _ in _files(folder).values())


def connect(folder: Path) -> Any:
    """A connection whose tables check for newer versions before each read."""
    lancedb: Any = import_lean("lancedb", _UNNEEDED, _PANDAS)
    return lancedb.connect(folder, read_consistency_interval=timedelta(0))


def _os_error_number(error: BaseException) -> int | None:
    """The errno of a storage problem that Lance reports, often only in the message."""
    number = error.errno if isinstance(error, OSError) else None
    if number is None and (found := _OS_ERROR.search(str(error))):
        number = int(found[1] or found[2])
    try:
        with storage_errors(""):
            raise OSError(number, "")
    except StorageError:
        return number
    except OSError:
        return None


def _files(folder: Path) -> dict[str, tuple[int, int]]:
    """Path -> (size, modification time in ns) of all files."""
    found = {}
    for top, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(top, name)
            try:
                status = os.stat(path)
            except FileNotFoundError:  # a temporary file of Lance's
                continue
            found[path] = (status.st_size, status.st_mtime_ns)
    return found
