"""Finds the page inside a frame: margins, letterbox bars, white corners of a deskewed scan,
the border of a canvas in a screenshot, a table, the frame of a whiteboard.

A frame is a region of one colour that reaches the picture's edges all around a page of another
colour. In a flat picture a filled shape looks just like a page in a frame. There a frame must be
thin, or bars on two sides, or around a white page with ink of yet another colour, or equally wide
on all sides and of another width than the pen. On a photo, a bright rectangle in dark surroundings
is a page.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from garabato.drawing import BoolArray, ByteArray
from garabato.formats.picture.pixels import Image, edges, is_near, most_frequent, reduced

#: The weights of red, green and blue in grey, as in OpenCV (ITU-R BT.601).
LUMA = np.array([0.299, 0.587, 0.114], np.float32)
#: Pixels of a frame differ from its colour by at most this (of 255): as drawn, after compression.
_EXACT, _COMPRESSED = 2, 8
#: This share of a frame has exactly its brightness; paper has grain and shades.
#: JPEG smears colours over borders, but hardly the brightness, except in thin frames.
_SMOOTH_FRAME = 0.8
#: The outline of a page is at most this many times longer than that of its hull; overexposed paper
#: is ragged.
_STRAIGHT = 1.15
#: A page covers at least this share of the picture, and almost all of its convex hull.
_LEAST_PAGE, _CONVEX = 0.2, 0.97
#: A page fills this share of its smallest rectangle, unless the frame is smaller than that share
#: of the picture (the corners of a deskewed scan).
_RECTANGULAR, _CORNERS = 0.93, 0.3
#: A page in perspective has four corners, found with this tolerance (of its outline's length).
_CORNER = 0.02
#: At most this many frames lie inside the outermost one.
_N_INNER_FRAMES = 2
#: A plain page covers this share of the picture. This share of its rim has its colour, and this
#: share of each band around it varies by at most this much (of 255) along the band.
_LEAST_PLAIN_PAGE, _RIM, _EVEN_BAND, _BAND_TOLERANCE = 0.4, 0.8, 0.9, 12
#: This share of a flat page and its ink has the page's colour.
_FLAT = 0.7
#: A thin frame is at most this share of the longer side wide; levels of white pages; levels
#: between a frame's colour and that of ink on its page.
_THIN, _WHITE, _OTHER_COLOUR = 0.009, 240, 40
#: Drawn lines and frames differ in width by at least this factor; the sides of a frame by at most
#: this share.
_OTHER_WIDTH, _EVEN = 1.6, 0.2
#: The same for a frame along all edges of a flat picture, where hardly anybody draws.
_OTHER_THAN_DRAWN = 1.25
#: A frame along all edges of a picture of this size or more may be as wide as the pen, if no ink
#: touches it.
_LEAST_APART_PX = 100
#: An outline in the middle of a picture may be ruled: its sides are off by less than this many px,
#: on average. It is at most this many times thicker than the pen.
_UNRULED_PX, _RULED_PX = 0.3, 1.5
#: Photographed pages are looked for at this size; darker lines thinner than this are ink.
_SMALL_PX, _LINE_PX = 256, 5
#: A photographed page covers at least this share of the picture, is at least this many times
#: lighter than its surroundings, and fills this share of its smallest rectangle (in perspective).
_LEAST_SHEET, _SHEET_CONTRAST, _SHEET_RECTANGULAR = 0.1, 1.2, 0.8
#: The surroundings of a photographed page are at least this many times wider than the pen.
_SHEET_WIDTH = 2.0
#: Ink on such a page has at most this share of its light.
_LEAST_INK = 0.9
#: Surroundings with less grain (of 255) are no photo.
_TABLE_GRAIN = 0.2
#: Pages are cut this many px within their frames, whose edges are blurred.
_BLURRED_PX = 3
#: Within so many px of an edge, JPEG smears its colours.
_SMEARED_PX = 16


def page_in_frame(picture: Image) -> BoolArray | None:
    """(H, W): where the page lies in `picture` (H, W, 3), or None if there is no frame.

    A page inside a frame may have a frame of its own.
    """
    page = _page_in_one_frame(picture)
    for _ in range(_N_INNER_FRAMES if page is not None else 0):
        assert page is not None
        ys, xs = np.flatnonzero(page.any(axis=1)), np.flatnonzero(page.any(axis=0))
        part = np.s_[ys[0] : ys[-1] + 1, xs[0] : xs[-1] + 1]
        inner = _page_in_one_frame(picture[part]) if page[part].all() else None
        if inner is None:
            break
        page = np.zeros_like(page)
        page[part] = inner
    return page


def pen_px(mask: BoolArray) -> float:
    """The thickness of the lines of a mask, 0 for an empty one."""
    depth = cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, 3)
    return 2 * float(np.quantile(depth[depth > 0], 0.9)) if depth.any() else 0.0


def filled_outside(picture: Image, page: BoolArray) -> Image:
    """`picture` with the colours of the nearest pixels of the page around it."""
    if page.all():
        return picture
    _, nearest = cv2.distanceTransformWithLabels(
        (~page).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    colours = np.zeros((int(nearest.max()) + 1, 3), np.float32)
    colours[nearest[page]] = picture[page]
    return np.asarray(colours[nearest], np.float32)


def connected_to_edges(mask: BoolArray | ByteArray, connectivity: int = 8) -> BoolArray:
    """The connected parts of `mask` that reach the edges of the picture."""
    _, labels = cv2.connectedComponents(mask.astype(np.uint8), connectivity=connectivity)
    at_edges = np.concatenate(edges(labels))
    touching = np.zeros(labels.max() + 1, np.bool_)
    touching[at_edges] = True
    touching[0] = False
    return np.asarray(touching[labels])


def grain_of(picture: Image, where: BoolArray) -> float:
    """How much the pixels of a region, given at a smaller size, differ from those around them."""
    size = picture.shape[1], picture.shape[0]
    region = cv2.resize(_eroded(where, 1).astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
    grey = np.rint(picture.mean(axis=2) * 255).astype(np.uint8)
    differences = cv2.absdiff(grey, cv2.medianBlur(grey, 3))[region > 0]
    return float(differences.mean()) if len(differences) else 0.0


def _page_in_one_frame(picture: Image) -> BoolArray | None:
    levels = np.rint(picture * 255).astype(np.uint8)
    for tolerance in (_COMPRESSED, _EXACT):
        for colour in _edge_colours(levels):
            frame = connected_to_edges(is_near(levels, colour, tolerance), connectivity=4)
            page = _page_inside(levels, frame, colour, tolerance)
            if page is not None:
                return page
    page = _plain_page(levels)
    return page if page is not None else _sheet_on_table(picture)


def _edge_colours(levels: ByteArray) -> list[npt.NDArray[np.int16]]:
    """The most frequent colour of each edge, and the colour of the corners, without repeats."""
    colours: list[npt.NDArray[np.int16]] = []
    for edge in edges(levels):
        packed = edge.astype(np.int64) @ np.array([2**16, 2**8, 1])
        values, counts = np.unique(packed, return_counts=True)
        value = int(values[counts.argmax()])
        colour = np.array([value >> 16, value >> 8 & 255, value & 255], np.int16)
        if not any((colour == other).all() for other in colours):
            colours.append(colour)
    corners = levels[[0, 0, -1, -1], [0, -1, 0, -1]]
    colour = np.median(corners, axis=0).astype(np.int16)
    n_alike = (np.abs(corners - colour).max(axis=1) <= _COMPRESSED).sum()
    if n_alike >= 3 and not any(np.abs(colour - other).max() <= _EXACT for other in colours):
        colours.append(colour)
    return colours


def _page_inside(
    levels: ByteArray, frame: BoolArray, colour: npt.NDArray[np.int16], tolerance: int
) -> BoolArray | None:
    """The page that `frame` leaves, cut a little smaller; None if that is not a page.

    `frame` differs from `colour` by at most `tolerance`.
    """
    _, labels, stats, _ = cv2.connectedComponentsWithStats((~frame).astype(np.uint8))
    if len(stats) < 2:
        return None
    largest = 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())
    page = labels == largest
    area = int(stats[largest, cv2.CC_STAT_AREA])
    if area < _LEAST_PAGE * page.size or area > page.size - max(page.shape) // 2:
        return None
    at_edges = np.concatenate(edges(frame))
    is_thin = at_edges.mean() >= _RIM and _is_thin(_margins(page), page)
    if not (is_thin or _is_smooth(levels[frame], colour)):
        return None
    if _fades(levels, frame, page, colour, tolerance):
        return None
    outline, hull, filled = _hull(page)
    if cv2.arcLength(outline, True) > _STRAIGHT * cv2.arcLength(hull, True):
        return None
    if area < _CONVEX * filled.sum():
        return None
    _, (width, height), _ = cv2.minAreaRect(hull)
    corners = cv2.approxPolyDP(hull, _CORNER * cv2.arcLength(hull, True), True)
    is_rectangle = area >= _RECTANGULAR * (width + 1) * (height + 1) or (
        len(corners) == 4 and area >= _CONVEX * cv2.contourArea(corners)  # seen in perspective
    )
    if not is_rectangle and area < (1 - _CORNERS) * page.size:
        return None
    if is_rectangle and (outline_px := _outline_px(levels, page, colour)):
        return _eroded(page, outline_px + _BLURRED_PX)
    inner = _eroded(page, _BLURRED_PX)
    if not inner.any() or not _is_paper(levels, page, inner, colour, is_rectangle):
        return None
    return inner


def _is_thin(margins: tuple[int, int, int, int], page: BoolArray) -> bool:
    """Whether a frame that leaves these margins is thin."""
    return bool(max(margins) <= max(1, _THIN * max(page.shape)))


def _margins(page: BoolArray) -> tuple[int, int, int, int]:
    """How many px are above, below, before and behind a page."""
    rows, columns = np.flatnonzero(page.any(axis=1)), np.flatnonzero(page.any(axis=0))
    height, width = page.shape
    return int(rows[0]), int(height - 1 - rows[-1]), int(columns[0]), int(width - 1 - columns[-1])


def _dilated(mask: BoolArray, n_px: int) -> BoolArray:
    kernel = np.ones((2 * n_px + 1, 2 * n_px + 1), np.uint8)
    return np.asarray(cv2.dilate(mask.astype(np.uint8), kernel) > 0)


def _is_smooth(levels: ByteArray, colour: npt.NDArray[np.int16]) -> bool:
    """Whether most of `levels` (n, 3) are as bright as `colour`."""
    away = np.abs((levels - colour) @ LUMA)
    return bool((away <= _EXACT).mean() >= _SMOOTH_FRAME)


def _fades(
    levels: ByteArray,
    frame: BoolArray,
    page: BoolArray,
    colour: npt.NDArray[np.int16],
    tolerance: int,
) -> bool:
    """Whether a frame does not end at the page, but is paper in light that falls."""
    for nearest_px in (_BLURRED_PX, _SMEARED_PX):
        beside = frame & _dilated(page, 2 * nearest_px) & ~_dilated(page, nearest_px)
        away = np.abs(levels[beside] - colour)
        difference = away @ LUMA if nearest_px == _BLURRED_PX else away.max(axis=1)
        if len(away) and np.median(difference) > tolerance / 2:
            return True
    return False


def _hull(page: BoolArray) -> tuple[Any, Any, BoolArray]:
    """The longest outline of a region and its convex hull, as OpenCV's, and the hull's pixels."""
    outlines, _ = cv2.findContours(page.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    outline = max(outlines, key=len)
    hull = cv2.convexHull(outline)
    filled = cv2.fillConvexPoly(np.zeros(page.shape, np.uint8), hull, 1)
    return outline, hull, filled > 0


def _outline_px(levels: ByteArray, page: BoolArray, colour: npt.NDArray[np.int16]) -> int:
    """The thickness of the outline that makes a page of a part of the frame's own colour.

    0 if there is none, or if it may be part of the drawing, because it is as wide as the pen and
    not ruled.
    """
    marked = page & (np.abs(levels - colour).max(axis=2) > _COMPRESSED)
    rows, columns = np.flatnonzero(page.any(axis=1)), np.flatnonzero(page.any(axis=0))
    _, labels = cv2.connectedComponents(marked.astype(np.uint8))
    at_border = labels[marked & ~_eroded(page, 2)]
    if len(at_border) < len(rows) + len(columns):  # half of a page's border, or less
        return 0
    outline = labels == np.bincount(at_border).argmax()
    thickness = outline.sum() / (2 * (len(rows) + len(columns)))
    others = marked & ~outline
    pen = pen_px(others)
    if others.mean() > 0.5 or not 0 < thickness <= _RULED_PX * pen:
        return 0
    is_thin = thickness <= _THIN * max(page.shape) and _OTHER_WIDTH * thickness <= pen
    return math.ceil(thickness) if is_thin or _is_ruled(page, outline, thickness) else 0


def _is_ruled(page: BoolArray, outline: BoolArray, thickness: float) -> bool:
    """Whether an outline is a straight rectangle in the middle of a picture, apart from all ink.

    Hands draw no such rectangles.
    """
    above, below, before, behind = _margins(page)
    height, width = page.shape[0] - above - below, page.shape[1] - before - behind
    if abs(above - below) > 1 or abs(before - behind) > 1 or min(height, width) < _LEAST_APART_PX:
        return False
    if page.sum() < height * width - _UNRULED_PX * 2 * (height + width):
        return False
    return not (outline & _eroded(page, math.ceil(thickness) + _BLURRED_PX)).any()


def _eroded(mask: BoolArray, n_px: int) -> BoolArray:
    """`mask` without its outermost px, also along the picture's edges."""
    kernel = np.ones((2 * n_px + 1, 2 * n_px + 1), np.uint8)
    return np.asarray(cv2.erode(mask.astype(np.uint8), kernel, borderValue=0) > 0)


