"""garabato prepare."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

import garabato
from garabato.cli.options import (
    SOURCE_HELP,
    categories_option,
    category_from_option,
    file_option,
    json_option,
    seed_option,
    strict_option,
)
from garabato.cli.output import counted, print_json, print_unreadable, progress, stdout


@click.command()
@file_option("--source", required=True, help=SOURCE_HELP)
@category_from_option
@file_option("--out", required=True, help="Folder to write.")
@categories_option
@click.option(
    "--train", "n_train", default=1000, show_default=True, help="Training drawings per category."
)
@click.option("--test", "n_test", default=50, show_default=True, help="Test drawings per category.")
@seed_option
@click.option("--recognized-only", is_flag=True, help="Only drawings that the game recognized.")
@click.option("--allow-short", is_flag=True, help="Accept categories with too few drawings.")
@strict_option
@click.option("--sheets/--no-sheets", default=True, help="Draw a contact sheet of each category.")
@json_option
def command(source: Path, category_from: Any, out: Path, as_json: bool, **options: Any) -> None:
    """Sample drawings from a source and write them as a data set.

    Categories and drawings are chosen at random by --seed. No drawing is both in train and test.

    \b
    Example: garabato prepare --source simplified --out data --categories 100 --train 200 --test 25
    """
    report = garabato.ReadReport()
    with progress("categories") as show:
        drawings = garabato.open_source(source, category_from=category_from)
        dataset = garabato.prepare(drawings, out, report=report, progress=show, **options)
    print_unreadable(report)
    if as_json:
        print_json(dataset.manifest)
        return
    splits = dataset.manifest["splits"]
    n_train, n_test = (splits[name]["n_drawings"] for name in ("train", "test"))
    stdout.print(
        f"{dataset.path}: {counted(len(dataset.categories), 'category')}, "
        f"{counted(n_train, 'training drawing')}, {counted(n_test, 'test drawing')}"
    )
    sheet = dataset.path / "sheets" / "_all.png"
    if sheet.exists():
        stdout.print(f"look at {sheet}")
