"""PNG, JPEG, GIF and other pictures: drawn by a program, scanned, or photographed.

The reader returns a bitmap of the ink alone (see `formats.picture.ink`), which is traced into
strokes like any other bitmap.
"""

from __future__ import annotations

import io
import math
import re
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from garabato.drawing import ByteArray, Drawing, DrawingBatch
from garabato.errors import FormatError, MissingExtraError
from garabato.formats.stream import Input

if TYPE_CHECKING:
    from PIL.Image import Image

MAX_BYTES = 64 * 2**20
#: Larger pictures are refused by their header, before a pixel is decoded.
MAX_PIXELS = 64 * 10**6
#: Baseline JPEG files are decoded at a reduced size, so they may be larger.
MAX_JPEG_PIXELS = 512 * 10**6
#: JPEG files are decoded at the smallest scale that leaves this many px on the longer side.
DECODED_PX = 1536
#: Frames and pages are decoded up to this number, and this number of px in all.
_MAX_FRAMES, _MAX_FRAMES_PIXELS = 1_000, 512 * 10**6
#: This many frames of an animation are looked at. One with less ink than this share of the fullest
#: is nearly blank: lossy formats leave specks where a drawing was.
_LOOKED_AT, _MIN_INK = 9, 0.25
#: Rows converted at a time, so that a picture of 64 million pixels is held only once.
_STRIP_ROWS = 256