def _is_paper(
    levels: ByteArray,
    page: BoolArray,
    inner: BoolArray,
    frame: npt.NDArray[np.int16],
    is_rectangle: bool,
) -> bool:
    """Whether the region inside a frame is a page rather than ink."""
    ground = np.median(levels[inner], axis=0)
    away = np.abs(levels[inner] - ground).max(axis=1)
    if (away <= 1).mean() < _FLAT:  # shades and grain, as paper has
        return True
    if not is_rectangle:
        return False
    is_ink = np.zeros(page.shape, np.bool_)
    is_ink[inner] = away >= 0.6 * away.max()
    if np.abs(ground - frame).max() <= _COMPRESSED:  # an outline around the frame's own colour
        return False
    rim = inner & ~_eroded(page, 2 * _BLURRED_PX)
    if (np.abs(levels[rim] - ground).max(axis=1) > _COMPRESSED).mean() > 0.2:
        return False
    margins = above, below, before, behind = _margins(page)
    if _is_thin(margins, page):
        return True
    if above == below == 0 or before == behind == 0:  # bars
        return True
    ink = np.median(levels[is_ink], axis=0)
    if ground.min() >= _WHITE and np.abs(ink - frame).max() > _OTHER_COLOUR:
        return True
    narrowest, widest = min(margins), max(margins)
    pen = pen_px(is_ink & _eroded(page, 2 * _BLURRED_PX))
    if narrowest < (1 - _EVEN) * widest or pen == 0:
        return False
    is_apart = bool((np.abs(levels[rim] - ground).max(axis=1) <= _COMPRESSED).all())
    return widest > _OTHER_WIDTH * pen or (is_apart and min(page.shape) >= _LEAST_APART_PX)


