"""Which format a file has, by its first bytes."""

from __future__ import annotations

import codecs

from garabato.formats import binary, bitmap, stroke3
from garabato.formats.stream import Input


def recognise(source: Input) -> str:
    """The format's name ("ndjson", "npy"); FormatError where it is none garabato reads.

    Anything that looks like text is taken for ndjson, whose reader tells line by line what is
    wrong with it.
    """
    if source.head.startswith(bitmap.MAGIC):
        return "npy"
    if source.head.startswith(stroke3.MAGIC):
        return "npz"
    if _is_markup(source.head):
        return "svg"
    if _is_text(source.head) or source.name.endswith((".ndjson", ".ndjson.gz")):
        return "ndjson"
    if binary.looks_like(source.head) or source.name.endswith((".bin", ".bin.gz")):
        return "bin"
    raise source.error(
        "this is no format garabato reads; ndjson (one JSON object a line) or .npy (28 x 28 "
        "bitmaps) was expected"
    )


def _is_text(head: bytes) -> bool:
    return not any(byte < 32 and byte not in b"\t\n\r" for byte in head)


def _is_markup(head: bytes) -> bool:
    if head[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        return b"<" in head
    return head.removeprefix(codecs.BOM_UTF8).lstrip().startswith(b"<")
