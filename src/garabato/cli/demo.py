"""`garabato demo`: everything once, end to end."""

from __future__ import annotations

from pathlib import Path

import click

#: Beside a clone of the repository; used where no source is given and it is there.
DEFAULT_SOURCE = Path("../shared/quickdraw/simplified")


@click.command()
@click.option(
    "--source",
    type=click.Path(path_type=Path),
    help=f"Folder of <category>.ndjson files.  [default: {DEFAULT_SOURCE}, where it exists]",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("demo"),
    show_default=True,
    help="Folder for everything it makes.",
)
@click.option(
    "--categories",
    type=click.IntRange(2),
    default=100,
    show_default=True,
    help="How many, at random.",
)
@click.option(
    "--minutes",
    type=click.FloatRange(0, min_open=True),
    default=10.0,
    show_default=True,
    help="Time to train.",
)
@click.option(
    "--seed",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="Another seed: other categories, other drawings.",
)
def command(source: Path | None, out: Path, categories: int, minutes: float, seed: int) -> None:
    """Everything once, end to end: prepare drawings, train a network, measure it, fill a gallery,
    and search it for drawings that the network never saw.

    Run it again with the same settings, and what is finished is not done again.

    \b
    Example: garabato demo --source simplified --out demo
    """
    from garabato.cli.demo_stages import Demo, DemoSettings
    from garabato.cli.demo_summary import print_summary

    settings = DemoSettings(_choose_source(source), categories, minutes, seed)
    demo = Demo(out, settings)
    print_summary(demo, demo.run())


def _choose_source(given: Path | None) -> Path:
    if given is not None:
        return given
    if DEFAULT_SOURCE.is_dir():
        return DEFAULT_SOURCE
    raise click.UsageError(
        f"no drawings: there is no {DEFAULT_SOURCE} here, so say where drawings are, a folder of "
        "Google's simplified <category>.ndjson files:\n"
        "  make demo SOURCE=DIR\n"
        "  garabato demo --source DIR"
    )
