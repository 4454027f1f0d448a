"""What filters with `feFlood` paint: rectangles, below or above the filtered element or cut by it.

All other primitives count as leaving the element as it is. Filters that have none of `feFlood`, or
a primitive that makes a picture of its own (`feImage`), are not read. Source:
https://www.w3.org/TR/filter-effects-1/.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple
from xml.etree.ElementTree import Element

from garabato.formats.svg.clips import AREA, area_of
from garabato.formats.svg.items import WHITE, Item, Rectangle, intersection
from garabato.formats.svg.style import LEAST_ALPHA, Colour
from garabato.formats.svg.tree import MAX_NESTED, Box, Context, Tree

#: Filters with more primitives, or with more inputs of `feMerge`, are not read.
_MAX_PRIMITIVES = 64


class _Layer(NamedTuple):
    """A rectangle `area` of a colour; without an area the filtered element, in its own colours or
    in this one."""

    colour: Colour | None = None
    area: Rectangle | None = None


_Layers = tuple[_Layer, ...]  # the last is on top
_ELEMENT: _Layers = (_Layer(),)


class Filters:
    """The filters of a document."""

    def __init__(self, tree: Tree, box: Box) -> None:
        self._tree, self._box = tree, box

    def flooding(self, declared: Mapping[str, str], inside: Context) -> Element | None:
        """The filter of an element if it has a `feFlood` and is read."""
        chosen = self._tree.referenced(declared.get("filter", ""))
        if chosen is None or inside.is_clip or self._tree.n_nested > MAX_NESTED:
            return None
        if chosen.tag != "filter" or len(chosen) > _MAX_PRIMITIVES:
            return None
        if sum(map(len, chosen)) > _MAX_PRIMITIVES:
            return None
        return chosen if any(part.tag == "feFlood" for part in chosen) else None

    def applied(
        self, chosen: Element, element: Element, items: list[Item], inside: Context
    ) -> list[Item]:
        """What is painted of an element with these items through a filter."""
        layers = self._layers(chosen, element, inside)
        if layers is None:
            return items
        return [item for layer in layers for item in self._painted(layer, items, inside)]

    def _layers(self, chosen: Element, element: Element, inside: Context) -> _Layers | None:
        """What a filter paints of an element; None if that is not known."""
        last = _ELEMENT
        results = dict.fromkeys(("SourceGraphic", "SourceAlpha"), _ELEMENT)
        for primitive in chosen:
            merged = list(primitive) if primitive.tag == "feMerge" else [primitive]
            inputs = [results.get(part.get("in", "\0"), last) for part in merged]
            second = results.get(primitive.get("in2", "\0"), last)
            match primitive.tag:
                case "feImage" | "feTurbulence" | "feDiffuseLighting" | "feSpecularLighting":
                    return None
                case "feFlood":
                    last = self._flood(primitive, chosen, element, inside)
                case "feMerge":
                    last = _on_top(layer for layers in inputs for layer in layers)
                case "feBlend":
                    last = _on_top(second + inputs[0])
                case "feComposite":
                    last = _composite(primitive.get("operator", "over"), inputs[0], second)
                case _:
                    last = inputs[0]
            if "result" in primitive.attrib:
                results[primitive.attrib["result"]] = last
        return last

    def _flood(self, flood: Element, chosen: Element, element: Element, inside: Context) -> _Layers:
        """The rectangle of a `feFlood`; nothing if it is invisible."""
        colour = self._tree.colour(flood, "flood-color", "flood-opacity")
        box = self._box(element, inside) if colour[3] >= LEAST_ALPHA else None
        if box is None:
            return ()
        is_of_box = chosen.get("filterUnits") != "userSpaceOnUse"
        area = area_of(chosen.attrib, box if is_of_box else None, inside.whole)
        if not flood.attrib.keys().isdisjoint(AREA):
            is_of_box = chosen.get("primitiveUnits") == "objectBoundingBox"
            left, top, right, bottom = area
            default = zip(AREA, map(str, (left, top, right - left, bottom - top)), strict=True)
            own = flood.attrib if is_of_box else dict(default) | flood.attrib
            own_area = area_of(own, box if is_of_box else None, inside.whole)
            area = intersection(area, own_area) or area
        left, top, right, bottom = area
        is_seen = left < right and top < bottom
        return (_Layer(colour, area),) if is_seen else ()

    def _painted(self, layer: _Layer, items: list[Item], inside: Context) -> list[Item]:
        """The items of a layer."""
        colour = layer.colour
        if colour is None:
            return items
        if layer.area is None:
            return [
                item._replace(fill=_tinted(item.fill, colour), stroke=_tinted(item.stroke, colour))
                for item in items
            ]
        left, top, right, bottom = layer.area
        points, starts, bounds = self._tree.flattened(
            f"M{left} {top}H{right}V{bottom}H{left}Z", inside.matrix
        )
        fill = (*colour[:3], colour[3] * inside.opacity)
        return [Item(points, starts, bounds, fill=fill, clip=inside.clip)] if len(points) else []


def _tinted(paint: Colour | None, colour: Colour) -> Colour | None:
    """A flood's colour where something is painted, as opaque as both."""
    return None if paint is None else (*colour[:3], colour[3] * paint[3])


def _composite(operator: str, first: _Layers, second: _Layers) -> _Layers:
    """`first` combined with `second` by a `feComposite`, as if rectangles covered the element."""
    is_of_element = all(layer.area is None for layer in second)
    within = tuple(layer._replace(area=None) for layer in first) if is_of_element else first
    if operator == "in":
        return _on_top(within) if second else ()
    if operator == "atop":
        return _on_top(second + within) if second else ()
    if operator == "out" or (operator == "xor" and is_of_element and first != second):
        floods = tuple(layer for layer in first if layer.area)
        if not second:
            return first
        if is_of_element:  # without floods, what is left of a changed copy of the element
            return (*floods, _Layer(WHITE)) if floods else within
        return ()
    return _on_top(second + first)


def _on_top(layers: Iterable[_Layer]) -> _Layers:
    """`layers` without those that another one in the same place covers."""
    found: dict[Rectangle | None, _Layer] = {}
    for layer in reversed(tuple(layers)):
        found.setdefault(layer.area, layer)
    return tuple(found.values())[::-1]
