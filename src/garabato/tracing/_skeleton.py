"""Tracing, 1: bitmaps -> skeletons one pixel wide.

The steps of tracing are `_skeleton`, `_graph` and `_lines`. This one handles pixels with NumPy and
OpenCV, the others handle the few pixels of skeletons and are kernels. All work on many bitmaps at
once, use few Python objects and release the GIL for most of their time.

The ink of small bitmaps is enlarged, then thinned. Pixels are numbered row * W + column, in one
numbering for all working images of a stack.
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

#: Chamfer distances of a straight and a diagonal step (Borgefors 1986).
_UNITS, _DIAGONAL = 5, 7
#: More than any distance.
_FAR = 2**30
#: The largest line width as a share of the drawing's longer side, and, if that is more, as a share
#: of the bitmap's. Thicker ink is a filled area, with an outline of _OUTLINE_WIDTH.
_MAX_WIDTH, _MAX_DOT_WIDTH, _OUTLINE_WIDTH = 0.22, 0.11, 0.04
#: Areas deeper than _FILLED pen radii are hollowed out; an outline _OUTLINE radii deep remains.
_FILLED, _OUTLINE = 1.9, 1.7
#: Areas up to _SCRIBBLED radii deep are lines that ran together: lines _APART radii apart remain,
#: too. Deeper ones are filled shapes.
_SCRIBBLED, _APART = 8.0, 2.5

_Distances = npt.NDArray[np.int32]
Lengths = npt.NDArray[np.float64]


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
    first_rows = np.cumsum([0, *map(len, images)], dtype=np.int64)
    width = max((image.shape[1] for image in images), default=1)
    ink = np.zeros((first_rows[-1], width), np.uint8)
    for image, first_row in zip(images, first_rows[:-1], strict=True):
        ink[first_row : first_row + len(image), : image.shape[1]] = image
    return WorkingImages(ink, first_rows, fits)


class Skeletons(NamedTuple):
    """The skeletons of N working images, with K pixels.

    `pixels` (K,) int64 are in raster order, and those of image i begin at `starts[i]`. `depths`
    (K,) are their distances to the edge of the ink, and `radii` (N,) half the line widths, both in
    working px.
    """

    pixels: IntArray
    depths: Lengths
    starts: IntArray
    radii: Lengths


def skeletons(images: WorkingImages, sides: Lengths) -> Skeletons:
    """Thin working images, which are overwritten. `sides` (N,) are the longer sides of the bitmaps
    in working px."""
    ink, stride = images.ink.ravel(), images.ink.shape[1]
    borders = images.first_rows * stride
    pixels = np.flatnonzero(ink)
    starts = np.searchsorted(pixels, borders)
    distance = np.zeros(len(ink), np.int32)
    _measure(distance, pixels, stride)
    radii = _pen_radii(distance, pixels, starts, stride, sides)
    if _hollow(images, distance, pixels, starts, radii):
        pixels = np.flatnonzero(ink)
    skeleton = _thin(ink, distance, pixels, stride)
    starts = np.searchsorted(skeleton, borders)
    return Skeletons(skeleton, distance[skeleton] / _UNITS, starts, radii)


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


def _measure(distance: _Distances, pixels: IntArray, stride: int) -> None:
    """Write the chamfer distances of `pixels` to the nearest pixel of distance 0, in _UNITS."""
    steps = _steps(stride)
    distance[pixels] = _FAR
    n_steps = 0
    while len(pixels):
        straight, slanted = (
            np.minimum.reduce([distance[pixels + step] for step in steps[first::2]])
            for first in (0, 1)
        )
        found = np.minimum(straight + _UNITS, slanted + _DIAGONAL)
        distance[pixels] = found
        n_steps += 1
        pixels = pixels[found > (n_steps + 1) * _UNITS]  # the others have no shorter, longer way


def _steps(stride: int) -> tuple[int, ...]:
    """The steps to the eight neighbours, clockwise from the one above."""
    return (-stride, 1 - stride, 1, stride + 1, stride, stride - 1, -1, -stride - 1)


def _pen_radii(
    distance: _Distances, pixels: IntArray, starts: IntArray, stride: int, sides: Lengths
) -> Lengths:
    """Half the line widths in working px: the median of the distance along its ridges."""
    distances = distance[pixels]
    is_ridge = np.ones(len(pixels), np.bool_)
    for step in _steps(stride):
        is_ridge &= distances >= distance[pixels + step]
    rows, columns = np.divmod(pixels, stride)
    radii = np.full(len(sides), 0.5)
    for i, side in enumerate(sides.tolist()):
        part = slice(starts[i], starts[i + 1])
        if part.start == part.stop:
            continue
        ridge = distances[part][is_ridge[part]]
        median = int(np.partition(ridge, len(ridge) // 2)[len(ridge) // 2])
        height, width = int(rows[part][-1] - rows[part][0]), int(np.ptp(columns[part]))
        extent = max(height, width) + 1
        line_width = 2 * median / _UNITS - 0.5
        if line_width > max(_MAX_WIDTH * extent, _MAX_DOT_WIDTH * side):
            line_width = _OUTLINE_WIDTH * extent
        radii[i] = 0.5 * max(1.0, line_width)
    return radii


def _hollow(
    images: WorkingImages, distance: _Distances, pixels: IntArray, starts: IntArray, radii: Lengths
) -> bool:
    """Reduce filled areas to lines around their middle; returns whether there were any.

    The lines are at equal distances from the edge, with gaps of two px between them.
    """
    deepest = np.zeros(len(radii), np.int32)
    is_inked = np.diff(starts) > 0
    deepest[is_inked] = np.maximum.reduceat(distance[pixels], starts[:-1][is_inked])
    is_hollowed = deepest >= (_FILLED * radii * _UNITS).astype(np.int64) + _UNITS
    for i in np.flatnonzero(is_hollowed):
        rows = slice(images.first_rows[i], images.first_rows[i + 1])
        distances = distance.reshape(images.ink.shape)[rows]
        _hollow_image(images.ink[rows], distances, float(radii[i]))
    changed = pixels[np.repeat(is_hollowed, np.diff(starts))]
    is_left = images.ink.ravel()[changed] > 0
    distance[changed[~is_left]] = 0
    _measure(distance, changed[is_left], images.ink.shape[1])
    return bool(is_hollowed.any())


def _hollow_image(ink: ByteArray, distances: _Distances, radius: float) -> None:
    import cv2

    deep = int(_FILLED * radius * _UNITS) + _UNITS
    outline = int(_OUTLINE * radius * _UNITS) + 1
    apart = max(4 * _UNITS, int(_APART * radius * _UNITS))
    is_inside = distances > outline
    n_areas, labels = cv2.connectedComponents(is_inside.astype(np.uint8), connectivity=4)
    areas, inside = np.asarray(labels, np.int32)[is_inside], distances[is_inside]
    deepest = np.zeros(n_areas, np.int32)
    np.maximum.at(deepest, areas, inside)
    is_filled, is_shape = deepest >= deep, deepest > _SCRIBBLED * radius * _UNITS
    is_gap = (inside - outline) % apart < 2 * _UNITS
    ink[is_inside] = ~(is_filled[areas] & (is_shape[areas] | is_gap))


def _thin(ink: ByteArray, distance: _Distances, pixels: IntArray, stride: int) -> IntArray:
    """Thin `ink` to lines one pixel wide; returns the remaining pixels, in raster order.

    Each round of Guo-Hall sub-iterations goes one pixel deeper, so that lines stay in the middle
    whatever their direction, and each pixel is visited only a few times.
    """
    steps = _steps(stride)
    codes = np.zeros(len(ink), np.uint8)  # the neighbours of each pixel as bits
    for bit, step in enumerate(steps):
        codes[pixels] |= ink[pixels + step] << bit
    order = pixels[np.argsort(distance[pixels])]
    depths = distance[order]
    active = order[:0]
    n_seen, reach, changed = 0, _UNITS, True
    while changed or n_seen < len(order):
        reach += _UNITS
        n_reached = int(np.searchsorted(depths, reach))
        active = np.concatenate([active, order[n_seen:n_reached]])
        n_seen, changed = n_reached, False
        for is_removed in _IS_REMOVED:
            is_going = is_removed[codes[active]]
            going = active[is_going]
            if len(going):
                changed = True
                ink[going] = 0
                for bit, step in enumerate(steps):
                    codes[going - step] &= 0xFF ^ 1 << bit
                active = active[~is_going]
    return _without_corners(np.sort(active), codes, steps)


def _guo_hall() -> BoolArray:
    """Guo and Hall 1989, algorithm A1: (2, 256), whether a pixel with these eight neighbours is
    removed in the first or second sub-iteration."""
    table = np.zeros((2, 256), np.bool_)
    for code in range(256):
        n, ne, e, se, s, sw, w, nw = ((code >> bit) & 1 for bit in range(8))
        crossings = (
            (1 - n & (ne | e)) + (1 - e & (se | s)) + (1 - s & (sw | w)) + (1 - w & (nw | n))
        )
        pairs = min(
            (nw | n) + (ne | e) + (se | s) + (sw | w), (n | ne) + (e | se) + (s | sw) + (w | nw)
        )
        if crossings == 1 and 2 <= pairs <= 3:
            table[0, code] = 1 - ((s | sw | 1 - nw) & w)
            table[1, code] = 1 - ((n | ne | 1 - se) & e)
    return table


_IS_REMOVED = _guo_hall()


def _without_corners(pixels: IntArray, codes: ByteArray, steps: tuple[int, ...]) -> IntArray:
    """`pixels` without the corners of stairs; removing one can make its neighbour none."""
    is_left = np.ones(len(pixels), np.bool_)
    code_of = memoryview(codes)  # type: ignore[arg-type]
    for i, pixel in enumerate(pixels.tolist()):
        if code_of[pixel] in _CORNERS:
            is_left[i] = False
            for bit, step in enumerate(steps):
                code_of[pixel - step] &= 0xFF ^ 1 << bit
    return pixels[is_left]


def _is_corner(code: int) -> bool:
    """Whether a pixel with these neighbours is the inner corner of a stair, which Guo-Hall leaves:
    its two neighbours touch without it."""
    for turn in (0, 2, 4, 6):
        beside = 1 << turn | 1 << ((turn + 2) & 7)
        between = 1 << ((turn + 1) & 7)
        if code & beside == beside and code & ~(beside | between) == 0:
            return True
    return False


_CORNERS = frozenset(code for code in range(256) if _is_corner(code))
