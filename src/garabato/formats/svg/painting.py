"""What of a document's shapes is seen, as lines.

Shapes are painted one over the other on a small canvas. What covers the page is ground, in any
colour; lines are kept where they stand out from what is beneath them and nothing covers them.
Documents in one colour need no canvas. Ribbons, strokes drawn as filled outlines, become their
centre lines first.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import compress, pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from garabato.drawing import BoolArray, IntArray
from garabato.formats.svg._paths import winding_numbers
from garabato.formats.svg.gradients import Shaded
from garabato.formats.svg.items import (
    WHITE,
    Clip,
    Document,
    Item,
    Points,
    Rectangle,
    rectangle_of,
)
from garabato.formats.svg.ribbons import thin_ribbons
from garabato.formats.svg.style import Colour
from garabato.formats.svg.tree import DEFAULT_SIZE

Colours = npt.NDArray[np.float64]  # (..., 4): red, green, blue 0..255; alpha 0..1

#: Longer side of the canvas.
CANVAS_PX = 256
#: Colours closer than this, in the channel (0..255) that differs most, look the same.
_CONTRAST = 12.0
#: A fill is ground if it covers this share of the page, and is this opaque.
_PAGE_SHARE, _OPAQUE = 0.93, 0.9
_BLACK: Colour = (0.0, 0.0, 0.0, 1.0)
#: Points at which lines are looked at are at least this far apart; of a line, at most so many.
_STEP_PX, _MAX_SAMPLES = 1.5, 200_000
#: Shorter parts of a line that is partly seen are where it crosses others.
_LEAST_SAMPLES = 8
#: Ruled paper has so many rules, straight across this share of the page, and so wide at most.
_N_RULES, _RULE_SHARE, _RULE_WIDTH = 6, 0.99, 0.01
#: Where an eraser has crossed lines, it differs from at most this share of what is beside it.
_ERASED = 0.5
#: Masks darker than this hide what is beneath them.
_MASKED = 0.1
_LUMINANCE = np.array([0.2126, 0.7152, 0.0722]) / 255
#: Shapes in clips whose outlines are looked at, in a document.
_MAX_CLIP_EDGES = 2000
#: Pixels beyond this are as good as infinitely far away.
_FAR_PX = 1e5


def visible_lines(document: Document) -> list[Points]:
    """The lines (n, 2) a document shows, in page units and in the order of painting.

    Ground gives no lines, unless it is all there is. A document with nothing but white on an
    unknown page is taken to be made for a dark one.
    """
    items = [item for item in document.items if item.clip.rectangle is None or _touches(item)]
    items = thin_ribbons(items, document.page)
    if document.page is not None:
        items = _without_rules(items, document.page)
    if not items:
        return []
    if _is_plain(items, document):
        return [line for item in items for line in _clipped_lines(item)]
    frame = document.page or _bounds(items)
    if frame is None:  # no finite points, or no extent
        return [line for item in items for line in _clipped_lines(item)]
    background = document.background or WHITE
    lines, ground = _paint(items, frame, background, has_page=document.page is not None)
    if lines:
        return lines
    if ground is not None:
        stands_out = _difference(ground.fill or WHITE, np.array(background[:3])) > _CONTRAST
        return list(_clipped_lines(ground)) if stands_out else []
    opposite = _BLACK if sum(background[:3]) > 3 * 127 else WHITE
    return _paint(items, frame, opposite, has_page=document.page is not None)[0]


def _without_rules(items: list[Item], page: Rectangle) -> list[Item]:
    """`items` without the rules or squares of the paper: beneath all ink, in other colours."""
    n_rules = [_n_rules(item, page) for item in items]
    is_ink = [bool(item.stroke) and not n for item, n in zip(items, n_rules, strict=True)]
    n_beneath = is_ink.index(True) if True in is_ink else 0
    inks = {item.stroke or item.fill for item, n in zip(items, n_rules, strict=True) if not n}
    is_printed = [
        i < n_beneath and n > 0 and item.stroke not in inks
        for i, (item, n) in enumerate(zip(items, n_rules, strict=True))
    ]
    if sum(compress(n_rules, is_printed)) < _N_RULES:
        return items
    return [item for item, printed in zip(items, is_printed, strict=True) if not printed]


def _n_rules(item: Item, page: Rectangle) -> int:
    """How many rules an item is; 0 if any of its lines is none."""
    page_size = np.subtract(page[2:], page[:2])
    if item.fill or not item.stroke or item.stroke_width > _RULE_WIDTH * max(page_size):
        return 0
    first, last = item.starts[:-1], item.starts[1:]
    size = np.maximum.reduceat(item.points, first) - np.minimum.reduceat(item.points, first)
    share = size / page_size
    is_rule = ((share < 1e-6) & (share[:, ::-1] > _RULE_SHARE)).any(axis=1) & (last - first == 2)
    return len(is_rule) if is_rule.all() else 0


def _touches(item: Item) -> bool:
    """Whether any of an item may lie in its clip rectangle."""
    assert item.clip.rectangle is not None
    left, top, right, bottom = _grown(item)
    own = item.bounds
    # a comparison with NaN is False: what has one is kept, and refused later
    return not (own[2] < left or own[0] > right or own[3] < top or own[1] > bottom) and (
        left <= right and top <= bottom
    )


def _grown(item: Item) -> Rectangle:
    """The clip rectangle, so much larger that strokes half seen at its edge stay."""
    left, top, right, bottom = item.clip.rectangle  # type: ignore[misc]
    margin = item.stroke_width / 2 if item.stroke else 0.0
    margin += 1e-6 * max(right - left, bottom - top, 0.0)
    return left - margin, top - margin, right + margin, bottom + margin


def _is_plain(items: list[Item], document: Document) -> bool:
    """Whether all is in one colour that stands out, and nothing can be ground or clipped away."""
    if document.background is not None:
        return False
    colours = [colour for item in items for colour in (item.fill, item.stroke) if colour]
    (first, *others) = set(colours)
    if (
        others
        or any(isinstance(colour, Shaded) for colour in colours)
        or _difference(first, np.array(WHITE[:3])) <= _CONTRAST
    ):
        return False
    return not any(
        item.clip.regions
        or (item.fill and (_is_cut(item) or (document.page and _spans(item, document.page))))
        for item in items
    )


def _is_cut(item: Item) -> bool:
    """Whether an item reaches beyond its clip rectangle."""
    if item.clip.rectangle is None:
        return False
    left, top, right, bottom = item.clip.rectangle
    own = item.bounds
    return not (left <= own[0] and top <= own[1] and own[2] <= right and own[3] <= bottom)


def _spans(item: Item, page: Rectangle) -> bool:
    """Whether the bounds of an item are about those of the page, or more."""
    left, top, right, bottom = item.bounds
    width = min(right, page[2]) - max(left, page[0])
    height = min(bottom, page[3]) - max(top, page[1])
    return bool(width * height >= _PAGE_SHARE * (page[2] - page[0]) * (page[3] - page[1]))


def _bounds(items: list[Item]) -> Rectangle | None:
    points = np.concatenate([item.points for item in items])
    low, high = points.min(axis=0), points.max(axis=0)
    margin = max(item.stroke_width if item.stroke else 0.0 for item in items)
    if not (np.isfinite(low).all() and np.isfinite(high).all() and (high > low).any()):
        return None
    low, high = low - margin, high + margin
    return float(low[0]), float(low[1]), float(high[0]), float(high[1])


def _difference(colour: Colour | Colours, beneath: npt.NDArray[Any]) -> Any:
    """By how much painting `colour` changes colours (..., 3), in the channel changed most."""
    above = np.asarray(colour)
    return np.abs(above[..., :3] - beneath).max(axis=-1) * above[..., 3]


def _paint(
    items: list[Item], frame: Rectangle, background: Colour, *, has_page: bool
) -> tuple[list[Points], Item | None]:
    """(the lines that are seen when all is painted, the item that is the ground)."""
    painting = _Painting(frame, background, has_page=has_page)
    waiting = items[::-1]
    while waiting:
        waiting += painting.add(waiting.pop())[::-1]
    return painting.visible_lines(), painting.ground


class _Painting:
    """Items painted one over the other: the ground, and the lines on it that stood out."""

    def __init__(self, frame: Rectangle, background: Colour, *, has_page: bool) -> None:
        self.ground: Item | None = None
        self._frame, self._has_page = frame, has_page
        self._canvas = _Canvas(frame, background)
        self._n_items = 0
        self._lines: list[tuple[int, Points]] = []  # each with the number of its item
        self._first: Item | None = None
        self._tiles: BoolArray | None = None  # painted so far, if all items are like tiles

    def add(self, item: Item) -> list[Item]:
        """Paint an item; returns the items to be painted instead, if it is made of several."""
        self._n_items += 1
        self._first = self._first or item
        if item.fill and item.stroke and _extent(item.bounds) == 0:
            item = item._replace(fill=None)  # a straight line has no inside
        fill_mask = self._canvas.fill_mask(item) if item.fill else None
        if fill_mask is not None and self._has_page:
            parts = _holes_apart(item, self._canvas, self._frame)
            if parts:
                return parts
        covered = self._covered(item, fill_mask)
        if covered is None or not self._is_page(item, covered):
            self._add_shape(item, fill_mask)
        elif fill_mask is not None:
            self._add_ground(item, fill_mask)
        else:  # a line as wide as the page
            self._add_ground(item._replace(fill=item.stroke, stroke=None), covered)
        return []

    def _covered(self, item: Item, fill_mask: BoolArray | None) -> BoolArray | None:
        """The pixels by which an item may be ground; None if it can't be."""
        tiles, self._tiles = self._tiles, None
        if fill_mask is None:
            is_wide = self._has_page and 2 * item.stroke_width > _extent(self._frame)
            return self._canvas.stroke_mask(item) if is_wide else None
        assert self._first is not None
        if _is_tile(item, self._first) and (tiles is not None or self._n_items == 1):
            self._tiles = fill_mask if tiles is None else tiles | fill_mask
            return self._tiles
        if self._has_page and item.clip.regions and fill_mask.mean() > 0.5:
            whole = self._canvas.fill_mask(item._replace(clip=Clip(item.clip.rectangle)))
            if whole.mean() >= _PAGE_SHARE:
                return whole  # the page, with parts knocked out
        return fill_mask

    def _is_page(self, item: Item, covered: BoolArray) -> bool:
        if self._has_page:
            return bool(covered.mean() >= _PAGE_SHARE)
        return rectangle_of(item) == (0.0, 0.0, *DEFAULT_SIZE)  # 100 % of an unknown page

    def _add_ground(self, item: Item, mask: BoolArray) -> None:
        """Begin anew on the pixels of `mask`; what is hardly opaque is no ground, nor a shape."""
        assert item.fill is not None
        if item.fill[3] < _OPAQUE:
            return
        self.ground = item
        self._canvas = self._canvas.covered_by(item.fill, mask)
        self._lines = []
        self._keep(self._canvas.edges_of_clip(item, mask))

    def _add_shape(self, item: Item, fill_mask: BoolArray | None) -> None:
        changed = self._canvas.paint(self._n_items, item, fill_mask)
        if changed is None:
            return
        for line in _clipped_lines(item):
            self._keep(_cut(line, self._canvas.to_px(line), changed))
        if fill_mask is not None:
            self._keep(self._canvas.edges_of_clip(item, fill_mask & changed))

    def _keep(self, lines: Iterable[Points]) -> None:
        self._lines += [(self._n_items, line) for line in lines]

    def visible_lines(self) -> list[Points]:
        """The parts of lines that no later item covers."""
        covers = self._canvas.least_covers()
        return [
            part
            for number, line in self._lines
            for part in _cut(line, self._canvas.to_px(line), covers <= number)
        ]


