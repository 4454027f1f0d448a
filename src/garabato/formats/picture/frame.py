"""Finds the page inside a frame: margins, letterbox bars, white corners of a deskewed scan,
the border of a canvas in a screenshot, a table, the frame of a whiteboard.

A frame is a region of one colour that reaches the picture's edges all around a page of another
colour. In a flat picture a filled shape looks just like a page in a frame. There a frame must be
thin, or bars on two sides, or around a white page with ink of yet another colour, or equally wide
on all sides and of another width than the pen. On a photo, a bright rectangle in dark surroundings
is a page.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from garabato.drawing import BoolArray, ByteArray
from garabato.formats.picture.outline import (
    BLURRED_PX,
    COMPRESSED,
    CONVEX,
    MIN_APART_PX,
    OTHER_WIDTH,
    THIN,
    is_rectangle,
    page_in_outline,
)
from garabato.formats.picture.pixels import (
    Colour,
    Image,
    connected_to_edges,
    difference,
    dilated,
    edges,
    eroded,
    grey_of,
    hull_of,
    is_near,
    largest_part,
    levels_of,
    margins_of,
    most_frequent,
    pen_px,
    reduced,
)

#: The weights of red, green and blue in grey, as in OpenCV (ITU-R BT.601).
LUMA = np.array([0.299, 0.587, 0.114], np.float32)
#: Dashes cover this share of an edge, the page's colour the rest; it covers the last share of the
#: edges of the page inside.
_MIN_DASHES, _MAX_DASHES, _INSIDE_DASHES = 0.2, 0.8, 0.95
#: Pixels of a frame differ from its colour by at most this (of 255), or COMPRESSED in JPEG files.
_EXACT = 2
#: This share of a frame has exactly its brightness; paper has grain and shades.
#: JPEG smears colours over borders, but hardly the brightness, except in thin frames.
_SMOOTH_FRAME = 0.8
#: A frame covers at least this share of the picture's edges.
_MIN_AT_EDGES = 0.15
#: The outline of a page is at most this many times longer than that of its hull; overexposed paper
#: is ragged.
_STRAIGHT = 1.15
#: A page covers at least this share of the picture.
_MIN_PAGE = 0.2
#: Corners around a deskewed scan cover less than this share of the picture.
_CORNERS = 0.3
#: At most this many frames lie inside the outermost one.
_N_INNER_FRAMES = 2
#: A plain page covers this share of the picture. This share of its rim has its colour, and this
#: share of each band around it varies by at most this much (of 255) along the band; the rest may
#: be buttons.
_MIN_PLAIN_PAGE, _RIM, _EVEN_BAND, _BAND_TOLERANCE = 0.4, 0.8, 0.75, 12
#: This share of a flat page and its ink has the page's colour.
_FLAT = 0.7
#: Levels of white pages; levels between a frame's colour and that of ink on its page.
_WHITE, _OTHER_COLOUR = 240, 40
#: The sides of a frame differ in width by at most this share.
_EVEN = 0.2
#: As OTHER_WIDTH, for a frame along all edges of a flat picture, where hardly anybody draws.
_OTHER_THAN_DRAWN = 1.25
#: Photographed pages are looked for at this size; darker lines thinner than this are ink.
_SMALL_PX, _LINE_PX = 256, 5
#: A photographed page covers at least this share of the picture, is at least this many times
#: lighter than its surroundings, and fills this share of its smallest rectangle (in perspective).
_MIN_PAPER, _PAPER_CONTRAST, _PAPER_RECTANGULAR = 0.1, 1.2, 0.8
#: The surroundings of a photographed page are at least this many times wider than the pen.
_PAPER_WIDTH = 2.0
#: Ink on such a page has at most this share of its light.
_MIN_INK = 0.9
#: Surroundings with less grain (of 255) are no photo.
_TABLE_GRAIN = 0.2
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


def grain_of(picture: Image, where: BoolArray) -> float:
    """How much the pixels of a region, given at a smaller size, differ from those around them."""
    size = picture.shape[1], picture.shape[0]
    region = cv2.resize(eroded(where, 1).astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
    grey = levels_of(grey_of(picture))
    differences = cv2.absdiff(grey, cv2.medianBlur(grey, 3))[region > 0]
    return float(differences.mean()) if len(differences) else 0.0


def _page_in_one_frame(picture: Image) -> BoolArray | None:
    levels = levels_of(picture)
    page = _page_inside_dashes(levels)
    if page is not None:
        return page
    for tolerance in (COMPRESSED, _EXACT):
        for colour in _edge_colours(levels):
            near = is_near(levels, colour, tolerance)
            if np.concatenate(edges(near)).mean() < _MIN_AT_EDGES:
                continue
            frame = connected_to_edges(near, connectivity=4)
            page = _page_inside(levels, frame, colour, tolerance)
            if page is not None:
                return page
    page = _plain_page(levels)
    return page if page is not None else _paper_on_table(picture)


def _page_inside_dashes(levels: ByteArray) -> BoolArray | None:
    """The page inside a thin dashed or dotted border along the picture's edges."""
    near = is_near(levels, most_frequent(levels), COMPRESSED)
    dashes = [1 - edge.mean() for edge in edges(near)]
    if min(dashes) < _MIN_DASHES or max(dashes) > _MAX_DASHES or min(near.shape) < MIN_APART_PX:
        return None
    for px in range(1, BLURRED_PX + int(THIN * max(near.shape))):
        inner = np.s_[px:-px, px:-px]
        if min(edge.mean() for edge in edges(near[inner])) >= _INSIDE_DASHES:
            page = np.zeros(near.shape, np.bool_)
            page[inner] = True
            return page
    return None


