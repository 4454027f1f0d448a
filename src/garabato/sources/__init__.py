"""Where drawings come from."""

from __future__ import annotations

from os import PathLike

from garabato.sources.base import Source
from garabato.sources.folder import FolderSource

__all__ = ["FolderSource", "Source", "open_source"]


def open_source(path: str | PathLike[str]) -> Source:
    """The source at `path`: a folder of files with drawings. Raises SourceError."""
    return FolderSource(path)
