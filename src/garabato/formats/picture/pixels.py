"""A picture's colours as floats, of the part and at the size that are needed; masks of its regions.

The picture itself stays bytes: as floats, a large one would take several gigabytes.
"""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from garabato.drawing import BoolArray, ByteArray

Image = npt.NDArray[np.float32]  # (H, W) or (H, W, 3), 0..1
Colour = npt.NDArray[np.int16]  # (3,): red, green and blue, 0..255

#: Longer sides in px: of the reduced page, and of the bitmap of its ink.
PAGE_PX, INK_PX = 1024, 512
#: Ink has at least this contrast (of 1) with its paper.
MIN_CONTRAST = 0.07
#: Parts of more pixels are reduced, by a whole factor, while they are converted.
MAX_PIXELS = 16 * 10**6
_TILE_PX = 512
_EVERYTHING = slice(None)


class Picture:
    """Colours 0..1. Transparent parts are laid on a background that the rest stands out from.

    `background` (3,) is its colour. `is_negative` swaps light and dark.
    """

    def __init__(
        self,
        colours: ByteArray,
        alpha: ByteArray | None,
        background: npt.NDArray[np.float32] | None = None,
    ) -> None:
        self.shape = colours.shape[:2]
        self.is_negative = False
        self._colours = colours
        self._alpha = None if alpha is None or alpha.min() > 250 else alpha
        self._background = background
        if background is None and self._alpha is not None and self._alpha.mean() > 127.5:
            # a card with ink on it: its holes become card
            seen = self._alpha > 127
            card = [np.median(colours[:, :, channel][seen]) for channel in range(3)]
            self._background = np.array(card, np.float32) / np.float32(255)

    def part(self, rows: slice, columns: slice) -> Picture:
        """The part at [rows, columns], a view."""
        part = object.__new__(Picture)
        part._colours = self._colours[rows, columns]
        part._alpha = None if self._alpha is None else self._alpha[rows, columns]
        part._background = self._background
        part.shape, part.is_negative = part._colours.shape[:2], self.is_negative
        return part

    def reduced(
        self, longest_px: int, rows: slice = _EVERYTHING, columns: slice = _EVERYTHING
    ) -> Image:
        """(H, W, 3): the part at [rows, columns], its longer side `longest_px` at most."""
        colours = self._colours[rows, columns]
        alpha = None if self._alpha is None else self._alpha[rows, columns]
        height, width = colours.shape[:2]
        factor = max(1, math.ceil(math.sqrt(height * width / MAX_PIXELS)))
        part = np.empty((math.ceil(height / factor), math.ceil(width / factor), 3), np.float32)
        for top in range(0, len(part), _TILE_PX):
            for left in range(0, part.shape[1], _TILE_PX):
                there = part[top : top + _TILE_PX, left : left + _TILE_PX]
                ys = slice(factor * top, factor * (top + _TILE_PX))
                xs = slice(factor * left, factor * (left + _TILE_PX))
                tile = self._opaque(colours[ys, xs], None if alpha is None else alpha[ys, xs])
                if factor > 1:
                    size = there.shape[1], there.shape[0]
                    tile = np.asarray(cv2.resize(tile, size, interpolation=cv2.INTER_AREA))
                there[:] = tile
        return reduced(part, longest_px) / np.float32(255)

    def _opaque(self, colours: ByteArray, alpha: ByteArray | None) -> Image:
        """(H, W, 3), 0..255."""
        levels = colours.astype(np.float32)
        if alpha is not None:
            seen = alpha.astype(np.float32)[:, :, None] / np.float32(255)
            background = self._background
            if background is None:  # ink on nothing: whatever its colour, it is what is seen
                levels, background = np.zeros_like(levels), np.ones(3, np.float32)
            levels = levels * seen + 255 * background * (1 - seen)
        return np.asarray(255 - levels if self.is_negative else levels, np.float32)


def reduced(picture: Image, longest_px: int) -> Image:
    """`picture`, reduced so that its longer side is at most `longest_px`."""
    height, width = picture.shape[:2]
    factor = longest_px / max(height, width)
    if factor >= 1:
        return picture
    size = max(1, round(width * factor)), max(1, round(height * factor))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.float32)