_SIGNATURES = {
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"\xff\xd8\xff": "JPEG",
    b"GIF87a": "GIF",
    b"GIF89a": "GIF",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
}
#: Brands of the container that AVIF and HEIC share (ISO 23008-12).
_BRANDS = {b"avif": "AVIF", b"avis": "AVIF"} | dict.fromkeys(
    (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"), "HEIF"
)
#: Icons of Windows (ICO); the entry of the first one has a byte that is 0.
_ICON = re.compile(rb"\0\0\x01\0.\0...\0", re.DOTALL)
#: PBM, PGM and PPM, which scanners write: "P6\\n640 480\\n255\\n", with comments.
_NETPBM = re.compile(rb"P[1-6]\s(\s|#[^\n]*\n)*\d+\s(\s|#[^\n]*\n)*\d")
_BMP_HEADER_BYTES = (12, 40, 52, 56, 64, 108, 124)


def looks_like(head: bytes) -> bool:
    """Return True if `head`, the first bytes of a file, begins a picture."""
    return _kind(head) is not None


def read(source: Input) -> Iterator[DrawingBatch]:
    """Yield one batch with the one drawing of a picture: (H, W) uint8, ink 255, cut to the ink.

    An animation gives its last frame, or an earlier one if that is blank or nearly so; a TIFF gives
    its first page with ink. Raises FormatError if the file is damaged or too large, needs a package
    that is not installed, or shows no ink.
    """
    from garabato.formats.picture.ink import find_ink

    bitmaps: list[ByteArray] = []
    for colours, alpha in _decode(source):
        bitmap = find_ink(colours, alpha)
        if bitmap is not None:
            bitmaps.append(bitmap)
            if _kind(source.head) == "TIFF":
                break
    if not bitmaps:
        raise source.error(
            "the picture is blank: no ink stands out from its background; "
            "a drawing or a photo of one was expected"
        )
    amounts = [int(bitmap.sum()) for bitmap in bitmaps]
    finished = max(i for i, n in enumerate(amounts) if n >= _MIN_INK * max(amounts))
    yield DrawingBatch.from_drawings([Drawing(bitmap=bitmaps[finished])])


def decode_reduced(picture: Image) -> None:
    """Let Pillow decode a JPEG file at a reduced size, its longer side at least DECODED_PX."""
    is_wide = picture.width >= picture.height
    picture.draft(None, (DECODED_PX, 1) if is_wide else (1, DECODED_PX))


def _kind(head: bytes) -> str | None:
    """Pillow's name of the format."""
    for signature, kind in _SIGNATURES.items():
        if head.startswith(signature):
            return kind
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WEBP"
    if head[4:8] == b"ftyp":
        return _BRANDS.get(head[8:12])
    if head[:2] == b"BM" and int.from_bytes(head[14:18], "little") in _BMP_HEADER_BYTES:
        return "BMP"
    if _ICON.match(head):
        return "ICO"
    return "PPM" if _NETPBM.match(head) else None


def _decode(source: Input) -> Iterator[tuple[ByteArray, ByteArray | None]]:
    """The frames worth a look: colours (H, W, 3) uint8, upright, and alpha (H, W) uint8 or None."""
    from PIL import Image, ImageOps, UnidentifiedImageError

    kind = _kind(source.head)
    _check_decoder(source, kind)
    data = source.read_whole(MAX_BYTES)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about files that are odd but readable
        try:
            with _open(io.BytesIO(data), kind) as picture:
                _check_size(source, picture)
                decode_reduced(picture)
                frames = _frames(picture)
                if len(frames) == 1:
                    ImageOps.exif_transpose(picture, in_place=True)
                for frame in frames:
                    if len(frames) > 1:
                        picture.seek(frame)
                        _check_size(source, picture)  # pages have sizes of their own
                    yield _as_arrays(picture)
        except FormatError:
            raise
        except Image.DecompressionBombError:
            raise source.error(_too_many_pixels(MAX_PIXELS)) from None
        except Exception as error:  # decoders raise anything on damaged files
            if isinstance(error, UnidentifiedImageError):  # its text has a memory address
                problem = "a truncated or damaged picture, or one of a rare kind; save it as PNG"
            else:
                problem = f"a truncated or damaged picture ({str(error) or type(error).__name__})"
            raise source.error(problem) from error


def _check_decoder(source: Input, kind: str | None) -> None:
    if kind == "HEIF":
        try:
            from pillow_heif import register_heif_opener
        except ImportError:
            needed = MissingExtraError("reading HEIC pictures", "heic")
            raise source.error(f"{needed}; or save the picture as JPEG") from None
        register_heif_opener()
    elif kind == "AVIF":
        from PIL import features

        if not features.check("avif"):
            raise source.error(
                "this build of Pillow cannot read AVIF pictures; save the picture as PNG"
            )


def _open(file: io.BytesIO, kind: str | None) -> Image:
    from PIL import Image
    from PIL.IcoImagePlugin import IcoFile
    from PIL.JpegImagePlugin import JpegImageFile

    if kind == "JPEG":  # not by Image.open, whose limit knows nothing of reduced decoding
        return JpegImageFile(file)
    if kind == "ICO":
        return IcoFile(file).frame(0)  # the largest icon, with the size in its own header
    return Image.open(file, formats=(str(kind),))


def _check_size(source: Input, picture: Image) -> None:
    width, height = picture.size
    is_baseline_jpeg = picture.format == "JPEG" and not picture.info.get("progressive")
    limit = MAX_JPEG_PIXELS if is_baseline_jpeg else MAX_PIXELS
    if width * height > limit:
        raise source.error(_too_many_pixels(limit), f"{width} x {height} pixels")


def _too_many_pixels(limit: int) -> str:
    return f"the picture has more than {limit / 1e6:g} million pixels; reduce it first"


def _frames(picture: Image) -> list[int]:
    """The frames or pages to look at, in order: of an animation some, the last among them."""
    n = getattr(picture, "n_frames", 1)
    n = min(n, _MAX_FRAMES, max(1, _MAX_FRAMES_PIXELS // max(1, picture.width * picture.height)))
    step = 1 if picture.format == "TIFF" else math.ceil(n / _LOOKED_AT)
    return list(range((n - 1) % step, n, step))


def _as_arrays(picture: Image) -> tuple[ByteArray, ByteArray | None]:
    width, height = picture.size
    strips = [slice(top, top + _STRIP_ROWS) for top in range(0, height, _STRIP_ROWS)]
    if picture.mode.startswith(("I", "F")):  # more than 8 bits: stretched to the range in use
        values = np.nan_to_num(np.asarray(picture)) if picture.mode == "F" else np.asarray(picture)
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
