"""Tracing, 1: bitmaps -> working images of their ink; small bitmaps are enlarged.

The steps of tracing are `_ink`, `_thin`, `_graph`, `_walk` and `_fit`. The first two handle pixels
with NumPy and OpenCV, the others handle the few pixels of skeletons and are kernels. All work on
many bitmaps at once, use few Python objects and release the GIL for most of their time.
"""

from __future__ import annotations

import math
from functools import cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from garabato.drawing import BoolArray, ByteArray, FloatArray, IntArray

#: Empty pixels around a working image, so that neighbours need no bounds check.
_BORDER = 2
#: (longer side of the ink in px, factor): bitmaps up to that size are enlarged by the factor.
_ENLARGED = ((40, 4), (80, 3), (160, 2))
#: The share of its neighbourhood's mean that is subtracted from a pixel before enlarging.
_SHARPENING = 0.6
#: (mean ink from 0 to 1, threshold as a share of the mean): for faint lines, bold lines, and nearly
#: or fully black and white bitmaps, which have no half-tones to sharpen.
_FAINT, _BOLD, _GREY, _BLACK = (0.58, 0.48), (0.86, 0.86), (0.92, 0.86), (0.97, 0.50)
#: Pixels at least this dark, as a share of the darkest pixel, are always ink.
_SOLID = 0.92

_VALUES = np.arange(256)
_SQUARES = _VALUES**2


class WorkingImages(NamedTuple):
    """The ink of N bitmaps, one below the other.

    `ink` (H, W) uint8 is 0 or 1. The rows of bitmap i begin at `first_rows[i]`: the part of the
    bitmap with ink, within an empty border. A bitmap without ink has no rows. `fits` (N, 3) are
    its left and top in px of the bitmap, and the number of working px per px.
    """

    ink: ByteArray
    first_rows: IntArray
    fits: npt.NDArray[np.float64]


def working_images(bitmaps: ByteArray) -> WorkingImages:
    """Bitmaps (N, H, W) uint8, ink 255 -> their working images."""
    fits = np.ones((len(bitmaps), 3))
    images = []
    for bitmap, fit in zip(bitmaps, fits, strict=True):
        image, left, top, factor = _ink_of(bitmap)
        images.append(image)
        fit[:] = left - _BORDER / factor, top - _BORDER / factor, factor
    first_rows = np.zeros(len(images) + 1, np.int64)
    np.cumsum([len(image) for image in images], out=first_rows[1:])
    width = max((image.shape[1] for image in images), default=1)
    ink = np.zeros((first_rows[-1], width), np.uint8)
    for image, first_row in zip(images, first_rows[:-1], strict=True):
        ink[first_row : first_row + len(image), : image.shape[1]] = image
    return WorkingImages(ink, first_rows, fits)


def _ink_of(bitmap: ByteArray) -> tuple[ByteArray, int, int, int]:
    """The working image, left and top (within its border) in px of the bitmap, and the factor."""
    counts = np.bincount(bitmap.ravel(), minlength=256)
    total = int(counts @ _VALUES)
    if total == 0:
        return np.zeros((0, 1), np.uint8), 0, 0, 1
    # Half the mean ink, weighted by ink.
    level = 0.5 * int(counts @ _SQUARES) / total
    inked = bitmap > math.floor(0.5 * level)
    rows, columns = np.flatnonzero(inked.any(axis=1)), np.flatnonzero(inked.any(axis=0))
    top, left = int(rows[0]), int(columns[0])
    height, width = int(rows[-1]) + 1 - top, int(columns[-1]) + 1 - left
    for longest, factor in _ENLARGED:
        if max(height, width) <= longest:  # enlarged ink may extend half a pixel further
            left, top, height, width = left - 1, top - 1, height + 2, width + 2
            darkest = int(np.flatnonzero(counts)[-1])
            enlarged = _enlarged(bitmap, top, left, height, width, factor, level, darkest)
            return _bordered(enlarged), left, top, factor
    part = bitmap[top : top + height, left : left + width]
    return _bordered(part > math.floor(level)), left, top, 1


