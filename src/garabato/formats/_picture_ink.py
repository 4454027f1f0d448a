"""Finding the ink in a picture: dark on light or light on dark, flat or photographed.

Two looks: at the whole page, small, to see its light and where the ink is; then at that part as
closely as the picture allows.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from garabato.drawing import ByteArray

Image = npt.NDArray[np.float32]  # (H, W) or (H, W, 3), 0..1

#: Longer sides, in px: of the page looked at first, and of the bitmap that is given.
_PAGE_PX, _INK_PX = 1024, 512
#: The light on the paper is measured on a page of this size, through a window wider than any pen.
_LIGHT_PX, _WINDOW_PX = 256, 33
#: A picture is flat where this share of it has one colour, give or take a little (of 1).
_FLAT_SHARE, _FLAT_TOLERANCE = 0.5, 0.03
#: Less contrast than this (of 1) is no ink; nor is what does not stand out this far from the
#: paper's grain, in standard deviations.
_LEAST_CONTRAST, _GRAIN = 0.07, 4.0
#: Ink is connected to what has at least half the full contrast, and has itself a quarter.
_SURE, _POSSIBLE = 0.5, 0.25


def find_ink(colours: ByteArray, alpha: ByteArray | None = None) -> ByteArray | None:
    """The ink of a picture, cut out: (h, w) uint8, ink 255, h and w at most 516.

    `colours` (H, W, 3) uint8, `alpha` (H, W) uint8. None where nothing stands out.
    """
    picture = _opaque(colours, alpha)
    page = _reduced(picture, _PAGE_PX)
    if _is_light_on_dark(page):
        picture, page = 1 - picture, 1 - page
    light, is_flat = _light(page)
    ink = _ink(_darkness(page, light), is_flat)
    if ink is None:
        return None
    rows, columns = _inked_part(ink, picture.shape[:2])
    light = cv2.resize(light, (picture.shape[1], picture.shape[0]))[rows, columns]
    part = _reduced(picture[rows, columns], _INK_PX)
    closer = _ink(_darkness(part, cv2.resize(light, (part.shape[1], part.shape[0]))), is_flat)
    if closer is None:
        return None
    rows, columns = _inked_part(closer, closer.shape, margin=0)
    return np.ascontiguousarray(np.rint(closer[rows, columns] * 255).astype(np.uint8))


def _opaque(colours: ByteArray, alpha: ByteArray | None) -> Image:
    """Colours 0..1, what is transparent laid on a ground that the rest stands out from."""
    picture = colours.astype(np.float32) / 255
    if alpha is None or alpha.min() > 250:
        return picture
    seen = alpha.astype(np.float32)[:, :, None] / 255
    if seen.mean() > 0.5:  # a card with ink on it: its holes become card
        ground = np.median(picture[alpha > 127], axis=0).astype(np.float32)
    else:  # ink on nothing: whatever its colour, it is what is seen
        picture, ground = np.zeros_like(picture), np.ones(3, np.float32)
    return picture * seen + ground * (1 - seen)


def _reduced(picture: Image, longest_px: int) -> Image:
    height, width = picture.shape[:2]
    factor = longest_px / max(height, width)
    if factor >= 1:
        return picture
    size = max(1, round(width * factor)), max(1, round(height * factor))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.float32)


def _is_light_on_dark(page: Image) -> bool:
    """Which way the few pixels that differ most from their surroundings differ."""
    grey = _reduced(cv2.cvtColor(page, cv2.COLOR_RGB2GRAY), _LIGHT_PX * 2)
    around = cv2.medianBlur(np.rint(grey * 255).astype(np.uint8), 2 * _WINDOW_PX - 1)
    difference = grey - around.astype(np.float32) / 255
    return bool((difference**3).mean() > 0)


def _light(page: Image) -> tuple[Image, bool]:
    """The page without its ink, in any size, and whether it is a single colour."""
    levels = np.rint(page * 255).astype(np.uint8)
    ground = np.array([np.bincount(levels[:, :, c].ravel()).argmax() for c in range(3)]) / 255
    near = (np.abs(page - ground) <= _FLAT_TOLERANCE).all(axis=2)
    if near.mean() >= _FLAT_SHARE:
        return np.tile(ground.astype(np.float32), (1, 1, 1)), True
    small = cv2.medianBlur(_reduced(page, _LIGHT_PX), 3)
    window = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (_WINDOW_PX, _WINDOW_PX))
    closed = cv2.morphologyEx(small, cv2.MORPH_CLOSE, window, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(cv2.GaussianBlur(closed, (0, 0), _WINDOW_PX / 6), np.float32), False


def _darkness(page: Image, light: Image) -> Image:
    """How much less of the light than the paper each pixel gives back, 0..1; colours count too."""
    light = cv2.resize(light, (page.shape[1], page.shape[0]))
    given_back = page / np.maximum(light, 0.05)
    darkness = 1 - (given_back.min(axis=2) + given_back.mean(axis=2)) / 2
    return np.clip(darkness, 0, 1)


def _ink(darkness: Image, is_flat: bool) -> Image | None:
    """How much ink each pixel has, 0..1; None where there is none."""
    if not is_flat:
        darkness = cv2.GaussianBlur(darkness, (0, 0), 0.8)
    paper = np.median(darkness)
    grain = 1.4826 * float(np.median(np.abs(darkness - paper)))
    darkness = darkness - paper
    standing_out = darkness[darkness > max(_LEAST_CONTRAST, _GRAIN * grain)]
    if len(standing_out) == 0:
        return None
    full = float(np.quantile(standing_out, 0.9))
    possible = max(_POSSIBLE * full, _GRAIN * grain)
    mask = _connected(darkness > possible, darkness > max(_SURE * full, possible), is_flat)
    if not mask.any():
        return None
    around = cv2.dilate(mask.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    least = 0.0 if is_flat else possible / 2
    return np.where(around, np.clip((darkness - least) / (full - least), 0, 1), 0).astype(
        np.float32
    )


def _connected(
    possible: npt.NDArray[np.bool_], sure: npt.NDArray[np.bool_], is_flat: bool
) -> npt.NDArray[np.bool_]:
    """The connected parts of `possible` that are `sure` somewhere, in photos without specks."""
    n, labels, stats, _ = cv2.connectedComponentsWithStats(possible.astype(np.uint8))
    kept = np.zeros(n, bool)
    kept[np.unique(labels[sure])] = True
    kept[0] = False
    if not is_flat and kept.any():
        areas = stats[:, cv2.CC_STAT_AREA]
        depth = cv2.distanceTransform(kept[labels].astype(np.uint8), cv2.DIST_L2, 3)
        pen = 2 * float(np.quantile(depth[depth > 0], 0.9))
        kept &= areas >= max(4.0, 0.4 * pen**2)
    return np.asarray(kept[labels])


def _inked_part(ink: Image, shape: tuple[int, ...], margin: float = 0.05) -> tuple[slice, slice]:
    """Rows and columns, in a picture of `shape`, of the ink found in a reduced one."""
    inked = ink > 0
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
