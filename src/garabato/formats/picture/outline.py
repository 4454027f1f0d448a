"""Outlines that make a page of a part of the background's own colour: a canvas, a ruled border."""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np

from garabato.drawing import BoolArray, ByteArray
from garabato.formats.picture.pixels import (
    Colour,
    difference,
    dilated,
    eroded,
    hull_of,
    margins_of,
    pen_px,
)

#: Pixels of a frame in a JPEG file differ from its colour by at most this (of 255).
COMPRESSED = 8
#: Pages are cut this many px within their frames, whose edges are blurred.
BLURRED_PX = 3
#: A page covers almost all of its convex hull.
CONVEX = 0.97
#: A page fills this share of its smallest rectangle, or has four corners, found with this tolerance
#: (of its outline's length).
RECTANGULAR, _CORNER = 0.93, 0.02
#: A thin frame is at most this share of the longer side wide.
THIN = 0.009
#: Drawn lines and frames differ in width by at least this factor.
OTHER_WIDTH = 1.6
#: A frame may be as wide as the pen around a page of this size or more, if no ink touches it.
MIN_APART_PX = 100
#: An outline in the middle of a picture may be ruled: its sides are off by less than this many px,
#: on average. It is at most this many times thicker than the pen. The radius of its corners is at
#: most this share of the shorter side.
_UNRULED_PX, _RULED_PX, _ROUND = 0.3, 1.5, 0.25
#: An outline encloses at least this share of the page, the rest being ripples beside it.
_MAX = 0.8
#: Within so many px of an edge, JPEG has ripples.
_RIPPLE_PX = 8


def page_in_outline(levels: ByteArray, page: BoolArray, colour: Colour) -> BoolArray | None:
    """What an outline encloses that makes a page of a part of the frame's own colour.

    None if there is none, or if it may be part of the drawing, because it is as wide as the pen and
    not ruled.
    """
    away = difference(levels, colour)
    near = np.ones((2 * _RIPPLE_PX + 1, 2 * _RIPPLE_PX + 1), np.uint8)
    contrast = float(np.median(cv2.dilate(away, near)[page & ~eroded(page, BLURRED_PX)]))
    marked = page & (away > max(COMPRESSED, contrast / 2))
    _, labels = cv2.connectedComponents(marked.astype(np.uint8))
    at_border = labels[marked & ~eroded(page, _RIPPLE_PX)]
    if len(at_border) == 0:
        return None
    outline = labels == np.bincount(at_border).argmax()
    _, hull, whole = hull_of(outline)
    above, below, before, behind = margins_of(whole)
    length = 2 * (sum(page.shape) - above - below - before - behind)
    if len(at_border) < length / 2 or page[whole].mean() < CONVEX:
        return None
    if whole.sum() < _MAX * page.sum():
        return None
    if not is_rectangle(hull, int(whole.sum())):
        return None
    thickness = outline.sum() / length
    others = page & (away > COMPRESSED) & ~dilated(outline, _RIPPLE_PX)
    pen = pen_px(others)
    if others.mean() > 0.5 or thickness > _RULED_PX * pen:
        return None
    is_thin = thickness <= THIN * max(page.shape) and OTHER_WIDTH * thickness <= pen
    if not (is_thin or _is_ruled(whole, outline, thickness)):
        return None
    inner = eroded(whole, math.ceil(thickness) + BLURRED_PX)
    return inner if inner.any() else None


def is_rectangle(hull: Any, area: int) -> bool:
    """Whether a region of this convex hull and area is a rectangle, perhaps seen in perspective."""
    _, (width, height), _ = cv2.minAreaRect(hull)
    corners = cv2.approxPolyDP(hull, _CORNER * cv2.arcLength(hull, True), True)
    return area >= RECTANGULAR * (width + 1) * (height + 1) or (
        len(corners) == 4 and area >= CONVEX * cv2.contourArea(corners)
    )


def _is_ruled(whole: BoolArray, outline: BoolArray, thickness: float) -> bool:
    """Whether an outline is a straight rectangle in the middle of a picture, apart from all ink.

    Its corners may be round, all alike. `whole` is what it encloses. Hands draw no such rectangles.
    """
    above, below, before, behind = margins_of(whole)
    box = whole[above : whole.shape[0] - below, before : whole.shape[1] - behind]
    if abs(above - below) > 1 or abs(before - behind) > 1 or min(box.shape) < MIN_APART_PX:
        return False
    size = int(_ROUND * min(box.shape))
    corners = [~box[::down, ::right][:size, :size] for down in (1, -1) for right in (1, -1)]
    n_missing = box.size - box.sum() - sum(corner.sum() for corner in corners)
    if n_missing > _UNRULED_PX * 2 * sum(box.shape):
        return False
    if any((corner ^ corners[0]).sum() > _UNRULED_PX * 2 * size for corner in corners):
        return False
    return not (outline & eroded(whole, math.ceil(thickness) + BLURRED_PX)).any()
