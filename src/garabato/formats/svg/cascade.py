"""The CSS cascade of an SVG document: attributes, style sheets, `style`, and what is `!important`.

Style sheets are parsed by tinycss2 and matched by cssselect2, only where a document has any; the
work they may cause is bounded. Source: https://www.w3.org/TR/SVG2/styling.html.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple
from xml.etree.ElementTree import Element

from garabato.errors import FormatError
from garabato.formats.svg.geometry import length
from garabato.formats.svg.style import is_valid

if TYPE_CHECKING:
    from cssselect2 import Matcher

#: Bounds on all style sheets of a document together, and on the work of matching them.
MAX_SHEET_CHARACTERS = 256 * 2**10
MAX_STEPS = 3_000_000
_MAX_NESTED_RULES = 4
_MAX_NESTED_VARIABLES = 8
#: CSS properties that count; others ("font-family") are skipped. Geometry is CSS in SVG 2.
_PROPERTIES = {
    "fill", "stroke", "color", "fill-opacity", "stroke-opacity", "stroke-width", "visibility",
    "fill-rule", "clip-rule", "filter", "stroke-dasharray", "stroke-dashoffset",
    "stroke-linecap",
    "marker", "marker-start", "marker-mid", "marker-end", "mix-blend-mode",
    "display", "opacity", "transform", "transform-origin", "clip-path", "mask", "mask-image",
    "overflow",
    "vector-effect", "stop-color", "stop-opacity",
    "background", "background-color",
    "transform-box", "mask-type",
    "x", "y", "width", "height", "cx", "cy", "r", "rx", "ry", "d",
}  # fmt: skip
_VARIABLE = re.compile(r"var\(\s*(--[\w-]+)\s*(?:,([^()]*(?:\([^()]*\))?[^()]*))?\)")

#: Media features of a light screen, `_SCREEN_PX` wide and high.
_SCREEN_PX = 1000.0
_FEATURES = {
    "prefers-color-scheme": "light", "prefers-reduced-motion": "no-preference",
    "prefers-contrast": "no-preference", "forced-colors": "none", "hover": "hover",
    "pointer": "fine", "orientation": "landscape", "scripting": "none",
}  # fmt: skip
#: A media feature in parentheses, or a word.
_PART = re.compile(r"\(([^()]*)\)|([a-z-]+)")

#: Longer selectors match nothing, nor do those with pseudo-classes that are not listed here.
_MAX_SELECTOR_TOKENS = 60
_PSEUDO_CLASSES = {
    "root", "scope", "first-child", "last-child", "only-child", "empty", "not", "is", "where",
    "has", "nth-child", "nth-last-child", "hover", "focus", "active", "link", "visited",
}  # fmt: skip
#: Selectors with these, or with "nth-child(... of ...)", look at all siblings.
_OF_TYPE = {
    "first-of-type", "last-of-type", "only-of-type", "nth-of-type", "nth-last-of-type", "of",
}  # fmt: skip


class Cascade:
    """The declarations of each element of a document, by the rules of CSS."""

    def __init__(self, root: Element) -> None:
        sheet = "\n".join(
            element.text or ""
            for element in root.iter("style")
            if element.get("type", "text/css").strip().lower() in ("", "text/css")
            and _media_match(element.get("media", ""))
        )
        self._by_element: dict[Element, _Declared] = {}
        if sheet.strip():
            self._by_element = _match_sheet(sheet, root)
        self._has_variables = "var(" in sheet or any(
            "var(" in value
            for element in root.iter()
            for name, value in element.attrib.items()
            if name == "style" or (name in _PROPERTIES and name != "d")
        )
        #: Whether an animation may draw the lines one by one; at its start they are hidden.
        self.has_animation = "@keyframes" in sheet or any(
            element.get("attributeName", "").startswith("stroke-dash")
            for tag in ("animate", "set")
            for element in root.iter(tag)
        )

    def declared(self, element: Element) -> Mapping[str, str]:
        """Attributes, overridden by style sheets, by `style`, and by what is `!important`.

        Custom properties are among them; `resolved` puts their values where `var()` asks for them.
        """
        attributes = element.attrib
        style = attributes.get("style", "")
        sheet = self._by_element.get(element)
        if not style and sheet is None:
            return attributes
        inline = (_parse_short_style if len(style) < 500 else _parse_style)(style)
        sheet = sheet or _NOTHING_DECLARED
        return attributes | sheet.normal | inline.normal | sheet.important | inline.important

    def resolved(
        self, declared: Mapping[str, str], variables: Mapping[str, str]
    ) -> tuple[Mapping[str, str], Mapping[str, str]]:
        """(the declarations without `var()`, the custom properties inside the element).

        `variables` are those the element inherits.
        """
        if not self._has_variables:
            return declared, variables
        own = {name: value for name, value in declared.items() if name.startswith("--")}
        variables = {**variables, **own} if own else variables
        values = {
            name: _with_variables(value, variables)
            for name, value in declared.items()
            if name in _PROPERTIES and "var(" in value
        }
        return {**declared, **values} if values else declared, variables


class _Declared(NamedTuple):
    normal: dict[str, str]
    important: dict[str, str]


_NOTHING_DECLARED = _Declared({}, {})


def _match_sheet(sheet: str, root: Element) -> dict[Element, _Declared]:
    """The declarations of a style sheet for each element that its rules match."""
    import cssselect2
    import tinycss2

    if len(sheet) > MAX_SHEET_CHARACTERS:
        raise FormatError(f"the style sheets have more than {MAX_SHEET_CHARACTERS // 2**10} KiB")
    budget = _Budget()
    rules = _Rules(cssselect2.Matcher())
    rules.add_all(tinycss2.parse_stylesheet(sheet, skip_comments=True, skip_whitespace=True))
    matched: dict[Element, _Declared] = {}
    for wrapper in _bounded_wrapper(budget).from_xml_root(root).iter_subtree():
        budget.spend(1 + rules.n_selectors + rules.n_of_type * len(wrapper.etree_siblings))
        merged = _Declared({}, {})
        for _, _, pseudo_element, declared in rules.matcher.match(wrapper):
            if pseudo_element is None:
                merged.normal.update(declared.normal)
                merged.important.update(declared.important)
        if merged != _NOTHING_DECLARED:
            matched[wrapper.etree_element] = merged
    return matched


class _Budget:
    def __init__(self) -> None:
        self._n_left = MAX_STEPS

    def spend(self, n: int) -> None:
        self._n_left -= n
        if self._n_left < 0:
            raise FormatError("the style sheets have too many or too complex selectors")


class _Rules:
    """The style rules whose conditions hold, for matching, and the number of their selectors."""

    def __init__(self, matcher: Matcher) -> None:
        self.matcher = matcher
        self.n_selectors = self.n_of_type = 0

    def add_all(self, rules: Iterable[Any], depth: int = 0) -> None:
        """Add rules, but none that are nested in a style rule."""
        for rule in rules:
            if rule.type == "at-rule" and depth < _MAX_NESTED_RULES:
                self._add_at_rule(rule, depth)
            elif rule.type == "qualified-rule":
                self._add(rule.prelude, _declarations_of(rule.content))

    def _add_at_rule(self, rule: Any, depth: int) -> None:
        """Add the rules of `@media`, `@supports` and `@layer`; all layers count the same."""
        import tinycss2

        keyword = rule.lower_at_keyword
        if not rule.content or keyword not in ("layer", "media", "supports"):
            return
        try:
            condition = tinycss2.serialize(rule.prelude)
        except RecursionError:  # brackets inside brackets by the thousand
            return
        if keyword == "media" and not _media_match(condition):
            return
        if keyword == "supports" and condition.lower().split()[:1] == ["not"]:
            return  # browsers support whatever else it asks for
        inner = tinycss2.parse_rule_list(rule.content, skip_comments=True, skip_whitespace=True)
        self.add_all(inner, depth + 1)

    def _add(self, selector: list[Any], declared: _Declared) -> None:
        import cssselect2

        if not (declared.normal or declared.important):
            return
        for prelude in _split_at_commas(selector):
            names = _cheap_pseudo_classes(prelude)
            if names is None:
                continue
            try:
                selectors = cssselect2.compile_selector_list(prelude)
            except (
                cssselect2.SelectorError,  # not a selector, or one of a later CSS
                NotImplementedError,  # pseudo-elements inside :is() and :not()
                RecursionError,  # :not(:not(:not(...)))
                SyntaxError,  # cssselect2 compiles Python, which limits how deep brackets may go
            ):
                continue  # as browsers do with a selector they do not know
            for compiled in selectors:
                self.matcher.add_selector(compiled, declared)
                self.n_selectors += 1
                self.n_of_type += not _OF_TYPE.isdisjoint(names)


def _declarations_of(content: Any) -> _Declared:
    """The declarations of a block, as text or as tokens of tinycss2."""
    import tinycss2

    declared = _Declared({}, {})
    for node in tinycss2.parse_blocks_contents(content, skip_comments=True, skip_whitespace=True):
        if node.type != "declaration":
            continue
        name = node.name if node.name.startswith("--") else node.lower_name
        if not _counts(name):
            continue
        try:
            value = tinycss2.serialize(node.value).strip()
        except RecursionError:  # brackets inside brackets by the thousand
            continue
        if value and is_valid(name, value):
            part = declared.important if node.important else declared.normal
            part[name] = value
    return declared


def _counts(name: str) -> bool:
    return name in _PROPERTIES or name.startswith("--")


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

        def iter_children(self) -> Iterator[Any]:
            for child in super().iter_children():
                budget.spend(4)  # a new wrapper
                yield child

        def _along(self, step: str) -> Iterator[Any]:
            element = getattr(self, step)
            while element is not None:
                budget.spend(1)
                yield element
                element = getattr(element, step)

    return Bounded


def _parse_style(text: str) -> _Declared:
    """The declarations of a `style` attribute."""
    if any(sign in text for sign in ("/*", "\\", "'", '"', "url(data")):
        return _declarations_of(text)
    declared = _Declared({}, {})
    for part in text.split(";"):
        name, _, value = part.partition(":")
        name, value = name.strip(), value.strip()
        name = name if name.startswith("--") else name.lower()
        if _counts(name) and value:
            value, mark, important = value.partition("!")
            if not is_valid(name, value.strip()):
                continue
            if not mark:
                declared.normal[name] = value
            elif important.strip().lower() == "important":
                declared.important[name] = value.strip()
    return declared


_parse_short_style = lru_cache(maxsize=1024)(_parse_style)


def _with_variables(value: str, variables: Mapping[str, str]) -> str:
    """`value` with `var(--name, fallback)` replaced; "unset" where a name has no value."""

    def replaced(match: re.Match[str]) -> str:
        return variables.get(match[1], match[2] or "var()").strip()

    for _ in range(_MAX_NESTED_VARIABLES):
        if "var(" not in value or len(value) > 1000:
            break
        value = _VARIABLE.sub(replaced, value)
    return "unset" if "var(" in value else value


def _media_match(queries: str) -> bool:
    """Whether one of several media queries holds for a light screen.

    >>> _media_match("print, screen and (min-width: 300px)")
    True
    """
    queries = queries.strip().lower()
    return not queries or any(map(_query_holds, queries.split(",")))


def _query_holds(query: str) -> bool:
    """Whether a media query holds; one that asks for something unknown doesn't, even negated."""
    values: list[bool | None] = []
    is_negated = is_either = False
    for feature, word in _PART.findall(query):
        if feature:
            values.append(_feature_holds(feature))
        elif word in ("and", "only", "or", "not"):
            is_either = is_either or word == "or"
            is_negated = is_negated or word == "not"
        else:
            values.append(word in ("all", "screen"))
    if is_either:
        return True in values
    return bool(values) and None not in values and all(values) != is_negated