def _plain_page(levels: ByteArray) -> BoolArray | None:
    """An upright rectangle of one colour with ink, amid bands of other colours: bars, a shadow."""
    colour = most_frequent(levels)
    near = is_near(levels, colour, _COMPRESSED)
    ys, xs = (_long_runs(near.sum(axis=axis)) for axis in (1, 0))
    page = np.zeros(near.shape, np.bool_)
    page[ys, xs] = True
    if page.mean() < _LEAST_PLAIN_PAGE or page.all() or not _is_plain(page, near):
        return None
    bands = _bands(levels, ys, xs)
    if not all(_is_even(band) and _ends_at_page(band, colour) for band in bands):
        return None
    away = np.abs(levels - colour).max(axis=2)
    ink = _eroded(page, 2 * _BLURRED_PX) & ~near
    ink &= away >= 0.6 * away[ink].max()
    if _are_drawn(bands, levels, ink, colour):
        return None
    return _eroded(page, _BLURRED_PX)


class _Band(NamedTuple):
    """What lies between an edge of the picture and a page, and the page beside it.

    Lines are parallel to the edge and come from outside in.
    """

    levels: ByteArray  # (n, length, 3)
    profile: npt.NDArray[np.int16]  # (n, 3): the median colour of each line
    rim: ByteArray  # (2 * _BLURRED_PX, length, 3)


