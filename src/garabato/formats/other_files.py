"""Files that are not drawings but are often handed over as such: named, with what to do."""

from __future__ import annotations

import codecs
import re

_FETCH_AGAIN = "was saved instead of the file; fetch it again"
#: First bytes -> what the file is. Formats that garabato reads are not listed.
_SIGNATURES = (
    (b"%!PS", "PostScript; export the drawing as SVG or PNG"),
    (b"version https://git-lfs", "a Git LFS pointer, not the file itself; run: git lfs pull"),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file; convert the drawings to ndjson or PNG"),
    (b"SQLite format 3\0", "an SQLite database; export the drawings as ndjson or PNG"),
    (b"8BPS", "a Photoshop file; export the drawing as PNG"),
    (b"{\\rtf", "an RTF document; save the drawing as SVG or PNG"),
    (b"\x28\xb5\x2f\xfd", "a Zstandard archive; unpack it first"),
    (b"\xfd7zXZ\0", "an xz archive; unpack it first"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive; unpack it first"),
    (b"BZh", "a bzip2 archive; unpack it first"),
    (b"Rar!", "a RAR archive; unpack it first"),
)
_WEB_PAGE = re.compile(rb"<(!doctype\s+html|html|head|body)\b", re.IGNORECASE)
_ERROR_DOCUMENT = re.compile(
    rb'(<\?xml[^>]*>\s*)?<Error>|\{\s*"(error|errors|message)"\s*:|404: Not Found|Not Found\s*$'
)
_BYTE_ORDER_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
#: A first line of short plain names, with two separators or more.
_CSV_HEADER = re.compile(rb'"?[\w .-]{1,40}"?([,;\t]"?[\w .-]{0,40}"?){2,}\r?\n(?!\s*[{\[])')


def describe_other_file(head: bytes) -> str | None:
    """Say what a file that begins with `head` is, or None if it may be a drawing.

    Called only for files that no format with a signature matches.
    """
    for signature, kind in _SIGNATURES:
        if head.startswith(signature):
            return f"this is {kind}"
    if head[257:262] == b"ustar":
        return "this is a tar archive; unpack it first"
    if _is_utf16(head):
        return None if b"<\0" in head or b"\0<" in head else "UTF-16 text; save it as UTF-8"
    text = head.removeprefix(codecs.BOM_UTF8).lstrip()
    if _ERROR_DOCUMENT.match(text):
        return f"an error message {_FETCH_AGAIN}"
    web_page = _WEB_PAGE.search(text) if text.startswith(b"<") else None
    if web_page and b"<svg" not in text[: web_page.start()]:
        return f"a web page {_FETCH_AGAIN}"
    if _CSV_HEADER.match(text):
        return "a CSV file without a column `drawing`; name the column that holds the strokes so"
    return None


def _is_utf16(head: bytes) -> bool:
    if head.startswith(_BYTE_ORDER_MARKS):
        return True
    start = head[:64]
    return len(start) > 8 and (not any(start[1::2]) or not any(start[::2])) and any(start)
