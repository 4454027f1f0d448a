"""The CSS cascade of an SVG document: attributes, style sheets, `style`, and what is `!important`.

Style sheets are parsed by tinycss2 and matched by cssselect2, only where a document has any; the
work they may cause is bounded. Source: https://www.w3.org/TR/SVG2/styling.html.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from itertools import groupby
from typing import TYPE_CHECKING, Any, NamedTuple
from xml.etree.ElementTree import Element

from garabato.formats.svg.conditions import media_match, query_holds
from garabato.formats.svg.selectors import (
    OF_TYPE,
    cheap_pseudo_classes,
    forgiving,
    nested_selector,
    split_at_commas,
    without_prefixes,
)
from garabato.formats.svg.style import is_valid

if TYPE_CHECKING:
    from cssselect2 import Matcher

#: Bounds on all style sheets of a document together, and on the work of matching them.
MAX_SHEET_CHARACTERS = 256 * 2**10
MAX_STEPS = 3_000_000
_MAX_NESTED_RULES = 4
_MAX_NESTED_VARIABLES = 8
_MAX_REGISTERED = 64
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
    "transform-box", "translate", "rotate", "scale", "mask-type",
    "x", "y", "width", "height", "cx", "cy", "r", "rx", "ry", "d",
}  # fmt: skip
_VARIABLE = re.compile(r"var\(\s*(--[\w-]+)\s*(?:,([^()]*(?:\([^()]*\))?[^()]*))?\)")
#: Where a rule's layer comes in the cascade: its numbers among its siblings, outermost first, and
#: then infinity, since rules outside inner layers come last.
_Layer = tuple[float, ...]
_NO_LAYER: _Layer = (math.inf,)
_SVG = "http://www.w3.org/2000/svg"


class StyleTooComplexError(Exception):
    """The style sheets would take too long; the text says what is too much."""


class Cascade:
    """The declarations of each element of a document, by the rules of CSS."""

    def __init__(self, root: Element) -> None:
        sheet = "\n".join(
            element.text or ""
            for element in root.iter("style")
            if element.get("type", "text/css").strip().lower() in ("", "text/css")
            and media_match(element.get("media", "all").strip().lower() or "all")
        )
        self._by_element: dict[Element, _Declared] = {}
        self._registered: dict[str, _Registered] = {}
        if sheet.strip():
            self._by_element = _match_sheet(sheet, root, self._registered)
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
        for name, (initial, is_inherited) in self._registered.items():
            if initial and not (is_inherited and name in variables):
                own.setdefault(name, initial)
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


class _Registered(NamedTuple):
    """What `@property` says of a custom property."""

    initial: str
    is_inherited: bool


def _match_sheet(
    sheet: str, root: Element, registered: dict[str, _Registered]
) -> dict[Element, _Declared]:
    """The declarations of a style sheet for each element that its rules match.

    The custom properties that it registers are added to `registered`.
    """
    import cssselect2
    import tinycss2

    if len(sheet) > MAX_SHEET_CHARACTERS:
        raise StyleTooComplexError(
            f"the style sheets have more than {MAX_SHEET_CHARACTERS // 2**10} KiB"
        )
    budget = _Budget()
    rules = _Rules(cssselect2.Matcher(), budget, registered)
    rules.add_all(tinycss2.parse_stylesheet(sheet, skip_comments=True, skip_whitespace=True))
    matched: dict[Element, _Declared] = {}
    for wrapper in _bounded_wrapper(budget).from_xml_root(root).iter_subtree():
        budget.spend(1 + rules.n_selectors + rules.n_of_type * len(wrapper.etree_siblings))
        found = [
            payload
            for _, _, pseudo_element, payload in rules.matcher.match(wrapper)
            if pseudo_element is None
        ]
        if found:
            matched[wrapper.etree_element] = _in_layers(found)
    return matched


class _Budget:
    def __init__(self) -> None:
        self._n_left = MAX_STEPS

    def spend(self, n: int) -> None:
        self._n_left -= n
        if self._n_left < 0:
            raise StyleTooComplexError("the style sheets have too many or too complex selectors")


class _Rules:
    """The style rules whose conditions hold, for matching, and the number of their selectors."""

    def __init__(
        self, matcher: Matcher, budget: _Budget, registered: dict[str, _Registered]
    ) -> None:
        self.matcher = matcher
        self._registered = registered
        self.n_selectors = self.n_of_type = 0
        self._budget = budget
        self._svg_prefixes = {"*"}
        self._layers: dict[tuple[str, ...], _Layer] = {}

    def add_all(
        self,
        rules: Iterable[Any],
        outer: list[Any] | None = None,
        layer: tuple[str, ...] = (),
        depth: int = 0,
    ) -> None:
        """Add rules, which may be nested in one with the selector `outer`, and in a layer."""
        import tinycss2

        for rule in rules:
            if depth > _MAX_NESTED_RULES or rule.type not in ("at-rule", "qualified-rule"):
                continue
            if rule.type == "at-rule":
                self._add_at_rule(rule, outer, layer, depth)
                continue
            selector = rule.prelude
            if outer is not None:
                selector = nested_selector(selector, outer, self._budget.spend)
            self._add(selector, _declarations_of(rule.content), layer)
            if any(token.type == "{} block" for token in rule.content):
                inner = tinycss2.parse_blocks_contents(
                    rule.content, skip_comments=True, skip_whitespace=True
                )
                self.add_all(inner, selector, layer, depth + 1)

    def _add_at_rule(
        self, rule: Any, outer: list[Any] | None, layer: tuple[str, ...], depth: int
    ) -> None:
        import tinycss2

        keyword = rule.lower_at_keyword
        if keyword == "namespace":
            prefix = rule.prelude[1] if len(rule.prelude) > 2 else None
            if prefix is not None and prefix.type == "ident" and _names_svg(rule.prelude):
                self._svg_prefixes.add(prefix.value)
        if keyword == "layer":
            names = tinycss2.serialize(rule.prelude).split(",")
            for name in names:
                path = (*layer, *(name.strip() or f"#{len(self._layers)}").split("."))
                for end in range(1, len(path) + 1):
                    self._number(path[:end])
            layer = path
        if keyword == "property" and rule.content and len(self._registered) < _MAX_REGISTERED:
            found = {
                node.lower_name: tinycss2.serialize(node.value).strip()
                for node in tinycss2.parse_blocks_contents(rule.content)
                if node.type == "declaration"
            }
            name = tinycss2.serialize(rule.prelude).strip()
            self._registered[name] = _Registered(
                found.get("initial-value", ""), found.get("inherits", "").lower() == "true"
            )
        if not rule.content or keyword not in ("layer", "media", "supports", "scope"):
            return
        if keyword in ("media", "supports") and not query_holds(rule.prelude, keyword):
            return
        if keyword == "scope":
            within = tinycss2.serialize(rule.prelude).strip().removeprefix("(").removesuffix(")")
            outer = tinycss2.parse_component_value_list(f":where({within or ':root'})")
        parse = tinycss2.parse_rule_list if outer is None else tinycss2.parse_blocks_contents
        inner = parse(rule.content, skip_comments=True, skip_whitespace=True)
        if outer is not None and keyword != "scope":
            self._add(outer, _declarations_of(rule.content), layer)
        self.add_all(inner, outer, layer, depth + 1)

    def _number(self, path: tuple[str, ...]) -> None:
        """Layers are ordered by where they are first named."""
        if path not in self._layers:
            n_siblings = sum(
                len(known) == len(path) and known[:-1] == path[:-1] for known in self._layers
            )
            parent = self._layers.get(path[:-1], _NO_LAYER)
            self._layers[path] = (*parent[:-1], float(n_siblings), math.inf)
            self._budget.spend(len(self._layers))

    def _add(self, selector: list[Any], declared: _Declared, layer: tuple[str, ...]) -> None:
        import cssselect2

        if not (declared.normal or declared.important):
            return
        for prelude in split_at_commas(without_prefixes(selector, self._svg_prefixes)):
            prelude = forgiving(prelude)
            names = cheap_pseudo_classes(prelude)
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
                payload = self._layers.get(layer, _NO_LAYER), declared
                self.matcher.add_selector(compiled, payload)
                self.n_selectors += 1
                self.n_of_type += not OF_TYPE.isdisjoint(names)


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
            part.update(_longhands(name, value))
    return declared


def _counts(name: str) -> bool:
    return name in _PROPERTIES or name.startswith("--") or name == "all"


def _longhands(name: str, value: str) -> Mapping[str, str]:
    """The declarations that one stands for: `all` sets every property."""
    return dict.fromkeys(_PROPERTIES, value) if name == "all" else {name: value}


def _names_svg(prelude: list[Any]) -> bool:
    """Whether the prelude of `@namespace` has the address of SVG."""
    return any(
        getattr(token, "value", "") == _SVG
        or any(getattr(part, "value", "") == _SVG for part in getattr(token, "arguments", ()))
        for token in prelude
    )


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

        @property
        def lang(self) -> str:
            for wrapper in (self, *self.ancestors):
                if "lang" in wrapper.etree_element.attrib:
                    return str(wrapper.etree_element.attrib["lang"].lower())
            return ""

        def _along(self, step: str) -> Iterator[Any]:
            element = getattr(self, step)
            while element is not None:
                budget.spend(1)
                yield element
                element = getattr(element, step)

    return Bounded


def _in_layers(found: list[tuple[_Layer, _Declared]]) -> _Declared:
    """One set of declarations from several, which are in order of specificity.

    Later layers win, and earlier ones among the important declarations. Source:
    https://www.w3.org/TR/css-cascade-5/#layer-ordering.
    """
    merged = _Declared({}, {})
    found.sort(key=lambda entry: entry[0])
    layers = [list(group) for _, group in groupby(found, key=lambda entry: entry[0])]
    for layer in layers:
        before = dict(merged.normal)
        for _, declared in layer:
            merged.normal.update(declared.normal)
        for name in [name for name, value in merged.normal.items() if value == "revert-layer"]:
            del merged.normal[name]
            merged.normal.update({name: before[name]} if name in before else {})
    for layer in reversed(layers):
        for _, declared in layer:
            merged.important.update(declared.important)
    return merged


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
        if _counts(name) and value:
            value, mark, important = value.partition("!")
            if not is_valid(name, value.strip()):
                continue
            if not mark:
                declared.normal.update(_longhands(name, value))
            elif important.strip().lower() == "important":
                declared.important.update(_longhands(name, value.strip()))
    return declared


def _with_variables(value: str, variables: Mapping[str, str]) -> str:
    """`value` with `var(--name, fallback)` replaced; "unset" where a name has no value."""

    def replaced(match: re.Match[str]) -> str:
        return variables.get(match[1], match[2] or "var()").strip()

    for _ in range(_MAX_NESTED_VARIABLES):
        if "var(" not in value or len(value) > 1000:
            break
        value = _VARIABLE.sub(replaced, value)
    return "unset" if "var(" in value else value
