"""Filling galleries: bulk load, copy, and embedding on a Ray cluster."""

from garabato.ingest.bulk_load import Filled
from garabato.ingest.copy import Copied, copy_gallery
from garabato.ingest.index import index

__all__ = ["Copied", "Filled", "copy_gallery", "index"]