def _bands(levels: ByteArray, ys: slice, xs: slice) -> list[_Band]:
    """The bands around the page [ys, xs]."""
    height, width, _ = levels.shape
    found = []
    for n_px, lines in (
        (ys.start, levels[:, xs]),
        (height - ys.stop, levels[::-1, xs]),
        (xs.start, levels[ys].swapaxes(0, 1)),
        (width - xs.stop, levels[ys, ::-1].swapaxes(0, 1)),
    ):
        if n_px > 0:
            profile = np.median(lines[:n_px], axis=1).astype(np.int16)
            found.append(_Band(lines[:n_px], profile, lines[n_px : n_px + 2 * _BLURRED_PX]))
    return found


def _is_plain(page: BoolArray, near: BoolArray) -> bool:
    """Whether a page has ink, and its colour (`near`) everywhere else and along its rim."""
    inner = _eroded(page, 2 * _BLURRED_PX)
    if not (inner & ~near).any() or near[inner].mean() < _FLAT:
        return False
    rim = _eroded(page, 1) & ~_eroded(page, 2)
    return bool(near[rim].mean() >= _RIM)


def _is_even(band: _Band) -> bool:
    """Whether the colours of a band hardly change along it."""
    away = np.abs(band.levels - band.profile[:, None]).max(axis=2)
    return bool((away <= _BAND_TOLERANCE).mean() >= _EVEN_BAND)