def _edge_colours(levels: ByteArray) -> list[Colour]:
    """The most frequent colour of each edge, and the colour of the corners, without repeats."""
    colours: list[Colour] = []
    for edge in edges(levels):
        packed = edge.astype(np.int64) @ np.array([2**16, 2**8, 1])
        values, counts = np.unique(packed, return_counts=True)
        value = int(values[counts.argmax()])
        colour = np.array([value >> 16, value >> 8 & 255, value & 255], np.int16)
        if not any((colour == other).all() for other in colours):
            colours.append(colour)
    corners = levels[[0, 0, -1, -1], [0, -1, 0, -1]]
    colour = np.median(corners, axis=0).astype(np.int16)
    n_alike = (difference(corners, colour) <= COMPRESSED).sum()
    if n_alike >= 3 and not any(np.abs(colour - other).max() <= _EXACT for other in colours):
        colours.append(colour)
    return colours


def _page_inside(
    levels: ByteArray, frame: BoolArray, colour: Colour, tolerance: int
) -> BoolArray | None:
    """The page that `frame` leaves, cut a little smaller; None if that is not a page.

    `frame` differs from `colour` by at most `tolerance`.
    """
    brightness_off = np.abs((levels[frame] - colour) @ LUMA)
    is_smooth = (brightness_off <= _EXACT).mean() >= _SMOOTH_FRAME
    if not is_smooth and np.concatenate(edges(frame)).mean() < _RIM:
        return None
    page = largest_part(~frame)
    area = int(page.sum())
    if area < _MIN_PAGE * page.size or area > page.size - max(page.shape) // 2:
        return None
    if not (is_smooth or _is_thin(margins_of(page), page)):
        return None
    if _fades(levels, frame, page, colour, tolerance):
        return None
    outlined = page_in_outline(levels, page, colour)
    if outlined is not None:
        return outlined
    outline, hull, filled = hull_of(page)
    if cv2.arcLength(outline, True) > _STRAIGHT * cv2.arcLength(hull, True):
        return None
    if area < CONVEX * filled.sum():
        return None
    is_rectangular = is_rectangle(hull, area)
    if not is_rectangular and area < (1 - _CORNERS) * page.size:
        return None
    inner = eroded(page, BLURRED_PX)
    if not inner.any() or not _is_paper(levels, page, inner, colour, is_rectangular):
        return None
    return inner


