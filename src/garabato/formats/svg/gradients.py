"""The colours of gradients, at each point of the page.

Source: https://www.w3.org/TR/SVG2/pservers.html#Gradients.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

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
from garabato.formats.svg.items import WHITE, Points, Rectangle
from garabato.formats.svg.style import Colour


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


def mean_colour(stops: Sequence[Stop]) -> Colour | None:
    """The mean colour of a gradient; None if it has no stops."""
    if not stops:
        return None
    red, green, blue, alpha = np.mean([stop.colour for stop in stops], axis=0).tolist()
    return red, green, blue, alpha


def shaded(
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