def _extent(rectangle: Rectangle) -> float:
    """The shorter side of a rectangle."""
    left, top, right, bottom = rectangle
    return min(right - left, bottom - top)


def _holes_apart(item: Item, canvas: _Canvas, frame: Rectangle) -> list[Item] | None:
    """A fill that covers the page but for holes, as a ground and shapes of what is beneath it.

    None if the item is anything else.
    """
    if len(item.starts) < 3 or item.stroke or item.fill is None or item.clip.regions:
        return None
    if not _spans(item, frame):
        return None
    background = canvas.uniform_colour()
    if background is None or item.fill[3] < _OPAQUE:
        return None
    first, last = item.starts[:-1], item.starts[1:]
    extent = np.maximum.reduceat(item.points, first) - np.minimum.reduceat(item.points, first)
    largest = int(np.argmax(extent.prod(axis=1)))
    a, b = int(first[largest]), int(last[largest])
    outer = item._replace(points=item.points[a:b], starts=np.array([0, b - a]))
    lengths = np.delete(last - first, largest)
    rest = item._replace(
        points=np.delete(item.points, np.s_[a:b], axis=0),
        starts=np.concatenate([[0], np.cumsum(lengths)]),
        fill=background,
        is_even_odd=True,
    )
    holes = canvas.fill_mask(rest)
    if canvas.fill_mask(outer).mean() < _PAGE_SHARE or holes.mean() >= _PAGE_SHARE:
        return None
    if (canvas.fill_mask(item) & holes).mean() > 0.5 * holes.mean():  # shapes of its own colour
        return None
    return [outer, rest]


