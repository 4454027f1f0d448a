"""The paints of an SVG document: plain colours, gradients and patterns.

Source: https://www.w3.org/TR/SVG2/pservers.html.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple
from xml.etree.ElementTree import Element

import numpy as np
import numpy.typing as npt

from garabato.formats.svg.geometry import (
    Matrix,
    Size,
    attribute_transform,
    is_flat,
    length,
    multiply,
)
from garabato.formats.svg.items import WHITE, Points, Rectangle, bounds_of
from garabato.formats.svg.style import (
    BLACK,
    CURRENT_COLOUR,
    MIN_ALPHA,
    URL,
    Colour,
    Paint,
    Style,
    inherit,
    opacity_of,
    paint,
    parse_colour,
)
from garabato.formats.svg.tree import MAX_NESTED, Context, Enter, Tree, Walk


class Stop(NamedTuple):
    """The `colour` of a gradient at `offset` (0..1)."""

    offset: float
    colour: Colour


class Shaded(tuple[float, float, float, float]):
    """The mean colour of a gradient, and its colour at each point of the page."""

    stops: Sequence[Stop]
    matrix: Matrix  # from the gradient's own units, in which it goes from 0 to 1, to the page
    is_radial: bool
    spread: str

    def at(self, points: Points) -> npt.NDArray[np.float64]:
        """(n, 4): the colours at points (n, 2) of the page."""
        a, b, c, d, e, f = self.matrix
        placed = np.linalg.solve(np.array([[a, c], [b, d]]), (points - (e, f)).T)
        along = np.hypot(*placed) if self.is_radial else placed[0]
        if self.spread == "repeat":
            along = along % 1
        elif self.spread == "reflect":
            along = 1 - np.abs(along % 2 - 1)
        offsets = np.maximum.accumulate([stop.offset for stop in self.stops])
        columns = np.transpose([stop.colour for stop in self.stops])
        columns[3] *= self[3] / columns[3].mean()  # by the opacity of what is painted
        return np.stack([np.interp(along, offsets, column) for column in columns], axis=1)


def as_white(colour: Colour | None) -> Colour | None:
    """White, as opaque as `colour` is."""
    if not isinstance(colour, Shaded):
        return None if colour is None else (*WHITE[:3], colour[3])
    white = Shaded((*WHITE[:3], colour[3]))
    white.__dict__ = colour.__dict__ | {
        "stops": [Stop(offset, (*WHITE[:3], c[3])) for offset, c in colour.stops]
    }
    return white


class Paints:
    """Paints of a document."""

    def __init__(self, tree: Tree, enter: Enter, walk: Walk) -> None:
        #: How many patterns hold a picture.
        self.n_pictures = 0
        self._tree, self._enter, self._walk = tree, enter, walk
        self._pattern_colours: dict[Element, Colour | None] = {}
        self._stops: dict[Element, list[Stop]] = {}

    def with_context(self, style: Style, outer: Style) -> Style:
        """`style` inside an element that is painted in the style `outer`."""
        return style._replace(
            context_fill=self.colour(outer.fill, outer, 1.0),
            context_stroke=self.colour(outer.stroke, outer, 1.0),
        )

    def colour(self, value: Paint, style: Style, alpha: float) -> Colour | None:
        """The colour of a paint; None if it is invisible."""
        if value is None:
            return None
        if isinstance(value, str):
            if value == CURRENT_COLOUR:
                colour: Colour | None = style.colour
            elif value.startswith("context-"):
                colour = style.context_fill if value == "context-fill" else style.context_stroke
            else:
                colour = self._served(value, style)
            if colour is None:
                return None
        else:
            colour = value
        alpha *= colour[3]
        return None if alpha < MIN_ALPHA else (colour[0], colour[1], colour[2], alpha)

    def shaded(
        self, colour: Colour | None, value: Paint, points: Points, context: Context
    ) -> Colour | None:
        """`colour`, the mean of a gradient if `value` is one, as it shades a shape of `points`."""
        server = self._tree.referenced(value) if isinstance(value, str) else None
        if colour is None or server is None or not server.tag.endswith("Gradient"):
            return colour
        attributes: dict[str, str] = {}
        for element in self._chain(server)[::-1]:
            attributes |= element.attrib
        a, b, c, d, e, f = context.matrix
        box = bounds_of(np.linalg.solve(np.array([[a, c], [b, d]]), (points - (e, f)).T).T)
        return _shaded(
            colour, self._stops_of(server), attributes, server.tag == "radialGradient",
            context.matrix, box, context.whole,
        )  # fmt: skip

    def _served(self, text: str, style: Style) -> Colour | None:
        """The colour of a paint server: a gradient's is the mean of its stops."""
        server = self._tree.referenced(text)
        if server is None:
            match = URL.match(text)
            fallback = paint(match[2].strip()) if match and match[2].strip() else None
            if fallback == CURRENT_COLOUR:
                return style.colour
            return fallback if isinstance(fallback, tuple) else None
        if server.tag == "pattern":
            return self._pattern_colour(server)
        return _mean_colour(self._stops_of(server))

    def _pattern_colour(self, pattern: Element) -> Colour | None:
        if pattern not in self._pattern_colours:
            colour = (128.0, 128.0, 128.0, 1.0) if self._is_pattern_seen(pattern) else None
            if self._holds_picture(pattern):
                self.n_pictures += 1
                colour = None
            self._pattern_colours[pattern] = colour
        return self._pattern_colours[pattern]

    def _is_pattern_seen(self, pattern: Element) -> bool:
        """Whether a pattern paints anything."""
        if self._tree.n_nested > MAX_NESTED:
            return False
        pattern = self._filled(pattern)
        start = self._tree.start._replace(style=self._tree.inherited_style(pattern), depth=1)
        inside = self._enter(pattern, *self._tree.declared(pattern, start))
        self._tree.n_nested += 1
        is_seen = inside is not None and bool(self._walk([(part, inside) for part in pattern]))
        self._tree.n_nested -= 1
        return is_seen

    def _filled(self, server: Element) -> Element:
        """The first of the chain that has stops or shapes of its own."""
        described = ("title", "desc", "metadata")
        chain = self._chain(server)
        return next((e for e in chain if any(part.tag not in described for part in e)), server)

    def _chain(self, server: Element) -> list[Element]:
        """A paint server, and those it refers to."""
        chain = [server]
        while len(chain) < 8 and (target := self._tree.target(chain[-1])) is not None:
            chain.append(target)
        return chain

    def _holds_picture(self, pattern: Element) -> bool:
        """Whether a pattern paints a picture, which is how Figma exports them."""
        parts = [pattern, *list(pattern)[:64]]
        targets = [self._tree.target(part) for part in parts if part.tag in ("use", "pattern")]
        return any(
            part.tag == "image" or any(child.tag == "image" for child in part)
            for part in (*parts, *targets)
            if part is not None
        )

    def _stops_of(self, server: Element) -> list[Stop]:
        if server not in self._stops:
            elements = [part for part in self._filled(server) if part.tag == "stop"]
            self._stops[server] = [self._stop(element) for element in elements[:64]]
        return self._stops[server]

    def _stop(self, element: Element) -> Stop:
        declared, _ = self._tree.declared(element, self._tree.start)
        text = declared.get("stop-color", "black").strip()
        if text.lower() == CURRENT_COLOUR:  # where the stop stands, not where it is used
            colour = inherit(self._tree.inherited_style(element), declared, 1.0).colour
        else:
            colour = parse_colour(text) or BLACK
        alpha = colour[3] * opacity_of(declared.get("stop-opacity"))
        offset = min(max(length(element.get("offset"), 1.0), 0.0), 1.0)
        return Stop(offset, (*colour[:3], alpha))


