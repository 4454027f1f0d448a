"""Which format a file has, by its first bytes."""

from __future__ import annotations

import codecs

from garabato.formats import binary, bitmap, picture, stroke3
from garabato.formats.stream import Input


def recognise(source: Input) -> str:
    """The format's name, a key of `formats`' readers; FormatError where garabato reads it not.

    Anything that looks like text is taken for ndjson, whose reader tells line by line what is
    wrong with it. Only formats without a mark of their own may be told by suffix.
    """
    if source.head.startswith(bitmap.MAGIC):
        return "npy"
    if source.head.startswith(stroke3.MAGIC):
        return "npz"
    if picture.looks_like(source.head):
        return "picture"
    if _is_markup(source.head):
        return "svg"
    if _is_text(source.head) or source.name.endswith((".ndjson", ".ndjson.gz")):
        return "ndjson"
    if binary.looks_like(source.head) or source.name.endswith((".bin", ".bin.gz")):
        return "bin"
    raise source.error(
        "this is no format garabato reads: ndjson (one JSON object a line), .bin, .npy (28 x 28 "
        "bitmaps), .npz (sketch-rnn), SVG, PNG, JPEG or WebP, plain or gzip"
    )


def _is_text(head: bytes) -> bool:
    return not any(byte < 32 and byte not in b"\t\n\r" for byte in head)


def _is_markup(head: bytes) -> bool:
    if head[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        return b"<" in head
    return head.removeprefix(codecs.BOM_UTF8).lstrip().startswith(b"<")
