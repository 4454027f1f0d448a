"""Which format a file has, by its first bytes. A new format is added to one of the tables here."""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from garabato.drawing import DrawingBatch
from garabato.errors import UnknownFormatError
from garabato.formats import (
    binary,
    bitmap,
    csv_table,
    handwriting,
    json_document,
    ndjson,
    pdf,
    picture,
    stroke3,
    svg,
    whiteboard,
)
from garabato.formats.stream import Input
from garabato.formats.xml_tree import root_name

#: Names of files that hold no JSON.
_OTHER_NAME = re.compile(
    r"\.(csv|tsv|png|jpe?g|webp|gif|bmp|tiff?|avif|heic|ico|svgz?|pdf|np[yz]|parquet|arrow|feather)"
    r"(\.gz)?$",
    re.IGNORECASE,
)
#: How Parquet and Arrow files begin; the last one is an Arrow stream, as `datasets` caches it.
_ARROW_MAGICS = (b"PAR1", b"ARROW1", b"\xff\xff\xff\xff")

# Files that are often mistaken for drawings. Errors name them and say what to do.

_FETCH_AGAIN = "was saved instead of the file; fetch it again"
_AS_PICTURE = "; save it as PNG"
_AS_SVG = "; export the drawing as SVG"
#: What a file is -> how it begins. Formats that garabato reads are not listed.
_SIGNATURES = {
    "PostScript; export the drawing as SVG or PNG": (b"%!PS", b"\xc5\xd0\xd3\xc6"),
    "a Git LFS pointer, not the file itself; run: git lfs pull": (b"version https://git-lfs",),
    "an HDF5 file; convert the drawings to ndjson or PNG": (b"\x89HDF\r\n\x1a\n",),
    "a Photoshop file; export the drawing as PNG": (b"8BPS",),
    "a GIMP file; export the drawing as PNG": (b"gimp xcf",),
    f"an Xfig file{_AS_SVG}": (b"#FIG ",),
    f"a Windows metafile (WMF){_AS_SVG}": (b"\xd7\xcd\xc6\x9a",),
    "a Figma file; export the drawing as SVG or PNG": (b"fig-kiwi",),
    "an Affinity file; export the drawing as SVG or PNG": (b"\x00\xffKA",),
    "an AutoCAD drawing (DWG); export it as SVG or PDF": (b"AC10",),
    "a OneNote section; export the page as PDF": (b"\xe4\x52\x5c\x7b\x8c\xd8\xa7\x4d",),
    "an Office document; export the drawing as SVG or PNG": (b"\xd0\xcf\x11\xe0",),
    "a font; export its glyphs as SVG": (b"\0\1\0\0\0", b"OTTO", b"wOFF", b"wOF2"),
    "a Clip Studio Paint file; export the drawing as PNG": (b"CSFCHUNK",),
    "a page of a reMarkable; export it as SVG or PDF": (b"reMarkable .lines file",),
    f"a JPEG XL picture{_AS_PICTURE}": (b"\0\0\0\x0cJXL \r\n", b"\xff\x0a"),
    f"a JPEG 2000 picture{_AS_PICTURE}": (b"\0\0\0\x0cjP  \r\n", b"\xffO\xffQ"),
    f"an XPM picture{_AS_PICTURE}": (b"/* XPM */",),
    f"an XBM picture{_AS_PICTURE}": (b"#define ",),
    f"a PAM picture{_AS_PICTURE}": (b"P7\n",),
    "an MNG animation; save a frame of it as PNG": (b"\x8aMNG\r\n",),
    f"a JNG picture{_AS_PICTURE}": (b"\x8bJNG\r\n",),
    f"a PCX picture{_AS_PICTURE}": (b"\n\x05\x01\x08",),
    "a video; save a frame of it as PNG": (b"\x1aE\xdf\xa3",),
    "a Python pickle, which is not read; save the drawings as ndjson": (
        b"\x80\x02",
        b"\x80\x03",
        b"\x80\x04",
        b"\x80\x05",
    ),
    "gzipped twice; expand it once": (b"\x1f\x8b",),
    "a Zstandard archive; unpack it first": (b"\x28\xb5\x2f\xfd",),
    "an xz archive; unpack it first": (b"\xfd7zXZ\0",),
    "a 7-Zip archive; unpack it first": (b"7z\xbc\xaf\x27\x1c",),
    "a bzip2 archive; unpack it first": (b"BZh",),
    "a RAR archive; unpack it first": (b"Rar!",),
    "a data URL; save the picture it stands for as a file": (b"data:",),
}
#: A header of TGA without a palette; the format has no signature.
_TGA = re.compile(rb".\0[\x01-\x03\x09-\x0b]\0{5}.{8}[\x08\x10\x18\x20]", re.DOTALL)
#: Files of records begin with any number, so that shorter signatures prove nothing there.
_MIN_PROOF_BYTES = 4
_DXF = re.compile(rb"(999\s[^\n]*\n\s*)*0\s+SECTION\s")
_OBSIDIAN = re.compile(rb"---\s*\n(?:[^\n]*\n){0,20}?excalidraw-plugin:")
#: ISO media files whose brands are not listed in `formats.picture`.
_VIDEO = re.compile(rb"\0\0..ftyp", re.DOTALL)
#: First elements of documents that servers send instead of a file.
_ERROR_ROOTS = {"error", "errors", "errorresponse", "response", "listbucketresult"}
_ERROR_JSON = re.compile(
    rb'\{\s*"(error|errors|message|detail|details|success|status|statusCode|code)"\s*:'
)
_ERROR_TEXT = re.compile(
    rb"(http/\S+ )?(error )?(\d{3}[: ]+)?(the )?(page |file |resource |object |entry )?"
    rb"(not found|access denied|permission denied|forbidden|unauthorized|bad gateway|bad request|"
    rb"too many requests|internal server error|service unavailable|gateway timeout)\W*",
    re.IGNORECASE,
)
#: The first keys of animations and of icon sets.
_LOTTIE = re.compile(rb'\{\s*"(?=[^{}]{0,300}"fr"\s*:)(?=[^{}]{0,300}"(layers|assets)"\s*:)')
_ICONIFY = re.compile(rb'\{\s*"prefix"\s*:\s*"[^"]*"\s*,(?s:.*)"icons"\s*:\s*\{')
_WEB_PAGE = re.compile(rb"<(!doctype\s+html|html|head|body)\b", re.IGNORECASE)
#: First elements of web pages that leave out <html>.
_WEB_ROOTS = {"meta", "title", "link", "script", "style", "div", "p"}
CSV_WITHOUT_DRAWINGS = (
    "a CSV file without a column `drawing`; expected one row per drawing, with its strokes in that "
    "column, as [[[x, ...], [y, ...]], ...]"
)
_BYTE_ORDER_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_CONTROL = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f]")
#: Text, but no JSON.
_PLAIN_TEXT = re.compile(rb"[^{\[]*\w[^{\[]*")
#: A first line of short plain names, and a second one that has a separator, too.
_CSV_HEADER = re.compile(rb'"?[\w .-]{1,40}"?([,;\t|]"?[\w .-]{0,40}"?)+\r?\n(?=[^\n{\[]*[,;\t|])')
#: A first line that has strokes.
_CSV_ROW = re.compile(rb'[^\n{\[<"]{0,200}[,;\t|]\s*["\']?\[\[')


