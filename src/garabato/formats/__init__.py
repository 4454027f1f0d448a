"""File formats: `read_drawings` recognises them by content, `write_drawings` by suffix."""

from garabato.formats.files import ReadReport, read_batches, read_drawings, write_drawings

__all__ = ["ReadReport", "read_batches", "read_drawings", "write_drawings"]
