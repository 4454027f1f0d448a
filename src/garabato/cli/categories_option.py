"""The option --categories, which several commands have."""

from __future__ import annotations

from typing import Literal

import click


def _parse(
    _context: click.Context, _option: click.Parameter, text: str
) -> int | Literal["all"] | list[str]:
    """A number of categories, "all", or names with commas between them."""
    if text == "all":
        return "all"
    try:
        return int(text)
    except ValueError:
        return [name.strip() for name in text.split(",") if name.strip()]


categories_option = click.option(
    "--categories",
    callback=_parse,
    metavar="100|all|cat,dog",
    default="100",
    show_default=True,
    help="How many at random, all, or names with commas between them.",
)
