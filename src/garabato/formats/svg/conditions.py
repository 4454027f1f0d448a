"""The conditions of style sheets: media queries and `@supports`."""

from __future__ import annotations

import re

from garabato.formats.svg.geometry import length

#: Media features of a light screen, `_SCREEN_PX` wide and high.
_SCREEN_PX = 1000.0
_FEATURES = {
    "prefers-color-scheme": "light", "prefers-reduced-motion": "no-preference",
    "prefers-contrast": "no-preference", "forced-colors": "none", "hover": "hover",
    "pointer": "fine", "orientation": "landscape", "scripting": "none",
}  # fmt: skip
#: A media feature in parentheses, or a word.
_PART = re.compile(r"\(([^()]*)\)|([a-z-]+)")


def media_match(queries: str) -> bool:
    """Whether one of several media queries holds for a light screen.

    >>> media_match("print, screen and (min-width: 300px)")
    True
    """
    queries = queries.strip().lower()
    return not queries or any(map(_query_holds, queries.split(",")))


def is_supported(condition: str) -> bool:
    """Whether browsers support what `@supports` asks for: anything that is not negated."""
    return condition.lower().split()[:1] != ["not"]


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
