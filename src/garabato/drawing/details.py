"""Details of a drawing: title, tags, link and original file."""

from __future__ import annotations

import codecs
from dataclasses import dataclass, fields

from garabato.errors import DrawingError

#: The most bytes an original file may have.
MAX_ORIGINAL_BYTES = 2**16
SVG_TYPE = "image/svg+xml"
_MAGIC = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
)


@dataclass(frozen=True, slots=True)
class Details:
    """The title, tags, link, path and original file of a drawing; few drawings have any.

    `link` is an http(s) address, `source_path` the path of the file as its owner writes it.
    `original` is that file: an SVG, PNG, JPEG, GIF or WebP of at most 64 KiB. `original_type` is
    its media type; it is also set if the original is stored in a gallery but was not loaded.
    Raises DrawingError that names the field.
    """

    title: str | None = None
    tags: tuple[str, ...] = ()
    link: str | None = None
    source_path: str | None = None
    original_type: str | None = None
    original: bytes | None = None

    def __post_init__(self) -> None:
        tags = (self.tags,) if isinstance(self.tags, str) else tuple(self.tags)
        for tag in tags:
            if not isinstance(tag, str):
                raise DrawingError(f"tags must be text, not {tag!r}")
        object.__setattr__(self, "tags", tags)
        for name in ("title", "link", "source_path"):
            value = getattr(self, name)
            if value is not None and not isinstance(value, str):
                raise DrawingError(f"{name} must be text, not {value!r}")
        if self.link is not None and not self.link.startswith(("http://", "https://")):
            raise DrawingError(
                f"link must be an http:// or https:// address, not {self.link[:80]!r}"
            )
        if self.original is not None:
            object.__setattr__(self, "original_type", media_type_of(self.original))


DETAIL_NAMES = tuple(field.name for field in fields(Details))


def media_type_of(content: bytes) -> str:
    """The media type of an original file. Raises DrawingError if it is not allowed."""
    if len(content) > MAX_ORIGINAL_BYTES:
        raise DrawingError(
            f"original has {len(content):,} bytes; at most {MAX_ORIGINAL_BYTES:,} are allowed"
        )
    for magic, media_type in _MAGIC:
        if content.startswith(magic):
            return media_type
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "image/webp"
    is_utf16 = content[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
    if is_utf16 or content.removeprefix(codecs.BOM_UTF8).lstrip().startswith(b"<"):
        return SVG_TYPE
    raise DrawingError("original is not an SVG, PNG, JPEG, GIF or WebP file")
