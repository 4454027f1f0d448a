"""File formats: `read_drawings` recognises them by content, `write_drawings` by suffix."""

from garabato.formats.files import read_batches, read_drawings, write_drawings
from garabato.formats.read_report import ReadReport

__all__ = ["ReadReport", "read_batches", "read_drawings", "write_drawings"]
