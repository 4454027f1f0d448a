"""The visible parts of a document's shapes, as lines.

Shapes are painted one over the other on a small canvas. A fill that covers the page is ground, in
any colour; lines are kept where they stand out from what is beneath them and nothing covers them.
Documents in one colour need no canvas. Ribbons, strokes drawn as filled outlines, become their
centre lines first.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import compress

import numpy as np

from garabato.drawing import BoolArray
from garabato.formats.svg.canvas import CONTRAST, OPAQUE, Canvas, difference
from garabato.formats.svg.items import (
    WHITE,
    Clip,
    Document,
    Item,
    Points,
    Rectangle,
    clipped_lines,
    cut,
    grown,
    is_cut,
    rectangle_of,
    whole_strokes,
)
from garabato.formats.svg.paints import Shaded
from garabato.formats.svg.ribbons import thin_ribbons
from garabato.formats.svg.style import BLACK, Colour
from garabato.formats.svg.tree import DEFAULT_SIZE

#: A fill is ground if it covers this share of the page.
_PAGE_SHARE = 0.93
#: Ruled paper has at least this many rules. They cross this share of the page and are at most this
#: wide, as a share of its longer side. A pattern with a margin covers this share of both sides.
_N_RULES, _RULE_SHARE, _RULE_WIDTH, _PATTERN_SHARE = 6, 0.99, 0.01, 0.9


def visible_lines(document: Document) -> list[Points]:
    """The lines (n, 2) a document shows, in page units and in the order of painting.

    Ground gives no lines, unless it is all there is, and no picture or text is on it. A document
    with nothing but white on an unknown page is taken to be made for a dark one.
    """
    items = [item for item in document.items if item.clip.rectangle is None or _touches(item)]
    items = thin_ribbons(whole_strokes(items), document.page)
    if document.page is not None:
        items = _without_rules(items, document.page)
    if not items:
        return []
    frame = document.page or _bounds(items)
    if frame is None or _is_plain(items, document):
        return [line for item in items for line in clipped_lines(item)]
    background = document.background or WHITE
    lines, ground = _paint(items, frame, background, has_page=document.page is not None)
    if lines:
        return lines
    if ground is not None:
        if document.n_pictures or document.n_texts:
            return []
        stands_out = difference(ground.fill or WHITE, np.array(background[:3])) > CONTRAST
        return list(clipped_lines(ground)) if stands_out else []
    opposite = BLACK if sum(background[:3]) > 3 * 127 else WHITE
    return _paint(items, frame, opposite, has_page=document.page is not None)[0]


def _touches(item: Item) -> bool:
    """Whether a part of an item may lie in its clip rectangle."""
    assert item.clip.rectangle is not None
    left, top, right, bottom = grown(item)
    own = item.bounds
    # comparisons with NaN are False: such an item is kept, and refused later
    return not (own[2] < left or own[0] > right or own[3] < top or own[1] > bottom) and (
        left <= right and top <= bottom
    )


def _without_rules(items: list[Item], page: Rectangle) -> list[Item]:
    """`items` without the paper's rules, squares or dots, beneath all ink in other colours."""
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
    """How many rules or dots an item consists of; 0 if any of its lines is neither.

    A rule goes from edge to edge of the page, or of a pattern that has nearly its size; dots are
    only in such patterns.
    """
    page_size = np.subtract(page[2:], page[:2])
    if item.fill or not item.stroke or item.stroke_width > _RULE_WIDTH * max(page_size):
        return 0
    if (np.diff(item.starts) != 2).any():
        return 0
    low, high = np.reshape(item.bounds, (2, 2))
    is_pattern = bool((high - low > _PATTERN_SHARE * page_size).all())
    if not is_pattern:
        low, high = np.reshape(page, (2, 2))
    lines = np.clip(item.points, low, high).reshape(-1, 2, 2)
    near = (1 - _RULE_SHARE) * page_size
    is_at_edge = ((lines - low < near) | (high - lines < near)).any(axis=2)
    is_dot = is_pattern & (lines[:, 0] == lines[:, 1]).all(axis=1)
    return len(lines) if (is_at_edge.all(axis=1) | is_dot).all() else 0


def _is_plain(items: list[Item], document: Document) -> bool:
    """Whether all is in one colour that stands out, and nothing can be ground or clipped away."""
    if document.background is not None:
        return False
    colours = [colour for item in items for colour in (item.fill, item.stroke) if colour]
    (first, *others) = set(colours)
    if (
        others
        or any(isinstance(colour, Shaded) for colour in colours)
        or difference(first, np.array(WHITE[:3])) <= CONTRAST
    ):
        return False
    return not any(
        item.clip.regions
        or (item.fill and (is_cut(item) or (document.page and _spans(item, document.page))))
        for item in items
    )