def _is_tile(item: Item, first: Item) -> bool:
    """Whether an item is an opaque rectangle without a line, in the colour of the first item."""
    if item.fill is None or first.fill is None or item.stroke or item.fill[3] < _OPAQUE:
        return False
    if item.clip.regions:
        return False
    is_alike = _difference(item.fill, np.array(first.fill[:3])) <= _CONTRAST
    return bool(is_alike) and rectangle_of(item) is not None


class _Canvas:
    """Colours (H, W, 3), and for each pixel the last item that covered it."""

    def __init__(self, frame: Rectangle, colour: Colour) -> None:
        left, top, right, bottom = frame
        self._scale = CANVAS_PX / max(right - left, bottom - top)
        self._origin = np.array([left, top])
        self.height = max(1, round((bottom - top) * self._scale))
        self.width = max(1, round((right - left) * self._scale))
        self._colours = np.empty((self.height, self.width, 3), np.float32)
        self._colours[:] = colour[:3]
        self._covers = np.full((self.height, self.width), -1, np.float32)
        self._is_line = np.zeros((self.height, self.width), bool)  # where a stroke was painted last
        self._region_masks: dict[int, BoolArray] = {}
        self._n_clip_edges_left = _MAX_CLIP_EDGES

    def to_px(self, points: Points) -> Points:
        px: Points = np.clip((points - self._origin) * self._scale, -_FAR_PX, _FAR_PX)
        return px

    def uniform_colour(self) -> Colour | None:
        """The one colour of the whole canvas; None if there are several."""
        first = self._colours[0, 0]
        if not (self._colours == first).all():
            return None
        red, green, blue = first.tolist()
        return red, green, blue, 1.0

    def covered_by(self, colour: Colour, mask: BoolArray) -> _Canvas:
        """A canvas with `colour` for ground where `mask` is, and what was there elsewhere."""
        canvas = _Canvas.__new__(_Canvas)
        canvas.__dict__ = {**self.__dict__, "_covers": np.full_like(self._covers, -1)}
        canvas._colours = np.where(mask[..., None], np.asarray(colour[:3], np.float32), 0)
        canvas._colours += np.where(mask[..., None], 0, self._colours)
        canvas._is_line = np.zeros_like(self._is_line)
        return canvas

    def fill_mask(self, item: Item) -> BoolArray:
        """The pixels (H, W) an item fills, within its clip."""
        px = self.to_px(item.points)
        winding = winding_numbers(px, item.starts, self.height, self.width)
        mask = winding & 1 != 0 if item.is_even_odd else winding != 0
        if not mask.any():  # finer than a pixel, or no area at all
            mask = self._line_mask(px, item.starts, 1)
        return self._within(mask, item.clip)

    def paint(self, number: int, item: Item, fill_mask: BoolArray | None) -> BoolArray | None:
        """Paint an item; returns the pixels that look different now, None if there are none."""
        changed = None
        if item.fill and fill_mask is not None:
            # of corners finer than a pixel, the outline tells whether they stand out
            outline = self._line_mask(self.to_px(item.points), item.starts, 1)
            outline = self._within(outline, item.clip)
            changed = self._stands_out(item.fill, outline | fill_mask)
            self._blend(item.fill, fill_mask, is_line=False)
            self._covers[self._opaque(item.fill, fill_mask)] = number
        if item.stroke:
            mask = self.stroke_mask(item)
            stroked = self._stands_out(item.stroke, mask, crossing=True)
            if not item.fill and self._is_eraser(item.stroke, mask, stroked, self._thickness(item)):
                self._covers[self._opaque(item.stroke, mask)] = number
                stroked[:] = False
            self._blend(item.stroke, mask, is_line=True)
            changed = stroked if changed is None else changed | stroked
        return changed if changed is not None and changed.any() else None

    def stroke_mask(self, item: Item) -> BoolArray:
        """The pixels (H, W) an item's line covers, within its clip."""
        mask = self._line_mask(self.to_px(item.points), item.starts, self._thickness(item))
        return self._within(mask, item.clip)

    def _thickness(self, item: Item) -> int:
        return max(1, round(min(item.stroke_width * self._scale, CANVAS_PX)))

    def _is_eraser(
        self, colour: Colour, mask: BoolArray, changed: BoolArray, thickness: int
    ) -> bool:
        """Whether a line hides lines of other colours, and is not seen on what is beside them."""
        import cv2

        if not changed.any() or self._is_line[changed & mask].mean() < 0.5:
            return False
        hidden = changed & mask & self._is_line
        contrast = _difference(self._at(colour, hidden), self._colours[hidden])
        if (contrast > _CONTRAST).mean() < 0.5:
            return False
        size = 2 * thickness + 3
        beside = cv2.dilate(changed.view(np.uint8), np.ones((size, size), np.uint8)) > 0
        beside &= cv2.dilate(mask.view(np.uint8), np.ones((5, 5), np.uint8)) > 0
        beside &= ~mask & ~self._is_line
        differs = _difference(self._at(colour, beside), self._colours[beside]) > _CONTRAST
        return bool(differs.size) and bool(differs.mean() < _ERASED)

    def edges_of_clip(self, item: Item, fill_mask: BoolArray) -> Iterator[Points]:
        """The outlines of a fill's clips, where they are the edges of what is seen of it."""
        import cv2

        clips = [part for region in item.clip.regions for part in region]
        outline = self._clip_outline(item)
        if outline is not None:
            clips.append(outline)
        self._n_clip_edges_left -= len(clips)
        if not clips or self._n_clip_edges_left < 0:
            return
        filled = fill_mask.astype(np.uint8)
        border = filled - cv2.erode(filled, np.ones((3, 3), np.uint8), borderValue=1)
        border[[0, 1, -2, -1]] = border[:, [0, 1, -2, -1]] = 0  # the page's own edges
        for part in clips:
            reach = 3 + (self._thickness(part) if part.stroke else 0)
            near = cv2.dilate(border, np.ones((reach, reach), np.uint8)) > 0
            for line in _clipped_lines(part):
                yield from _cut(line, self.to_px(line), near)

    def _clip_outline(self, item: Item) -> Item | None:
        """The rectangle that an item is clipped to; None if nothing is, or at the page's edges."""
        if item.clip.rectangle is None:
            return None
        left, top, right, bottom = item.clip.rectangle
        xs, ys = [left, right, right, left, left], [top, top, bottom, bottom, top]
        corners = np.column_stack([xs, ys])
        px = self.to_px(corners)
        is_inside = (px > 1).any() and (px < (self.width - 1, self.height - 1)).any()
        if not (is_inside and _is_cut(item)):
            return None
        return Item(corners, np.array([0, 5]), WHITE, None, 0.0, False, Clip(), item.clip.rectangle)

    def least_covers(self) -> npt.NDArray[np.float32]:
        """For each pixel, the first of the items that cover it and its eight neighbours."""
        import cv2

        return np.asarray(cv2.erode(self._covers, np.ones((3, 3), np.uint8)), np.float32)

    def _stands_out(self, colour: Colour, mask: BoolArray, *, crossing: bool = False) -> BoolArray:
        """The pixels near those of `mask` that `colour` would change.

        With `crossing`, strokes painted before may be crossed: nothing needs to change there.
        """
        import cv2

        changed = np.zeros(mask.shape, np.uint8)
        changed[mask] = _difference(self._at(colour, mask), self._colours[mask]) > _CONTRAST
        if crossing and changed.any():
            changed |= (mask & self._is_line).view(np.uint8)
        near: BoolArray = cv2.dilate(changed, np.ones((3, 3), np.uint8)) > 0
        return near

    def _at(self, colour: Colour, mask: BoolArray) -> Colours:
        """(n, 4) or (4,): what is painted on the n pixels of `mask`."""
        if not isinstance(colour, Shaded):
            return np.asarray(colour)
        rows, columns = np.nonzero(mask)
        return colour.at((np.column_stack([columns, rows]) + 0.5) / self._scale + self._origin)

    def _opaque(self, colour: Colour, mask: BoolArray) -> BoolArray:
        """The pixels of `mask` where `colour` hides what is beneath it."""
        opaque = np.zeros_like(mask)
        opaque[mask] = self._at(colour, mask)[..., 3] >= _OPAQUE
        return opaque

    def _blend(self, colour: Colour, mask: BoolArray, *, is_line: bool) -> None:
        beneath, above = self._colours[mask], self._at(colour, mask)
        self._colours[mask] = beneath + (above[..., :3] - beneath) * above[..., 3:]
        self._is_line[mask] = is_line

    def _line_mask(self, px: Points, starts: IntArray, thickness: int) -> BoolArray:
        import cv2

        mask = np.zeros((self.height, self.width), np.uint8)
        fixed = np.rint(np.clip(px, -4 * CANVAS_PX, 5 * CANVAS_PX) * 16 - 8).astype(np.int32)
        lines = [fixed[a:b] for a, b in pairwise(starts.tolist())]
        cv2.polylines(mask, lines, False, 1, thickness, cv2.LINE_8, 4)
        return mask > 0

    def _within(self, mask: BoolArray, clip: Clip) -> BoolArray:
        """`mask` where `clip` lets it be seen."""
        if clip.rectangle is not None:
            corners = np.reshape(clip.rectangle, (2, 2))
            left, top = np.rint(self.to_px(corners[:1])[0]).astype(int)
            right, bottom = np.rint(self.to_px(corners[1:])[0]).astype(int)
            clipped = np.zeros_like(mask)
            rows = slice(max(top, 0), max(bottom, 0))
            columns = slice(max(left, 0), max(right, 0))
            clipped[rows, columns] = mask[rows, columns]
            mask = clipped
        for region in clip.regions:
            mask = mask & self._region_mask(region)
        return mask

    def _region_mask(self, region: tuple[Item, ...]) -> BoolArray:
        """The pixels where what a clip path or mask paints is bright."""
        key = id(region)
        if key not in self._region_masks:
            brightness = np.zeros((self.height, self.width))
            for item in region:
                for colour, mask_of in (
                    (item.fill, self.fill_mask),
                    (item.stroke, self.stroke_mask),
                ):
                    if colour:
                        mask = mask_of(item)
                        painted = self._at(colour, mask)
                        brightness[mask] *= 1 - painted[..., 3]
                        brightness[mask] += painted[..., :3] @ _LUMINANCE * painted[..., 3]
            self._region_masks[key] = brightness > _MASKED
        return self._region_masks[key]


