"""`garabato reproduce`."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import click

from garabato.cli.categories_option import categories_option
from garabato.cli.console import print_json, stderr, stdout


@click.command()
@click.option(
    "--source",
    type=click.Path(path_type=Path),
    required=True,
    help="Where drawings are, as for `garabato prepare`.",
)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder for it all.")
@click.option(
    "--scale",
    type=click.Choice(["small", "full"]),
    default="small",
    show_default=True,
    help="full: 128 px, 1,000 + 50 drawings a category, all steps; wants a GPU.",
)
@click.option(
    "--minutes",
    type=click.FloatRange(min=0, min_open=True),
    help="For the five trainings together.  [default: 50 at small scale, no limit at full scale]",
)
@categories_option
@click.option("--train", "n_train", type=click.IntRange(min=1), help="Training drawings of each.")
@click.option("--test", "n_test", type=click.IntRange(min=1), help="Test drawings of each.")
@click.option("--image-size", type=click.IntRange(min=16), help="Side of the images, in px.")
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1 ...")
@click.option("--json", "as_json", is_flag=True, help="Print the results as JSON.")
def command(
    source: Path,
    out: Path,
    scale: str,
    minutes: float | None,
    categories: int | Literal["all"] | list[str],
    n_train: int | None,
    n_test: int | None,
    image_size: int | None,
    seed: int,
    device: str,
    as_json: bool,
) -> None:
    """Train the class project's five configurations; print its two tables beside what came out.

    What is finished in --out is not done again: after an interruption, type it again.

    \b
    Example: garabato reproduce --source simplified --out runs/reproduce
             garabato reproduce --source bitmaps --categories all --train 1000 --test 50 --out b32
    """
    from dataclasses import replace

    from garabato.cli.train import training_progress
    from garabato.training.reproduce import SCALES, as_markdown, reproduce

    changes: dict[str, Any] = {
        "minutes": minutes,
        "n_train": n_train,
        "n_test": n_test,
        "image_size_px": image_size,
    }
    settings = replace(
        SCALES[scale],
        categories=categories,
        seed=seed,
        **{name: value for name, value in changes.items() if value is not None},
    )
    with training_progress() as on_progress:
        document = reproduce(
            source,
            out,
            settings=settings,
            device=device,
            on_start=lambda row: stderr.print(f"{row.model}, batch {row.batch_size}"),
            on_progress=on_progress,
        )
    if document is None:
        stderr.print("stopped; go on with the same command")
        raise SystemExit(130)
    if as_json:
        print_json(document)
    else:
        stdout.print(as_markdown(document))
    stderr.print(f"kept in {out / 'reproduce.json'} and {out / 'reproduce.md'}")
