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

from garabato.formats.svg.geometry import length
from garabato.formats.svg.style import is_valid

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
#: Selectors with these look at all siblings.
_OF_TYPE = {
    "first-of-type", "last-of-type", "only-of-type", "nth-of-type", "nth-last-of-type",
}  # fmt: skip
#: At-rules whose rules hold (@supports: garabato paints what browsers do), and nested ones.
_TRANSPARENT_RULES = {"media", "supports", "layer"}
_MAX_NESTED_RULES = 4
_MAX_NESTED_VARIABLES = 8
#: Media features of a light screen, SCREEN_PX wide and high, and those that need no value.
_SCREEN_PX = 1000.0
_FEATURES = {
    "prefers-color-scheme": "light", "prefers-reduced-motion": "no-preference",
    "prefers-contrast": "no-preference", "forced-colors": "none", "hover": "hover",
    "pointer": "fine", "orientation": "landscape", "scripting": "none", "update": "fast",
}  # fmt: skip
_RANGE = re.compile(r"([a-z-]+)\s*([<>]=?)\s*([^<>=]+)")
_ALWAYS = {"width", "height", "color", "hover", "pointer", "update"}
#: CSS properties that count; others ("font-family") are skipped. Geometry is CSS in SVG 2.
_PROPERTIES = {
    "fill", "stroke", "color", "fill-opacity", "stroke-opacity", "stroke-width", "visibility",
    "fill-rule", "clip-rule", "filter", "stroke-dasharray", "stroke-dashoffset",
    "marker", "marker-start", "marker-mid", "marker-end",
    "display", "opacity", "transform", "transform-origin", "clip-path", "mask", "overflow",
    "vector-effect", "stop-color", "stop-opacity", "background", "background-color",
    "transform-box", "translate", "rotate", "scale", "mask-type",
    "x", "y", "width", "height", "cx", "cy", "r", "rx", "ry", "d",
}  # fmt: skip


class StyleTooComplexError(Exception):
    """The style sheets would take too long; the text says what is too much."""