def _cut(line: Points, px: Points, is_seen: BoolArray) -> list[Points]:
    """The parts of a line whose pixels are seen."""
    lengths = np.hypot(*np.diff(px, axis=0).T)
    step = max(_STEP_PX, float(lengths.sum()) / _MAX_SAMPLES)
    n_pieces = np.maximum(np.ceil(lengths / step), 1).astype(np.int64)
    # at positions 0..n - 1 along the line's points, its own points among them
    segment = np.repeat(np.arange(len(n_pieces)), n_pieces)
    within = np.arange(len(segment)) - np.repeat(np.cumsum(n_pieces) - n_pieces, n_pieces)
    share = np.append(within / n_pieces[segment], 1.0)
    segment = np.append(segment, len(n_pieces) - 1)
    at = px[segment] + (px[segment + 1] - px[segment]) * share[:, None]
    height, width = is_seen.shape
    columns = np.clip(np.floor(at[:, 0]), 0, width - 1).astype(np.int64)
    rows = np.clip(np.floor(at[:, 1]), 0, height - 1).astype(np.int64)
    seen = is_seen[rows, columns]
    if seen.all():
        return [line]
    samples = line[segment] + (line[segment + 1] - line[segment]) * share[:, None]
    edges = np.flatnonzero(np.diff(np.concatenate([[0], seen.view(np.int8), [0]])))
    return [samples[a:b] for a, b in edges.reshape(-1, 2) if b - a > _LEAST_SAMPLES]


