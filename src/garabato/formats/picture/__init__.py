"""Pictures of drawings: made by a program, scanned, or photographed on paper."""

from garabato.formats.picture.reader import looks_like, read

__all__ = ["looks_like", "read"]