def _ends_at_page(band: _Band, page: npt.NDArray[np.int16]) -> bool:
    """Whether a band has none of the page's colour and ends in a step, unlike light that falls."""
    if (np.abs(band.profile[:-1] - page).max(axis=1) <= _COMPRESSED).any():
        return False
    step = band.profile[-_BLURRED_PX:] - np.median(band.rim[_BLURRED_PX:], axis=(0, 1))
    return bool(np.abs(step).max() > _COMPRESSED)


def _are_drawn(
    bands: list[_Band], levels: ByteArray, ink: BoolArray, page: npt.NDArray[np.int16]
) -> bool:
    """Whether bands, or outlines of the page in the ink's colour, may be lines of the drawing."""
    drawn_px = _OTHER_THAN_DRAWN * _line_px(ink)
    widest = max(len(band.levels) for band in bands)
    if _THIN * max(ink.shape) < widest <= drawn_px:
        return True
    ink_colour = np.median(levels[ink], axis=0)
    outline = max(_width_at_page(band.profile, ink_colour, page) for band in bands)
    return 0 < outline <= drawn_px and outline < widest


def _long_runs(counts: npt.NDArray[np.int64]) -> slice:
    """From the first to the last row with at least half as many pixels as the fullest one."""
    long = np.flatnonzero(2 * counts >= counts.max())
    return slice(int(long[0]), int(long[-1]) + 1)


