"""garabato reproduce."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import click

import garabato
from garabato.cli.options import (
    SOURCE_HELP,
    Categories,
    Choice,
    categories_option,
    file_option,
    json_option,
    seed_option,
)
from garabato.cli.output import TrainingNotes, print_result, stderr, training_progress


@click.command()
@file_option("--source", required=True, help=SOURCE_HELP)
@file_option("--out", required=True, help="Folder for all results.")
@click.option(
    "--scale",
    type=Choice(["small", "full"]),
    default="small",
    show_default=True,
    help="full: 128 px, 1,000 + 50 drawings per category, all steps; needs a GPU.",
)
@click.option(
    "--minutes",
    type=click.FloatRange(min=0, min_open=True),
    help="Time for all five trainings.  [default: 50 at small scale, no limit at full scale]",
)
@categories_option
@click.option(
    "--train", "n_train", type=click.IntRange(min=1), help="Training drawings per category."
)
@click.option("--test", "n_test", type=click.IntRange(min=1), help="Test drawings per category.")
@click.option(
    "--image-size", "image_size_px", type=click.IntRange(min=16), help="Side of the images, in px."
)
@seed_option
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1 ...")
@json_option
def command(
    source: Path,
    out: Path,
    scale: str,
    categories: Categories,
    seed: int,
    device: str,
    as_json: bool,
    **changes: Any,
) -> None:
    """Train the reference project's five configurations; print published and measured results.

    Trainings that are finished in --out are not repeated: after an interruption, run the same
    command again.

    \b
    Example: garabato reproduce --source simplified --out runs/reproduce
             garabato reproduce --source bitmaps --categories all --train 1000 --test 50 --out b32
    """
    settings = replace(
        garabato.REPRODUCE_SCALES[scale],
        categories=categories,
        seed=seed,
        **{name: value for name, value in changes.items() if value is not None},
    )
    with training_progress(TrainingNotes()) as on_progress:
        document = garabato.reproduce(
            source,
            out,
            settings=settings,
            device=device,
            on_start=lambda row: stderr.print(f"{row.model}, batch {row.batch_size}"),
            on_progress=on_progress,
        )
    if document is None:
        stderr.print("interrupted; run the same command again to continue")
        raise SystemExit(130)
    print_result(document, (out / "reproduce.md").read_text(), as_json=as_json)
    stderr.print(f"written to {out / 'reproduce.json'} and {out / 'reproduce.md'}")
