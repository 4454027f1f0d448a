"""Finds the ink in a picture: dark on light or light on dark, flat or photographed.

The whole page is examined at a small size first, to measure its light and locate the ink; then the
inked part at the resolution of the picture.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from garabato.drawing import BoolArray, ByteArray
from garabato.formats.picture.fills import filled_shapes, has_white_border, shapes_on_nothing
from garabato.formats.picture.frame import LUMA, filled_outside, grain_of, page_in_frame
from garabato.formats.picture.pixels import (
    INK_PX,
    MIN_CONTRAST,
    PAGE_PX,
    Image,
    Picture,
    connected_to_edges,
    cropped,
    dilated,
    edges,
    eroded,
    grey_of,
    hull_of,
    inked_part,
    is_near,
    largest_part,
    levels_of,
    most_frequent,
    pen_px,
    reduced,
)
from garabato.formats.picture.rules import N_RULE_ENDS, beside_rules, between_margins, n_ends

Array = npt.NDArray[Any]

#: The light on the paper is measured at this size, through a window wider than any pen.
_LIGHT_PX, _WINDOW_PX = 256, 33
#: A picture is flat if this share of it and of its edges has one colour (within the tolerance, of
#: 255) and its grain (of 1) is smaller than this. If ink covers more of it, the ink must have one
#: colour too, and both together cover the last share.
_FLAT_SHARE, _FLAT_TOLERANCE, _FLAT_GRAIN, _TWO_TONES_SHARE = 0.5, 8, 0.01, 0.8
#: A flat background's light changes by less than this (of 1) over the page.
_FLAT_SLOPE = 0.01
#: Ink stands out from the grain of the paper by this many standard deviations.
_GRAIN = 5.0
#: A channel in which ink is lighter than the paper counts as this many times lighter at most; else
#: it would hide that the others are darker, as in red on blue.
_MAX_LIGHTER = 1.25
#: In a flat picture without such ink, paler ink is looked for, if at most the last share of the
#: paper has noise (of 1).
_MIN_FLAT, _NOISE, _FEW_NOISY = 0.035, 0.01, 0.1
#: Pixels this much darker than paper are neither grain nor the edge of a shadow.
_SURELY_INK = 0.25
#: Ink has a quarter of the full contrast, and is connected to pixels with at least half of it.
_SURE, _POSSIBLE = 0.5, 0.25
#: Pale pixels nearer to dark ink than this are its blurred edge. Pale lines are at most this many
#: times thicker than dark ones, and at least this many times darker than the palest ink.
_HALO_PX, _PALE_PEN, _PALE = 8, 1.6, 1.6
#: Print (rules, squares) has at most this share of the ink's darkness; it varies by this (of 1).
_DARK_PRINT, _PRINT_MARGIN = 0.8, 0.02
#: Shadows are wider than this in the reduced page, and have at most this share of the light, but
#: more than ink. A picture with a flat background is a photo if they cover more than the last one.
_SHADOW_PX, _SHADOW, _BLACK, _MIN_SHADOW = 41, 0.95, 0.3, 0.02
#: What lies in another light has at least this grain (of 255) in a photo.
_MIN_GRAIN = 0.3
#: Paper is this many times lighter than a table, and at least this share of the photo.
_TABLE_CONTRAST, _MIN_PAPER = 1.4, 0.1
#: Medians are of about so many values.
_MEDIAN_OF = 10**5
#: Lines that touch the edge of the photo are not ink if a line this long (share of the longer side)
#: does not touch it.
_MIN_DRAWING = 0.1


def find_ink(colours: ByteArray, alpha: ByteArray | None = None) -> ByteArray | None:
    """Return the ink of a picture, cropped: (h, w) uint8, ink 255, h and w at most 512.

    `colours` (H, W, 3) uint8, `alpha` (H, W) uint8. None if nothing stands out from the background.
    """
    background = None
    if alpha is not None:
        if has_white_border(colours, alpha):
            background = np.ones(3, np.float32)
        else:
            shapes = shapes_on_nothing(colours, alpha)
            if shapes is not None:
                return shapes
    picture = Picture(colours, alpha, background)
    page = picture.reduced(PAGE_PX)
    inside = page_in_frame(page)
    if inside is not None:
        found = _ink_in_part(picture, inside, inside)
        if found is not None:
            return found
    found = _ink_within(picture, page, np.ones((1, 1), np.bool_))
    if found is None and alpha is not None:
        card = _with_dark_holes(alpha)
        if card.min() == 0:
            found = find_ink(np.broadcast_to(card[:, :, None], colours.shape))
    return found


def _ink_in_part(picture: Picture, part: BoolArray, inside: BoolArray) -> ByteArray | None:
    """The ink within the mask `inside`, read in the box around the mask `part` alone.

    Both masks cover the whole picture.
    """
    rows, columns = inked_part(part, picture.shape, margin=0)
    block = picture.part(rows, columns)
    return _ink_within(block, block.reduced(PAGE_PX), _cut(inside, rows, columns, picture.shape))


def _ink_within(picture: Picture, page: Image, inside: BoolArray) -> ByteArray | None:
    """The ink within the mask `inside`, which may have any size and covers the whole picture.

    `page` is the picture reduced to PAGE_PX.
    """
    mask = np.asarray(_resized(inside.astype(np.float32), page) > 0.999, np.float32)
    page = filled_outside(page, mask > 0)
    background = _background(page)
    if _is_light_on_dark(page, background):
        picture.is_negative = True
        page, background = 1 - page, None if background is None else 1 - background
    if background is not None:
        _, is_shadow = _with_shadows(background[None, None], page)
        if is_shadow.mean() > _MIN_SHADOW and grain_of(page, is_shadow) >= _MIN_GRAIN:
            background = None
    is_flat = background is not None
    light = _light(page) if background is None else background[None, None]
    shaded = light if is_flat else _with_shadows(light, page)[0]
    darkness = _darkness(page, shaded)
    paper = mask if is_flat else np.minimum(mask, _resized(_paper(light, darkness), page))
    level = _median(_darkness(light, light) if is_flat else darkness[paper > 0.5])
    ruled = between_margins(darkness - level > MIN_CONTRAST)
    if ruled is not None:
        found = _ink_in_part(picture, ruled, inside)
        if found is not None:
            return found
    pen = beside_rules(darkness - level)
    ink, printed = _ink((darkness - level) * pen, paper, is_flat)
    if background is not None and pen.all() and not printed:
        is_plain = _grain((darkness - level)[paper > 0.5]) < _FLAT_GRAIN
        shapes = filled_shapes(picture, page, background) if is_plain else None
        if shapes is not None:
            return shapes
    if ink is None:
        return None
    is_clean = is_flat and _is_clean(darkness - level)
    rows, columns = inked_part(ink, picture.shape)
    part = picture.reduced(INK_PX, rows, columns)
    light, paper, pen = (
        _cut(whole, rows, columns, picture.shape) for whole in (shaded, paper, pen)
    )
    darkness = _darkness(part, _resized(light, part))
    on_part = np.asarray(_resized(paper, part) > 0.999, np.float32)
    if not is_flat:
        around = _median(darkness[on_part > 0.5])
        level = around if around - level < _SURELY_INK else level  # more ink than paper
    darkness = np.where(on_part > 0, darkness - level, np.float32(0)) * _resized(pen, part)
    closer, _ = _ink(darkness, on_part, is_flat, printed if is_flat else 0.0)
    if closer is None and not is_clean:
        return None
    return cropped(ink if closer is None else closer)


def _resized(light: Image, picture: Image) -> Image:
    """`light` at the size of `picture`."""
    size = picture.shape[1], picture.shape[0]
    return np.asarray(cv2.resize(light, size, interpolation=cv2.INTER_LINEAR), np.float32)


def _background(page: Image) -> npt.NDArray[np.float32] | None:
    """The background colour (3,) of a page; None if it has more than one."""
    levels = levels_of(page)
    background = most_frequent(np.concatenate(edges(levels)))
    is_background = is_near(levels, background, _FLAT_TOLERANCE)
    if np.concatenate(edges(is_background)).mean() < _FLAT_SHARE:
        return None
    if is_background.mean() < _FLAT_SHARE:
        is_ink = is_near(levels, most_frequent(levels[~is_background]), _FLAT_TOLERANCE)
        if is_background.mean() + is_ink.mean() < _TWO_TONES_SHARE:
            return None
    if _slope(page, is_background) > _FLAT_SLOPE:
        return None
    return (background / 255).astype(np.float32)


def _slope(page: Image, is_background: BoolArray) -> float:
    """The change of the background's grey level over the page, by the best-fitting parabola."""
    step = max(1, max(is_background.shape) // _LIGHT_PX)
    weight = cv2.blur(is_background.astype(np.float32), (step, step))[::step, ::step]
    grey = cv2.blur(grey_of(page) * is_background, (step, step))[::step, ::step]
    rows, columns = np.nonzero(weight > 0.5)
    ys, xs = (at / n - 0.5 for at, n in zip((rows, columns), grey.shape, strict=True))
    terms = np.stack([np.ones_like(ys), ys, xs, ys * ys, xs * xs], axis=1)
    factors, *_ = np.linalg.lstsq(terms, grey[rows, columns] / weight[rows, columns], rcond=None)
    return float(np.ptp(terms @ factors)) if len(terms) else 0.0


def _is_light_on_dark(page: Image, background: npt.NDArray[np.float32] | None) -> bool:
    """Whether the pixels that differ most from the background are lighter than it."""
    grey = np.asarray(cv2.cvtColor(page, cv2.COLOR_RGB2GRAY), np.float32)
    if background is not None:
        difference = grey - background @ LUMA
    else:
        grey = reduced(grey, 2 * _LIGHT_PX)
        around = cv2.medianBlur(levels_of(grey), 2 * _WINDOW_PX - 1)
        difference = grey - around.astype(np.float32) / 255
    return bool((difference * difference * difference).mean() > 0)


def _with_shadows(light: Image, page: Image) -> tuple[Image, BoolArray]:
    """(`light` with the sharp edges of shadows, where the shadows are), at the size of the page.

    Where a region that is wider than any pen is darker than the light around it, it is a shadow if
    it reaches in from outside the page and is not as dark as ink.
    """
    light = _resized(light, page)
    grey = cv2.medianBlur(levels_of(grey_of(page)), 5)
    window = np.ones((_SHADOW_PX, _SHADOW_PX), np.uint8)
    share = cv2.morphologyEx(grey, cv2.MORPH_CLOSE, window) / (255 * grey_of(light) + 1e-6)
    is_shadow = connected_to_edges(share < _SHADOW) & (share > _BLACK)
    return light * np.where(is_shadow, share, np.float32(1))[:, :, None], is_shadow


def _light(page: Image) -> Image:
    """The light on a photographed page: the page without its ink, reduced."""
    small = cv2.medianBlur(reduced(page, _LIGHT_PX), 3)
    window = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (_WINDOW_PX, _WINDOW_PX))
    closed = cv2.morphologyEx(small, cv2.MORPH_CLOSE, window, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(cv2.GaussianBlur(closed, (0, 0), _WINDOW_PX / 6), np.float32)


def _darkness(page: Image, light: Image) -> Image:
    """How much less light each pixel reflects than the paper; colours count too."""
    shares = np.minimum(page / np.maximum(light, 0.05), _MAX_LIGHTER)
    red, green, blue = np.moveaxis(shares, 2, 0)
    least = np.minimum(np.minimum(red, green), blue)
    darkness = 1 - (least + (red + green + blue) / 3) / 2
    return np.asarray(darkness, np.float32)  # below 0 for the lighter grains of the paper


def _paper(light: Image, darkness: Image) -> Image:
    """1 on the paper, 0 on the table around it; 1 everywhere if there is no table.

    A table is darker than the paper, and has a grain or objects that could be taken for ink; a
    shadow on the paper has neither.
    """
    grey = grey_of(light)
    bright = grey > _otsu(grey)
    everywhere = np.ones(grey.shape, np.float32)
    if bright.all() or grey[bright].mean() < _TABLE_CONTRAST * grey[~bright].mean():
        return everywhere
    outside = ~hull_of(largest_part(bright))[2]
    paper = ~dilated(outside, 2)
    dark = cv2.resize(darkness, (grey.shape[1], grey.shape[0]), interpolation=cv2.INTER_NEAREST)
    is_marked = dark > 2 * MIN_CONTRAST
    if paper.mean() < _MIN_PAPER or not outside.any():
        return everywhere
    if is_marked[outside].mean() < 2 * is_marked[paper].mean():
        return everywhere
    return paper.astype(np.float32)


def _otsu(values: Image) -> float:
    """Otsu's threshold between the two kinds of values, in 0..1."""
    threshold, _ = cv2.threshold(levels_of(values), 0, 255, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
    return threshold / 255


def _median(darkness: Image) -> np.float32:
    sample = _sample(darkness)
    if len(sample) == 0:
        return np.float32(0)
    # np.median takes ten times as long: it selects both values in the middle
    return np.float32(np.partition(sample, len(sample) // 2)[len(sample) // 2])


def _sample(values: Image) -> Image:
    """About _MEDIAN_OF of the values."""
    return values.ravel()[:: max(1, values.size // _MEDIAN_OF)]


def _ink(
    darkness: Image, paper: Image, is_flat: bool, printed: float = 0.0
) -> tuple[Image | None, float]:
    """(the amount of ink in each pixel, 0..1, or None if there is none; the darkness of print).

    Paper has `darkness` 0. `printed` is the darkness of print, if it is known already.
    """
    is_flat = is_flat and _grain(darkness[paper > 0.5]) < _FLAT_GRAIN
    if not is_flat:
        darkness = np.asarray(cv2.GaussianBlur(darkness, (0, 0), 0.8), np.float32)
    grain = _grain(darkness[paper > 0.5])
    darkness = darkness * paper
    floor = max(MIN_CONTRAST, _GRAIN * grain)
    if is_flat and not (darkness > floor).any() and _is_clean(darkness):
        floor = max(_MIN_FLAT, _GRAIN * grain)
    standing_out = darkness[darkness > floor]
    if len(standing_out) == 0:
        return None, 0.0
    split = _otsu(standing_out)
    full = float(np.median(standing_out[standing_out >= split]))
    possible, sure = max(_POSSIBLE * full, floor), max(_SURE * full, floor)
    found = _printed(darkness, possible, max(sure, split), full, is_flat)
    printed = max(printed, found)
    if printed:
        possible, sure = max(possible, printed), max(sure, split, printed)
    mask = _connected(darkness > possible, darkness > sure, is_flat)
    if not mask.any():
        return None, 0.0
    least = 0.0 if is_flat else possible / 2
    ink = _strength(darkness, mask, least, full)
    # pale lines that touch dark ones may be part of the mask
    dark = mask & dilated(mask & (darkness > sure), 4)
    pale, pale_full = _pale_lines(darkness, dark, paper, floor, is_flat)
    if pale is not None:
        ink = np.maximum(ink, _strength(darkness, pale, least * pale_full / full, pale_full))
    return ink, printed


def _is_clean(darkness: Image) -> bool:
    """Whether paper has hardly any noise."""
    paper = np.abs(darkness[darkness < _MIN_FLAT])
    return bool((paper > _NOISE).mean() < _FEW_NOISY)


def _grain(darkness: Image) -> float:
    """The standard deviation of the paper's grain, without its ink."""
    paper = _sample(darkness[darkness < _SURELY_INK])
    return 1.4826 * float(_median(np.abs(paper - _median(paper))))


def _printed(darkness: Image, possible: float, sure: float, full: float, is_flat: bool) -> float:
    """The darkness of print on the paper (rules, squares, smudges); 0.0 if there is none.

    Pale parts of ink lie beside dark ones. Many pale pixels elsewhere do not belong to the drawing;
    in a flat picture only if they reach the edges, as rules do.
    """
    inked = darkness > sure
    elsewhere = (darkness > possible) & ~dilated(inked, 4)
    if np.count_nonzero(elsewhere) < np.count_nonzero(inked) * 0.5:
        return 0.0
    if is_flat and n_ends(elsewhere) < N_RULE_ENDS:
        return 0.0
    darkest = float(np.quantile(darkness[elsewhere], 0.98)) + _PRINT_MARGIN
    return min(darkest, max(0.9 * sure, _DARK_PRINT * full))


def _connected(possible: BoolArray, sure: BoolArray, is_flat: bool) -> BoolArray:
    """The connected parts of `possible` that are `sure` somewhere.

    In photos, specks and what reaches in from outside the paper are left out.
    """
    n, labels, stats, _ = cv2.connectedComponentsWithStats(possible.astype(np.uint8))
    n_sure = np.bincount(labels[sure], minlength=n)
    n_sure[0] = 0
    kept = n_sure > 0
    if not is_flat and kept.any():
        at_edge = np.zeros(n, bool)
        for edge in edges(labels):
            at_edge[edge] = True
        if n_sure[~at_edge].max(initial=0) >= _MIN_DRAWING * max(labels.shape):
            kept &= ~at_edge
        if kept.any():
            least_px = max(4.0, 0.4 * pen_px(kept[labels]) ** 2)
            kept &= stats[:, cv2.CC_STAT_AREA] >= least_px
    return np.asarray(kept[labels])


def _strength(darkness: Image, mask: BoolArray, least: float, full: float) -> Image:
    """0 at the darkness `least` and outside the mask, 1 at `full`."""
    strength = np.clip((darkness - least) / (full - least), 0, 1)
    return np.where(dilated(mask, 1), strength, 0).astype(np.float32)


def _pale_lines(
    darkness: Image, dark: BoolArray, paper: Image, floor: float, is_flat: bool
) -> tuple[BoolArray | None, float]:
    """Lines much paler than the `dark` ones and away from them, and their full darkness.

    They are ink unless they are thicker than the dark ones (shades), all short (specks) or reach
    the edges of the paper (rules, squares, shadows, creases).
    """
    near = dilated(dark, _HALO_PX)
    elsewhere = darkness[~near & (darkness > floor)]
    if len(elsewhere) == 0:
        return None, 0.0
    full = float(np.median(elsewhere[elsewhere >= _otsu(elsewhere)]))
    if full < _PALE * floor:
        return None, 0.0
    possible = (darkness > max(_POSSIBLE * full, floor)) & ~dilated(dark, 2)
    on_paper = np.broadcast_to(paper > 0.5, dark.shape)
    at_edge = on_paper & ~eroded(on_paper, 2)
    n_parts, _ = cv2.connectedComponents((possible & at_edge).astype(np.uint8))
    if n_parts - 1 >= N_RULE_ENDS:
        return None, 0.0
    pale = _connected(possible, possible & (darkness > _SURE * full) & ~near, is_flat)
    n, labels, stats, _ = cv2.connectedComponentsWithStats(pale.astype(np.uint8))
    if not is_flat:
        kept = np.ones(n, np.bool_)
        kept[labels[at_edge]] = False  # shadows and creases
        kept[0] = False
        pale, stats = kept[labels], stats[kept]
    else:
        stats = stats[1:]
    longest = stats[:, cv2.CC_STAT_WIDTH : cv2.CC_STAT_HEIGHT + 1].max(initial=0)
    if longest < _MIN_DRAWING * max(pale.shape):
        return None, 0.0
    if pen_px(pale) > _PALE_PEN * max(2.0, pen_px(dark)):
        return None, 0.0
    return pale, full


def _cut(whole: Array, rows: slice, columns: slice, shape: tuple[int, ...]) -> Array:
    """The part of `whole` that covers [rows, columns] of a picture of `shape`, rounded outwards."""
    parts = []
    for axis, part in enumerate((rows, columns)):
        factor = whole.shape[axis] / shape[axis]
        first = int(part.start * factor)
        parts.append(slice(first, max(first + 1, int(np.ceil(part.stop * factor)))))
    return whole[parts[0], parts[1]]


def _with_dark_holes(alpha: ByteArray) -> ByteArray:
    """(H, W): 0 where a card is cut out to show a drawing, 255 on and around the card."""
    holes = np.where(alpha < 128, np.uint8(255), np.uint8(0))
    bottom, right = holes.shape[0] - 1, holes.shape[1] - 1
    for corner in ((0, 0), (right, 0), (0, bottom), (right, bottom)):
        if holes[corner[::-1]]:
            cv2.floodFill(holes, None, corner, (0,))
    return np.subtract(255, holes, out=holes)
