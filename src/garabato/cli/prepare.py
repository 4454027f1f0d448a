"""garabato prepare."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from garabato.cli.categories_option import categories_option
from garabato.cli.console import counted, print_json, progress, stderr, stdout

if TYPE_CHECKING:
    from garabato.dataset import Dataset


@click.command()
@click.option(
    "--source",
    required=True,
    type=click.Path(path_type=Path),
    help='Folder to read, or "starter", the starter set (by npm).',
)
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder to write.")
@categories_option
@click.option("--train", default=1000, show_default=True, help="Training drawings a category.")
@click.option("--test", default=50, show_default=True, help="Test drawings a category.")
@click.option("--seed", default=0, show_default=True, help="Another seed, another choice.")
@click.option("--recognized-only", is_flag=True, help="Only drawings that the game recognized.")
@click.option("--allow-short", is_flag=True, help="Take what there is where there are too few.")
@click.option("--strict", is_flag=True, help="Stop at the first unreadable line.")
@click.option("--sheets/--no-sheets", default=True, help="Draw a contact sheet a category.")
@click.option("--json", "as_json", is_flag=True, help="Print the manifest as JSON.")
def command(
    source: Path,
    out: Path,
    categories: int | Literal["all"] | list[str],
    train: int,
    test: int,
    seed: int,
    recognized_only: bool,
    allow_short: bool,
    strict: bool,
    sheets: bool,
    as_json: bool,
) -> None:
    """Choose drawings from a source and write them as a data set.

    Categories and drawings are chosen at random by --seed; no drawing is both in train and test.

    \b
    Example: garabato prepare --source simplified --out data --categories 100 --train 200 --test 25
    """
    from garabato.dataset import prepare
    from garabato.formats import ReadReport

    report = ReadReport()
    with progress("categories") as show:
        dataset = prepare(
            source,
            out,
            categories=categories,
            n_train=train,
            n_test=test,
            seed=seed,
            recognized_only=recognized_only,
            allow_short=allow_short,
            strict=strict,
            sheets=sheets,
            report=report,
            progress=show,
        )
    for line in report.lines():
        stderr.print(line, markup=False, soft_wrap=True)
    if as_json:
        print_json(dataset.manifest)
    else:
        _print_summary(dataset)


def _print_summary(dataset: Dataset) -> None:
    splits = dataset.manifest["splits"]
    n_train, n_test = (splits[name]["n_drawings"] for name in ("train", "test"))
    stdout.print(
        f"{dataset.path}: {counted(len(dataset.categories), 'category')}, "
        f"{counted(n_train, 'drawing')} to train with, {n_test:,} to test with",
        markup=False,
        soft_wrap=True,
    )
    sheet = dataset.path / "sheets" / "_all.png"
    if sheet.exists():
        stdout.print(f"look at {sheet}", markup=False, soft_wrap=True)
