"""Where drawings come from."""

from __future__ import annotations

from os import PathLike, fspath
from pathlib import Path

from garabato.sources.base import Source
from garabato.sources.folder import CategoryFrom, FolderSource
from garabato.sources.starter import STARTER, StarterSource

__all__ = [
    "CategoryFrom",
    "FolderSource",
    "Source",
    "StarterSource",
    "open_source",
]


def open_source(
    path: str | PathLike[str],
    *,
    category_from: CategoryFrom = "auto",
    keep_originals: bool = False,
) -> Source:
    """Open a folder or file of drawings, or "starter", the starter set.

    `category_from` says whether a drawing's category is the name of its file ("name"), what the
    drawing says itself ("drawing") or, by default, what is usual for the kind of file;
    `keep_originals` keeps SVGs and small pictures with their drawings; see `FolderSource`. A folder
    named `starter` comes before the set of that name. Raises SourceError.
    """
    if fspath(path) == STARTER and not Path(path).exists():
        return StarterSource()
    return FolderSource(path, category_from=category_from, keep_originals=keep_originals)
