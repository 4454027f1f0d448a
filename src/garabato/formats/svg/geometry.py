"""SVG's lengths, transforms, view boxes and basic shapes. Source: https://www.w3.org/TR/SVG2/."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence

Matrix = tuple[float, float, float, float, float, float]  # as SVG's matrix(a b c d e f)
Size = tuple[float, float]

IDENTITY: Matrix = (1.0, 0.0, 0.0, 1.0, 0.0, 0.0)
#: The start of a CSS `<basic-shape>`.
BASIC_SHAPE = re.compile(r"(?:inset|xywh|rect|circle|ellipse|polygon|path)\(")

_FILL_RULE = re.compile(r"^(?:nonzero|evenodd)\s*,\s*")
#: A matrix whose determinant is a smaller share of its squared size cannot be inverted reliably.
_FLAT = 1e-12

# In each pattern, a run of digits, blanks or arguments can end at one place only, so that texts
# that don't match are rejected in linear time.
_NUMBER_TEXT = r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?"
_NUMBER = re.compile(rf"[\s,]*({_NUMBER_TEXT})[\s,]*")
_LENGTH = re.compile(rf"({_NUMBER_TEXT})\s*([a-zA-Z]*|%)")
_TRANSFORM = re.compile(r"(?<![a-zA-Z])([a-zA-Z]+(?:3d)?)\s*\(([^()]*)\)")
_UNITS_PX = {
    "": 1.0, "px": 1.0, "in": 96.0, "cm": 96 / 2.54, "mm": 9.6 / 2.54, "pt": 96 / 72, "pc": 16.0,
    "em": 16.0, "rem": 16.0, "ex": 8.0,
}  # fmt: skip
_UNITS_DEGREES = {"": 1.0, "deg": 1.0, "grad": 0.9, "rad": 180 / math.pi, "turn": 360.0}
_N_ARGUMENTS = {
    "matrix": (6,), "translate": (1, 2), "scale": (1, 2), "rotate": (1, 3), "skewX": (1,),
    "skewY": (1,),
}  # fmt: skip


def numbers(text: str) -> list[float]:
    """All numbers of a list separated by blanks and commas, up to the first other thing."""
    return _numbers(text)[0]


def length(text: str | None, whole: float, default: float = 0.0) -> float:
    """A length in px. Percentages refer to `whole`; anything else gives `default`."""
    if text is None:
        return default
    match = _LENGTH.fullmatch(text.strip())
    if match is None:
        return default
    value, unit = float(match[1]), match[2].lower()
    if unit == "%":
        return value / 100 * whole
    return value * _UNITS_PX[unit] if unit in _UNITS_PX else default


def multiply(outer: Matrix, inner: Matrix) -> Matrix:
    """The matrix that applies `inner` first, then `outer`."""
    a, b, c, d, e, f = outer
    g, h, i, j, k, m = inner
    return (
        a * g + c * h, b * g + d * h, a * i + c * j, b * i + d * j,
        a * k + c * m + e, b * k + d * m + f,
    )  # fmt: skip


def scale_of(matrix: Matrix) -> float:
    """By how much a matrix enlarges lengths, on average."""
    a, b, c, d, _, _ = matrix
    return math.sqrt(abs(a * d - b * c))


def is_flat(matrix: Matrix) -> bool:
    """Whether a matrix turns shapes into lines or points, apart from rounding."""
    a, b, c, d, _, _ = matrix
    return abs(a * d - b * c) <= _FLAT * (a * a + b * b + c * c + d * d)


def transform(text: str | None, whole: Size = (0.0, 0.0)) -> Matrix:
    """The matrix of a CSS `transform`; one that is invalid does nothing.

    Percentages in translations refer to `whole`.
    """
    matrix = IDENTITY
    for match in _TRANSFORM.finditer(text or ""):
        inner = _one_transform(match[1].lower(), match[2], whole)
        if inner is None:
            return IDENTITY
        matrix = multiply(matrix, inner)
    return matrix


def attribute_transform(text: str) -> Matrix:
    """The matrix of a `transform` attribute, whose numbers have no units.

    An invalid one does nothing. Source: https://www.w3.org/TR/SVG11/coords.html#TransformAttribute.
    """
    matrix = IDENTITY
    for match in _TRANSFORM.finditer(text):
        values, is_all = _numbers(match[2])
        if not is_all or len(values) not in _N_ARGUMENTS.get(match[1], ()):
            return IDENTITY
        inner = _one_transform(match[1].lower(), " ".join(map(repr, values)), (0.0, 0.0))
        matrix = multiply(matrix, inner) if inner else matrix
    return matrix


def origin(text: str, whole: Size) -> tuple[float, float]:
    """The point of a CSS `transform-origin`; percentages and keywords refer to `whole`."""
    keywords = {"left": "0%", "top": "0%", "center": "50%", "right": "100%", "bottom": "100%"}
    parts = text.lower().split()[:2] or ["0"]
    if len(parts) == 1:
        parts.append("center")
    if parts[0] in ("top", "bottom") or parts[1] in ("left", "right"):
        parts.reverse()
    x, y = (length(keywords.get(part, part), side) for part, side in zip(parts, whole, strict=True))
    return x, y


def page_size(attributes: Mapping[str, str]) -> tuple[float | None, float | None]:
    """The width and height of an outermost `svg` element; None where they are not absolute."""
    width, height = (length(attributes.get(key), math.nan, math.nan) for key in ("width", "height"))
    return width if width > 0 else None, height if height > 0 else None


def view_box(attributes: Mapping[str, str], outside: Size) -> tuple[Matrix, Size, Size]:
    """Where an `svg` element puts its content; its size in `outside` units; its inner size.

    Percentages of the element itself refer to `outside`, those of its content to the inner size. An
    element without a size has that of `outside`; one with a size of 0 shows nothing: its matrix
    is 0.
    """
    box = numbers(attributes.get("viewBox", ""))
    has_box = len(box) == 4 and box[2] >= 0 and box[3] >= 0
    width, height = (
        length(attributes.get(key), outside[i], outside[i])
        for i, key in enumerate(("width", "height"))
    )
    if width == 0 or height == 0 or (has_box and (box[2] == 0 or box[3] == 0)):
        return (0.0, 0.0, 0.0, 0.0, 0.0, 0.0), (0.0, 0.0), (1.0, 1.0)
    if width < 0 or height < 0:
        width, height = outside
    if not has_box:
        return IDENTITY, (width, height), (width, height)
    how = attributes.get("preserveAspectRatio", "xMidYMid meet").split() or [""]
    sx, sy = width / box[2], height / box[3]
    if how[0] != "none":
        sx = sy = max(sx, sy) if how[-1] == "slice" else min(sx, sy)
    spare_x, spare_y = width - sx * box[2], height - sy * box[3]
    dx = spare_x * (0 if "xMin" in how[0] else 1 if "xMax" in how[0] else 0.5)
    dy = spare_y * (0 if "YMin" in how[0] else 1 if "YMax" in how[0] else 0.5)
    matrix = (sx, 0.0, 0.0, sy, dx - sx * box[0], dy - sy * box[1])
    return matrix, (width, height), (box[2], box[3])


def shape_path(name: str, attributes: Mapping[str, str], whole: Size) -> str:
    """The path data of a basic shape (or of a path); "" where it draws nothing."""
    if name == "path":
        data = attributes.get("d", "")
        if data.startswith("path("):  # the CSS property
            return data.removeprefix("path(").rstrip(") ").strip("'\" ")
        return data
    if name in ("polyline", "polygon"):
        return f"M{attributes.get('points', '')}{'Z' if name == 'polygon' else ''}"
    diagonal = math.hypot(*whole) / math.sqrt(2)

    def get(key: str, unit: float) -> float:
        return length(attributes.get(key), unit)

    if name == "line":
        x1, y1 = get("x1", whole[0]), get("y1", whole[1])
        return f"M{x1} {y1}L{get('x2', whole[0])} {get('y2', whole[1])}"
    if name == "rect":
        x, y, width, height = map(get, ("x", "y", "width", "height"), whole * 2)
        return _rounded_path((x, y, width, height), *_radii(attributes, whole))
    cx, cy = get("cx", whole[0]), get("cy", whole[1])
    if name == "circle":
        rx = ry = get("r", diagonal)
    else:
        rx, ry = _radii(attributes, whole)
    return _ellipse_path(cx, cy, rx, ry)


def basic_shape_path(text: str, size: Size) -> str | None:
    """The path data of a CSS `<basic-shape>` in a box at (0, 0); None if it is invalid.

    All corners are as round as the first. Source: https://www.w3.org/TR/css-shapes-1/.
    """
    name, _, rest = text.strip().partition("(")
    arguments = rest.rpartition(")")[0].strip()
    width, height = size
    if name == "path":
        return _FILL_RULE.sub("", arguments).strip("'\"")
    if name == "polygon":
        pairs = [pair.split() for pair in arguments.split(",")]
        corners = [
            f"{length(pair[0], width)} {length(pair[1], height)}"
            for pair in pairs
            if len(pair) == 2
        ]
        return f"M{'L'.join(corners)}Z" if corners else None
    if name in ("circle", "ellipse"):
        return _round_shape_path(name, arguments, size)
    insets, _, radii = arguments.partition("round")
    sides = insets.split()
    if not sides:
        return None
    sides = (sides * 4)[:4] if len(sides) < 3 else [*sides, sides[1]][:4]
    if name == "xywh":
        x0, y0, *extent = (length(side, size[i % 2]) for i, side in enumerate(sides))
        x1, y1 = x0 + extent[0], y0 + extent[1]
    else:
        y0, x1, y1, x0 = (length(side, size[1 - i % 2]) for i, side in enumerate(sides))
        if name == "inset":
            x1, y1 = width - x1, height - y1
    parts = (radii.split("/") * 2)[:2]
    rx, ry = (length([*p.split(), "0"][0], side) for p, side in zip(parts, size, strict=True))
    return _rounded_path((x0, y0, x1 - x0, y1 - y0), rx, ry)


def _numbers(text: str) -> tuple[list[float], bool]:
    """(the numbers at the start of a text, whether there is nothing else in it)."""
    found, at = [], 0
    while match := _NUMBER.match(text, at):
        found.append(float(match[1]))
        at = match.end()
    return found, at == len(text)


def _one_transform(name: str, arguments: str, whole: Size) -> Matrix | None:
    if name == "matrix":
        values = numbers(arguments)
        return tuple(values) if len(values) == 6 else None  # type: ignore[return-value]
    if name == "matrix3d":
        m = numbers(arguments)
        return (m[0], m[1], m[4], m[5], m[12], m[13]) if len(m) == 16 else None
    parts = arguments.replace(",", " ").split()
    if not parts:
        return None
    if name in ("translate", "translatex", "translatey", "translate3d"):
        moves = [length(part, whole[i % 2 or name == "translatey"]) for i, part in enumerate(parts)]
        if name == "translatey":
            return 1, 0, 0, 1, 0, moves[0]
        return 1, 0, 0, 1, moves[0], moves[1] if len(moves) > 1 and name != "translatex" else 0
    if name in ("scale", "scalex", "scaley", "scale3d"):
        factors = [length(part, 1.0, float("nan")) for part in parts]
        if any(math.isnan(factor) for factor in factors):
            return None
        first, second = factors[0], factors[1] if len(factors) > 1 else factors[0]
        return 1 if name == "scaley" else first, 0, 0, 1 if name == "scalex" else second, 0, 0
    angle = _radians(parts[0])
    if name in ("rotatex", "rotatey"):  # seen from the front, without perspective
        cos = math.cos(angle)
        return (1, 0, 0, cos, 0, 0) if name == "rotatex" else (cos, 0, 0, 1, 0, 0)
    if name in ("rotate", "rotatez"):
        cos, sin = math.cos(angle), math.sin(angle)
        x, y = (length(part, 0) for part in parts[1:3]) if len(parts) >= 3 else (0.0, 0.0)
        return cos, sin, -sin, cos, x - cos * x + sin * y, y - sin * x - cos * y
    if name in ("skewx", "skewy", "skew"):
        slope = math.tan(angle)
        if name == "skewy":
            return 1, slope, 0, 1, 0, 0
        other = math.tan(_radians(parts[1])) if name == "skew" and len(parts) > 1 else 0.0
        return 1, other, slope, 1, 0, 0
    return None


def _radians(text: str) -> float:
    """An angle, less than a turn; 0 for anything that is not an angle."""
    match = _LENGTH.fullmatch(text)
    if match is None or match[2].lower() not in _UNITS_DEGREES:
        return 0.0
    degrees = float(match[1]) * _UNITS_DEGREES[match[2].lower()]
    return math.radians(math.fmod(degrees, 360)) if math.isfinite(degrees) else 0.0


def _rounded_path(box: tuple[float, float, float, float], rx: float, ry: float) -> str:
    """The path data of a box (x, y, width, height) with rounded corners; "" for one of no size."""
    x, y, width, height = box
    if width <= 0 or height <= 0:
        return ""
    rx, ry = min(max(rx, 0), width / 2), min(max(ry, 0), height / 2)
    if rx == 0 or ry == 0:
        return f"M{x} {y}H{x + width}V{y + height}H{x}Z"
    corner = f"A{rx} {ry} 0 0 1"
    return (
        f"M{x + rx} {y}H{x + width - rx}{corner} {x + width} {y + ry}V{y + height - ry}"
        f"{corner} {x + width - rx} {y + height}H{x + rx}{corner} {x} {y + height - ry}"
        f"V{y + ry}{corner} {x + rx} {y}Z"
    )


def _radii(attributes: Mapping[str, str], whole: Size) -> Sequence[float]:
    """rx and ry; one that is missing or "auto" is as long as the other."""
    rx = length(attributes.get("rx"), whole[0], -1)
    ry = length(attributes.get("ry"), whole[1], -1)
    return (ry if rx < 0 else rx), (rx if ry < 0 else ry)


def _ellipse_path(cx: float, cy: float, rx: float, ry: float) -> str:
    """The path data of an ellipse; "" for one of no size."""
    if rx <= 0 or ry <= 0:
        return ""
    return f"M{cx + rx} {cy}A{rx} {ry} 0 0 1 {cx - rx} {cy}A{rx} {ry} 0 0 1 {cx + rx} {cy}Z"


def _round_shape_path(name: str, arguments: str, size: Size) -> str:
    radii, _, centre = arguments.partition("at ")
    cx, cy = origin(centre or "center", size)
    sides = (cx, size[0] - cx), (cy, size[1] - cy)
    sizes = (radii.split() + ["closest-side"] * 2)[:2]
    choose = [max if text == "farthest-side" else min for text in sizes]
    if name == "circle":
        diagonal = math.hypot(*size) / math.sqrt(2)
        rx = ry = length(sizes[0], diagonal, choose[0](*sides[0], *sides[1]))
    else:
        rx, ry = (length(sizes[i], size[i], choose[i](*sides[i])) for i in (0, 1))
    return _ellipse_path(cx, cy, rx, ry)
