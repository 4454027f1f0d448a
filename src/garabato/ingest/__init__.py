"""Filling galleries: bulk load, copy, and embedding on a Ray cluster."""

from garabato.ingest.bulk_load import Filled, index
from garabato.ingest.copy import Copied, copy_gallery
from garabato.ingest.ray_cluster import connect_ray

__all__ = ["Copied", "Filled", "connect_ray", "copy_gallery", "index"]