def _clipped_lines(item: Item) -> list[Points]:
    """The polylines of an item, cut where its clip rectangle ends."""
    lines = [item.points[a:b] for a, b in pairwise(item.starts.tolist())]
    if not _is_cut(item):
        return lines
    rectangle = _grown(item)
    return [part for line in lines for part in _cut_at_rectangle(line, rectangle)]


def _cut_at_rectangle(line: Points, rectangle: Rectangle) -> list[Points]:
    """The parts of a line inside a rectangle, by Liang and Barsky's algorithm."""
    a, b = line[:-1], line[1:]
    step = b - a
    enter, leave = np.zeros(len(a)), np.ones(len(a))
    for axis in (0, 1):
        low, high = rectangle[axis], rectangle[axis + 2]
        moves = step[:, axis] != 0
        t = np.stack([low - a[:, axis], high - a[:, axis]]) / np.where(moves, step[:, axis], 1.0)
        enter = np.where(moves, np.maximum(enter, t.min(axis=0)), enter)
        leave = np.where(moves, np.minimum(leave, t.max(axis=0)), leave)
        outside = (a[:, axis] < low) | (a[:, axis] > high)
        leave = np.where(~moves & outside, -1.0, leave)
    parts: list[list[Points]] = []
    following = -1  # the segment that would go on with the last part
    for i in np.flatnonzero(enter <= leave).tolist():
        if i != following or enter[i] > 0.0:
            parts.append([a[i] + enter[i] * step[i]])
        parts[-1].append(a[i] + leave[i] * step[i] if leave[i] < 1.0 else b[i])
        following = i + 1 if leave[i] == 1.0 else -1
    return [np.array(part) for part in parts]
