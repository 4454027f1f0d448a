"""How SVG elements are painted: the cascade of attributes, `style` and style sheets.

Style sheets are parsed by tinycss2 and matched by cssselect2, only where a document has any; the
work they may cause is bounded. Source: https://www.w3.org/TR/SVG2/styling.html.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple
from xml.etree.ElementTree import Element

from garabato.formats.svg.geometry import length

if TYPE_CHECKING:
    from cssselect2 import Matcher

#: Bounds on all style sheets of a document together, and on the work of matching them.
MAX_SHEET_CHARACTERS = 256 * 2**10
MAX_STEPS = 3_000_000
#: Longer selectors, and those with pseudo-classes not listed, match nothing.
_MAX_SELECTOR_TOKENS = 60
_PSEUDO_CLASSES = {
    "root", "first-child", "last-child", "only-child", "empty", "not", "is", "where", "nth-child",
    "nth-last-child", "hover", "focus", "active", "link", "visited",
}  # fmt: skip
#: Media queries that hold for a drawing on a light screen.
_MEDIA = {"", "all", "screen", "only screen", "(prefers-color-scheme:light)"}

Colour = tuple[float, float, float, float]  # red, green, blue 0..255; alpha 0..1
BLACK: Colour = (0.0, 0.0, 0.0, 1.0)
CURRENT_COLOUR = "currentcolor"
#: None paints nothing; a text is CURRENT_COLOUR or a paint server, "url(#id)" and its fallback.
Paint = Colour | str | None


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


_INHERITED = {
    "fill": "fill",
    "stroke": "stroke",
    "color": "colour",
    "fill-opacity": "fill_opacity",
    "stroke-opacity": "stroke_opacity",
    "stroke-width": "stroke_width",
    "visibility": "is_visible",
    "fill-rule": "fill_rule",
    "clip-rule": "clip_rule",
}
_INITIAL = Style()
#: CSS properties that count; others ("font-family") are skipped. Geometry is CSS in SVG 2.
_PROPERTIES = _INHERITED.keys() | {
    "display", "opacity", "transform", "transform-origin", "clip-path", "mask", "overflow",
    "vector-effect", "stop-color", "stop-opacity", "background", "background-color",
    "x", "y", "width", "height", "cx", "cy", "r", "rx", "ry",
}  # fmt: skip


def inherit(style: Style, declared: Mapping[str, str], diagonal: float) -> Style:
    """The style of an element with these declarations inside one of `style`.

    Percentages of stroke-width are of `diagonal`. Invalid values count as not declared.
    """
    changed: dict[str, Any] = {}
    for name in declared.keys() & _INHERITED.keys():
        field = _INHERITED[name]
        value = declared[name].strip()
        keyword = value.lower()
        if keyword in ("inherit", "unset", ""):
            continue
        if keyword in ("initial", "revert"):
            changed[field] = getattr(_INITIAL, field)
            continue
        parsed = _parsed(name, value, diagonal)
        if parsed is not _INVALID:
            changed[field] = parsed
    if isinstance(changed.get("colour"), str):  # color: currentColor is the inherited one
        del changed["colour"]
    return style._replace(**changed) if changed else style


_INVALID = object()


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
    return "evenodd" if value.lower() == "evenodd" else "nonzero"


def paint(value: str) -> Any:
    """A `fill` or `stroke` as Paint; _INVALID if it is none."""
    keyword = value.lower()
    if keyword == "none":
        return None
    if keyword == CURRENT_COLOUR:
        return CURRENT_COLOUR
    if keyword.startswith("url("):
        return value
    if keyword.startswith("context-"):
        return None
    colour = parse_colour(value)
    return _INVALID if colour is None else colour


def opacity(value: str) -> Any:
    """A number or percentage as 0..1; _INVALID if it is neither."""
    number = length(value, 1.0, float("nan")) if not value[-1:].isalpha() else float("nan")
    return _INVALID if number != number else min(max(number, 0.0), 1.0)


def opacity_or(value: str | None, default: float) -> float:
    """As `opacity`, with a value for missing and invalid texts."""
    parsed = default if value is None else opacity(value.strip())
    return default if parsed is _INVALID else float(parsed)


def parse_colour(text: str) -> Colour | None:
    """A CSS colour; None if the text is not one. Long texts are not colours."""
    return _parse_colour(text.strip().lower()) if len(text) < 200 else None


@lru_cache(maxsize=4096)
def _parse_colour(text: str) -> Colour | None:
    if text == "black":
        return BLACK
    if text == "transparent":
        return (0.0, 0.0, 0.0, 0.0)
    if text.startswith("#"):
        return _hex_colour(text.split()[0][1:])
    from tinycss2.color4 import parse_color

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


class StyleTooComplexError(Exception):
    """The style sheets would take too long; the text says what is too much."""


class Cascade:
    """The declarations of each element of a document, by the rules of CSS."""

    def __init__(self, root: Element) -> None:
        self._variables: dict[str, str] = {}
        sheet = "\n".join(
            element.text or ""
            for element in root.iter("style")
            if element.get("type", "text/css").strip().lower() in ("", "text/css")
        )
        self._by_element: dict[Element, _Declared] = {}
        if sheet.strip():
            self._by_element = _match_sheet(sheet, root, self._variables)

    def declared(self, element: Element) -> Mapping[str, str]:
        """Attributes, overridden by style sheets, by `style`, and by what is `!important`."""
        attributes = element.attrib
        style = attributes.get("style")
        sheet = self._by_element.get(element)
        if style is None and sheet is None and not self._variables:
            return attributes
        merged = dict(attributes)
        inline = _parse_style(style) if style else _NOTHING_DECLARED
        for part in (sheet, inline):
            merged.update(part.normal if part else {})
        for part in (sheet, inline):
            merged.update(part.important if part else {})
        for name, value in merged.items():
            if name in _PROPERTIES and "var(" in value:
                merged[name] = self._with_variables(value)
        return merged

    def _with_variables(self, value: str) -> str:
        """`value` with `var(--name, fallback)` replaced, one level deep."""

        def replaced(match: re.Match[str]) -> str:
            return self._variables.get(match[1], match[2] or "").strip()

        return _VARIABLE.sub(replaced, value) if len(value) < 1000 else value


_VARIABLE = re.compile(r"var\(\s*(--[\w-]+)\s*(?:,([^()]*(?:\([^()]*\))?[^()]*))?\)")


class _Declared(NamedTuple):
    normal: dict[str, str]
    important: dict[str, str]


_NOTHING_DECLARED = _Declared({}, {})


def _parse_style(text: str) -> _Declared:
    return _parse_short_style(text) if len(text) < 500 else _parse_declarations(text)


@lru_cache(maxsize=1024)
def _parse_short_style(text: str) -> _Declared:
    return _parse_declarations(text)


def _parse_declarations(text: str) -> _Declared:
    """The declarations of a `style` attribute."""
    if any(sign in text for sign in ("/*", "\\", "'", '"', "url(data")):
        return _declarations_of(text, {})
    declared = _Declared({}, {})
    for part in text.split(";"):
        name, _, value = part.partition(":")
        name, value = name.strip().lower(), value.strip()
        if name in _PROPERTIES and value:
            value, mark, important = value.partition("!")
            if not mark:
                declared.normal[name] = value
            elif important.strip().lower() == "important":
                declared.important[name] = value.strip()
    return declared


def _declarations_of(content: Any, variables: dict[str, str]) -> _Declared:
    """The declarations of a block, as text or as tokens of tinycss2."""
    import tinycss2

    declared = _Declared({}, {})
    for node in tinycss2.parse_blocks_contents(content, skip_comments=True, skip_whitespace=True):
        if node.type != "declaration":
            continue
        if node.lower_name not in _PROPERTIES and not node.name.startswith("--"):
            continue
        try:
            value = tinycss2.serialize(node.value).strip()
        except RecursionError:  # brackets inside brackets by the thousand
            continue
        if node.name.startswith("--"):
            variables[node.name] = value
        elif value:
            (declared.important if node.important else declared.normal)[node.lower_name] = value
    return declared


def _match_sheet(sheet: str, root: Element, variables: dict[str, str]) -> dict[Element, _Declared]:
    """What a style sheet declares for each element that a rule of it matches."""
    import cssselect2
    import tinycss2

    if len(sheet) > MAX_SHEET_CHARACTERS:
        raise StyleTooComplexError(
            f"the style sheets have more than {MAX_SHEET_CHARACTERS // 2**10} KiB"
        )
    matcher = cssselect2.Matcher()
    rules = tinycss2.parse_stylesheet(sheet, skip_comments=True, skip_whitespace=True)
    n_rules = _add_rules(rules, matcher, variables, 0)
    budget = _Budget()
    matched: dict[Element, _Declared] = {}
    for wrapper in _bounded_wrapper(budget).from_xml_root(root).iter_subtree():
        budget.spend(1 + n_rules)
        found = matcher.match(wrapper)
        if found:
            declared = matched.setdefault(wrapper.etree_element, _Declared({}, {}))
            for _, _, pseudo_element, payload in found:
                if pseudo_element is None:
                    declared.normal.update(payload.normal)
                    declared.important.update(payload.important)
    return matched


def _add_rules(
    rules: Iterable[Any], matcher: Matcher, variables: dict[str, str], depth: int
) -> int:
    """Add the style rules that hold here to `matcher`; returns how many selectors."""
    import cssselect2
    import tinycss2

    n = 0
    for rule in rules:
        if rule.type == "at-rule" and rule.lower_at_keyword == "media" and rule.content:
            query = "".join(tinycss2.serialize(rule.prelude[:50]).lower().split())
            if depth < 2 and query in {"".join(known.split()) for known in _MEDIA}:
                inner = tinycss2.parse_rule_list(
                    rule.content, skip_comments=True, skip_whitespace=True
                )
                n += _add_rules(inner, matcher, variables, depth + 1)
        if rule.type != "qualified-rule":
            continue
        declared = _declarations_of(rule.content, variables)
        if not (declared.normal or declared.important):
            continue
        for prelude in _split_at_commas(rule.prelude):
            if not _is_cheap(prelude):
                continue
            try:
                selectors = cssselect2.compile_selector_list(prelude)
            except (cssselect2.SelectorError, NotImplementedError, RecursionError, SyntaxError):
                continue  # as browsers do
            for selector in selectors:
                matcher.add_selector(selector, declared)
                n += 1
    return n


def _split_at_commas(tokens: list[Any]) -> Iterator[list[Any]]:
    part: list[Any] = []
    for token in tokens:
        if token.type == "literal" and token.value == ",":
            yield part
            part = []
        else:
            part.append(token)
    yield part


def _is_cheap(selector: list[Any]) -> bool:
    """False for selectors that could take long to compile or to match."""
    n, waiting = 0, [*selector]
    after_colon = False
    while waiting:
        token = waiting.pop(0)
        n += 1
        if n > _MAX_SELECTOR_TOKENS:
            return False
        name = getattr(token, "lower_name", None) or getattr(token, "lower_value", "")
        if after_colon and token.type in ("ident", "function") and name not in _PSEUDO_CLASSES:
            return False
        after_colon = token.type == "literal" and token.value == ":"
        inner = getattr(token, "arguments", None) or getattr(token, "content", None)
        if isinstance(inner, list):
            if any(part.type == "ident" and part.lower_value == "of" for part in inner):
                return False
            waiting = [*inner, *waiting]
    return True


class _Budget:
    def __init__(self) -> None:
        self._n_left = MAX_STEPS

    def spend(self, n: int) -> None:
        self._n_left -= n
        if self._n_left < 0:
            raise StyleTooComplexError("the style sheets have too many or too complex selectors")


def _bounded_wrapper(budget: _Budget) -> Any:
    """cssselect2's ElementWrapper, whose steps along the tree are counted.

    Its own lists of ancestors and siblings are kept for each element, which takes memory by the
    square of their number.
    """
    from cssselect2 import ElementWrapper

    class Bounded(ElementWrapper):  # type: ignore[misc]
        @property
        def ancestors(self) -> Iterator[Any]:
            return self._along("parent")

        @property
        def previous_siblings(self) -> Iterator[Any]:
            return self._along("previous")

        def _along(self, step: str) -> Iterator[Any]:
            element = getattr(self, step)
            while element is not None:
                budget.spend(1)
                yield element
                element = getattr(element, step)

    return Bounded
