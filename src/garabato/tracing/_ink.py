"""Compiled kernels of tracing, 1: bitmaps -> ink; small bitmaps are enlarged.

The steps of tracing are `_ink`, `_thin`, `_graph`, `_walk` and `_fit`. Each file is compiled and
cached on its own, since a cached kernel doesn't notice changes in another file. They exchange flat
arrays for many bitmaps and use no Python objects, so several threads can run them.
"""

from __future__ import annotations

import numpy as np

from garabato.host.kernels import inner_kernel, kernel

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


@kernel
def inks(bitmaps):  # type: ignore[no-untyped-def]
    """Bitmaps (N, H, W) uint8, ink 255 -> (ink, starts, strides, fits).

    `ink` (K,) uint8, 0 or 1, holds the working images. That of bitmap i is
    `ink[starts[i]:starts[i + 1]]`, with rows of `strides[i]` px: the part with ink, within an empty
    border. `fits` (N, 3) float64 are its left and top in px of the bitmap, and the number of
    working px per px. A bitmap without ink has no working image.
    """
    ink = np.empty(1024, np.uint8)
    starts = np.zeros(len(bitmaps) + 1, np.int64)
    strides = np.ones(len(bitmaps), np.int64)
    fits = np.ones((len(bitmaps), 3), np.float64)
    n = 0
    for i in range(len(bitmaps)):
        image, left, top, factor = _ink_of(bitmaps[i])
        height, width = image.shape
        if n + height * width > len(ink):
            grown = np.empty(2 * (n + height * width), np.uint8)
            for p in range(n):
                grown[p] = ink[p]
            ink = grown
        for row in range(height):
            for column in range(width):
                ink[n] = image[row, column]
                n += 1
        starts[i + 1] = n
        strides[i] = width
        fits[i, 0], fits[i, 1] = left - _BORDER / factor, top - _BORDER / factor
        fits[i, 2] = factor
    return ink[:n], starts, strides, fits


@inner_kernel
def _ink_of(bitmap):  # type: ignore[no-untyped-def]
    """The working image, left and top (within its border) in px of the bitmap, and the factor."""
    level = _ink_level(bitmap)
    height, width = bitmap.shape
    top, bottom, left, right = height, -1, width, -1
    for row in range(height):
        for column in range(width):
            if bitmap[row, column] > 0.5 * level:
                top = min(top, row)
                bottom = row
                left = min(left, column)
                right = max(right, column)
    if bottom < 0:
        return np.zeros((0, 1), np.uint8), 0, 0, 1
    height, width = bottom - top + 1, right - left + 1
    for longest, factor in _ENLARGED:
        if max(height, width) <= longest:  # enlarged ink may extend half a pixel further
            left, top, height, width = left - 1, top - 1, height + 2, width + 2
            return _enlarged(bitmap, top, left, height, width, factor, level), left, top, factor
    ink = np.zeros((height + 2 * _BORDER, width + 2 * _BORDER), np.uint8)
    for row in range(height):
        for column in range(width):
            ink[row + _BORDER, column + _BORDER] = bitmap[top + row, left + column] > level
    return ink, left, top, 1


@inner_kernel
def _ink_level(bitmap):  # type: ignore[no-untyped-def]
    """Half the mean ink, weighted by ink (sum v^2 / sum v)."""
    total, squares = np.int64(0), np.int64(0)
    for row in range(bitmap.shape[0]):
        for column in range(bitmap.shape[1]):
            value = np.int64(bitmap[row, column])
            total += value
            squares += value * value
    return 0.5 * squares / total if total > 0 else 127.5


@inner_kernel
def _enlarged(bitmap, top, left, height, width, factor, level):  # type: ignore[no-untyped-def]
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
    total, squares = np.float32(1e-9), np.float32(0.0)
    for row in range(sharp.shape[0]):
        for column in range(sharp.shape[1]):
            value = sharp[row, column]
            if value > 0:
                total += value
                squares += value * value
    darkest = np.uint8(0)
    for row in range(bitmap.shape[0]):
        for column in range(bitmap.shape[1]):
            darkest = max(darkest, bitmap[row, column])
    threshold = np.float32(min(share * squares / total, _SOLID * darkest))
    weights, first = _cubic(factor)
    wide = np.empty((height + 4, width * factor), np.float32)
    for row in range(height + 4):
        for phase in range(factor):
            a, b = weights[phase, 0], weights[phase, 1]
            c, d = weights[phase, 2], weights[phase, 3]
            for column in range(width):
                at = column + 2 + first[phase]
                wide[row, column * factor + phase] = (
                    a * sharp[row, at]
                    + b * sharp[row, at + 1]
                    + c * sharp[row, at + 2]
                    + d * sharp[row, at + 3]
                )
    ink = np.zeros((height * factor + 2 * _BORDER, width * factor + 2 * _BORDER), np.uint8)
    inked = False
    while not inked:  # usually once; the threshold erases some odd patterns
        for row in range(height):
            for phase in range(factor):
                at = row + 2 + first[phase]
                line = ink[row * factor + phase + _BORDER, _BORDER:]
                a, b = weights[phase, 0], weights[phase, 1]
                c, d = weights[phase, 2], weights[phase, 3]
                for column in range(width * factor):
                    value = (
                        a * wide[at, column]
                        + b * wide[at + 1, column]
                        + c * wide[at + 2, column]
                        + d * wide[at + 3, column]
                    )
                    line[column] = value > threshold
                    inked |= value > threshold
        threshold *= np.float32(0.5)
    return ink


@inner_kernel
def _sharpened(bitmap, top, left, height, width, share):  # type: ignore[no-untyped-def]
    """(v - share * blurred v) / (1 - share) with the binomial 3x3 blur; areas keep their values."""
    padded = np.zeros((height + 6, width + 6), np.float32)
    for row in range(max(0, 3 - top), min(height + 6, bitmap.shape[0] - top + 3)):
        for column in range(max(0, 3 - left), min(width + 6, bitmap.shape[1] - left + 3)):
            padded[row, column] = bitmap[row + top - 3, column + left - 3]
    sharp = np.empty((height + 4, width + 4), np.float32)
    own = np.float32((1 - share / 4) / (1 - share))
    beside = np.float32(-share / 8 / (1 - share))
    across = np.float32(-share / 16 / (1 - share))
    for row in range(height + 4):
        for column in range(width + 4):
            r, c = row + 1, column + 1
            sharp[row, column] = (
                own * padded[r, c]
                + beside
                * (padded[r, c - 1] + padded[r, c + 1] + padded[r - 1, c] + padded[r + 1, c])
                + across
                * (
                    padded[r - 1, c - 1]
                    + padded[r - 1, c + 1]
                    + padded[r + 1, c - 1]
                    + padded[r + 1, c + 1]
                )
            )
    return sharp


@inner_kernel
def _cubic(factor):  # type: ignore[no-untyped-def]
    """Catmull-Rom: the weights of four pixels for each phase, and the first of these pixels."""
    weights = np.empty((factor, 4), np.float32)
    first = np.empty(factor, np.int64)
    for phase in range(factor):
        at = (phase + 0.5) / factor - 0.5
        below = int(np.floor(at))
        t = at - below
        first[phase] = below - 1
        weights[phase, 0] = -0.5 * t + t * t - 0.5 * t * t * t
        weights[phase, 1] = 1.0 - 2.5 * t * t + 1.5 * t * t * t
        weights[phase, 2] = 0.5 * t + 2.0 * t * t - 1.5 * t * t * t
        weights[phase, 3] = -0.5 * t * t + 0.5 * t * t * t
    return weights, first
