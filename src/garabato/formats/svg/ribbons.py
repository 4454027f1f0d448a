"""Strokes that were exported as filled outlines (tldraw, perfect-freehand) -> centre lines."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np

from garabato.drawing import BoolArray
from garabato.formats.svg._paths import winding_numbers
from garabato.formats.svg.items import Item, Points, Rectangle, bounds_of, joined

#: Ribbons are looked for in a drawing with this longer side; there they are at most this wide.
_SIDE_PX, _MAX_WIDTH_PX = 320, 30
#: Where ribbons meet, they are wider by this factor.
_JOINT = 1.6
#: A ribbon's area over the square of half its width is at least this; a square has 4, a disk 3.1.
_MIN_ELONGATION = 12.0
#: More ribbons than this are thinned together.
_MAX_ALONE = 64


def thin_ribbons(items: list[Item], page: Rectangle | None) -> list[Item]:
    """`items` with ribbons replaced by their centre lines, stroked in the colour of the fill.

    Dabs as narrow as the ribbons become short lines, if most of the narrow area is ribbons.
    """
    candidates = [i for i, item in enumerate(items) if item.fill and not item.stroke]
    if not candidates:
        return items
    frame = _frame([items[i] for i in candidates], page)
    if frame is None:
        return items
    scale, left, top = frame
    narrow = []
    for i in candidates:
        ribbon = _measure(i, items[i], scale, left, top)
        if ribbon is not None:
            narrow.append(ribbon)
    elongated = [r for r in narrow if r.area >= _MIN_ELONGATION * r.radius**2]
    if 2 * sum(r.area for r in elongated) < sum(r.area for r in narrow) or not elongated:
        return items
    replaced = list(items)
    together = len(elongated) > _MAX_ALONE
    groups: dict[object, list[_Ribbon]] = {}
    for ribbon in narrow:
        if not together and ribbon.area < _MIN_ELONGATION * ribbon.radius**2:
            line = _dab(items[ribbon.number].points)
            replaced[ribbon.number] = _stroked(items[ribbon.number], [line], ribbon, scale)
            continue
        item = items[ribbon.number]
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
    perimeter = np.hypot(*np.diff(px, axis=0).T).sum()
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
    is_narrow = radius <= _JOINT * _MAX_WIDTH_PX / 2 and 2 * area <= _MAX_WIDTH_PX * perimeter
    return _Ribbon(number, mask, int(low[0]), int(low[1]), area, radius) if is_narrow else None


class _Ribbon(NamedTuple):
    number: int  # of its item
    mask: BoolArray  # (H, W), with an empty border
    left: int
    top: int
    area: int
    radius: float


def _dab(points: Points) -> Points:
    """A line along a small blob, as far from its ends as from its sides."""
    middle = (points.min(axis=0) + points.max(axis=0)) / 2
    centred = points - middle
    _, _, axes = np.linalg.svd(centred, full_matrices=False)
    along, across = centred @ axes[0], centred @ axes[1]
    half = max(0.0, float(np.ptp(along) - np.ptp(across)) / 2)
    line: Points = middle + np.outer([-half, half], axes[0])
    return line


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

    points, starts = trace_bitmap(mask.astype(np.uint8) * 255)
    lines = [points[a:b].astype(np.float64) for a, b in pairwise(starts.tolist())]
    return [line if len(line) > 1 else np.repeat(line, 2, axis=0) for line in lines]
