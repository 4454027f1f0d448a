"""The conditions of style sheets: media queries and `@supports`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from garabato.formats.svg.geometry import length
from garabato.formats.svg.selectors import MAX_SELECTOR_TOKENS, split_at_commas

#: Media features of a light screen, `_SCREEN_PX` wide and high.
_SCREEN_PX = 1000.0
_FEATURES = {
    "prefers-color-scheme": "light", "prefers-reduced-motion": "no-preference",
    "prefers-contrast": "no-preference", "forced-colors": "none", "hover": "hover",
    "pointer": "fine", "orientation": "landscape", "scripting": "none",
}  # fmt: skip


def media_match(queries: str) -> bool:
    """Whether one of several media queries holds for a light screen.

    >>> media_match("print, screen and (min-width: 300px)")
    True
    """
    import tinycss2

    return query_holds(tinycss2.parse_component_value_list(queries), "media")


def query_holds(prelude: list[Any], keyword: str) -> bool:
    """Whether the condition of `@media` or `@supports` holds."""
    prelude = [token for token in prelude if token.type not in ("whitespace", "comment")]
    if len(prelude) > MAX_SELECTOR_TOKENS:
        return False
    if not prelude:
        return True
    holds = _media_feature_holds if keyword == "media" else _is_supported
    return any(_condition(part, holds) is True for part in split_at_commas(prelude))


def _condition(tokens: list[Any], feature: Callable[[str], bool | None]) -> bool | None:
    """The value of a condition; None if it is unknown; then so is its negation.

    Source: https://www.w3.org/TR/mediaqueries-4/#mq-syntax.
    """
    import tinycss2

    tokens = [token for token in tokens if token.type not in ("whitespace", "comment")]
    words = [token.lower_value if token.type == "ident" else "" for token in tokens]
    if words[:1] == ["only"]:
        tokens, words = tokens[1:], words[1:]
    if words[:1] == ["not"]:  # negates what follows: a media type and its features, or parentheses
        value = _condition(tokens[1:], feature)
        return None if value is None else not value
    values: list[bool | None] = []
    for token, word in zip(tokens, words, strict=True):
        if word in ("and", "or"):
            continue
        if token.type == "() block":
            inner = [part for part in token.content if part.type not in ("whitespace", "comment")]
            first = inner[0] if inner else None
            is_nested = first is not None and (
                first.type in ("() block", "function")
                or (first.type == "ident" and first.lower_value == "not")
            )
            if is_nested and len(inner) < MAX_SELECTOR_TOKENS:
                values.append(_condition(inner, feature))
            else:
                values.append(feature(tinycss2.serialize(token.content).strip().lower()))
        elif token.type == "function":
            values.append(feature(tinycss2.serialize([token]).lower()))
        else:
            values.append(word in ("all", "screen") if word else None)
    if "or" in words:
        return True if True in values else None if None in values else False
    return False if False in values else None if None in values or not values else True


def _is_supported(feature: str) -> bool:
    """Whether browsers support what `@supports` asks for: anything with a value or function."""
    name, _, value = feature.partition(":")
    return bool(value.strip()) or "(" in name


def _media_feature_holds(condition: str) -> bool | None:
    """Whether a media feature holds; None if it is not known."""
    name, _, value = (part.strip() for part in condition.partition(":"))
    if name.startswith(("min-", "max-")):
        if name[4:] in ("width", "height"):
            known = length(value, _SCREEN_PX, float("nan"))
            return known <= _SCREEN_PX if name.startswith("min-") else known >= _SCREEN_PX
        return name.startswith("min-")  # resolution, colours
    return _FEATURES[name] == value if name in _FEATURES else None
