"""SVG documents."""

from garabato.formats.svg.format import looks_like, read, write

__all__ = ["looks_like", "read", "write"]