def _feature_holds(condition: str) -> bool | None:
    """Whether a media feature holds; None if it is not known."""
    name, _, value = (part.strip() for part in condition.partition(":"))
    if name.startswith(("min-", "max-")):
        if name[4:] in ("width", "height"):
            known = length(value, _SCREEN_PX, float("nan"))
            return known <= _SCREEN_PX if name.startswith("min-") else known >= _SCREEN_PX
        return name.startswith("min-")  # resolution, colours
    return _FEATURES[name] == value if name in _FEATURES else None


def _split_at_commas(tokens: list[Any]) -> Iterator[list[Any]]:
    """The parts of a list of selectors."""
    part: list[Any] = []
    for token in tokens:
        if token.type == "literal" and token.value == ",":
            yield part
            part = []
        else:
            part.append(token)
    yield part


def _cheap_pseudo_classes(selector: list[Any]) -> set[str] | None:
    """The pseudo-classes of a selector; None if it could take long to compile or to match."""
    n, waiting = 0, [*selector]
    found: set[str] = set()
    after_colon = False
    while waiting:
        token = waiting.pop(0)
        n += 1
        if n > _MAX_SELECTOR_TOKENS:
            return None
        name = getattr(token, "lower_name", None) or getattr(token, "lower_value", "")
        if after_colon and token.type in ("ident", "function"):
            if name not in _PSEUDO_CLASSES | _OF_TYPE:
                return None
            found.add(name)
        after_colon = token.type == "literal" and token.value == ":"
        inner = getattr(token, "arguments", None) or getattr(token, "content", None)
        if isinstance(inner, list):
            if any(part.type == "ident" and part.lower_value == "of" for part in inner):
                found.add("of")
            waiting = [*inner, *waiting]
    return found
