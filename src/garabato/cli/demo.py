"""garabato demo."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from shlex import quote

import click
from rich.box import SIMPLE_HEAD
from rich.table import Table

import garabato
from garabato.cli.options import file_option, seed_option
from garabato.cli.output import (
    ReportProgress,
    TrainingNotes,
    progress,
    stderr,
    stdout,
    training_progress,
)


@click.command()
@file_option(
    "--source",
    envvar="GARABATO_SOURCE",
    help="Folder of <category>.ndjson files.  [default: $GARABATO_SOURCE, else Google's bucket, "
    "else the starter set]",
)
@file_option("--out", default=Path("demo"), show_default=True, help="Folder for all results.")
@click.option(
    "--categories",
    type=click.IntRange(2),
    default=100,
    show_default=True,
    help="How many categories, chosen at random.",
)
@click.option(
    "--minutes",
    type=click.FloatRange(0, min_open=True),
    default=10.0,
    show_default=True,
    help="Time to train.",
)
@seed_option
def command(source: Path | None, out: Path, categories: int, minutes: float, seed: int) -> None:
    """Run everything once, end to end: prepare drawings, train a network, measure it, fill a
    gallery, and search it for drawings the network has never seen.

    A second run with the same settings reuses the stages that are finished.

    \b
    Example: garabato demo --source simplified --out demo
    """
    chosen = garabato.choose_source(source, out / "drawings")
    shown = _Progress()
    result = garabato.run_demo(
        out, chosen, n_categories=categories, minutes=minutes, seed=seed, progress=shown
    )
    if result is None:
        stderr.print("interrupted; run the same command again to continue")
        raise SystemExit(130)
    _print_figures(result)
    shown.notes.print(result.figures.get("notes", ()))  # an older demo may have none
    _print_files(result)


class _Progress:
    """Shows the demo's progress on stderr."""

    def __init__(self) -> None:
        self.notes = TrainingNotes()

    def say(self, text: str) -> None:
        stderr.print(text)

    def bar(self, unit: str) -> AbstractContextManager[ReportProgress]:
        return progress(unit)

    def training_bar(
        self,
    ) -> AbstractContextManager[Callable[[garabato.TrainingProgress], None]]:
        return training_progress(self.notes)


def _print_figures(result: garabato.DemoResult) -> None:
    figures = result.figures
    noise = figures["noise"]
    stdout.print(_results_table(result))
    stdout.print(
        "drawings: categories x training drawings of each; train, test: top-1 accuracy;\n"
        "mAP: each test drawing ranked against all others, in the published results by\n"
        "Euclidean distance between deep features, here by cosine similarity.\n"
        f"Noise with {figures['n_test']:,} test drawings: top-1 +- {100 * noise['top1']:.1f} "
        f"points, mAP +- {noise['map']:.2f}. Total time: {figures['seconds'] / 60:.1f} minutes.\n"
    )


def _print_files(result: garabato.DemoResult) -> None:
    run, gallery, queries = (quote(str(p)) for p in (result.run, result.gallery, result.queries))
    stdout.print(
        "Look at\n"
        f"  {result.hits}  hits for drawings the network has never seen\n"
        f"  {result.report}  all figures: categories, mistakes, learning curves\n"
        f"  {result.contact_sheets}/  the drawings\n"
        "\nType next\n"
        f"  garabato classify --model {run} {queries}\n"
        f"  garabato search --model {run} --gallery {gallery} {queries} --picture hits.png\n"
        "  garabato --help\n"
        "\n(After `make setup`, garabato is in .venv/bin.)"
    )


def _results_table(result: garabato.DemoResult) -> Table:
    """Fits 80 columns."""
    table = Table(
        title="garabato beside the published results of the reference project",
        box=SIMPLE_HEAD,
        pad_edge=False,
        collapse_padding=True,
    )
    table.add_column("network, steps", no_wrap=True)
    for name in ("drawings", "trained in", "loss", "train", "test", "mAP"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in result.published:
        table.add_row(
            f"{row.model} {row.steps:,}",
            "100 x 1,000",
            f"{row.minutes // 60} h {row.minutes % 60:02d} GPU",
            f"{row.loss:.2f}",
            f"{100 * row.train_top1:.1f}%",
            f"{100 * row.test_top1:.1f}%",
            f"{row.map:.2f}",
        )
    table.add_section()
    found = result.figures
    table.add_row(
        f"skfast {found['steps']:,}",
        f"{found['n_categories']} x {found['n_train'] / found['n_categories']:,.0f}",
        f"{found['train_seconds'] / 60:.1f} min {found['device']}",
        f"{found['loss']:.2f}",
        f"{100 * found['train_top1']:.1f}%",
        f"{100 * found['top1']:.1f}%",
        f"{found['map']:.2f}",
        style="bold",
    )
    return table
