"""Google's public bucket of Quick, Draw! drawings."""

from garabato.sources.google_bucket.bucket import Download, download

__all__ = ["Download", "download"]