def _is_thin(margins: tuple[int, int, int, int], page: BoolArray) -> bool:
    """Whether a frame that leaves these margins is thin."""
    return bool(max(margins) <= max(1, THIN * max(page.shape)))


def _fades(
    levels: ByteArray, frame: BoolArray, page: BoolArray, colour: Colour, tolerance: int
) -> bool:
    """Whether a frame does not end at the page, but is paper in light that falls."""
    for nearest_px in (BLURRED_PX, _SMEARED_PX):
        beside = frame & dilated(page, 2 * nearest_px) & ~dilated(page, nearest_px)
        if nearest_px == BLURRED_PX:
            away = np.abs(levels[beside] - colour) @ LUMA
        else:
            away = difference(levels[beside], colour)
        if len(away) and np.median(away) > tolerance / 2:
            return True
    return False


def _is_paper(
    levels: ByteArray, page: BoolArray, inner: BoolArray, frame: Colour, is_rectangle: bool
) -> bool:
    """Whether the region inside a frame is a page rather than ink."""
    background = np.median(levels[inner], axis=0)
    away = difference(levels[inner], background)
    if (away <= 1).mean() < _FLAT:  # shades and grain, as paper has
        return True
    if not is_rectangle:
        return False
    is_ink = np.zeros(page.shape, np.bool_)
    is_ink[inner] = away >= 0.6 * away.max()
    if np.abs(background - frame).max() <= COMPRESSED:  # an outline around the frame's own colour
        return False
    rim = inner & ~eroded(page, 2 * BLURRED_PX)
    if (difference(levels[rim], background) > COMPRESSED).mean() > 0.2:
        return False
    margins = above, below, before, behind = margins_of(page)
    if _is_thin(margins, page):
        return True
    if above == below == 0 or before == behind == 0:  # bars
        return True
    ink = np.median(levels[is_ink], axis=0)
    if background.min() >= _WHITE and np.abs(ink - frame).max() > _OTHER_COLOUR:
        return True
    narrowest, widest = min(margins), max(margins)
    pen = pen_px(is_ink & eroded(page, 2 * BLURRED_PX))
    if narrowest < (1 - _EVEN) * widest or pen == 0:
        return False
    is_apart = bool((difference(levels[rim], background) <= COMPRESSED).all())
    return widest > OTHER_WIDTH * pen or (is_apart and min(page.shape) >= MIN_APART_PX)


def _plain_page(levels: ByteArray) -> BoolArray | None:
    """An upright rectangle of one colour with ink, amid bands of other colours: bars, a shadow."""
    colour = most_frequent(levels)
    near = is_near(levels, colour, COMPRESSED)
    ys, xs = (_long_runs(near.sum(axis=axis)) for axis in (1, 0))
    page = np.zeros(near.shape, np.bool_)
    page[ys, xs] = True
    if page.mean() < _MIN_PLAIN_PAGE or page.all() or not _is_plain(page, near):
        return None
    bands = _bands(levels, ys, xs)
    if not all(_is_even(band) and _ends_at_page(band, colour) for band in bands):
        return None
    away = difference(levels, colour)
    ink = eroded(page, 2 * BLURRED_PX) & ~near
    ink &= away >= 0.6 * away[ink].max()
    if _are_drawn(bands, levels, ink, colour):
        return None
    return eroded(page, BLURRED_PX)


class _Band(NamedTuple):
    """What lies between an edge of the picture and a page, and the page beside it.

    Lines are parallel to the edge and come from outside in.
    """

    levels: ByteArray  # (n, length, 3)
    profile: npt.NDArray[np.int16]  # (n, 3): the median colour of each line
    rim: ByteArray  # (2 * BLURRED_PX, length, 3)


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
            found.append(_Band(lines[:n_px], profile, lines[n_px : n_px + 2 * BLURRED_PX]))
    return found


