"""Options that say which drawings of a gallery are meant."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import click

from garabato.cli.console import stderr


def split_names(ctx: click.Context, param: click.Parameter, value: str | None) -> list[str] | None:
    """Names with commas between them, as options take them."""
    if value is None:
        return None
    return [name.strip() for name in value.split(",") if name.strip()]


def where_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options by which drawings are filtered, as its argument `where`."""

    @functools.wraps(function)
    def with_where(
        *,
        category: list[str] | None,
        country: list[str] | None,
        tag: list[str] | None,
        recognized: bool | None,
        after: str | None,
        before: str | None,
        **others: Any,
    ) -> Any:
        where: dict[str, Any] = {}
        if category:
            where["category"] = category
        if country:
            where["country"] = country
        if tag:
            where["tags"] = tag
        if recognized is not None:
            where["recognized"] = recognized
        bounds = {name: b for name, b in (("after", after), ("before", before)) if b is not None}
        if bounds:
            where["timestamp"] = bounds
        return function(where=where, **others)

    for option in reversed(_OPTIONS):
        with_where = option(with_where)
    return with_where


def tell_unknown(where: dict[str, Any]) -> None:
    """Say which categories of a filter that nothing passed nobody knows, and which are near."""
    from garabato.categories import CATEGORIES, nearest_category

    for name in where.get("category", ()):
        if name not in CATEGORIES:
            nearest = nearest_category(name)
            hint = f"; did you mean {nearest!r}?" if nearest else ""
            stderr.print(f"no drawing found of category {name!r}{hint}")


_OPTIONS = (
    click.option("--category", callback=split_names, metavar="C[,C]", help="Only of these."),
    click.option("--country", callback=split_names, metavar="CC[,CC]", help="Only from these."),
    click.option("--tag", callback=split_names, metavar="T[,T]", help="Only with one of these."),
    click.option(
        "--recognized/--unrecognized", default=None, help="Only what the game recognized, or not."
    ),
    click.option("--after", metavar="TIME", help="Only drawn then or later, as 2017-03-01."),
    click.option("--before", metavar="TIME", help="Only drawn before."),
)
