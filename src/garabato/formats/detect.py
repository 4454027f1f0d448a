"""Which format a file has, by its first bytes. A new format is added to one of the tables here."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from garabato.drawing import DrawingBatch
from garabato.errors import UnknownFormatError
from garabato.formats import (
    binary,
    bitmap,
    csv_table,
    ink,
    json_document,
    json_table,
    ndjson,
    pdf,
    picture,
    stroke3,
    svg,
    whiteboard,
)
from garabato.formats.other_files import CSV_WITHOUT_DRAWINGS, describe_other_file
from garabato.formats.stream import Input, Reject

#: Names of files that hold no JSON.
_OTHER_NAME = re.compile(
    r"\.(csv|tsv|png|jpe?g|webp|gif|bmp|tiff?|avif|heic|svgz?|pdf|np[yz]|parquet|arrow|feather)"
    r"(\.gz)?$",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Format:
    """How to recognise a file of one format, and how to read it.

    `name` is for error messages. `matches` decides by the first bytes (`Input.head`); only formats
    without a signature may look at the file's name. `read` yields batches, passes unreadable
    drawings to `Reject`, and raises FormatError if the rest of the file cannot be read.
    """

    name: str
    matches: Callable[[Input], bool]
    read: Callable[[Input, Reject], Iterator[DrawingBatch]]


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
    if found is None:
        names = ", ".join(known.name for known in (*WITH_SIGNATURE, *BY_APPEARANCE))
        raise UnknownFormatError(
            f"unknown file format; garabato reads {names}, plain or gzip", path=source.name
        )
    return found


def _first_match(source: Input, formats: tuple[Format, ...]) -> Format | None:
    return next((known for known in formats if known.matches(source)), None)


def _is_ndjson(source: Input) -> bool:
    """True for any text: the reader reports line by line what is wrong with it."""
    is_text = not any(byte < 32 and byte not in b"\t\n\r" for byte in source.head)
    return is_text or source.name.lower().endswith((".ndjson", ".ndjson.gz"))


def _is_binary(source: Input) -> bool:
    return binary.looks_like(source.head) or _is_named_binary(source)


def _may_be_records(source: Input) -> bool:
    """Whether the file is named .bin, or its first record names a country."""
    names_country = binary.looks_like(source.head) and source.head[8:10] != b"\0\0"
    return names_country or _is_named_binary(source)


def _is_named_binary(source: Input) -> bool:
    return source.name.lower().endswith((".bin", ".bin.gz"))


def _read_arrow(source: Input, reject: Reject) -> Iterator[DrawingBatch]:
    from garabato.formats import arrow  # imports pyarrow, which files of other formats don't need

    return arrow.read(source, reject)


#: How Parquet and Arrow files begin; the last one is an Arrow stream, as `datasets` caches it.
_ARROW_MAGICS = (b"PAR1", b"ARROW1", b"\xff\xff\xff\xff")
#: Formats that are certain from their first bytes.
WITH_SIGNATURE = (
    Format(
        ".npy (28 x 28 bitmaps)",
        lambda source: source.head.startswith(bitmap.MAGIC),
        lambda source, _: bitmap.read(source),
    ),
    Format(".npz (sketch-rnn)", lambda source: source.head.startswith(stroke3.MAGIC), stroke3.read),
    Format(
        "PNG, JPEG, WebP, GIF, BMP, TIFF, AVIF, HEIC",
        lambda source: picture.looks_like(source.head),
        lambda source, _: picture.read(source),
    ),
    Format("Parquet, Arrow", lambda source: source.head.startswith(_ARROW_MAGICS), _read_arrow),
    Format(
        "Excalidraw, tldraw", lambda source: whiteboard.looks_like(source.head), whiteboard.read
    ),
    Format("PDF", lambda source: source.head.startswith(pdf.MAGIC), pdf.read),
    Format("InkML, Xournal++", lambda source: ink.looks_like(source.head), ink.read),
    Format(
        "CSV with a column `drawing`",
        lambda source: csv_table.looks_like(source.head),
        csv_table.read,
    ),
)
#: Formats that are tried only after files of other kinds are ruled out.
BY_APPEARANCE = (
    Format("SVG", lambda source: svg.looks_like(source.head), lambda source, _: svg.read(source)),
    Format(
        "JSON tables of pandas", lambda source: json_table.looks_like(source.head), json_table.read
    ),
    Format("JSON", lambda source: json_document.looks_like(source.head), json_document.read),
    Format("ndjson (one JSON object a line)", _is_ndjson, ndjson.read),
    Format(".bin (Quick, Draw! binary)", _is_binary, binary.read),
)
