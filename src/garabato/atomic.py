"""Files that are never half-written: a kill leaves the old file or the new one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from os import PathLike
from pathlib import Path

from garabato.errors import StorageError, storage_errors


@contextmanager
def replacing(path: str | PathLike[str]) -> Iterator[Path]:
    """Yield a temporary name beside `path` to write to; it becomes `path` when the block ends.

    The temporary file is flushed to the disk before it is renamed; where the block raises it is
    removed and `path` stays as it was. Raises StorageError for a full disk, a read-only folder, one
    that does not exist or a folder that stands where the file should go.
    """
    target = Path(path)
    if not target.parent.is_dir():
        raise StorageError(f"cannot write {target}: there is no folder {target.parent}; create it")
    if target.is_dir():
        raise StorageError(f"cannot write {target}: a folder stands there; give a file name")
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        with storage_errors(target):
            yield temporary
            sync(temporary)
            os.replace(temporary, target)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise


def write_bytes(path: str | PathLike[str], content: bytes) -> None:
    """Write a whole file, or leave what was there. Raises StorageError."""
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def sync(path: Path) -> None:
    """Flush a file or a folder to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
