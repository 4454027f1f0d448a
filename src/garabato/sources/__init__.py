"""Where drawings come from."""

from __future__ import annotations

from os import PathLike, fspath
from pathlib import Path

from garabato.sources.base import Source
from garabato.sources.folder import FolderSource
from garabato.sources.google_bucket.bucket import Download, download
from garabato.sources.starter import STARTER, StarterSource

__all__ = ["Download", "FolderSource", "Source", "StarterSource", "download", "open_source"]


def open_source(path: str | PathLike[str]) -> Source:
    """The source at `path`: a folder of files with drawings, or "starter", the starter set.

    A folder named `starter` comes before the set of that name. Raises SourceError.
    """
    if fspath(path) == STARTER and not Path(path).exists():
        return StarterSource()
    return FolderSource(path)
