"""A short list of drawings, by key_id, in a JSON file that several processes share."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, Generic, TypeVar

import orjson
from filelock import FileLock

from garabato.errors import GalleryError, storage_errors
from garabato.host.atomic import file_stamp, write_bytes

E = TypeVar("E")


class KeyIdList(Generic[E]):
    """Maps key_ids to dataclass instances. A change is on disk when it returns.

    Several processes may change the file; each sees the changes of the others, and no change is
    lost. `older_file`, which earlier versions used, is read while `file` does not exist. Raises
    GalleryError, with the `content` of the list in words, if the file is damaged.
    """

    def __init__(
        self, file: Path, entry_type: type[E], content: str, *, older_file: Path | None = None
    ) -> None:
        self._file = file
        self._older_file = older_file
        self._entry_type = entry_type
        self._content = content
        self._lock = threading.Lock()
        self._stamp: tuple[int, int, int] | None = None
        self._entries: dict[str, E] = {}
        self._read()

    def all(self) -> dict[str, E]:
        """key_id -> entry, in the order they were added. Do not change it."""
        if self._stamp_on_disk() != self._stamp:
            with self._lock:
                self._read()
        return self._entries

    def put(self, entries: Iterable[E]) -> int:
        """Add entries; existing ones stay as they are. Returns how many are new."""
        added = {entry.key_id: entry for entry in entries}  # type: ignore[attr-defined]
        with self._changing():
            n_before = len(self._entries)
            merged = {**self._entries, **added, **self._entries}  # existing entries stay
            if len(merged) > n_before:
                self._write(merged)
            return len(merged) - n_before

    def remove(self, key_ids: Iterable[str]) -> int:
        """Remove entries. Returns how many were removed."""
        gone = set(key_ids)
        with self._changing():
            kept = {k: entry for k, entry in self._entries.items() if k not in gone}
            n_removed = len(self._entries) - len(kept)
            if n_removed:
                self._write(kept)
            return n_removed

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """Lock the list against other threads and processes, and read it from disk."""
        if not self._file.parent.is_dir():  # FileLock would create it
            raise GalleryError(f"the folder {self._file.parent} was moved or deleted")
        with (
            storage_errors(self._file),
            FileLock(self._file.with_suffix(".lock")),
            self._lock,
        ):
            self._read()
            yield

    def _read(self) -> None:
        stamp = self._stamp_on_disk()
        if stamp == self._stamp:
            return
        file = self._current()
        try:
            listed = orjson.loads(file.read_bytes()) if stamp else []
            self._entries = {entry["key_id"]: self._entry_type(**entry) for entry in listed}
        except (ValueError, TypeError, KeyError) as error:
            raise GalleryError(
                f"{file} is damaged ({error}); it lists {self._content}. Restore it from a backup, "
                "or remove it to start a new list"
            ) from None
        self._stamp = stamp

    def _write(self, entries: dict[str, E]) -> None:
        listed: list[Any] = [asdict(entry) for entry in entries.values()]  # type: ignore[call-overload]
        write_bytes(self._file, orjson.dumps(listed, option=orjson.OPT_INDENT_2))
        if self._older_file is not None:
            self._older_file.unlink(missing_ok=True)
        self._entries = entries
        self._stamp = self._stamp_on_disk()

    def _current(self) -> Path:
        older = self._older_file
        return older if older and older.exists() and not self._file.exists() else self._file

    def _stamp_on_disk(self) -> tuple[int, int, int] | None:
        return file_stamp(self._current())
