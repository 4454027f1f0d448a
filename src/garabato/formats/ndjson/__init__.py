"""Newline-delimited JSON: Google's simplified and raw drawings, one JSON object per line."""

from garabato.formats.ndjson.lines import BLOCK_BYTES, MAX_LINE_BYTES, iter_blocks, read, write
from garabato.formats.ndjson.simplified import (
    ALIASES,
    POINTS,
    load_json,
    parse_fields,
    read_fields,
)

__all__ = [
    "ALIASES",
    "BLOCK_BYTES",
    "MAX_LINE_BYTES",
    "POINTS",
    "iter_blocks",
    "load_json",
    "parse_fields",
    "read",
    "read_fields",
    "write",
]
