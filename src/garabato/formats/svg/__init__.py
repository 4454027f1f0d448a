"""SVG documents."""

from garabato.formats.svg._paths import load_kernels
from garabato.formats.svg.format import looks_like, read, write

__all__ = ["load_kernels", "looks_like", "read", "write"]
