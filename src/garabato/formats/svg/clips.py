"""Where the elements of an SVG document may be seen: `clip-path` and `mask`."""

from __future__ import annotations

from collections.abc import Mapping
from xml.etree.ElementTree import Element

import numpy as np

from garabato.formats.svg.geometry import (
    BASIC_SHAPE,
    Matrix,
    Size,
    basic_shape_path,
    length,
    multiply,
    numbers,
)
from garabato.formats.svg.items import (
    WHITE,
    Clip,
    Item,
    Rectangle,
    bounds_of,
    intersection,
    rectangle_of,
)
from garabato.formats.svg.paints import as_white
from garabato.formats.svg.tree import MAX_NESTED, SHAPES, Box, Context, Enter, Tree, Walk

_CLIPPING = SHAPES | {"use", "text"}
#: The attributes that give the area of a mask.
_AREA = ("x", "y", "width", "height")


class Clips:
    """Clips of a document."""

    def __init__(self, tree: Tree, enter: Enter, walk: Walk, box: Box) -> None:
        self._tree, self._enter, self._walk, self._box = tree, enter, walk, box
        self._regions: dict[tuple[Element, Matrix, Size], Clip] = {}

    def clipped(self, element: Element, value: str, inside: Context) -> Clip:
        """The clip of `inside`, and the region of its element's own `clip-path` or `mask`."""
        value = value.strip()
        clip, matrix, whole = inside.clip, inside.matrix, inside.whole
        if BASIC_SHAPE.match(value):
            box = (0.0, 0.0, *whole) if "view-box" in value else self._box(element, inside)
            if box is None:
                return clip
            left, top, right, bottom = box
            data = basic_shape_path(value, (right - left, bottom - top))
            matrix = multiply(matrix, (1, 0, 0, 1, left, top))
            return clip if data is None else self._with_region(clip, data, value, matrix)
        region = self._tree.referenced(value)
        if region is None or region.tag not in ("clipPath", "mask"):
            return clip
        if self._tree.n_nested > MAX_NESTED:
            return clip
        own, inside = self._tree.declared(region, inside)
        kind = "clipPathUnits" if region.tag == "clipPath" else "maskContentUnits"
        is_of_box = own.get(kind) == "objectBoundingBox"
        has_area = region.tag == "mask" and not own.keys().isdisjoint(_AREA)
        is_area_of_box = own.get("maskUnits") != "userSpaceOnUse"
        box = None
        if is_of_box or (has_area and is_area_of_box):
            box = self._box(element, inside) or (0.0, 0.0, 0.0, 0.0)
        area = _area_of(own, box if is_area_of_box else None, whole) if has_area else None
        if is_of_box and box is not None:
            left, top, right, bottom = box
            matrix = multiply(matrix, (right - left, 0.0, 0.0, bottom - top, left, top))
            whole = (1.0, 1.0)
        key = (region, matrix, whole)
        if key not in self._regions:
            self._tree.n_nested += 1
            self._regions[key] = self._region(region, own, matrix, whole)
            self._tree.n_nested -= 1
        found = self._regions[key]
        clip = Clip(intersection(clip.rectangle, found.rectangle), clip.regions + found.regions)
        return clip if area is None else within(clip, area, inside.matrix)

    def _with_region(self, clip: Clip, data: str, value: str, matrix: Matrix) -> Clip:
        points, starts, bounds = self._tree.flattened(data, matrix)
        if not len(points):
            return clip._replace(regions=(*clip.regions, ()))
        item = Item(points, starts, bounds, fill=WHITE, is_even_odd="evenodd" in value)
        return clip._replace(regions=(*clip.regions, (item,)))

    def _region(
        self, element: Element, declared: Mapping[str, str], matrix: Matrix, whole: Size
    ) -> Clip:
        is_clip = element.tag == "clipPath"
        style = self._tree.inherited_style(element)
        context = self._tree.start._replace(
            matrix=matrix, whole=whole, style=style, depth=1, is_clip=is_clip
        )
        inside = self._enter(element, {**declared, "opacity": "1", "display": "inline"}, context)
        if inside is None:
            return Clip(None, ((),))
        children = [
            (child, inside) for child in reversed(element) if not is_clip or child.tag in _CLIPPING
        ]
        if any(child.tag == "text" for child, _ in children):
            return Clip()  # letters are not read, and may show all
        items = self._walk(children)
        if is_clip and len(items) == 1 and not items[0].clip.regions:
            rectangle = rectangle_of(items[0])
            if rectangle is not None:
                return Clip(intersection(rectangle, items[0].clip.rectangle))
        if declared.get("mask-type", "").strip().lower() == "alpha" or self._is_whitened(element):
            items = [
                item._replace(fill=as_white(item.fill), stroke=as_white(item.stroke))
                for item in items
            ]
        return Clip(None, (tuple(items),))

    def _is_whitened(self, mask: Element) -> bool:
        """Whether a filter makes all in a mask white: so cairo writes masks of opacity."""
        filters = [self._tree.referenced(child.get("filter", "")) for child in mask]
        return any(
            numbers(matrix.get("values", ""))[:15] == [0, 0, 0, 0, 1] * 3
            for found in filters
            if found is not None
            for matrix in found.iter("feColorMatrix")
        )


def within(clip: Clip, rectangle: Rectangle, matrix: Matrix) -> Clip:
    """`clip` within a rectangle, which `matrix` places on the page."""
    left, top, right, bottom = rectangle
    a, b, c, d, e, f = matrix
    if b == 0 and c == 0:
        xs, ys = sorted((a * left + e, a * right + e)), sorted((d * top + f, d * bottom + f))
        placed: Rectangle | None = (xs[0], ys[0], xs[1], ys[1])
        return clip._replace(rectangle=intersection(clip.rectangle, placed))
    corners = np.array([(left, top), (right, top), (right, bottom), (left, bottom)])
    points = corners @ np.array([[a, b], [c, d]]) + (e, f)
    item = Item(points, np.array([0, 4]), bounds_of(points), fill=WHITE)
    placed = rectangle_of(item)
    if placed is None:
        return clip._replace(regions=(*clip.regions, (item,)))
    return clip._replace(rectangle=intersection(clip.rectangle, placed))


def _area_of(declared: Mapping[str, str], box: Rectangle | None, whole: Size) -> Rectangle:
    """The area of a mask, in units of its element.

    `box` is the element's bounding box if the area refers to it.
    """
    left, top, right, bottom = box or (0.0, 0.0, 1.0, 1.0)
    unit = (1.0, 1.0) if box else whole
    x, y, width, height = (
        length(declared.get(name), unit[i % 2], default * unit[i % 2])
        for i, (name, default) in enumerate(zip(_AREA, (-0.1, -0.1, 1.2, 1.2), strict=True))
    )
    sx, sy = right - left, bottom - top
    return left + x * sx, top + y * sy, left + (x + width) * sx, top + (y + height) * sy
