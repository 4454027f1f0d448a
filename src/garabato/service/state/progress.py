"""The progress of work in the background."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from garabato.service.http.problems import ProblemError


@dataclass(frozen=True, slots=True)
class Stage:
    """A step of the work, and how much of it is done. If `failed`, `status` says why."""

    status: str
    done: int | None = None
    total: int | None = None
    failed: bool = False

    def to_dict(self) -> dict[str, str | int | bool]:
        """For JSON."""
        document: dict[str, str | int | bool] = {"status": self.status}
        if self.done is not None and self.total is not None:
            document |= {"done": self.done, "total": self.total}
        if self.failed:
            document["failed"] = True
        return document

    def to_problem(self) -> ProblemError:
        """A 503 problem with the progress."""
        more = {**self.to_dict(), "stage": self.status}
        if self.failed:
            return ProblemError(503, self.status, more=more)
        return ProblemError(503, f"not yet: {self.status}", more=more, retry_after_s=2)


READY = Stage("ready")


class Progress:
    """The stage of work in another thread."""

    def __init__(self, first: str) -> None:
        self._stage = Stage(first)
        self._stop = threading.Event()

    @property
    def stage(self) -> Stage:
        """The stage now."""
        return self._stage

    @property
    def is_ready(self) -> bool:
        """Whether it is done."""
        return self._stage is READY

    def report(self, status: str, done: int | None = None, total: int | None = None) -> None:
        """Set the stage. Raises StoppedError after `stop`."""
        if self._stop.is_set():
            raise StoppedError
        self._stage = Stage(status, done, total)

    def finish(self) -> None:
        """The work is done."""
        self._stage = READY

    def fail(self, why: str) -> None:
        """The work has failed."""
        self._stage = Stage(why, failed=True)

    def stop(self) -> None:
        """Make the next report raise StoppedError."""
        self._stop.set()


class StoppedError(Exception):
    """The service is shutting down."""
