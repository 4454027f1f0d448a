"""PNG, JPEG and WebP: a drawing made by a program, scanned, or photographed on paper.

What is read is a bitmap of the ink alone (see `formats._picture_ink`), which tracing turns into
strokes like any other bitmap.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator

import numpy as np

from garabato.drawing import ByteArray, Drawing, DrawingBatch
from garabato.errors import FormatError
from garabato.formats.stream import Input

MAX_BYTES = 64 * 2**20
#: Bigger pictures are refused by what their header says, before a pixel is decoded.
MAX_PIXELS = 64 * 10**6
#: JPEG files are decoded at the smallest scale that leaves this many px on the longer side.
_DECODED_PX = 2048
#: Rows converted at a time: a picture of 64 million pixels is to be held once, not four times.
_STRIP_ROWS = 256


def looks_like(head: bytes) -> bool:
    """True where `head`, the first bytes of a file, begins a PNG, JPEG or WebP file."""
    is_webp = head[:4] == b"RIFF" and head[8:12] == b"WEBP"
    return is_webp or head.startswith((b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"))


def read(source: Input) -> Iterator[DrawingBatch]:
    """One batch of the one drawing a picture shows: (H, W) uint8, ink 255, cut to the ink.

    Raises FormatError where the file is damaged or too big, or no ink stands out.
    """
    from garabato.formats.picture._ink import find_ink

    colours, alpha = _decode(source)
    bitmap = find_ink(colours, alpha)
    if bitmap is None:
        raise source.error(
            "the picture is blank: no ink stands out from its background; "
            "a drawing or a photo of one was expected"
        )
    yield DrawingBatch.from_drawings([Drawing(bitmap=bitmap)])


def _decode(source: Input) -> tuple[ByteArray, ByteArray | None]:
    """Colours (H, W, 3) uint8, as seen upright, and alpha (H, W) uint8 or None."""
    from PIL import Image, ImageOps

    data = source.read_whole(MAX_BYTES)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what is odd but readable
        try:
            with Image.open(io.BytesIO(data), formats=("PNG", "JPEG", "WEBP")) as picture:
                width, height = picture.size
                if width * height > MAX_PIXELS:
                    raise source.error(
                        f"the picture has more than {MAX_PIXELS / 1e6:g} million pixels; "
                        "reduce it first",
                        f"{width} x {height} pixels",
                    )
                picture.draft(None, (_DECODED_PX, _DECODED_PX))
                ImageOps.exif_transpose(picture, in_place=True)
                return _as_arrays(picture)
        except FormatError:
            raise
        except Exception as error:  # decoders let out whatever a damaged file makes them raise
            text = str(error) or type(error).__name__
            if isinstance(error, Image.DecompressionBombError):
                text = f"more than {MAX_PIXELS / 1e6:g} million pixels"
            raise source.error(f"a truncated or damaged picture ({text})") from error


def _as_arrays(picture: object) -> tuple[ByteArray, ByteArray | None]:
    from PIL import Image

    assert isinstance(picture, Image.Image)
    width, height = picture.size
    strips = [slice(top, top + _STRIP_ROWS) for top in range(0, height, _STRIP_ROWS)]
    if picture.mode.startswith("I"):  # more than 8 bits: stretched over what is used
        values = np.asarray(picture)
        low, high = float(values.min()), float(values.max())
        grey = np.empty((height, width), np.uint8)
        for rows in strips:
            grey[rows] = (values[rows] - low) * (255 / (high - low) if high > low else 1)
        return np.broadcast_to(grey[:, :, None], (height, width, 3)), None
    has_alpha = "A" in picture.getbands() or "transparency" in picture.info
    mode = "RGBA" if has_alpha else "RGB"
    pixels = np.empty((height, width, len(mode)), np.uint8)
    for rows in strips:
        strip = picture.crop((0, rows.start, width, min(rows.stop, height)))
        pixels[rows] = np.asarray(strip.convert(mode))
    return pixels[:, :, :3], pixels[:, :, 3] if has_alpha else None
