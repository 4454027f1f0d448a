"""SVG's lengths, transforms, view boxes and basic shapes. Source: https://www.w3.org/TR/SVG11/."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from garabato.formats.svg._paths import numbers

Matrix = npt.NDArray[np.float64]  # (3, 3), columns x, y, 1
Size = tuple[float, float]

# Each run of digits, blanks or arguments can end at one place only: a text that does not fit is
# given up after one look at it, however long it is.
_LENGTH = re.compile(r"([+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)\s*([a-z]*|%)")
_UNITS_PX = {
    "": 1.0, "px": 1.0, "in": 96.0, "cm": 96 / 2.54, "mm": 9.6 / 2.54, "pt": 96 / 72, "pc": 16.0,
    "em": 16.0, "rem": 16.0, "ex": 8.0,
}  # fmt: skip
_TRANSFORM = re.compile(r"(matrix|translate|scale|rotate|skewX|skewY)\s*\(([^()]*)\)")


def length(text: str | None, whole: float, default: float = 0.0) -> float:
    """A length in px; percentages are of `whole`; `default` where it is missing or no length."""
    match = _LENGTH.fullmatch((text or "").strip())
    if match is None:
        return default
    value, unit = float(match[1]), match[2]
    if unit == "%":
        return value / 100 * whole
    return value * _UNITS_PX[unit] if unit in _UNITS_PX else default


def transform(text: str | None) -> Matrix:
    """The matrix of a `transform` attribute; what is not understood is passed over."""
    a, b, c, d, e, f = 1.0, 0.0, 0.0, 1.0, 0.0, 0.0
    for match in _TRANSFORM.finditer(text or ""):
        name, values = match[1], numbers(match[2])
        if values or name == "matrix":
            g, h, i, j, k, m = _one_transform(name, values)
            e, f = a * k + c * m + e, b * k + d * m + f
            a, b, c, d = a * g + c * h, b * g + d * h, a * i + c * j, b * i + d * j
    return np.array([[a, c, e], [b, d, f], [0, 0, 1]], np.float64)


def _one_transform(name: str, values: list[float]) -> Sequence[float]:
    """The numbers that SVG's `matrix` would take for it."""
    if name == "matrix":
        return values if len(values) == 6 else (1, 0, 0, 1, 0, 0)
    first, second = values[0], values[1] if len(values) > 1 else None
    if name == "translate":
        return 1, 0, 0, 1, first, second or 0
    if name == "scale":
        return first, 0, 0, first if second is None else second, 0, 0
    angle = _radians(first)
    if name == "rotate":
        cos, sin = math.cos(angle), math.sin(angle)
        x, y = values[1:3] if len(values) >= 3 else (0.0, 0.0)
        return cos, sin, -sin, cos, x - cos * x + sin * y, y - sin * x - cos * y
    slope = math.tan(angle)
    return (1, 0, slope, 1, 0, 0) if name == "skewX" else (1, slope, 0, 1, 0, 0)


def _radians(degrees: float) -> float:
    """Less than a turn; 0 for an angle that is none."""
    return math.radians(math.fmod(degrees, 360)) if math.isfinite(degrees) else 0.0


def view_box(attributes: Mapping[str, str], outside: Size) -> tuple[Matrix, Size]:
    """Where an `svg` element puts its content, and the size its percentages are of.

    `outside` is the size the element's own percentages are of.
    """
    box = numbers(attributes.get("viewBox", ""))
    has_box = len(box) == 4 and box[2] > 0 and box[3] > 0
    default = (box[2], box[3]) if has_box else outside
    width = length(attributes.get("width"), outside[0], default[0])
    height = length(attributes.get("height"), outside[1], default[1])
    if not has_box or width <= 0 or height <= 0:
        return np.eye(3), (width, height) if width > 0 and height > 0 else outside
    how = attributes.get("preserveAspectRatio", "xMidYMid meet").split() or [""]
    sx, sy = width / box[2], height / box[3]
    if how[0] != "none":
        sx = sy = max(sx, sy) if how[-1] == "slice" else min(sx, sy)
    spare_x, spare_y = width - sx * box[2], height - sy * box[3]
    dx = spare_x * (0 if "xMin" in how[0] else 1 if "xMax" in how[0] else 0.5)
    dy = spare_y * (0 if "YMin" in how[0] else 1 if "YMax" in how[0] else 0.5)
    matrix = np.array([[sx, 0, dx - sx * box[0]], [0, sy, dy - sy * box[1]], [0, 0, 1]])
    return matrix, (box[2], box[3])


def shape_path(name: str, attributes: Mapping[str, str], whole: Size) -> str:
    """The path data of a basic shape (or of a path); "" where it draws nothing."""
    if name == "path":
        return attributes.get("d", "")
    if name in ("polyline", "polygon"):
        return f"M{attributes.get('points', '')}{'Z' if name == 'polygon' else ''}"
    diagonal = math.hypot(*whole) / math.sqrt(2)

    def get(key: str, unit: float) -> float:
        return length(attributes.get(key), unit)

    if name == "line":
        x1, y1 = get("x1", whole[0]), get("y1", whole[1])
        return f"M{x1} {y1}L{get('x2', whole[0])} {get('y2', whole[1])}"
    if name == "rect":
        return _rect_path(attributes, whole)
    cx, cy = get("cx", whole[0]), get("cy", whole[1])
    if name == "circle":
        rx = ry = get("r", diagonal)
    else:
        rx, ry = get("rx", whole[0]), get("ry", whole[1])
    if rx <= 0 or ry <= 0:
        return ""
    return f"M{cx + rx} {cy}A{rx} {ry} 0 0 1 {cx - rx} {cy}A{rx} {ry} 0 0 1 {cx + rx} {cy}Z"


def _rect_path(attributes: Mapping[str, str], whole: Size) -> str:
    x, y = length(attributes.get("x"), whole[0]), length(attributes.get("y"), whole[1])
    width = length(attributes.get("width"), whole[0])
    height = length(attributes.get("height"), whole[1])
    if width <= 0 or height <= 0:
        return ""
    rx = length(attributes.get("rx"), whole[0], -1)
    ry = length(attributes.get("ry"), whole[1], -1)
    rx, ry = (ry if rx < 0 else rx), (rx if ry < 0 else ry)
    rx, ry = min(max(rx, 0), width / 2), min(max(ry, 0), height / 2)
    if rx == 0 or ry == 0:
        return f"M{x} {y}H{x + width}V{y + height}H{x}Z"
    corner = f"A{rx} {ry} 0 0 1"
    return (
        f"M{x + rx} {y}H{x + width - rx}{corner} {x + width} {y + ry}V{y + height - ry}"
        f"{corner} {x + width - rx} {y + height}H{x + rx}{corner} {x} {y + height - ry}"
        f"V{y + ry}{corner} {x + rx} {y}Z"
    )
