"""Fetching the files of many categories at once: what is left to do, by whom, and how far it is."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote

from garabato.categories import nearest_category
from garabato.errors import CategoryError, SourceError, StorageError
from garabato.host.atomic import write_bytes
from garabato.sources.google_bucket.download_record import DownloadRecord
from garabato.sources.google_bucket.layouts import BinaryRecords, Layout, Lines, Read, Rows
from garabato.sources.google_bucket.sampling import FromStart, Sample, sample_file
from garabato.sources.google_bucket.whole_files import fetch_whole, part_path

if TYPE_CHECKING:
    from garabato.sources.google_bucket.http import Web
    from garabato.sources.google_bucket.http_responses import RemoteFile

Kind = Literal["simplified", "raw", "bin", "npy"]
#: `progress(stage, done, total)`.
Progress = Callable[[str, int, int | None], None]

#: Kind -> (folder in the bucket, suffix of its files).
_PLACES: dict[Kind, tuple[str, str]] = {
    "simplified": ("full/simplified", ".ndjson"),
    "raw": ("full/raw", ".ndjson"),
    "bin": ("full/binary", ".bin"),
    "npy": ("full/numpy_bitmap", ".npy"),
}
#: Bytes of a line, which sizes the pieces that are fetched.
_LINE_BYTES = {"simplified": 700, "raw": 6000}
#: Times a file is begun anew because it changed on the server.
_MAX_VERSIONS = 3


def url_of(bucket: str, kind: Kind, category: str) -> str:
    """Where a category's file is."""
    folder, suffix = _PLACES[kind]
    return f"{bucket}/{folder}/{quote(category)}{suffix}"


