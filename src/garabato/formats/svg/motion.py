"""The CSS property `offset-path`: where an element stands on a path.

Paths are `path()`, shapes such as `circle()`, and `url(#id)`; elements on a `ray()` stay where they
are. Source: https://www.w3.org/TR/motion-1/.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from garabato.formats.svg.geometry import (
    BASIC_SHAPE,
    IDENTITY,
    Matrix,
    Size,
    basic_shape_path,
    length,
    multiply,
    origin,
    shape_path,
    transform,
)
from garabato.formats.svg.items import Rectangle
from garabato.formats.svg.tree import SHAPES, Tree


def motion(
    tree: Tree,
    declared: Mapping[str, str],
    whole: Size,
    box: Rectangle,
    transform_origin: tuple[float, float],
) -> Matrix:
    """The matrix that puts an element on its `offset-path`, apart from its transform.

    `box` is the element's reference box.
    """
    point = _point_on(_path(tree, declared["offset-path"].strip(), whole), declared, tree)
    if point is None:
        return IDENTITY
    x, y, direction = point
    anchor = transform_origin
    text = declared.get("offset-anchor", "auto").strip()
    if text != "auto":
        left, top, right, bottom = box
        in_box = origin(text, (right - left, bottom - top))
        anchor = left + in_box[0], top + in_box[1]
    turn = _turn(declared.get("offset-rotate", "auto"), direction)
    placed = multiply((1, 0, 0, 1, x, y), turn)
    return multiply(placed, (1, 0, 0, 1, -anchor[0], -anchor[1]))


def _path(tree: Tree, value: str, whole: Size) -> str | None:
    """The path data of an `offset-path`."""
    if BASIC_SHAPE.match(value):  # browsers take percentages of shapes as 0
        return basic_shape_path(value, (0.0, 0.0))
    element = tree.referenced(value)
    if element is None or element.tag not in SHAPES:
        return None
    return shape_path(element.tag, tree.declared(element, tree.start)[0], whole)


def _point_on(
    data: str | None, declared: Mapping[str, str], tree: Tree
) -> tuple[float, float, float] | None:
    """x, y and the direction in degrees at the `offset-distance` of a path; None if it is empty."""
    points, starts, _ = tree.flattened(data or "", IDENTITY)
    if not len(points) or not np.isfinite(points).all():
        return None
    steps = np.diff(points, axis=0)
    lengths = np.hypot(*steps.T)
    lengths[starts[1:-1] - 1] = 0.0  # from one part of the path to the next
    at = np.concatenate([[0.0], np.cumsum(lengths)])
    total = float(at[-1])
    distance = length(declared.get("offset-distance"), total)
    if not math.isfinite(total) or not math.isfinite(distance):
        return None
    if total == 0:
        return float(points[0, 0]), float(points[0, 1]), 0.0
    if len(starts) == 2 and (points[0] == points[-1]).all():
        distance %= total
    segment = int(np.searchsorted(at, min(max(distance, 0.0), total), side="right")) - 1
    segment = min(segment, int(np.flatnonzero(lengths)[-1]))
    share = min(max(distance - at[segment], 0.0) / lengths[segment], 1.0)
    x, y = (points[segment] + share * steps[segment]).tolist()
    return x, y, math.degrees(math.atan2(*steps[segment][::-1]))


def _turn(text: str, direction: float) -> Matrix:
    """The turn of an `offset-rotate` where the path has a direction, in degrees."""
    words = text.lower().split()
    angles = [word for word in words if word not in ("auto", "reverse")]
    if "reverse" in words:
        direction += 180
    elif "auto" not in words and angles:
        direction = 0.0
    return transform("".join(f"rotate({angle})" for angle in (f"{direction}deg", *angles)))
