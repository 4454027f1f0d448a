"""Files and folders that are never half-written: a kill leaves the old one or the new one."""

from __future__ import annotations

import fcntl
import glob
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from os import PathLike
from pathlib import Path

from garabato.errors import StorageError, storage_errors


@contextmanager
def replacing(path: str | PathLike[str]) -> Iterator[Path]:
    """Yield a temporary name beside `path` to write to; it becomes `path` when the block ends.

    The temporary file is flushed to disk before it is renamed, and its folder afterwards. If the
    block raises, the file is removed and `path` stays as it was. What a killed process leaves is
    overwritten by the next call for the same `path`. Symbolic links stay: the file they lead to is
    replaced. Pipes and devices are written directly. Raises StorageError for a full disk, a folder
    that is read-only or missing, and if `path` is a folder.
    """
    target = Path(path)
    if target.exists() and not target.is_file() and not target.is_dir():
        with storage_errors(target):
            yield target
        return
    if target.is_symlink():
        target = Path(os.path.realpath(target))
    if not target.parent.is_dir():
        raise StorageError(f"cannot write {target}: there is no folder {target.parent}; create it")
    if target.is_dir():
        raise StorageError(f"cannot write {target}: it is a folder; give a file name")
    temporary = target.with_name(f".{target.name}.tmp")
    lock = _lock_of(temporary)
    if lock is None:
        temporary = _beside(target, "tmp")
    try:
        with storage_errors(target):
            yield temporary
            sync(temporary)
            os.replace(temporary, target)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
    finally:
        if lock is not None:
            os.close(lock)
    with suppress(OSError):  # some file systems cannot flush folders; the content is safe anyway
        sync(target.parent)


def write_bytes(path: str | PathLike[str], content: bytes) -> None:
    """Write a whole file, or leave the old one as it was. Raises StorageError."""
    with replacing(path) as temporary:
        temporary.write_bytes(content)


@contextmanager
def replacing_folder(path: str | PathLike[str]) -> Iterator[Path]:
    """Yield a new, empty folder beside `path` to fill; it becomes `path` when the block ends.

    If the block raises, the new folder is removed and `path` stays as it was. After a killed
    process, the next call for the same `path` cleans up. An existing folder is replaced with all
    its content, so check it first; a symbolic link to it stays. Raises StorageError.
    """
    target = Path(os.path.realpath(path))
    retired = target.with_name(f".{target.name}.old")
    with storage_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        _clean_up_after_the_killed(target, retired)
        temporary = _beside(target, "unfinished")
        temporary.mkdir()
        lock = os.open(temporary, os.O_RDONLY)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)  # held until we end: see _clean_up_after_the_killed
            yield temporary
            sync(temporary)
            if target.exists():
                os.replace(target, retired)
            os.replace(temporary, target)
            sync(target.parent)
            shutil.rmtree(retired, ignore_errors=True)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
        finally:
            os.close(lock)


def file_stamp(path: Path) -> tuple[int, int, int] | None:
    """Differs from the last stamp if the file was replaced since; None if there is no file."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    # A file that is replaced twice in quick succession may get its old time and inode back.
    return (status.st_mtime_ns, status.st_ino, status.st_size)


def sync(path: Path) -> None:
    """Flush a file or a folder to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _lock_of(temporary: Path) -> int | None:
    """Make a file if it isn't there, and lock it until the returned descriptor is closed.

    None if another process is writing it, if it belongs to another user, and on file systems
    without locks.
    """
    try:
        lock = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW, 0o666)
    except OSError:
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        ours, named = os.fstat(lock), temporary.lstat()
        if os.path.samestat(ours, named) and ours.st_uid == os.geteuid():
            return lock  # else it was renamed just now: it is a whole file
    except OSError:
        pass
    os.close(lock)
    return None


def _beside(target: Path, suffix: str) -> Path:
    """A new hidden name. It is random, since containers that share a folder may share pids."""
    return target.with_name(f".{target.name}.{secrets.token_hex(4)}.{suffix}")


def _clean_up_after_the_killed(target: Path, retired: Path) -> None:
    if retired.exists():
        if target.exists():
            shutil.rmtree(retired)
        else:
            os.replace(retired, target)
    for leftover in target.parent.glob(f".{glob.escape(target.name)}.*.unfinished"):
        lock = os.open(leftover, os.O_RDONLY)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            continue  # the process that creates it is still running
        else:
            shutil.rmtree(leftover)
        finally:
            os.close(lock)
