"""What every source of drawings can do; open one by its name, or choose one that can be reached."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from os import PathLike, fspath
from pathlib import Path
from typing import Protocol

import numpy as np

from garabato.drawing import DrawingBatch
from garabato.errors import InputError, SourceError
from garabato.formats import ReadReport
from garabato.sources.folder import CategoryFrom, FolderSource
from garabato.sources.starter import STARTER, StarterSource

#: `progress(stage, n_done, n_total)`; the total is None while it is unknown.
Progress = Callable[[str, int, int | None], None]


class Source(Protocol):
    """A place that holds drawings by category."""

    def categories(self) -> dict[str, list[Path]]:
        """The categories, sorted, and the files each is in."""

    def read(
        self, category: str, *, strict: bool = False, report: ReadReport | None = None
    ) -> Iterator[DrawingBatch]:
        """The drawings of one category in batches, each with its category set."""


def check_source(given: object) -> None:
    """Raise InputError, which says how to open a source, for anything else."""
    if not (hasattr(given, "read") and hasattr(given, "categories")):
        raise InputError(
            f"this {type(given).__name__} is not a source of drawings; open one with "
            "garabato.open_source(FOLDER), or a data set with garabato.Dataset.open(FOLDER)"
        )


def first_of_each(source: Source, n: int) -> Iterator[DrawingBatch]:
    """The first `n` drawings of each category that Google's network did not fail to recognise."""
    for category in source.categories():
        n_left = n
        for batch in source.read(category, report=ReadReport()):
            recognized = [i for i, known in enumerate(batch.recognized) if known is not False]
            batch = batch.take(np.array(recognized[:n_left], np.int64))
            yield batch
            n_left -= len(batch)
            if n_left <= 0:
                break


def open_source(
    path: str | PathLike[str], *, category_from: CategoryFrom = "auto", keep_originals: bool = False
) -> Source:
    """Open a folder or file of drawings, or "starter", the starter set.

    `category_from` says where the category of a drawing comes from: "name", the name of its file;
    "drawing", its metadata; or "auto", whichever is usual for the kind of file. `keep_originals`
    keeps SVG files and small pictures with their drawings. See docs/formats.md. A folder named
    `starter` takes precedence over the starter set. Raises SourceError.
    """
    if fspath(path) == STARTER and not Path(path).exists():
        return StarterSource()
    return FolderSource(path, category_from=category_from, keep_originals=keep_originals)


@dataclass(frozen=True, slots=True)
class ChosenSource:
    """A folder of drawings, or "starter".

    With `needs_download`, its drawings must first be downloaded from Google's bucket to `path`.
    `reason` names the source and says why it was chosen.
    """

    path: Path
    reason: str
    needs_download: bool = False


def choose_source(
    given: str | PathLike[str] | None, download_folder: str | PathLike[str]
) -> ChosenSource:
    """The first available of: `given`, Google's bucket, the starter set (by npm).

    Drawings from the bucket go to `download_folder`; a download that began there is continued.
    Raises SourceError if none is available.
    """
    # These import urllib3, which other sources don't need.
    from garabato.sources.google_bucket.bucket import RECORD, why_unreachable

    if given is not None:
        return ChosenSource(Path(given), f"{Path(given)}, as given")
    folder = Path(download_folder)
    if (folder / RECORD).exists():
        return ChosenSource(folder, "Google's bucket, as in the earlier run", needs_download=True)
    problem = why_unreachable()
    if problem is None:
        return ChosenSource(folder, "a random sample from Google's bucket", needs_download=True)
    if shutil.which("npm"):
        reason = f"the starter set, by npm, because Google's bucket cannot be reached: {problem}"
        return ChosenSource(Path(STARTER), reason)
    raise SourceError(
        f"no drawings: Google's bucket cannot be reached ({problem}), and npm, which fetches the "
        "starter set, is not installed. Give a folder of Google's simplified <category>.ndjson "
        "files with --source DIR (make demo SOURCE=DIR) or the variable GARABATO_SOURCE"
    )
