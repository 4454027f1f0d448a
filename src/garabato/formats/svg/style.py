"""The painting properties of SVG elements, inherited: colours, opacities, widths.

Source: https://www.w3.org/TR/SVG2/painting.html.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from garabato.formats.svg.geometry import length

Colour = tuple[float, float, float, float]  # red, green, blue 0..255; alpha 0..1
BLACK: Colour = (0.0, 0.0, 0.0, 1.0)
CURRENT_COLOUR = "currentcolor"
#: None paints nothing; a text is CURRENT_COLOUR, "context-fill", "context-stroke", or a paint
#: server, "url(#id)" and its fallback.
Paint = Colour | str | None
#: Fainter paint is invisible.
MIN_ALPHA = 0.02
#: A reference to an element of the document, and what follows it.
URL = re.compile(r"url\(\s*['\"]?#([^'\")]*)['\"]?\s*\)(.*)", re.DOTALL)
#: Properties whose field in `Style` has another name than theirs.
_FIELDS = {
    "color": "colour", "visibility": "is_visible", "stroke-dasharray": "dashes",
    "stroke-dashoffset": "dash_offset", "stroke-linecap": "line_cap",
}  # fmt: skip
_INHERITED = {
    "fill", "stroke", "fill-opacity", "stroke-opacity", "stroke-width", "fill-rule", "clip-rule",
    "marker-start", "marker-mid", "marker-end", *_FIELDS,
}  # fmt: skip
_KEYWORDS = {"inherit", "unset", "initial", "revert"}
_INVALID = object()
#: Transforms that CSS refuses: only zero may have no unit, and commas separate arguments.
_UNITLESS = re.compile(
    r"\b(?:translate(?:3d|[xyz])?|rotate(?:[xyz])?|skew[xy]?)\("
    r"(?:(?:[^(),]*,)*\s*[+-]?(?:[1-9][\d.]*|0?\.0*[1-9]\d*)\s*[,)]|[^(),]*[^(),\s]\s+[^\s(),])",
    re.IGNORECASE,
)
#: The colour for light screens in light-dark(LIGHT, DARK).
_LIGHT = re.compile(r"^light-dark\(\s*([^(),]+(?:\([^()]*\))?)\s*,.*", re.DOTALL)


class Style(NamedTuple):
    """The inherited properties that decide what is seen."""

    fill: Paint = BLACK
    stroke: Paint = None
    colour: Colour = BLACK
    fill_opacity: float = 1.0
    stroke_opacity: float = 1.0
    stroke_width: float = 1.0
    is_visible: bool = True
    fill_rule: str = "nonzero"
    clip_rule: str = "nonzero"
    dashes: str = "none"
    dash_offset: str = "0"
    line_cap: str = "butt"
    marker_start: str = "none"
    marker_mid: str = "none"
    marker_end: str = "none"
    #: Inside a marker or a `use`: the paints of the marked line or of the `use`, for `context-fill`
    #: and `context-stroke`.
    is_marker: bool = False
    context_fill: Colour | None = None
    context_stroke: Colour | None = None


_INITIAL = Style()


def inherit(style: Style, declared: Mapping[str, str], diagonal: float) -> Style:
    """The style of an element with these declarations, inside an element of `style`.

    Percentages of stroke-width refer to `diagonal`. Invalid values are ignored.
    """
    changed: dict[str, Any] = {}
    if "marker" in declared:
        changed = dict.fromkeys(("marker_start", "marker_mid", "marker_end"), declared["marker"])
    for name in declared.keys() & _INHERITED:
        field = _FIELDS.get(name) or name.replace("-", "_")
        value = declared[name].strip()
        if value.lower() == "initial":
            changed[field] = getattr(_INITIAL, field)
        elif value and value.lower() not in _KEYWORDS:  # the others stand for the inherited value
            parsed = _parsed(name, value, diagonal)
            if parsed is not _INVALID:
                changed[field] = parsed
    if isinstance(changed.get("colour"), str):  # color: currentColor is the inherited one
        del changed["colour"]
    return style._replace(**changed) if changed else style


def is_valid(name: str, value: str) -> bool:
    """Whether a declaration is valid; an invalid one does not replace an earlier one."""
    if name == "transform" and _UNITLESS.search(value):
        return False
    if name not in _INHERITED or "var(" in value or value.lower() in _KEYWORDS:
        return True
    return _parsed(name, value, 1.0) is not _INVALID


def paint(value: str) -> Any:
    """The Paint of a `fill` or `stroke`; _INVALID if there is no such paint."""
    keyword = value.lower()
    if keyword == "none":
        return None
    if keyword == CURRENT_COLOUR:
        return CURRENT_COLOUR
    if keyword.startswith("url("):
        return value
    if keyword.startswith("context-"):
        return keyword
    colour = parse_colour(value)
    return _INVALID if colour is None else colour


def opacity(value: str) -> Any:
    """A number or percentage as 0..1; _INVALID if it is neither."""
    number = length(value, 1.0, float("nan")) if not value[-1:].isalpha() else float("nan")
    return _INVALID if number != number else min(max(number, 0.0), 1.0)


def opacity_of(value: str | None) -> float:
    """As `opacity`; 1 for missing and invalid texts."""
    parsed = 1.0 if value is None else opacity(value.strip())
    return 1.0 if parsed is _INVALID else float(parsed)


def parse_colour(text: str) -> Colour | None:
    """A CSS colour; None if the text is not one. Long texts are not colours."""
    return _parse_colour(text.strip().lower()) if len(text) < 200 else None


def _parsed(name: str, value: str, diagonal: float) -> Any:
    if name in ("fill", "stroke"):
        return paint(value)
    if name == "color":
        colour = parse_colour(value)
        return _INVALID if colour is None else colour
    if name in ("fill-opacity", "stroke-opacity"):
        return opacity(value)
    if name == "stroke-width":
        width = length(value, diagonal, -1.0)
        return width if width >= 0 else _INVALID
    if name == "visibility":
        return value.lower() == "visible"
    if name.startswith(("marker", "stroke-dash")):
        return value
    if name == "stroke-linecap":
        return value.lower()
    return "evenodd" if value.lower() == "evenodd" else "nonzero"


@lru_cache(maxsize=4096)
def _parse_colour(text: str) -> Colour | None:
    if text == "black":
        return BLACK
    if text == "transparent":
        return (0.0, 0.0, 0.0, 0.0)
    if text.startswith("#"):
        return _hex_colour(text.split()[0][1:])
    from tinycss2.color4 import parse_color

    text = _LIGHT.sub(r"\1", text)
    if "(" in text:
        text = re.sub(r"\bnone\b", "0", text)
    colour = parse_color(text)
    if colour is None or isinstance(colour, str):
        return None
    try:
        red, green, blue = (255 * min(max(c or 0.0, 0.0), 1.0) for c in colour.to("srgb")[:3])
    except (NotImplementedError, ValueError, ArithmeticError):
        lightness = colour.coordinates[0] or 0.0
        red = green = blue = 255 * min(max(lightness / (100 if lightness > 1 else 1), 0.0), 1.0)
    return red, green, blue, colour.alpha


def _hex_colour(digits: str) -> Colour | None:
    if len(digits) in (3, 4):
        digits = "".join(digit * 2 for digit in digits)
    if len(digits) not in (6, 8) or re.fullmatch("[0-9a-f]*", digits) is None:
        return None
    red, green, blue = (float(int(digits[i : i + 2], 16)) for i in (0, 2, 4))
    return red, green, blue, int(digits[6:], 16) / 255 if len(digits) == 8 else 1.0