def difference(levels: npt.NDArray[Any], others: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """(...): the largest difference of a channel between `levels` (..., 3) and `others` (..., 3).

    Channel by channel: `max` over an axis of three takes ten times as long.
    """
    red, green, blue = (
        np.abs(np.subtract(levels[..., c], others[..., c], dtype=np.result_type(others, np.int16)))
        for c in range(3)
    )
    return np.asarray(np.maximum(np.maximum(red, green), blue))


def levels_of(values: Image) -> ByteArray:
    """`values` of 0..1 as levels of 0..255, rounded; larger ones become 255."""
    return np.asarray(cv2.convertScaleAbs(values, alpha=255), np.uint8).reshape(values.shape)


def grey_of(picture: Image) -> Image:
    """(H, W): the mean of the channels of a picture (H, W, 3)."""
    return np.asarray(picture @ np.full(3, 1 / 3, np.float32), np.float32)


def edges(picture: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], ...]:
    """The first and the last row, the first and the last column."""
    return picture[0], picture[-1], picture[:, 0], picture[:, -1]


def most_frequent(levels: ByteArray) -> Colour:
    """The most frequent level of each channel of `levels` (..., 3)."""
    column = levels.reshape(-1, 1, 3)
    counts = [cv2.calcHist([column], [c], None, [256], [0, 256]) for c in range(3)]
    return np.array([count.argmax() for count in counts], np.int16)


def is_near(levels: ByteArray, colour: Colour, tolerance: int) -> BoolArray:
    """(H, W): whether each channel of `levels` (H, W, 3) is within `tolerance` of `colour`."""
    low, high = (np.clip(colour + d, 0, 255).astype(float) for d in (-tolerance, tolerance))
    return np.asarray(cv2.inRange(levels, low, high) > 0)


def pen_px(mask: BoolArray) -> float:
    """The thickness of the lines of a mask, 0 for an empty one."""
    depth = cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, 3)
    return 2 * float(np.quantile(depth[depth > 0], 0.9)) if depth.any() else 0.0


def connected_to_edges(mask: BoolArray | ByteArray, connectivity: int = 8) -> BoolArray:
    """The connected parts of `mask` that reach the edges of the picture."""
    n, found = cv2.connectedComponents(mask.astype(np.uint8), connectivity=connectivity)
    labels = np.asarray(found, np.int32)
    touching = np.zeros(n, np.bool_)
    touching[np.concatenate(edges(labels))] = True
    touching[0] = False
    return touching.take(labels)


def largest_part(mask: BoolArray) -> BoolArray:
    """The largest connected part of a mask; empty if the mask is."""
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    areas = stats[1:, cv2.CC_STAT_AREA]
    return np.asarray(labels == 1 + (areas.argmax() if len(areas) else 0))


def eroded(mask: BoolArray, n_px: int) -> BoolArray:
    """`mask` without its outermost px, also along the picture's edges."""
    kernel = np.ones((2 * n_px + 1, 2 * n_px + 1), np.uint8)
    return np.asarray(cv2.erode(mask.astype(np.uint8), kernel, borderValue=0) > 0)


def dilated(mask: BoolArray, n_px: int) -> BoolArray:
    """`mask` with n_px around it."""
    kernel = np.ones((2 * n_px + 1, 2 * n_px + 1), np.uint8)
    return np.asarray(cv2.dilate(mask.astype(np.uint8), kernel) > 0)


def margins_of(page: BoolArray) -> tuple[int, int, int, int]:
    """How many px are above, below, before and behind a page."""
    rows, columns = np.flatnonzero(page.any(axis=1)), np.flatnonzero(page.any(axis=0))
    height, width = page.shape
    return int(rows[0]), int(height - 1 - rows[-1]), int(columns[0]), int(width - 1 - columns[-1])


def hull_of(page: BoolArray) -> tuple[Any, Any, BoolArray]:
    """The longest outline of a region and its convex hull, as OpenCV's, and the hull's pixels."""
    outlines, _ = cv2.findContours(page.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    outline = max(outlines, key=len)
    hull = cv2.convexHull(outline)
    filled = cv2.fillConvexPoly(np.zeros(page.shape, np.uint8), hull, 1)
    return outline, hull, filled > 0


def inked_part(
    ink: Image | BoolArray, shape: tuple[int, ...], margin: float = 0.05
) -> tuple[slice, slice]:
    """Rows and columns, in a picture of `shape`, of the ink found in a reduced one."""
    inked = ink > 0.02
    found = []
    for axis in (1, 0):
        where = np.flatnonzero(inked.any(axis=axis))
        factor = shape[1 - axis] / inked.shape[1 - axis]
        found.append((where[0] * factor, (where[-1] + 1) * factor))
    spare = margin * max(last - first for first, last in found) + (2 if margin else 0)
    rows, columns = (
        slice(max(0, int(first - spare)), min(size, int(np.ceil(last + spare))))
        for (first, last), size in zip(found, shape, strict=True)
    )
    return rows, columns


def cropped(ink: Image) -> ByteArray:
    """The part with ink (H, W) of 0..1, as a bitmap, ink 255."""
    rows, columns = inked_part(ink, ink.shape, margin=0)
    return levels_of(ink[rows, columns])