def _spans(item: Item, page: Rectangle) -> bool:
    """Whether the bounds of an item cover most of the page."""
    left, top, right, bottom = item.bounds
    width = min(right, page[2]) - max(left, page[0])
    height = min(bottom, page[3]) - max(top, page[1])
    return bool(width * height >= _PAGE_SHARE * (page[2] - page[0]) * (page[3] - page[1]))


def _bounds(items: list[Item]) -> Rectangle | None:
    """What the items cover; None if they have no finite points, or no extent."""
    points = np.concatenate([item.points for item in items])
    low, high = points.min(axis=0), points.max(axis=0)
    margin = max(item.stroke_width if item.stroke else 0.0 for item in items)
    if not (np.isfinite(low).all() and np.isfinite(high).all() and (high > low).any()):
        return None
    low, high = low - margin, high + margin
    return float(low[0]), float(low[1]), float(high[0]), float(high[1])


def _paint(
    items: list[Item], frame: Rectangle, background: Colour, *, has_page: bool
) -> tuple[list[Points], Item | None]:
    """(the lines visible when all is painted, the item that is the ground)."""
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
        self._canvas = Canvas(frame, background)
        self._n_items = 0
        self._lines: list[tuple[int, Points]] = []  # each with the number of its item

    def add(self, item: Item) -> list[Item]:
        """Paint an item; returns the items to be painted instead, if it is made of several."""
        self._n_items += 1
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

    def visible_lines(self) -> list[Points]:
        """The parts of lines that no later item covers."""
        covers = self._canvas.least_covers()
        return [
            part
            for number, line in self._lines
            for part in cut(line, self._canvas.to_px(line), covers <= number)
        ]

    def _covered(self, item: Item, fill_mask: BoolArray | None) -> BoolArray | None:
        """The pixels that decide whether an item is ground; None if it can't be."""
        if fill_mask is None:
            is_wide = self._has_page and 2 * item.stroke_width > _extent(self._frame)
            return self._canvas.stroke_mask(item) if is_wide else None
        if self._has_page and item.clip.regions and fill_mask.mean() > 0.5:
            whole = self._canvas.fill_mask(item._replace(clip=Clip(item.clip.rectangle)))
            if whole.mean() >= _PAGE_SHARE:
                return whole  # the page, with parts knocked out
        return fill_mask

    def _is_page(self, item: Item, covered: BoolArray) -> bool:
        if self._has_page:
            return bool(covered.mean() >= _PAGE_SHARE)
        return rectangle_of(item) == (0.0, 0.0, *DEFAULT_SIZE)  # 100% of an unknown page

    def _add_shape(self, item: Item, fill_mask: BoolArray | None) -> None:
        changed = self._canvas.paint(self._n_items, item, fill_mask)
        if changed is None:
            return
        for line in clipped_lines(item):
            self._keep(cut(line, self._canvas.to_px(line), changed))
        if fill_mask is not None:
            self._keep(self._canvas.edges_of_clip(item, fill_mask & changed))
            if self._has_page and not item.stroke and self._canvas.uniform_colour():
                self._add_ground(item, fill_mask)  # the last piece of it

    def _keep(self, lines: Iterable[Points]) -> None:
        self._lines += [(self._n_items, line) for line in lines]

    def _add_ground(self, item: Item, mask: BoolArray) -> None:
        """Start again on the pixels of `mask`. Translucent paint is neither ground nor a shape."""
        assert item.fill is not None
        if item.fill[3] < OPAQUE:
            return
        self.ground = item
        self._canvas = self._canvas.covered_by(item.fill, mask)
        self._lines = []
        self._keep(self._canvas.edges_of_clip(item, mask))


def _extent(rectangle: Rectangle) -> float:
    """The shorter side of a rectangle."""
    left, top, right, bottom = rectangle
    return min(right - left, bottom - top)


def _holes_apart(item: Item, canvas: Canvas, frame: Rectangle) -> list[Item] | None:
    """A fill that covers the page except for holes, as a ground and the holes as shapes.

    None if the item is anything else.
    """
    if len(item.starts) < 3 or item.stroke or item.fill is None or item.clip.regions:
        return None
    if not _spans(item, frame):
        return None
    background = canvas.uniform_colour()
    if background is None or item.fill[3] < OPAQUE:
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
