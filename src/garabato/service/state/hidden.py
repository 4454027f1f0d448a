"""The drawings that are not to be shown, kept on disk so that they stay hidden."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from garabato.service.state.key_id_lists import KeptList


@dataclass(frozen=True, slots=True)
class Hidden:
    """A hidden drawing: since when (ISO 8601, UTC) and why."""

    key_id: str
    hidden_at: str
    reason: str | None = None


class HiddenDrawings(KeptList[Hidden]):
    """The hidden drawings of a gallery.

    A damaged file is an error: what should be hidden must not show because of it.
    """

    def __init__(self, file: Path) -> None:
        super().__init__(file, Hidden, "the hidden drawings")

    def hide(self, key_id: str, reason: str | None) -> None:
        """Hide a drawing; one that is hidden stays as it is."""
        with self._changing():
            if key_id not in self._entries:
                now = datetime.now(UTC).isoformat(timespec="seconds")
                self._write(self._entries | {key_id: Hidden(key_id, now, reason)})

    def restore(self, key_id: str) -> bool:
        """Show a drawing again; False where it was not hidden."""
        return self.remove(key_id)
