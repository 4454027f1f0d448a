"""The drawings that are not to be shown, kept on disk so that they stay hidden."""

from __future__ import annotations

import threading
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import orjson

from garabato.atomic import write_bytes
from garabato.errors import GalleryError


@dataclass(frozen=True, slots=True)
class Hidden:
    """A hidden drawing: since when (ISO 8601, UTC) and why."""

    key_id: str
    hidden_at: str
    reason: str | None = None


class HiddenDrawings:
    """A set of key_ids in a JSON file; what `hide` and `restore` did is on disk when they return.

    Other processes' changes to the file are seen, too. Raises GalleryError for a file that is not
    such a list: what should be hidden must not show because of a damaged file.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._lock = threading.Lock()
        self._stamp: tuple[int, int] | None = None
        self._hidden: dict[str, Hidden] = {}
        self._read()

    @property
    def key_ids(self) -> frozenset[str]:
        """Those that are hidden now."""
        return frozenset(self.all())

    def all(self) -> dict[str, Hidden]:
        """key_id -> what is known of it, in the order they were hidden. Not to be changed."""
        if self._stamp_on_disk() != self._stamp:
            with self._lock:
                self._read()
        return self._hidden

    def hide(self, key_id: str, reason: str | None) -> None:
        """Hide a drawing; one that is hidden stays as it is."""
        with self._lock:
            self._read()
            if key_id not in self._hidden:
                now = datetime.now(UTC).isoformat(timespec="seconds")
                self._write(self._hidden | {key_id: Hidden(key_id, now, reason)})

    def restore(self, key_id: str) -> bool:
        """Show a drawing again; False where it was not hidden."""
        with self._lock:
            self._read()
            if key_id not in self._hidden:
                return False
            self._write({k: hidden for k, hidden in self._hidden.items() if k != key_id})
            return True

    def _read(self) -> None:
        stamp = self._stamp_on_disk()
        if stamp == self._stamp:
            return
        try:
            listed = orjson.loads(self._file.read_bytes()) if stamp else []
            self._hidden = {entry["key_id"]: Hidden(**entry) for entry in listed}
        except (ValueError, TypeError, KeyError) as error:
            raise GalleryError(
                f"{self._file} is damaged ({error}); it lists the hidden drawings. Bring it back "
                "from a backup, or remove it to show them all"
            ) from None
        self._stamp = stamp

    def _write(self, hidden: dict[str, Hidden]) -> None:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        listed = [asdict(entry) for entry in hidden.values()]
        write_bytes(self._file, orjson.dumps(listed, option=orjson.OPT_INDENT_2))
        self._hidden = hidden
        self._stamp = self._stamp_on_disk()

    def _stamp_on_disk(self) -> tuple[int, int] | None:
        try:
            status = self._file.stat()
        except FileNotFoundError:
            return None
        return (status.st_mtime_ns, status.st_ino)