class Cascade:
    """The declarations of each element of a document, by the rules of CSS."""

    def __init__(self, root: Element) -> None:
        sheet = "\n".join(
            element.text or ""
            for element in root.iter("style")
            if element.get("type", "text/css").strip().lower() in ("", "text/css")
            and _media_match(element.get("media", "all").strip().lower() or "all")
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
        #: An animation that draws the lines one after the other hides them at its start.
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
        style = attributes.get("style")
        sheet = self._by_element.get(element)
        if style is None and sheet is None:
            return attributes
        merged = dict(attributes)
        inline = _parse_style(style) if style else _NOTHING_DECLARED
        for part in (sheet, inline):
            merged.update(part.normal if part else {})
        for part in (sheet, inline):
            merged.update(part.important if part else {})
        return merged

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


def _with_variables(value: str, variables: Mapping[str, str]) -> str:
    """`value` with `var(--name, fallback)` replaced; "unset" where a name has no value."""

    def replaced(match: re.Match[str]) -> str:
        return variables.get(match[1], match[2] or "var()").strip()

    for _ in range(_MAX_NESTED_VARIABLES):
        if "var(" not in value or len(value) > 1000:
            break
        value = _VARIABLE.sub(replaced, value)
    return "unset" if "var(" in value else value


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
        return _declarations_of(text)
    declared = _Declared({}, {})
    for part in text.split(";"):
        name, _, value = part.partition(":")
        name, value = name.strip(), value.strip()
        name = name if name.startswith("--") else name.lower()
        if (name in _PROPERTIES or name.startswith("--")) and value:
            value, mark, important = value.partition("!")
            if not is_valid(name, value.strip()):
                continue
            if not mark:
                declared.normal[name] = value
            elif important.strip().lower() == "important":
                declared.important[name] = value.strip()
    return declared


def _declarations_of(content: Any) -> _Declared:
    """The declarations of a block, as text or as tokens of tinycss2."""
    import tinycss2

    declared = _Declared({}, {})
    for node in tinycss2.parse_blocks_contents(content, skip_comments=True, skip_whitespace=True):
        if node.type != "declaration":
            continue
        name = node.name if node.name.startswith("--") else node.lower_name
        if name not in _PROPERTIES and not name.startswith("--"):
            continue
        try:
            value = tinycss2.serialize(node.value).strip()
        except RecursionError:  # brackets inside brackets by the thousand
            continue
        if value and is_valid(name, value):
            (declared.important if node.important else declared.normal)[name] = value
    return declared


def _match_sheet(sheet: str, root: Element) -> dict[Element, _Declared]:
    """What a style sheet declares for each element that a rule of it matches."""
    import cssselect2
    import tinycss2

    if len(sheet) > MAX_SHEET_CHARACTERS:
        raise StyleTooComplexError(
            f"the style sheets have more than {MAX_SHEET_CHARACTERS // 2**10} KiB"
        )
    budget = _Budget()
    rules = _Rules(cssselect2.Matcher(), budget)
    rules.add_all(tinycss2.parse_stylesheet(sheet, skip_comments=True, skip_whitespace=True))
    matched: dict[Element, _Declared] = {}
    for wrapper in _bounded_wrapper(budget).from_xml_root(root).iter_subtree():
        budget.spend(1 + rules.n_selectors + rules.n_of_type * len(wrapper.etree_siblings))
        found = rules.matcher.match(wrapper)
        if found:
            declared = matched.setdefault(wrapper.etree_element, _Declared({}, {}))
            for _, _, pseudo_element, payload in found:
                if pseudo_element is None:
                    declared.normal.update(payload.normal)
                    declared.important.update(payload.important)
    return matched


class _Rules:
    """The style rules that hold, for matching, and how many selectors they have."""

    def __init__(self, matcher: Matcher, budget: _Budget) -> None:
        self.matcher = matcher
        self.n_selectors = self.n_of_type = 0
        self._budget = budget

    def add_all(self, rules: Iterable[Any], outer: list[Any] | None = None, depth: int = 0) -> None:
        """Add rules, which may be nested in one with the selector `outer`."""
        import tinycss2

        for rule in rules:
            if depth > _MAX_NESTED_RULES or rule.type not in ("at-rule", "qualified-rule"):
                continue
            if rule.type == "at-rule":
                if rule.content and _holds(rule):
                    parse = (
                        tinycss2.parse_rule_list
                        if outer is None
                        else tinycss2.parse_blocks_contents
                    )
                    inner = parse(rule.content, skip_comments=True, skip_whitespace=True)
                    self.add_all(inner, outer, depth + 1)
                continue
            selector = rule.prelude
            if outer is not None:
                selector = _nested_selector(selector, outer, self._budget)
            self._add(selector, _declarations_of(rule.content))
            if any(token.type == "{} block" for token in rule.content):
                inner = tinycss2.parse_blocks_contents(
                    rule.content, skip_comments=True, skip_whitespace=True
                )
                self.add_all(inner, selector, depth + 1)

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


def _holds(rule: Any) -> bool:
    """Whether the rules inside an at-rule apply in garabato."""
    import tinycss2

    if rule.lower_at_keyword == "media":
        return _media_match(tinycss2.serialize(rule.prelude[:50]).lower())
    return rule.lower_at_keyword in _TRANSPARENT_RULES


def _media_match(queries: str) -> bool:
    """Whether one of several media queries holds for a light screen.

    >>> _media_match("print, screen and (min-width: 300px)")
    True
    """
    return any(_media_query_matches(query.strip()) for query in queries.split(","))


def _media_query_matches(query: str) -> bool:
    kind, *conditions = re.split(r"\band\b", query.removeprefix("only "))
    is_negated = kind.startswith("not ")
    kind = kind.removeprefix("not ").strip()
    if kind.startswith("("):
        conditions, kind = [kind, *conditions], ""
    holds = kind in ("", "all", "screen") and all(map(_media_feature_holds, conditions))
    return holds != is_negated


def _media_feature_holds(condition: str) -> bool:
    condition = condition.strip().strip("()")
    if match := _RANGE.fullmatch(condition):
        sign = {"<": "max-", ">": "min-"}[match[2][0]]
        return _media_feature_holds(f"{sign}{match[1]}:{match[3]}")
    name, _, value = condition.partition(":")
    name, value = name.strip(), value.strip()
    if name.startswith(("min-", "max-")):
        known = length(value, _SCREEN_PX, float("nan"))
        if name[4:] in ("width", "height"):
            return known <= _SCREEN_PX if name.startswith("min-") else known >= _SCREEN_PX
        return name.startswith("min-")  # resolution, colours
    return _FEATURES.get(name) == value if value else name in _ALWAYS


def _nested_selector(inner: list[Any], outer: list[Any], budget: _Budget) -> list[Any]:
    """The selector of a rule inside another: "&" stands for the outer one's, before it if absent.

    Source: https://www.w3.org/TR/css-nesting-1/.
    """
    import tinycss2

    parent = f":is({tinycss2.serialize(outer)})"
    parts = tinycss2.serialize(inner).split(",")
    text = ",".join(
        part.replace("&", parent) if "&" in part else f"{parent} {part}" for part in parts
    )
    budget.spend(4 * len(text))
    return list(tinycss2.parse_component_value_list(text)) if len(text) < 1000 else []


def _split_at_commas(tokens: list[Any]) -> Iterator[list[Any]]:
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
                return None
            waiting = [*inner, *waiting]
    return found


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