@dataclass(frozen=True, slots=True)
class Format:
    """How to recognise a file of one format, and how to read it.

    `name` is for error messages. `looks_like` decides by the first bytes (`Input.head`); only
    formats without a signature may also have a `suffix`, which a file is recognised by. `read`
    yields batches, calls `Input.reject` for unreadable drawings, and raises FormatError if the rest
    of the file cannot be read.
    """

    name: str
    looks_like: Callable[[bytes], bool]
    read: Callable[[Input], Iterator[DrawingBatch]]
    suffix: str | None = None

    def matches(self, source: Input) -> bool:
        """Whether a file has this format."""
        return self.looks_like(source.head) or _has_suffix(source, self.suffix)


def detect(source: Input) -> Format:
    """Return the file's format.

    Raises UnknownFormatError if garabato does not read it; a file of a known kind is named (a web
    page, an archive).
    """
    found = _first_match(source, WITH_SIGNATURE)
    if found is None:
        problem = describe_other_file(source.head, may_be_records=_may_be_records(source))
        if problem is not None:
            raise UnknownFormatError(problem, path=source.name)
        found = _first_match(source, BY_APPEARANCE)
        other = _OTHER_NAME.search(source.name)
        is_text = found is not None and found.read is ndjson.read
        if other and is_text and not source.head.lstrip().startswith((b"{", b"[")):
            problem = f"the file holds plain text, not {other[1].upper()}"
            if other[1].lower() in ("csv", "tsv"):
                problem = CSV_WITHOUT_DRAWINGS
            raise UnknownFormatError(problem, path=source.name)
        if is_text and not _has_suffix(source, ".ndjson") and _PLAIN_TEXT.fullmatch(source.head):
            raise UnknownFormatError("the file holds plain text, no drawings", path=source.name)
    if found is None:
        names = ", ".join(known.name for known in (*WITH_SIGNATURE, *BY_APPEARANCE))
        raise UnknownFormatError(
            f"unknown file format; garabato reads {names}, plain or gzip", path=source.name
        )
    return found


