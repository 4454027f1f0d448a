"""CSS selectors as tokens: detects costly ones."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

#: Longer selectors match nothing, nor do those with pseudo-classes that are not listed here.
MAX_SELECTOR_TOKENS = 60
_PSEUDO_CLASSES = {
    "root", "scope", "first-child", "last-child", "only-child", "empty", "not", "is", "where",
    "has", "nth-child", "nth-last-child", "hover", "focus", "active", "link", "visited",
}  # fmt: skip
#: Selectors with these, or with "nth-child(... of ...)", look at all siblings.
OF_TYPE = {
    "first-of-type", "last-of-type", "only-of-type", "nth-of-type", "nth-last-of-type", "of",
}  # fmt: skip


def split_at_commas(tokens: list[Any]) -> Iterator[list[Any]]:
    """The parts of a list of selectors."""
    part: list[Any] = []
    for token in tokens:
        if token.type == "literal" and token.value == ",":
            yield part
            part = []
        else:
            part.append(token)
    yield part


def cheap_pseudo_classes(selector: list[Any]) -> set[str] | None:
    """The pseudo-classes of a selector; None if it could take long to compile or to match."""
    n, waiting = 0, [*selector]
    found: set[str] = set()
    after_colon = False
    while waiting:
        token = waiting.pop(0)
        n += 1
        if n > MAX_SELECTOR_TOKENS:
            return None
        name = getattr(token, "lower_name", None) or getattr(token, "lower_value", "")
        if after_colon and token.type in ("ident", "function"):
            if name not in _PSEUDO_CLASSES | OF_TYPE:
                return None
            found.add(name)
        after_colon = token.type == "literal" and token.value == ":"
        inner = getattr(token, "arguments", None) or getattr(token, "content", None)
        if isinstance(inner, list):
            if any(part.type == "ident" and part.lower_value == "of" for part in inner):
                found.add("of")
            waiting = [*inner, *waiting]
    return found
