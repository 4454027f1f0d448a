"""Strokes that were exported as filled outlines (tldraw, perfect-freehand) -> centre lines."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np

from garabato.drawing import BoolArray
from garabato.formats.svg._paths import winding_numbers
from garabato.formats.svg.items import WHITE, Item, Points, Rectangle, bounds_of, joined

#: Ribbons are looked for in a drawing with this longer side; there they are at most this wide.
_SIDE_PX, _MAX_WIDTH_PX = 320, 30
#: Where ribbons meet, they are wider by this factor; wider blobs beside them are shapes.
_JOINT = 1.6
#: A ribbon's area over the square of half its width is at least this; a square has 4, a disk 3.1.
_MIN_ELONGATION = 12.0
#: Long pieces are at least this share of the narrow area: in a sun, its ring beside its rays.
_LONG_SHARE = 0.35
#: A dab has at least this share of the area of a line with round ends in its place.
_DAB_SHARE = 0.94
#: More ribbons than this are thinned together.
_MAX_ALONE = 64


def thin_ribbons(items: list[Item], page: Rectangle | None) -> list[Item]:
    """`items` with ribbons replaced by their centre lines, stroked in the colour of the fill.

    Dabs, short lines as narrow as the ribbons, are thinned too, if enough of the narrow area
    is ribbons.
    """
    candidates = [
        i for i, item in enumerate(items) if item.fill and item.stroke in (None, item.fill)
    ]
    if not candidates:
        return items
    frame = _frame([items[i] for i in candidates], page)
    if frame is None:
        return items
    scale, left, top = frame
    measured = [(i, _measure(i, items[i], scale, left, top)) for i in candidates]
    narrow = [ribbon for _, ribbon in measured if ribbon is not None]
    has_page = any(ribbon is None and items[i].fill != WHITE for i, ribbon in measured)
    if not has_page and len({items[ribbon.number].fill == WHITE for ribbon in narrow}) > 1:
        return items  # white shapes are the insides of dark ones
    elongated = [r for r in narrow if r.is_long]
    n_narrow_px = sum(r.area for r in narrow)
    if not elongated or sum(r.area for r in elongated) < _LONG_SHARE * n_narrow_px:
        return items
    widest = _JOINT * max(r.radius for r in elongated)
    replaced = list(items)
    together = len(elongated) > _MAX_ALONE
    groups: dict[object, list[_Ribbon]] = {}
    for ribbon in narrow:
        item = items[ribbon.number]
        if not together and not ribbon.is_long:
            dabs = [_dab(item.points[a:b]) for a, b in pairwise(item.starts.tolist())]
            lines = [line for line in dabs if line is not None]
            if len(lines) == len(dabs) and ribbon.radius <= widest:
                replaced[ribbon.number] = _stroked(item, lines, ribbon, scale)
            continue
        alike = (item.fill, item.clip.rectangle, tuple(map(id, item.clip.regions)))
        groups.setdefault(alike if together else ribbon.number, []).append(ribbon)
    dropped: set[int] = set()
    for group in groups.values():
        mask, x, y = _one_mask(group)
        lines = [
            (line - 1 + (x, y)) / scale + (left, top)  # 1 px of border around the mask
            for line in _traced(mask)
        ]
        if not lines:
            continue
        first, *rest = (ribbon.number for ribbon in group)
        replaced[first] = _stroked(items[first], lines, group[0], scale)
        dropped |= set(rest)
    return [item for i, item in enumerate(replaced) if i not in dropped]


def _frame(items: list[Item], page: Rectangle | None) -> tuple[float, float, float] | None:
    """(px per unit, left, top) of what the items cover of the page."""
    points = np.concatenate([item.points for item in items])
    low, high = points.min(axis=0), points.max(axis=0)
    if page is not None:
        low, high = np.maximum(low, page[:2]), np.minimum(high, page[2:])
    extent = float((high - low).max())
    if not (np.isfinite(low).all() and np.isfinite(extent) and extent > 0):
        return None
    return _SIDE_PX / extent, float(low[0]), float(low[1])


def _measure(number: int, item: Item, scale: float, left: float, top: float) -> _Ribbon | None:
    """The pixels of a filled item; None if it is wider than a pen anywhere."""
    import cv2

    px = (item.points - (left, top)) * scale
    low = np.floor(np.maximum(px.min(axis=0), -1)).astype(np.int64)
    high = np.ceil(np.minimum(px.max(axis=0), _SIDE_PX + 1)).astype(np.int64)
    width, height = (high - low).tolist()
    if width < 0 or height < 0 or not np.isfinite(px).all():
        return None
    steps = np.hypot(*np.diff(px, axis=0).T)
    steps[item.starts[1:-1] - 1] = 0  # between its outlines
    perimeter = steps.sum()
    if perimeter > 100 * _SIDE_PX * _MAX_WIDTH_PX:
        return None
    px = px - low + 1  # a border of 1 px
    winding = winding_numbers(px, item.starts, height + 2, width + 2)
    mask = winding & 1 != 0 if item.is_even_odd else winding != 0
    area = int(np.count_nonzero(mask))
    if 2 * area < 1.5 * perimeter:  # so fine that parts of it may fall between the pixels
        fine = mask.view(np.uint8)
        fixed = np.rint(px * 16 - 8).astype(np.int32)
        lines = [fixed[a:b] for a, b in pairwise(item.starts.tolist())]
        cv2.polylines(fine, lines, True, 1, 1, cv2.LINE_8, 4)
        fine[[0, -1]] = fine[:, [0, -1]] = 0
        area = int(np.count_nonzero(mask))
    if area == 0:
        return None
    radius = float(cv2.distanceTransform(mask.view(np.uint8), cv2.DIST_L2, 3).max())
    around = item.stroke_width * scale / 2 if item.stroke else 0.0
    if radius + around > _JOINT * _MAX_WIDTH_PX / 2 or 2 * area > _MAX_WIDTH_PX * perimeter:
        return None
    _, _, stats, _ = cv2.connectedComponentsWithStats(mask.view(np.uint8))
    areas = stats[1:, cv2.CC_STAT_AREA]  # the first one is the ground
    is_long = areas[areas >= _MIN_ELONGATION * radius**2].sum() >= _LONG_SHARE * area
    return _Ribbon(number, mask, int(low[0]), int(low[1]), area, radius + around, bool(is_long))


class _Ribbon(NamedTuple):
    number: int  # of its item
    mask: BoolArray  # (H, W), with an empty border
    left: int
    top: int
    area: int
    radius: float  # with its stroke
    is_long: bool  # it has long pieces, beside dots and dashes


def _dab(points: Points) -> Points | None:
    """A line along a small blob, as far from its ends as from its sides; None for other shapes."""
    import cv2

    middle, sides, degrees = cv2.minAreaRect(points.astype(np.float32))
    width, length = sorted(sides)
    area = cv2.contourArea(points.astype(np.float32))
    hull = cv2.contourArea(cv2.convexHull(points.astype(np.float32)))
    if area < _DAB_SHARE * max(hull, width * (length - width + np.pi / 4 * width)):
        return None
    angle = np.radians(degrees + (90 if sides[1] > sides[0] else 0))
    half = (length - width) / 2 * np.array([np.cos(angle), np.sin(angle)])
    return middle + np.array([-half, half])


def _stroked(item: Item, lines: list[Points], ribbon: _Ribbon, scale: float) -> Item:
    points, starts = joined(lines)
    return item._replace(
        points=points,
        bounds=bounds_of(points),
        starts=starts,
        fill=None,
        stroke=item.fill,
        stroke_width=2 * ribbon.radius / scale,
    )


def _one_mask(group: list[_Ribbon]) -> tuple[BoolArray, int, int]:
    """One mask of several, and where its content begins."""
    if len(group) == 1:
        return group[0].mask, group[0].left, group[0].top
    left, top = min(r.left for r in group), min(r.top for r in group)
    right = max(r.left + r.mask.shape[1] for r in group)
    bottom = max(r.top + r.mask.shape[0] for r in group)
    mask = np.zeros((bottom - top, right - left), bool)
    for r in group:
        height, width = r.mask.shape
        mask[r.top - top : r.top - top + height, r.left - left : r.left - left + width] |= r.mask
    return mask, left, top


def _traced(mask: BoolArray) -> list[Points]:
    from garabato.tracing.trace import trace_bitmap

    height, width = mask.shape
    bitmap = np.zeros((max(height, _SIDE_PX), width), np.uint8)  # pens are a share of its side
    bitmap[:height] = np.where(mask, 255, 0)
    points, starts = trace_bitmap(bitmap)
    lines = [points[a:b].astype(np.float64) for a, b in pairwise(starts.tolist())]
    return [line if len(line) > 1 else np.repeat(line, 2, axis=0) for line in lines]