def _enlarged(
    bitmap: ByteArray,
    top: int,
    left: int,
    height: int,
    width: int,
    factor: int,
    level: float,
    darkest: int,
) -> BoolArray:
    """A window of the bitmap, which may extend beyond it, sharpened, enlarged (Catmull-Rom) and
    thresholded.

    In small bitmaps, neighbouring lines run together, with a lighter valley between them.
    Sharpening deepens the valley, and a high threshold keeps it open.
    """
    mean = 2 * level / 255
    black = min(1.0, max(0.0, (mean - _GREY[0]) / (_BLACK[0] - _GREY[0])))
    bold = min(1.0, max(0.0, (mean - _FAINT[0]) / (_BOLD[0] - _FAINT[0])))
    share = _FAINT[1] + (_BOLD[1] - _FAINT[1]) * bold + (_BLACK[1] - _GREY[1]) * black
    # The window has two more pixels on each side.
    sharp = _sharpened(bitmap, top, left, height, width, _SHARPENING * (1 - black))
    positive = np.maximum(sharp, 0)
    weighted_mean = float(np.vdot(positive, positive)) / float(positive.sum())
    threshold = np.float32(min(share * weighted_mean, _SOLID * darkest))
    enlarged = _stretched(_stretched(sharp, factor).T, factor).T
    is_ink = enlarged > threshold
    while not is_ink.any():  # the threshold erases some odd patterns
        threshold *= np.float32(0.5)
        is_ink = enlarged > threshold
    return is_ink


def _sharpened(
    bitmap: ByteArray, top: int, left: int, height: int, width: int, share: float
) -> FloatArray:
    """(v - share * blurred v) / (1 - share) with the binomial 3x3 blur; areas keep their values."""
    padded = np.zeros((height + 6, width + 6), np.float32)
    first_row, first_column = max(0, 3 - top), max(0, 3 - left)
    window = bitmap[max(0, top - 3) : top + height + 3, max(0, left - 3) : left + width + 3]
    padded[
        first_row : first_row + window.shape[0], first_column : first_column + window.shape[1]
    ] = window
    own = np.float32((1 - share / 4) / (1 - share))
    beside = np.float32(-share / 8 / (1 - share))
    across = np.float32(-share / 16 / (1 - share))
    up, here, down = padded[:-2], padded[1:-1], padded[2:]
    left_of, within, right_of = slice(None, -2), slice(1, -1), slice(2, None)
    straight = here[:, left_of] + here[:, right_of] + up[:, within] + down[:, within]
    slanted = up[:, left_of] + up[:, right_of] + down[:, left_of] + down[:, right_of]
    sharp: FloatArray = own * here[:, within] + beside * straight + across * slanted
    return sharp


def _stretched(image: FloatArray, factor: int) -> FloatArray:
    """(H, W + 4) -> (H, W * factor): rows enlarged without two columns at either end."""
    width = image.shape[1] - 4
    stretched = np.empty((len(image), width * factor), np.float32)
    for phase, (first, weights) in enumerate(_catmull_rom(factor)):
        a, b, c, d = (image[:, 2 + first + i : 2 + first + i + width] for i in range(4))
        total = weights[0] * a
        for weight, column in zip(weights[1:], (b, c, d), strict=True):
            total += weight * column
        stretched[:, phase::factor] = total
    return stretched


@cache
def _catmull_rom(factor: int) -> list[tuple[int, FloatArray]]:
    """For each phase: the first of four pixels, and their weights."""
    phases = []
    for phase in range(factor):
        at = (phase + 0.5) / factor - 0.5
        below = math.floor(at)
        t = at - below
        weights = (
            -0.5 * t + t * t - 0.5 * t * t * t,
            1.0 - 2.5 * t * t + 1.5 * t * t * t,
            0.5 * t + 2.0 * t * t - 1.5 * t * t * t,
            -0.5 * t * t + 0.5 * t * t * t,
        )
        phases.append((below - 1, np.array(weights, np.float32)))
    return phases


def _bordered(is_ink: BoolArray) -> ByteArray:
    height, width = is_ink.shape
    ink = np.zeros((height + 2 * _BORDER, width + 2 * _BORDER), np.uint8)
    ink[_BORDER:-_BORDER, _BORDER:-_BORDER] = is_ink
    return ink