def _mean_colour(stops: Sequence[Stop]) -> Colour | None:
    """The mean colour of a gradient; None if it has no stops."""
    if not stops:
        return None
    red, green, blue, alpha = np.mean([stop.colour for stop in stops], axis=0).tolist()
    return red, green, blue, alpha


def _shaded(
    mean: Colour,
    stops: Sequence[Stop],
    attributes: Mapping[str, str],
    is_radial: bool,
    matrix: Matrix,
    box: Rectangle,
    whole: Size,
) -> Colour:
    """The gradient as it paints a shape with the bounding box `box` (in user units).

    `matrix` maps user units to the page; percentages refer to `whole`. A gradient without extent
    gives its mean colour, `mean`.
    """
    if all(stop.colour == stops[0].colour for stop in stops):
        return mean
    if attributes.get("gradientUnits") != "userSpaceOnUse":
        left, top, right, bottom = box
        matrix = multiply(matrix, (right - left, 0.0, 0.0, bottom - top, left, top))
        whole = (1.0, 1.0)
    matrix = multiply(matrix, attribute_transform(attributes.get("gradientTransform", "")))

    def value(name: str, of: float, default: str) -> float:
        return length(attributes.get(name, default), of)

    width, height = whole
    if is_radial:
        radius = value("r", float(np.hypot(width, height)) / np.sqrt(2), "50%")
        x, y = value("cx", width, "50%"), value("cy", height, "50%")
        own = (radius, 0.0, 0.0, radius, x, y)
    else:
        x, y = value("x1", width, "0"), value("y1", height, "0")
        dx, dy = value("x2", width, "100%") - x, value("y2", height, "0") - y
        own = (dx, dy, -dy, dx, x, y)
    found = Shaded(mean)
    found.stops, found.matrix, found.is_radial = stops, multiply(matrix, own), is_radial
    found.spread = attributes.get("spreadMethod", "")
    is_placed = np.isfinite(found.matrix).all() and not is_flat(found.matrix)
    return found if is_placed else mean