class Fetching:
    """Fetches the files of categories into `out`, in threads, keeping `record` up to date."""

    def __init__(
        self,
        web: Web,
        out: Path,
        record: DownloadRecord,
        *,
        kind: Kind,
        per_category: int | None,
        seed: int,
        n_threads: int,
        progress: Progress | None,
    ) -> None:
        self.web = web
        self.out = out
        self.record = record
        self.kind: Kind = kind
        self.per_category = per_category
        self.seed = seed
        self.n_threads = n_threads
        self.progress = progress
        self.fetched_bytes = 0
        self._lock = threading.Lock()
        self._done: dict[str, int] = {}
        self._totals: dict[str, int] = {}
        self._missing: dict[str, str] = {}
        self._failed: dict[str, str] = {}

    def run(self, names: list[str]) -> int:
        """Fetch what is not there yet; returns how many categories were.

        Raises CategoryError, SourceError or StorageError when all that can be done is done.
        """
        from garabato.sources.google_bucket.http_responses import UnreachableError

        settings: dict[str, Any] = {"per_category": self.per_category}
        if self.per_category is not None:
            settings["seed"] = self.seed
        wanted = self.record.begin({name: self._target(name) for name in names}, settings)
        try:
            files = self._each(wanted, self._look_up)
            if self.per_category is None:
                self._check_space(files)
                self._totals = {name: file.size_bytes for name, file in files.items()}
            else:
                self._totals = dict.fromkeys(files, self.per_category)
            self._each(files, lambda name: self._fetch(name, files[name]))
        except UnreachableError as error:
            raise SourceError(
                f"{error}. {self._hint()}{self._how_far(names)}; run it again, and it goes on"
            ) from error
        if self._missing or self._failed:
            told = "; ".join([*self._missing.values(), *self._failed.values()])
            kind = SourceError if self._failed else CategoryError
            raise kind(f"{told}. {self._how_far(names)}")
        return len(names) - len(wanted)

    def _each(self, names: Iterable[str], work: Callable[[str], Any]) -> dict[str, Any]:
        """name -> `work(name)`, in threads. Where one cannot be had the others go on."""
        from garabato.sources.google_bucket.http_responses import (
            NotFoundError,
            StoppedError,
            UnreachableError,
        )

        results: dict[str, Any] = {}

        def one(name: str) -> None:
            try:
                results[name] = work(name)
            except (StoppedError, UnreachableError):
                raise
            except NotFoundError as error:
                self._missing[name] = _not_found(name, error)
            except SourceError as error:
                self._failed[name] = f"{name}: {error}"

        with ThreadPoolExecutor(self.n_threads) as threads:
            jobs = [threads.submit(one, name) for name in names]
            try:
                wait(jobs, return_when=FIRST_EXCEPTION)
                for job in jobs:
                    if job.done():
                        job.result()
            except BaseException:  # Ctrl-C too: the others need not go on
                self.web.stop()
                threads.shutdown(cancel_futures=True)
                raise
        return {name: results[name] for name in names if name in results}

    def _look_up(self, name: str) -> RemoteFile:
        return self.web.look_up(url_of(self.web.base_url, self.kind, name))

    def _fetch(self, name: str, file: RemoteFile) -> None:
        from garabato.sources.google_bucket.http_responses import ChangedError

        for version in range(1, _MAX_VERSIONS + 1):
            try:
                if self.per_category is None:
                    self._fetch_whole(name, file)
                else:
                    self._fetch_sample(name, file, self.per_category)
                return
            except ChangedError:
                if version == _MAX_VERSIONS:
                    raise
                file = self.web.look_up(file.url)

    def _fetch_whole(self, name: str, file: RemoteFile) -> None:
        part_is_of = self.record.entry(name).get("etag")
        if part_is_of != file.etag:
            part_path(self._target(name)).unlink(missing_ok=True)
            self.record.update(name, etag=file.etag)
        n_bytes = fetch_whole(
            self.web, file, self._target(name), on_bytes=lambda n: self._tell(name, n)
        )
        self._count(n_bytes)
        self.record.update(
            name, finished=True, bytes=file.size_bytes, per_category=None, n_drawings=None,
            at_random=True,
        )  # fmt: skip

    def _fetch_sample(self, name: str, file: RemoteFile, n: int) -> None:
        from garabato.sources.google_bucket.http_responses import NoRangesError

        def read(first: int, end: int) -> bytes:
            data = self.web.read(file, first, min(end, file.size_bytes))
            self._count(len(data))
            return data

        try:
            sample = self._sample(name, file, n, read, at_random=True)
        except NoRangesError:
            with closing(self.web.stream(file)) as stream:
                from_start = FromStart(stream)
                sample = self._sample(name, file, n, from_start, at_random=False)
            self._count(from_start.n_bytes)
        write_bytes(self._target(name), sample.content)
        self.record.update(
            name, finished=True, bytes=len(sample.content), per_category=n, seed=self.seed,
            etag=file.etag, n_drawings=sample.n_drawings, at_random=sample.at_random,
        )  # fmt: skip
        self._totals[name] = sample.n_drawings
        self._tell(name, sample.n_drawings)

    def _sample(
        self, name: str, file: RemoteFile, n: int, read: Read, *, at_random: bool
    ) -> Sample:
        return sample_file(
            read,
            file.size_bytes,
            self._layout(read),
            n,
            seed=self.seed,
            name=name,
            at_random=at_random,
            on_found=lambda found: self._tell(name, found),
        )

    def _layout(self, read: Read) -> Layout:
        if self.kind == "npy":
            return Rows(read)
        if self.kind == "bin":
            return BinaryRecords()
        return Lines(_LINE_BYTES[self.kind])

    def _target(self, name: str) -> Path:
        return self.out / f"{name}{_PLACES[self.kind][1]}"

    def _tell(self, name: str, done: int) -> None:
        with self._lock:
            self._done[name] = done
            unit = 10**6 if self.per_category is None else 1
            if self.progress:
                done, total = sum(self._done.values()), sum(self._totals.values())
                self.progress("download", done // unit, total // unit)

    def _count(self, n_bytes: int) -> None:
        with self._lock:
            self.fetched_bytes += n_bytes

    def _check_space(self, files: dict[str, RemoteFile]) -> None:
        parts = [part_path(self._target(name)) for name in files]
        there = sum(part.stat().st_size for part in parts if part.exists())
        needed = sum(file.size_bytes for file in files.values()) - there
        free = shutil.disk_usage(self.out).free
        if needed > free:
            raise StorageError(
                f"{len(files)} files need {needed / 1e9:,.1f} GB more, but {self.out} has "
                f"{free / 1e9:,.1f} GB free; free some space, or fetch a sample (--per-category)"
            )

    def _hint(self) -> str:
        if self.web.answered:
            return ""
        return "Is there a network? (A proxy is named by HTTPS_PROXY.) "

    def _how_far(self, names: list[str]) -> str:
        done = sum(bool(self.record.entry(name)["finished"]) for name in names)
        return f"{done} of {len(names)} categories are complete in {self.out}"


def _not_found(name: str, error: Exception) -> str:
    nearest = nearest_category(name)
    hint = f"; did you mean {nearest!r}?" if nearest and nearest != name else ""
    return f"the bucket has no category {name!r}{hint} ({error})"