def _line_px(mask: BoolArray) -> float:
    """The mean thickness of the lines of a mask: a line of n px has the mean depth (n + 2) / 4."""
    depth = cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L1, 3)
    return max(1.0, 4 * float(depth[depth > 0].mean()) - 2)


def _width_at_page(
    profile: npt.NDArray[np.int16], ink: npt.NDArray[np.float64], page: npt.NDArray[np.int16]
) -> int:
    """How many px of a band, next to the page, have the colour of the ink."""
    is_ink = (np.abs(profile - ink).max(axis=1) <= _OTHER_COLOUR)[::-1]
    if len(is_ink) > 1:
        low, high = np.minimum(profile[-2], page), np.maximum(profile[-2], page)
        is_blend = (low <= profile[-1]).all() and (profile[-1] <= high).all()
        if is_blend or is_ink[1]:
            is_ink[0] = is_ink[1]
    return len(is_ink) if is_ink.all() else int(is_ink.argmin())


def _sheet_on_table(picture: Image) -> BoolArray | None:
    """A photographed page or whiteboard that lies in the picture, in darker surroundings."""
    small = reduced(picture, _SMALL_PX)
    grey = cv2.medianBlur(np.rint(small.mean(axis=2) * 255).astype(np.uint8), 3)
    window = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (_LINE_PX, _LINE_PX))
    without_lines = cv2.morphologyEx(grey, cv2.MORPH_CLOSE, window)
    threshold, bright = cv2.threshold(without_lines, 0, 1, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(bright)
    areas = stats[:, cv2.CC_STAT_AREA]
    large = 1 + np.flatnonzero(areas[1:] >= _LEAST_SHEET * grey.size)  # ten at most
    whole = [int(label) for label in large if _n_edges(labels == label) <= 1]
    if not whole:
        return None
    page = labels == max(whole, key=lambda label: int(areas[label]))
    _, hull, filled = _hull(page)
    _, (width, height), _ = cv2.minAreaRect(hull)
    if filled.sum() < _SHEET_RECTANGULAR * (width + 1) * (height + 1):
        return None
    if page.sum() < _CONVEX * filled.sum():
        return None
    dark = (bright == 0) & ~filled
    ring = (cv2.dilate(filled.astype(np.uint8), np.ones((7, 7), np.uint8)) > 0) & ~filled
    ring &= cv2.dilate(filled.astype(np.uint8), np.ones((3, 3), np.uint8)) == 0
    if not ring.any() or dark[ring].mean() < _CONVEX:
        return None
    if without_lines[page].mean() < _SHEET_CONTRAST * without_lines[ring & dark].mean():
        return None
    inner = _eroded(filled, 2)
    sharp = small.mean(axis=2) * 255
    is_ink = (grey <= threshold) | (sharp < _LEAST_INK * without_lines)
    pen = pen_px(_eroded(filled, 4) & is_ink)
    if not 0 < _SHEET_WIDTH * pen < pen_px(dark):
        return None
    if grain_of(picture, dark) < _TABLE_GRAIN:
        return None
    size = picture.shape[1], picture.shape[0]
    mask = cv2.resize(inner.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
    return np.asarray(mask > 0)


def _n_edges(mask: BoolArray) -> int:
    """How many of the picture's edges a mask touches."""
    return sum(bool(edge.any()) for edge in edges(mask))