def _is_plain(page: BoolArray, near: BoolArray) -> bool:
    """Whether a page has ink, and its colour (`near`) everywhere else and along its rim."""
    inner = eroded(page, 2 * BLURRED_PX)
    if not (inner & ~near).any() or near[inner].mean() < _FLAT:
        return False
    rim = eroded(page, 1) & ~eroded(page, 2)
    return bool(near[rim].mean() >= _RIM)


def _is_even(band: _Band) -> bool:
    """Whether the colours of a band hardly change along it."""
    away = difference(band.levels, band.profile[:, None])
    return bool((away <= _BAND_TOLERANCE).mean() >= _EVEN_BAND)


def _ends_at_page(band: _Band, page: Colour) -> bool:
    """Whether a band has none of the page's colour and ends in a step, unlike light that falls."""
    if (difference(band.profile[:-1], page) <= COMPRESSED).any():
        return False
    step = band.profile[-BLURRED_PX:] - np.median(band.rim[BLURRED_PX:], axis=(0, 1))
    return bool(np.abs(step).max() > COMPRESSED)


def _are_drawn(bands: list[_Band], levels: ByteArray, ink: BoolArray, page: Colour) -> bool:
    """Whether bands, or outlines of the page in the ink's colour, may be lines of the drawing."""
    drawn_px = _OTHER_THAN_DRAWN * _line_px(ink)
    widest = max(len(band.levels) for band in bands)
    if THIN * max(ink.shape) < widest <= drawn_px:
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
    profile: npt.NDArray[np.int16], ink: npt.NDArray[np.float64], page: Colour
) -> int:
    """How many px of a band, next to the page, have the colour of the ink."""
    is_ink = (difference(profile, ink) <= _OTHER_COLOUR)[::-1]
    if len(is_ink) > 1:
        low, high = np.minimum(profile[-2], page), np.maximum(profile[-2], page)
        is_blend = (low <= profile[-1]).all() and (profile[-1] <= high).all()
        if is_blend or is_ink[1]:
            is_ink[0] = is_ink[1]
    return len(is_ink) if is_ink.all() else int(is_ink.argmin())


def _paper_on_table(picture: Image) -> BoolArray | None:
    """A photographed page or whiteboard that lies in the picture, in darker surroundings."""
    small = reduced(picture, _SMALL_PX)
    sharp = grey_of(small)
    grey = cv2.medianBlur(levels_of(sharp), 3)
    window = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (_LINE_PX, _LINE_PX))
    without_lines = cv2.morphologyEx(grey, cv2.MORPH_CLOSE, window)
    threshold, bright = cv2.threshold(without_lines, 0, 1, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(bright)
    areas = stats[:, cv2.CC_STAT_AREA]
    large = 1 + np.flatnonzero(areas[1:] >= _MIN_PAPER * grey.size)  # ten at most
    n_edges = {int(n): sum(edge.any() for edge in edges(labels == n)) for n in large}
    whole = [label for label, n in n_edges.items() if n <= 1]
    if not whole:
        return None
    page = labels == max(whole, key=lambda label: int(areas[label]))
    _, hull, filled = hull_of(page)
    _, (width, height), _ = cv2.minAreaRect(hull)
    if filled.sum() < _PAPER_RECTANGULAR * (width + 1) * (height + 1):
        return None
    if page.sum() < CONVEX * filled.sum():
        return None
    dark = (bright == 0) & ~filled
    ring = dilated(filled, 3) & ~dilated(filled, 1)
    if not ring.any() or dark[ring].mean() < CONVEX:
        return None
    if without_lines[page].mean() < _PAPER_CONTRAST * without_lines[ring & dark].mean():
        return None
    inner = eroded(filled, 2)
    is_ink = (grey <= threshold) | (255 * sharp < _MIN_INK * without_lines)
    pen = pen_px(eroded(filled, 4) & is_ink)
    if not 0 < _PAPER_WIDTH * pen < pen_px(dark):
        return None
    if grain_of(picture, dark) < _TABLE_GRAIN:
        return None
    size = picture.shape[1], picture.shape[0]
    mask = cv2.resize(inner.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
    return np.asarray(mask > 0)
