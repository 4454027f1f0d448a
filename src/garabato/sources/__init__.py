"""Sources of drawings: folders, Google's bucket, the starter set, icon sets."""

from garabato.sources.folder import CategoryFrom, FolderSource
from garabato.sources.source import Source, open_source
from garabato.sources.starter import STARTER, StarterSource

__all__ = ["STARTER", "CategoryFrom", "FolderSource", "Source", "StarterSource", "open_source"]
