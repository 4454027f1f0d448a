"""Google's public bucket of Quick, Draw! drawings: a sample of each category, or whole files."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from garabato.errors import InputError, SourceError, storage_errors
from garabato.sources.google_bucket.download_record import DownloadRecord
from garabato.sources.google_bucket.fetching import Fetching, Kind, Progress, url_of

if TYPE_CHECKING:
    from garabato.sources.google_bucket.http import Patience

BUCKET_URL = "https://storage.googleapis.com/quickdraw_dataset"
#: Names another place that has the same paths: a mirror.
BUCKET_VARIABLE = "GARABATO_BUCKET"
#: Asks the bucket nothing more than that, to see whether it answers.
_PROBED = "cat"
_N_CONNECTIONS = 8
_LOCK = ".download.lock"


@dataclass(frozen=True, slots=True)
class Download:
    """What `download` did: everything is in `path`.

    `fetched_bytes` came over the network; `n_done_before` categories were there already. `short`
    are categories that have fewer drawings than wanted, with how many. `at_random` is False where
    the server sends whole files only, so that the first drawings of each file were taken.
    `record` is the folder's download.json.
    """

    path: Path
    n_categories: int
    n_drawings: int | None
    fetched_bytes: int
    n_done_before: int
    short: dict[str, int]
    at_random: bool
    record: dict[str, Any]


def download(
    out: str | PathLike[str],
    categories: Sequence[str],
    *,
    format: Kind = "simplified",
    per_category: int | None = 1050,
    seed: int = 0,
    bucket: str | None = None,
    patience: Patience | None = None,
    progress: Progress | None = None,
) -> Download:
    """Fetch drawings of `categories` (names as in CATEGORIES) into the folder `out`.

    `per_category` different drawings of each are taken at random by `seed` from a few pieces of
    its file, which is fetched in those pieces only; None fetches whole files, whose length and
    hash are checked. Files in `out` are named as in the bucket (`cat.ndjson`), beside
    download.json; each is there whole or not at all, and the same call again goes on from where
    it was cut off. `bucket` (or the variable GARABATO_BUCKET) is another place with the bucket's
    paths. `progress` is told drawings, or for whole files megabytes.

    Raises CategoryError for a category that the bucket has not and SourceError where it cannot be
    reached (what was fetched is kept, and so are other categories), InputError for a folder that
    holds something else, StorageError.
    """
    from garabato.sources.google_bucket.http import Patience, Web

    if per_category is not None and per_category < 1:
        raise InputError(f"per_category is 1 or more, not {per_category}")
    out = Path(out)
    names = sorted(set(categories))
    url = _bucket_url(bucket)
    with storage_errors(out):
        out.mkdir(parents=True, exist_ok=True)
        lock = FileLock(out / _LOCK, blocking=False)
        try:
            lock.acquire()
        except Timeout:
            raise InputError(f"another download into {out} is under way; wait for it") from None
    try:
        record = DownloadRecord(out, bucket=url, kind=format)
        with Web(url, patience=patience or Patience(), n_connections=_N_CONNECTIONS) as web:
            fetching = Fetching(
                web, out, record, kind=format, per_category=per_category, seed=seed,
                n_threads=_N_CONNECTIONS, progress=progress,
            )  # fmt: skip
            n_done_before = fetching.run(names)
    finally:
        lock.release()
    return _summary(out, names, record, per_category, fetching.fetched_bytes, n_done_before)


def why_unreachable(bucket: str | None = None, *, timeout_s: float = 3.0) -> str | None:
    """None where the bucket answers; otherwise what is wrong."""
    from garabato.sources.google_bucket.http import Patience, Web

    url = _bucket_url(bucket)
    patience = Patience(attempts=1, timeout_s=timeout_s)
    with Web(url, patience=patience, n_connections=1) as web:
        try:
            web.look_up(url_of(url, "simplified", _PROBED))
        except SourceError as error:
            return str(error)
    return None


def _bucket_url(given: str | None) -> str:
    return (given or os.environ.get(BUCKET_VARIABLE) or BUCKET_URL).rstrip("/")


def _summary(
    out: Path,
    names: list[str],
    record: DownloadRecord,
    per_category: int | None,
    fetched_bytes: int,
    n_done_before: int,
) -> Download:
    entries = {name: record.entry(name) for name in names}
    counts = {name: entry["n_drawings"] for name, entry in entries.items()}
    return Download(
        path=out,
        n_categories=len(names),
        n_drawings=None if per_category is None else sum(counts.values()),
        fetched_bytes=fetched_bytes,
        n_done_before=n_done_before,
        short={name: n for name, n in counts.items() if n is not None and n < per_category},
        at_random=all(entry["at_random"] for entry in entries.values()),
        record=record.to_dict(),
    )
