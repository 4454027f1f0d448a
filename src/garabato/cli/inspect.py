"""garabato inspect."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from rich.table import Table

import garabato
from garabato.cli.options import category_from_option, file_option, json_option
from garabato.cli.output import counted, print_json, print_unreadable, progress, stderr, stdout

MAX_COUNTRIES = 10


@click.command()
@click.argument("target", type=click.Path(path_type=Path))
@category_from_option
@file_option("--html", help="Also write a page with pictures.")
@json_option
def command(target: Path, category_from: Any, html: Path | None, as_json: bool) -> None:
    """Count the drawings in TARGET, a data set or a folder of drawings.

    Drawings are counted by category, country and whether the game recognized them. The report also
    has numbers of strokes and points, empty drawings and dots, and identical and nearly identical
    drawings, also across categories and splits.

    \b
    Example: garabato inspect data --html inspect.html
    """
    report = garabato.ReadReport()
    with progress("categories") as show:
        found = garabato.inspect(target, category_from=category_from, report=report, progress=show)
    print_unreadable(report)
    if html is not None:
        garabato.write_inspection(found, html)
        stderr.print(f"look at {html}")
    if as_json:
        print_json(found.to_dict())
        return
    _print_summary(found)
    _print_categories(found)


def _print_summary(found: garabato.Inspection) -> None:
    countries = [f"{country} {n:,}" for country, n in found.countries.items()]
    if len(countries) > MAX_COUNTRIES:
        countries[MAX_COUNTRIES:] = [f"and {len(countries) - MAX_COUNTRIES} more"]
    unknown = "unknown: these are bitmaps"
    lines = {
        f"{found.kind}": f"{found.name}",
        "drawings": f"{found.n_drawings:,} in {counted(len(found.categories), 'category')}",
        "recognized": ", ".join(f"{answer} {n:,}" for answer, n in found.recognized.items()),
        "countries": ", ".join(countries) or "unknown",
        "strokes": str(found.strokes or unknown),
        "points": str(found.points or unknown),
        "identical": _groups(found.repeated, found.kind),
        "near copies": _groups(found.near, found.kind),
        "empty": f"{len(found.empty):,}, and {len(found.dots):,} with only dots in one place",
        "key_ids": f"{found.repeated_key_ids:,} used more than once",
        "unreadable": f"{found.unreadable['n_unreadable']:,}",
    }
    for label, text in lines.items():
        stdout.print(f"{label:<12} {text}")


def _print_categories(found: garabato.Inspection) -> None:
    columns = ("drawings", "recog.", "strokes", "points", "empty", "dots", "same", "near")
    table = Table(box=None, pad_edge=False)
    table.add_column("category", overflow="fold")
    for column in columns:
        table.add_column(column, justify="right", no_wrap=True)
    for category in found.categories:
        known = category.recognized + category.unrecognized
        table.add_row(
            category.name,
            f"{category.n:,}",
            f"{category.recognized / known:.0%}" if known else "?",
            f"{category.median_strokes:g}",
            f"{category.median_points:g}",
            *(f"{n:,}" for n in (category.empty, category.dots, category.repeated, category.near)),
        )
    stdout.print()
    stdout.print(table)


def _groups(groups: Any, kind: str) -> str:
    if not groups.n_groups:
        return "none"
    splits = f", across splits: {groups.across_splits:,}" if kind == "data set" else ""
    return (
        f"{groups.n_drawings:,} drawings in {counted(groups.n_groups, 'group')}; "
        f"groups across categories: {groups.across_categories:,}{splits}"
    )
