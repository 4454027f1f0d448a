"""Filled shapes in flat pictures: icons, cartoons, drawings that were coloured in.

A threshold makes one silhouette of a coloured drawing and loses its pale parts. Here the picture
is cut into regions of one colour or gradient. Wide regions are fills, whose edges are drawn; narrow
ones are lines and dots, which stay ink.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from garabato.drawing import BoolArray, ByteArray, FloatArray
from garabato.formats.picture.pixels import (
    INK_PX,
    PAGE_PX,
    Image,
    Picture,
    cropped,
    difference,
    dilated,
    edges,
    eroded,
    inked_part,
    levels_of,
    pen_px,
)

#: Within a region, neighbouring pixels differ by at most the first number (of 255). Colours that
#: differ by at most the second look the same. Ink differs by more than the third from the colours
#: beside it and from their blends.
_SMOOTH, _SAME, _INK = 10, 12, 30
#: Regions of fewer pixels are parts of edges.
_MIN_PX = 6
#: A line is at most this wide, as a share of the drawing's longer side, and its area is at least
#: this many times the square of half its width. A dot is at most this wide.
_LINE_WIDTH, _LINE_AREA, _DOT_WIDTH = 0.1, 12.0, 0.06
#: Pens drew everything if it is at most this wide, at least this many times longer than wide, and
#: at most this share of it is in parts less than half as wide, such as the outlines of fills.
_PEN_WIDTH, _PEN_LENGTH, _OUTLINES = 0.15, 15.0, 0.2
#: Drawings have at most this many fills; photos have more.
_MAX_FILLS = 100
#: Fills cover at least this share of the square around the drawing.
_MIN_FILLED = 0.01
#: What lies along this share of an edge of the picture is a bar, as in a screenshot.
_ALONG_EDGE = 0.9
#: A canvas covers at least this share of the picture.
_CANVAS = 0.4
#: Regions this near to each other (px) touch.
_REACH_PX = 7
#: Ink in other colours than a fill covers this share of the drawing's longer side, at least.
_MIN_INK = 0.1
#: Smaller pictures are enlarged to about this size, so that lines stay apart from edges.
_MIN_SIDE_PX = 256
#: The visible part of a card on a transparent background is at least this share of its rectangle.
_CARD = 0.88
#: Colours that differ by less from white, in each channel, are taken for white.
_NEARLY_WHITE = 24
_WHITE = np.full(3, 255, np.int16)
#: The border of a sticker varies in width by at most this factor, and as many px for its edges. It
#: is at least the last number of px wide. It is opaque: it has more alpha than this.
_BORDER, _BORDER_EDGES_PX, _MIN_BORDER_PX = 1.25, 3, 3
_OPAQUE = 240

Labels = npt.NDArray[np.int32]  # (H, W): the number of the region that each pixel is in


def filled_shapes(
    picture: Picture, page: Image, background: npt.NDArray[np.float32]
) -> ByteArray | None:
    """The lines and edges of a picture with fills; None for others. `page` is the picture
    reduced to PAGE_PX."""
    found = _with_edges_of_fills(page, background)
    if found is None:
        return None
    rows, columns = inked_part(found, picture.shape)
    closer = _with_edges_of_fills(picture.reduced(INK_PX, rows, columns), background)
    return cropped(found if closer is None else closer)


def shapes_on_nothing(colours: ByteArray, alpha: ByteArray) -> ByteArray | None:
    """The lines and edges of a sticker or icon in several colours on a transparent background.

    None for everything else, such as ink on nothing, and cards.
    """
    step = max(1, max(alpha.shape) // PAGE_PX)
    is_seen = alpha[::step, ::step] > 127
    rows, columns = np.flatnonzero(is_seen.any(axis=1)), np.flatnonzero(is_seen.any(axis=0))
    if len(rows) == 0 or is_seen.sum() > _CARD * (np.ptp(rows) + 1) * (np.ptp(columns) + 1):
        return None
    is_white = is_seen & (difference(colours[::step, ::step], _WHITE) < _NEARLY_WHITE)
    background = np.full(3, 0.0 if is_white.sum() > 0.5 * is_seen.sum() else 1.0, np.float32)
    picture = Picture(colours, alpha, background)
    return filled_shapes(picture, picture.reduced(PAGE_PX), background)


def has_white_border(colours: ByteArray, alpha: ByteArray) -> bool:
    """Whether a picture is cut out along its ink, with a white border of even width: a sticker."""
    step = max(1, max(alpha.shape) // PAGE_PX)
    is_opaque = np.pad(alpha[::step, ::step] > _OPAQUE, 1)  # no shadow
    away = np.pad(difference(colours[::step, ::step], _WHITE), 1)
    is_inside = eroded(is_opaque, _MIN_BORDER_PX)
    is_ink = is_inside & (away >= _NEARLY_WHITE)
    rim = is_opaque & ~eroded(is_opaque, 1)
    if not is_ink.any() or (away[is_opaque & ~is_inside] < _NEARLY_WHITE).mean() < _ALONG_EDGE:
        return False
    widths = cv2.distanceTransform((~is_ink).astype(np.uint8), cv2.DIST_L2, 5)[rim]
    narrow, wide = np.quantile(widths, (0.05, 0.95))
    return bool(wide <= _BORDER * narrow + _BORDER_EDGES_PX)


def _with_edges_of_fills(picture: Image, background: npt.NDArray[np.float32]) -> Image | None:
    """(H, W): 1 on the lines, dots and edges of fills of a flat picture (h, w, 3), 0 elsewhere.

    None if there are no fills, or all ink is in the colour of the only one. `background` (3,) is a
    colour. Small pictures are enlarged.
    """
    factor = max(1, round(_MIN_SIDE_PX / max(picture.shape[:2])))
    levels = levels_of(picture)
    if factor > 1:
        levels = np.asarray(cv2.resize(levels, None, fx=factor, fy=factor))
    regions = _find_regions(levels, np.rint(background * 255))
    if regions is None:
        return None
    labels, colours, is_ink = regions.labels, regions.colours, regions.is_ink
    nearest, one, other = _beside(labels)
    drawn = is_ink[labels]
    between = labels == 0
    blends = colours[one[between]], colours[other[between]]
    drawn[between] = _from_blends(levels[between], *blends) > _INK
    if not _has_other_colours(levels[drawn], regions):
        return None
    is_edge = regions.is_fill[one] | regions.is_fill[other]
    is_edge &= ~(is_ink[one] | is_ink[other])
    drawn |= is_edge & _differs_from_next(nearest)
    return dilated(drawn, 1).astype(np.float32)


class _Regions(NamedTuple):
    """Number 0 is what lies between the regions."""

    labels: Labels
    colours: FloatArray  # (n, 3), 0..255
    is_fill: BoolArray  # (n,)
    is_ink: BoolArray  # (n,): lines and dots
    background: FloatArray  # (3,): the colour of the background
    side: int  # the longer side of the drawing


def _find_regions(levels: ByteArray, background: npt.NDArray[np.float32]) -> _Regions | None:
    """The regions of a picture; None if none of them is a fill."""
    window = np.ones((3, 3), np.uint8)
    steps = difference(cv2.dilate(levels, window), cv2.erode(levels, window))
    n, *found, _ = cv2.connectedComponentsWithStats(
        (steps <= _SMOOTH).astype(np.uint8), connectivity=4
    )
    labels, stats = (np.asarray(each, np.int32) for each in found)
    flat, areas = labels.ravel(), stats[:, cv2.CC_STAT_AREA]
    sums = [np.bincount(flat, levels[:, :, c].ravel(), n) for c in range(3)]
    colours = (np.stack(sums, axis=1) / np.maximum(areas, 1)[:, None]).astype(np.float32)
    is_shape = difference(colours, background) > _SAME
    is_shape &= areas >= _MIN_PX
    is_shape[0] = False
    for edge in edges(labels):
        is_shape &= np.bincount(edge, minlength=n) < _ALONG_EDGE * len(edge)
    rows, columns = (np.flatnonzero(is_shape[labels].any(axis=axis)) for axis in (1, 0))
    if len(rows) == 0:
        return None
    side = max(np.ptp(rows), np.ptp(columns)) + 1
    depths = cv2.distanceTransform((labels > 0).astype(np.uint8), cv2.DIST_L2, 3)
    radii = np.zeros(n, np.float32)
    np.maximum.at(radii, flat, depths.ravel())
    drawn = (difference(levels, background) > _SAME) & (is_shape[labels] | (labels == 0))
    pen = pen_px(drawn)
    if pen <= _PEN_WIDTH * side and drawn.sum() >= _PEN_LENGTH * pen**2:
        is_thin = is_shape & (4 * radii < pen)
        if areas[is_thin].sum() <= _OUTLINES * areas[is_shape].sum():
            return None
    is_line = (2 * radii <= _LINE_WIDTH * side) & (areas >= _LINE_AREA * radii**2)
    is_ink = is_shape & (is_line | (2 * radii <= _DOT_WIDTH * side))
    is_fill = is_shape & ~is_ink
    if areas[is_fill].sum() < _MIN_FILLED * side**2 or is_fill.sum() > _MAX_FILLS:
        return None
    if _has_canvas(labels, stats, is_fill):
        return None
    labels[areas[labels] < _MIN_PX] = 0
    return _Regions(labels, colours, is_fill, is_ink, background, int(side))


def _has_canvas(labels: Labels, stats: npt.NDArray[np.int32], is_fill: BoolArray) -> bool:
    """Whether a fill is the coloured paper of a drawing, with a margin around it.

    A rectangle that covers much of the picture and has something on it.
    """
    for number in np.flatnonzero(is_fill):
        left, top, width, height, area = stats[number]
        if width * height >= _CANVAS * labels.size and area < width * height:
            inside = labels[top : top + height, left : left + width] == number
            if all(edge.mean() >= _ALONG_EDGE for edge in edges(inside)):
                return True
    return False


def _beside(labels: Labels) -> tuple[Labels, Labels, Labels]:
    """For each pixel, the region it is in or nearest to, and two of the regions around it.

    The two are the same where there is only one.
    """
    _, pixel_of = cv2.distanceTransformWithLabels(
        (labels == 0).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    region_of = np.zeros(int(pixel_of.max()) + 1, np.int32)
    inside = labels > 0
    region_of[pixel_of[inside]] = labels[inside]
    nearest = region_of[pixel_of]
    window = np.ones((_REACH_PX, _REACH_PX), np.uint8)
    numbers = nearest.astype(np.float32)
    one, other = (f(numbers, window).astype(np.int32) for f in (cv2.erode, cv2.dilate))
    return nearest, one, other


def _from_blends(colours: ByteArray, one: FloatArray, other: FloatArray) -> FloatArray:
    """How far colours (n, 3) are from all blends of two others (n, 3): the largest difference."""
    way = other - one
    along = ((colours - one) * way).sum(axis=1) / np.maximum((way * way).sum(axis=1), 1e-6)
    blends = one + np.clip(along, 0, 1)[:, None] * way
    return np.asarray(difference(colours, blends), np.float32)


def _has_other_colours(ink: ByteArray, regions: _Regions) -> bool:
    """Whether fills differ in colour, or enough of the ink (n, 3) differs from the fills."""
    fills = regions.colours[regions.is_fill]
    if np.ptp(fills, axis=0).max() > 2 * _SAME:
        return True
    away = _from_blends(ink, regions.background[None], fills[:1])
    return int((away > _INK).sum()) > _MIN_INK * regions.side


def _differs_from_next(numbers: Labels) -> BoolArray:
    """(H, W): where a number differs from the one below or behind it."""
    differs = np.zeros(numbers.shape, np.bool_)
    differs[:-1] |= numbers[:-1] != numbers[1:]
    differs[:, :-1] |= numbers[:, :-1] != numbers[:, 1:]
    return differs
