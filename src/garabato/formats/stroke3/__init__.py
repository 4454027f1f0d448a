"""sketch-rnn's stroke-3 files (`.npz`)."""

from garabato.formats.stroke3.format import MAGIC, read, write

__all__ = ["MAGIC", "read", "write"]
