"""Reports of drawings by visitors, kept on disk until an operator handles them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from garabato.gallery.key_id_list import KeyIdList
from garabato.service.http.problems import ProblemError

#: Reported drawings that may wait for an operator, so that reports can't fill the disk.
MAX_REPORTED = 5_000


@dataclass(frozen=True, slots=True)
class Reported:
    """A reported drawing: how often, when last (ISO 8601, UTC) and the last reason given."""

    key_id: str
    n_reports: int
    reported_at: str
    reason: str | None = None


class Reports(KeyIdList[Reported]):
    """The reported drawings of a gallery; they stay visible until an operator hides them."""

    def __init__(self, file: Path) -> None:
        super().__init__(file, Reported, "the reported drawings")

    def report(self, key_id: str, reason: str | None) -> None:
        """Count one more report. Raises ProblemError 503 if too many drawings wait already."""
        with self._changing():
            before = self._entries.get(key_id)
            if before is None and len(self._entries) >= MAX_REPORTED:
                raise ProblemError(
                    503,
                    "more drawings are reported than the operator has looked at; try again later",
                    retry_after_s=3600,
                )
            n_reports = 1 if before is None else before.n_reports + 1
            reason = reason or (before and before.reason) or None
            now = datetime.now(UTC).isoformat(timespec="seconds")
            self._write(self._entries | {key_id: Reported(key_id, n_reports, now, reason)})
