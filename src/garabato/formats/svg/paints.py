"""The colours of an SVG document's paints: plain ones, gradients and patterns."""

from __future__ import annotations

from xml.etree.ElementTree import Element

import numpy as np

from garabato.formats.svg.geometry import length
from garabato.formats.svg.gradients import Stop, mean_colour, shaded
from garabato.formats.svg.items import Points, bounds_of
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
        return shaded(
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
        return mean_colour(self._stops_of(server))

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
