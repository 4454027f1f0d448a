"""Where drawings come from."""

from garabato.sources.base import Source
from garabato.sources.choose import open_source
from garabato.sources.folder import CategoryFrom, FolderSource
from garabato.sources.starter import STARTER, StarterSource

__all__ = [
    "STARTER",
    "CategoryFrom",
    "FolderSource",
    "Source",
    "StarterSource",
    "open_source",
]
