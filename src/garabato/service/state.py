"""State of a service: files beside a gallery (reports, taught categories), background progress."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from garabato.drawing import Drawing
from garabato.encoder import Encoder, lock_categories
from garabato.encoder.few_shot import AddedCategory, load_categories, save_categories
from garabato.errors import GarabatoError, InputError, storage_errors
from garabato.gallery.key_id_list import KeyIdList
from garabato.gallery.milvus.server import parse_address
from garabato.host.atomic import file_stamp
from garabato.host.machine import service_cache
from garabato.service.http.problems import ProblemError

_log = logging.getLogger("garabato.service")
#: Reported drawings that may wait for an operator, so that reports can't fill the disk.
MAX_REPORTED = 5_000
#: Categories that may be taught; each takes 1 kB and a little time of every query.
MAX_TAUGHT = 200


def state_folder(uri: str) -> Path:
    """The folder for reports, taught categories and the map of a gallery.

    It is beside the gallery's folder. For a gallery on a server it is in the user's cache folder,
    the same for all ways to write the address. Folders of older versions, named after the address
    as written, are moved.
    """
    if "://" in uri:
        address = parse_address(uri)
        folder = service_cache(f"{address.server}/{address.collection}")
        before = service_cache(uri)
        if before.is_dir() and not folder.exists():
            with suppress(FileNotFoundError):  # another service moved it first
                before.rename(folder)
        return folder
    path = Path(uri).absolute()
    return path.with_name(path.name + ".service")


@dataclass(frozen=True, slots=True)
class Reported:
    """A reported drawing: how often, when last (ISO 8601, UTC) and the last reason given."""

    key_id: str
    n_reports: int
    reported_at: str
    reason: str | None = None


class Reports(KeyIdList[Reported]):
    """The reported drawings of a gallery; they stay visible until an operator hides them."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder / "reported.json", Reported, "the reported drawings")

    @contextmanager
    def _changing(self) -> Iterator[None]:
        with storage_errors(self._file):
            self._file.parent.mkdir(parents=True, exist_ok=True)
        with super()._changing():
            yield

    def report(self, key_id: str, reason: str | None) -> None:
        """Count one more report. Raises ProblemError 503 if too many drawings wait already."""
        with self._changing():
            before = self._entries.get(key_id)
            if before is None and len(self._entries) >= MAX_REPORTED:
                raise ProblemError(
                    503,
                    "too many reports are waiting for the operator; try again later",
                    retry_after_s=3600,
                )
            n_reports = 1 if before is None else before.n_reports + 1
            reason = reason or (before and before.reason) or None
            now = datetime.now(UTC).isoformat(timespec="seconds")
            self._write(self._entries | {key_id: Reported(key_id, n_reports, now, reason)})


class TaughtCategories:
    """The categories that clients taught, in a file as `garabato categories add` writes it.

    `encoder` is the given encoder with these categories added. Every change reads the file first,
    so that changes by other processes are kept; `refresh` takes them over. Raises EncoderError if
    the file is damaged or was made with another encoder.
    """

    def __init__(self, folder: Path, encoder: Encoder) -> None:
        self._file = folder / "categories.json"
        self._untaught = encoder
        self._lock = threading.Lock()
        self._stamp = file_stamp(self._file)
        self._use(self._read())

    def __contains__(self, name: str) -> bool:
        return name in self._taught

    def refresh(self) -> bool:
        """Read the file if another process changed it; returns whether it did.

        If the file is damaged, the categories stay as they were.
        """
        with self._lock:
            stamp = file_stamp(self._file)
            if stamp == self._stamp:
                return False
            self._stamp = stamp
            try:
                self._use(self._read())
            except GarabatoError as error:
                _log.error("the taught categories stay as they were: %s", error)
                return False
            return True

    def all(self) -> list[AddedCategory]:
        """The taught categories, in the order they were taught."""
        return list(self._taught.values())

    def teach(self, name: str, drawings: Sequence[Drawing]) -> AddedCategory:
        """Make or replace a category; it is on disk when this returns.

        Raises InputError for a category of the encoder itself, and beyond MAX_TAUGHT.
        """
        with self._changing() as before:
            kept = {other: one for other, one in before.items() if other != name}
            if len(kept) >= MAX_TAUGHT:
                raise InputError(f"{MAX_TAUGHT} categories have been taught; remove one first")
            new = self._with(kept).with_categories({name: drawings}).added_categories[-1]
            self._write(kept | {name: new})
        return new

    def forget(self, name: str) -> bool:
        """Remove a taught category; returns whether there was one."""
        with self._changing() as before:
            if name in before:
                self._write({other: one for other, one in before.items() if other != name})
        return name in before

    @contextmanager
    def _changing(self) -> Iterator[dict[str, AddedCategory]]:
        """Lock the file against other processes; yield the categories in it."""
        with storage_errors(self._file):
            self._file.parent.mkdir(parents=True, exist_ok=True)
        with lock_categories(self._file):
            yield self._read()

    def _read(self) -> dict[str, AddedCategory]:
        taught: dict[str, AddedCategory] = {}
        if not self._file.is_file():
            return taught
        for one in load_categories(
            self._file,
            fingerprint=self._untaught.fingerprint,
            n_categories=len(self._untaught.network_categories),
        ):
            if one.name in self._untaught.categories:
                _log.warning("%s: skipped %r, which the encoder knows", self._file, one.name)
            else:
                taught[one.name] = one
        return taught

    def _write(self, taught: dict[str, AddedCategory]) -> None:
        listed = list(taught.values())
        with self._lock:
            save_categories(self._file, listed, fingerprint=self._untaught.fingerprint)
            self._use(taught)
            self._stamp = file_stamp(self._file)

    def _use(self, taught: dict[str, AddedCategory]) -> None:
        self._taught, self.encoder = taught, self._with(taught)

    def _with(self, taught: dict[str, AddedCategory]) -> Encoder:
        return self._untaught.with_added([*self._untaught.added_categories, *taught.values()])


@dataclass(frozen=True, slots=True)
class Stage:
    """A step of the work, and how much of it is done. If `failed`, `status` says why."""

    status: str
    done: int | None = None
    total: int | None = None
    failed: bool = False

    def to_dict(self) -> dict[str, str | int | bool]:
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
        return ProblemError(503, f"not ready yet: {self.status}", more=more, retry_after_s=2)


READY = Stage("ready")


class BackgroundProgress:
    """The stage of work in another thread."""

    def __init__(self, first: str) -> None:
        self.stage = Stage(first)
        #: Once it is set, the next report raises ShutdownError.
        self.stopped = threading.Event()

    @property
    def is_ready(self) -> bool:
        return self.stage is READY

    def report(self, status: str, done: int | None = None, total: int | None = None) -> None:
        """Set the stage. Raises ShutdownError if the service is shutting down."""
        if self.stopped.is_set():
            raise ShutdownError
        self.stage = Stage(status, done, total)


class ShutdownError(Exception):
    """The service is shutting down."""