def describe_other_file(head: bytes, *, may_be_records: bool = False) -> str | None:
    """Say what a file that begins with `head` is, or None if it may be a drawing.

    Called only for files that no format with a signature matches. `may_be_records`: the file may
    be a .bin file.
    """
    for kind, signatures in _SIGNATURES.items():
        if may_be_records:
            signatures = tuple(start for start in signatures if len(start) >= _MIN_PROOF_BYTES)
        if head.startswith(signatures):
            return f"this is {kind}"
    if head[257:262] == b"ustar":
        return "this is a tar archive; unpack it first"
    if head[40:44] == b" EMF":
        return f"this is a Windows metafile (EMF){_AS_SVG}"
    if head.startswith(b"RIFF") and head[8:11] == b"CDR":
        return f"this is a CorelDRAW file{_AS_SVG}"
    if _VIDEO.match(head):
        return "this is a video; save a frame of it as PNG"
    if not any(head):
        return "the file holds only zeros, so its download was not completed; fetch it again"
    if encoding := _wide_encoding(head):
        return None if root_name(head) else f"{encoding} text; save it as UTF-8"
    if not may_be_records and _TGA.match(head):
        return f"this is a TGA picture{_AS_PICTURE}"
    return _describe_text(head.lstrip())


def _first_match(source: Input, formats: tuple[Format, ...]) -> Format | None:
    return next((known for known in formats if known.matches(source)), None)


def _read_arrow(source: Input) -> Iterator[DrawingBatch]:
    from garabato.formats import arrow  # imports pyarrow, which files of other formats don't need

    return arrow.read(source)


#: Formats that are certain from their first bytes.
WITH_SIGNATURE = (
    Format(
        ".npy (28 x 28 bitmaps)",
        lambda head: head.startswith(bitmap.MAGIC),
        bitmap.read,
    ),
    Format(".npz (sketch-rnn)", lambda head: head.startswith(stroke3.MAGIC), stroke3.read),
    Format(
        "PNG, JPEG, WebP, GIF, BMP, TIFF, AVIF, HEIC, ICO, PBM, PGM, PPM",
        picture.looks_like,
        picture.read,
    ),
    Format("Parquet, Arrow", lambda head: head.startswith(_ARROW_MAGICS), _read_arrow),
    Format("Excalidraw, tldraw", whiteboard.looks_like, whiteboard.read),
    Format("PDF", lambda head: head.startswith(pdf.MAGIC), pdf.read),
    Format("InkML, Xournal++", handwriting.looks_like, handwriting.read),
    Format("CSV with a column `drawing`", csv_table.looks_like, csv_table.read),
)


def _may_be_records(source: Input) -> bool:
    """Whether the file is named .bin, or its first record names a country."""
    names_country = binary.looks_like(source.head) and source.head[8:10] != b"\0\0"
    return names_country or _has_suffix(source, ".bin")


def _has_suffix(source: Input, suffix: str | None) -> bool:
    return suffix is not None and source.name.lower().endswith((suffix, f"{suffix}.gz"))


def _is_text(head: bytes) -> bool:
    """True for any text: the reader of ndjson reports line by line what is wrong with it."""
    return not _CONTROL.search(head)


#: Formats that are tried only after files of other kinds are ruled out.
BY_APPEARANCE = (
    Format("SVG", svg.looks_like, svg.read),
    Format("JSON tables of pandas", json_document.looks_like_table, json_document.read_table),
    Format("JSON", json_document.looks_like, json_document.read),
    Format("ndjson (one JSON object per line)", _is_text, ndjson.read, suffix=".ndjson"),
    Format(".bin (Quick, Draw! binary)", binary.looks_like, binary.read, suffix=".bin"),
)


def _wide_encoding(head: bytes) -> str | None:
    """UTF-16 or UTF-32 if `head` is text in it, with a byte order mark or in plain letters."""
    if head.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        return "UTF-32"
    if head.startswith(_BYTE_ORDER_MARKS):
        return "UTF-16"
    start = head[:64]
    for letters, zeros in ((start[::2], start[1::2]), (start[1::2], start[::2])):
        if len(start) > 8 and not any(zeros) and re.fullmatch(rb"[\t\n\r -~]*", letters):
            return "UTF-16"
    return None


def _describe_text(text: bytes) -> str | None:
    if _ERROR_JSON.match(text) or _ERROR_TEXT.fullmatch(text):
        return f"an error message {_FETCH_AGAIN}"
    if text.startswith(b"<"):
        root = (root_name(text) or "").lower()
        if root in _ERROR_ROOTS:
            return f"an error message {_FETCH_AGAIN}"
        web_page = _WEB_PAGE.search(text)
        if root in _WEB_ROOTS or (web_page and b"<svg" not in text[: web_page.start()]):
            return f"a web page {_FETCH_AGAIN}"
    if _LOTTIE.match(text):
        return "this is a Lottie animation; export a frame of it as SVG"
    if _ICONIFY.match(text):
        return "this is an Iconify icon set; export its icons as SVG"
    if _DXF.match(text):
        return f"this is a DXF file{_AS_SVG}"
    if _OBSIDIAN.match(text):
        return "a note of Obsidian's Excalidraw plugin; export the drawing as .excalidraw or SVG"
    if _CSV_HEADER.match(text):
        return CSV_WITHOUT_DRAWINGS
    if _CSV_ROW.match(text):
        return (
            "a CSV file whose first line does not name the columns; put one before it, such as "
            "countrycode,drawing,key_id,recognized,timestamp,word"
        )
    return None
