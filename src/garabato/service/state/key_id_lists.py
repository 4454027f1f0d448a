"""Lists by key_id that a service keeps on disk, beside its gallery."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, Generic, TypeVar

import orjson
from filelock import FileLock

from garabato.errors import GalleryError, storage_errors
from garabato.gallery.milvus.server import parse_address
from garabato.host.atomic import write_bytes
from garabato.host.cache import cache_folder

E = TypeVar("E")


class KeptList(Generic[E]):
    """key_id -> dataclass in a JSON file; what was changed is on disk when a change returns.

    Several processes may change the file: each sees the others' changes and loses none. Raises
    GalleryError, which says what the file `lists`, for one that is not such a list.
    """

    def __init__(self, file: Path, entry_type: type[E], lists: str) -> None:
        self._file = file
        self._entry_type = entry_type
        self._lists = lists
        self._lock = threading.Lock()
        self._stamp: tuple[int, int, int] | None = None
        self._entries: dict[str, E] = {}
        self._read()

    @property
    def key_ids(self) -> frozenset[str]:
        """Those that are listed now."""
        return frozenset(self.all())

    def all(self) -> dict[str, E]:
        """key_id -> what is known of it, in the order they came. Not to be changed."""
        if self._stamp_on_disk() != self._stamp:
            with self._lock:
                self._read()
        return self._entries

    def remove(self, key_id: str) -> bool:
        """Take one off the list; False where it was not on it."""
        with self._changing():
            if key_id not in self._entries:
                return False
            self._write({k: entry for k, entry in self._entries.items() if k != key_id})
            return True

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """Let nobody else, here or in another process, change the list as it now is on disk."""
        with storage_errors(self._file):
            self._file.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(self._file.with_suffix(".lock")), self._lock:
                self._read()
                yield

    def _read(self) -> None:
        stamp = self._stamp_on_disk()
        if stamp == self._stamp:
            return
        try:
            listed = orjson.loads(self._file.read_bytes()) if stamp else []
            self._entries = {entry["key_id"]: self._entry_type(**entry) for entry in listed}
        except (ValueError, TypeError, KeyError) as error:
            raise GalleryError(
                f"{self._file} is damaged ({error}); it lists {self._lists}. Bring it back from a "
                "backup, or remove it to begin a new list"
            ) from None
        self._stamp = stamp

    def _write(self, entries: dict[str, E]) -> None:
        listed: list[Any] = [asdict(entry) for entry in entries.values()]  # type: ignore[call-overload]
        write_bytes(self._file, orjson.dumps(listed, option=orjson.OPT_INDENT_2))
        self._entries = entries
        self._stamp = self._stamp_on_disk()

    def _stamp_on_disk(self) -> tuple[int, int, int] | None:
        try:
            status = self._file.stat()
        except FileNotFoundError:
            return None
        # of files that replace each other quickly, every other one may have the same time and inode
        return (status.st_mtime_ns, status.st_ino, status.st_size)


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
