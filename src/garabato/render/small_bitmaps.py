"""Small bitmaps as they are, for networks that also see their traced lines.

Tracing a bitmap of 28x28 px, as Google publishes them, loses details: lines that nearly touch
become one. Enlarged and sharpened, the bitmap keeps them, though its lines are not those that
networks learned. The mean of both views is right more often than the traced lines alone.
`benchmarks/picture_agreement.py` measures it, beside the strokes of the same drawings.
"""

from __future__ import annotations

import cv2
import numpy as np

from garabato.drawing import ByteArray, FloatArray
from garabato.render.renderer import RenderSpec

#: Larger bitmaps gain nothing.
SMALL_PX = 28
#: The ink that is kept, as a multiple of the ink of the traced lines.
_INK = 1.2
#: Lines are assumed to be as wide as in Google's bitmaps.
_LINE_PX = 1.47
#: Drawings of at most this many px a side have one view.
_SPECK_PX = 6
#: Bitmaps are enlarged by this much to be sharpened, images are drawn so much larger at first.
_ENLARGED, _OVERSAMPLED = 8, 4


def with_own_ink(images: ByteArray, bitmaps: ByteArray, spec: RenderSpec) -> ByteArray | None:
    """Images (N, *spec.image_shape) of traced bitmaps (N, H, W), with the bitmaps as their ink.

    None if the bitmaps are so large that tracing loses little, or the style is not "smooth".
    """
    if max(bitmaps.shape[1:]) > SMALL_PX or spec.style != "smooth":
        return None
    images = images.copy()
    ink = images[..., 0] if spec.order else images
    for image, bitmap in zip(ink, bitmaps, strict=True):
        drawn = _draw(bitmap, spec, _INK * image.sum() / 255)
        if drawn is not None:
            image[:] = drawn
    return images


def _draw(bitmap: ByteArray, spec: RenderSpec, ink_px: float) -> ByteArray | None:
    """A bitmap with about `ink_px` pixels of ink; None if it is empty or a speck."""
    height, width = bitmap.shape
    size = (width * _ENLARGED, height * _ENLARGED)
    darkness = bitmap.astype(np.float32) / max(1, bitmap.max())
    large = cv2.resize(darkness, size, interpolation=cv2.INTER_CUBIC)
    dark = large > 0.5
    rows, columns = (np.flatnonzero(dark.any(axis=axis)) for axis in (1, 0))
    if not len(rows):
        return None
    top, bottom, left, right = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
    extent = max(bottom - top, right - left)
    if extent <= _SPECK_PX * _ENLARGED:
        return None
    scale = _OVERSAMPLED * spec.box_px / (extent - _LINE_PX * _ENLARGED)
    middle = _OVERSAMPLED * spec.size_px / 2
    to_image = np.array(
        [
            [scale, 0, middle - scale * (left + right) / 2],
            [0, scale, middle - scale * (top + bottom) / 2],
        ]
    )
    # the darkest pixels, in smooth bitmaps the middle of the lines
    n_inked = int(np.clip(ink_px * (_OVERSAMPLED / scale) ** 2, 1, large.size))
    edge = np.partition(large.ravel(), -n_inked)[-n_inked]
    sharp: FloatArray = np.clip((large - edge) * _ENLARGED / 3 + 0.5, 0, 1)
    side = _OVERSAMPLED * spec.size_px
    oversampled = cv2.warpAffine(sharp, to_image, (side, side), flags=cv2.INTER_LINEAR)
    image = cv2.resize(oversampled, (spec.size_px, spec.size_px), interpolation=cv2.INTER_AREA)
    return (255 * image).astype(np.uint8)
