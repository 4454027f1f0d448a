"""The folder of a Lance gallery: what is there, who may write, what went wrong, durability."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock

from garabato.errors import (
    GalleryError,
    GarabatoError,
    InputError,
    StorageError,
    storage_errors,
)
from garabato.host.atomic import sync

TABLE = "drawings"
LOCK = "writer.lock"
_TABLE_FOLDER = f"{TABLE}.lance"

_OS_ERROR = re.compile(r"os error (\d+)|\[Errno (\d+)\]")


def is_gallery(folder: Path) -> bool:
    """Whether a table was ever committed in this folder. Raises GalleryError for what is no place
    for a gallery: a file, or a folder that holds something else."""
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
        raise GalleryError(f"{folder} is no gallery: it holds {shown}; give a new or empty folder")
    data = folder / _TABLE_FOLDER / "data"
    if data.is_dir() and any(data.iterdir()):
        raise GalleryError(
            f"{folder} is damaged: the drawings are there but not the list of its versions "
            f"({versions}); bring that back from a backup, or index the drawings into a new folder"
        )
    return False


@contextmanager
def lance_errors(folder: str) -> Iterator[None]:
    """Turn what Lance raises (and its panics) into GalleryError, or StorageError for the disk's,
    or InputError for text that is none (half of a surrogate pair)."""
    try:
        yield
    except (GarabatoError, KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except UnicodeEncodeError as error:
        raise InputError(
            f"{error.object[:80]!r} is not text that can be kept: {error.reason}"
        ) from None
    except BaseException as error:
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        with storage_errors(folder):
            number = _os_error_number(error)
            if number is not None:
                raise OSError(number, os.strerror(number)) from error
        raise GalleryError(
            f"{folder} cannot be used, its files may be damaged: {_first_line(error)}. Bring it "
            "back from a backup, or index the drawings into a new folder"
        ) from error


def _os_error_number(error: BaseException) -> int | None:
    """The errno of a storage problem that Lance tells of, often only in its text."""
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


def _first_line(error: BaseException) -> str:
    line = str(error).strip().split("\n")[0]
    return line if len(line) <= 300 else line[:297] + "..."


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Hold the gallery's write lock (one writer at a time; it goes with the process that held it),
    and make what was written durable before giving it back.

    Lance commits by renaming, which survives a killed process, but leaves flushing to the system;
    for a power cut every file written here is flushed.
    """
    with storage_errors(folder), FileLock(folder / LOCK):
        before = _files(folder)
        yield
        after = _files(folder)
        touched = [path for path, stamp in after.items() if before.get(path) != stamp]
        for path in [*touched, *{os.path.dirname(path) for path in touched}]:
            sync(Path(path))


def _files(folder: Path) -> dict[str, tuple[int, int]]:
    """path -> (size, time of change in ns) of all files."""
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


def stamp(folder: Path) -> tuple[int, int] | None:
    """Changes at the latest when another table is made in the folder; None where there is none."""
    try:
        status = os.stat(folder / _TABLE_FOLDER)
    except FileNotFoundError:
        return None
    return status.st_ino, status.st_ctime_ns


def n_old_versions(folder: Path, keep_s: float) -> int:
    """How many versions of the table were written more than `keep_s` seconds ago."""
    oldest_ns = time.time_ns() - int(keep_s * 1e9)
    versions = _files(folder / _TABLE_FOLDER / "_versions").values()
    return sum(written_ns < oldest_ns for _, written_ns in versions)


def bytes_on_disk(folder: Path) -> int:
    """Bytes of all files in the folder."""
    return sum(size for size, _ in _files(folder).values())


def connect(folder: Path) -> Any:
    """A connection whose tables look for newer versions before each read."""
    from datetime import timedelta

    import lancedb

    return lancedb.connect(folder, read_consistency_interval=timedelta(0))
