"""What an SVG document paints: shapes as polylines, with their paint and clips."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from garabato.drawing import IntArray
from garabato.formats.svg.style import Colour

Points = npt.NDArray[np.float64]  # (n, 2)
Rectangle = tuple[float, float, float, float]  # left, top, right, bottom

WHITE: Colour = (255.0, 255.0, 255.0, 1.0)


class Clip(NamedTuple):
    """Where an item may be seen: in a rectangle and in all regions, each painted by items."""

    rectangle: Rectangle | None = None
    regions: tuple[tuple[Item, ...], ...] = ()


class Item(NamedTuple):
    """One shape: polylines `points[starts[i]:starts[i + 1]]` in page units, and how it is painted.

    `fill` and `stroke` are None where nothing is painted; `stroke_width` is in page units.
    """

    points: Points
    starts: IntArray
    bounds: Rectangle
    fill: Colour | None = None
    stroke: Colour | None = None
    stroke_width: float = 0.0
    is_even_odd: bool = False
    clip: Clip = Clip()


class Document(NamedTuple):
    """What a document paints, in units of its outermost view box.

    `page` is what a viewer shows of it, None if the document doesn't say. `background` is the
    page's colour if the document sets it.
    """

    items: list[Item]
    page: Rectangle | None
    background: Colour | None
    n_pictures: int
    n_texts: int


def bounds_of(points: Points) -> Rectangle:
    """The smallest rectangle that holds all points."""
    left, top = points.min(axis=0).tolist()
    right, bottom = points.max(axis=0).tolist()
    return left, top, right, bottom


def intersection(a: Rectangle | None, b: Rectangle | None) -> Rectangle | None:
    """The intersection of two rectangles; None stands for the whole plane."""
    if a is None or b is None:
        return b if a is None else a
    return max(a[0], b[0]), max(a[1], b[1]), min(a[2], b[2]), min(a[3], b[3])


def rectangle_of(item: Item) -> Rectangle | None:
    """The rectangle with sides along the axes that a filled item is; None for other shapes."""
    points = item.points
    if len(item.starts) != 2 or not 4 <= len(points) <= 5:
        return None
    if len(points) == 5 and not (points[0] == points[4]).all():
        return None
    low, high = points.min(axis=0), points.max(axis=0)
    on_edge = (points == low) | (points == high)
    sides = np.abs(np.diff(points[[0, 1, 2, 3, 0]], axis=0)) > 0
    if not on_edge.all() or not (sides.sum(axis=1) == 1).all():
        return None
    return float(low[0]), float(low[1]), float(high[0]), float(high[1])
