"""Google's binary format (`.bin`)."""

from garabato.formats.binary.format import looks_like, read, write

__all__ = ["looks_like", "read", "write"]
