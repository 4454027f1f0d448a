"""`garabato demo`: everything once, end to end."""

from __future__ import annotations

from pathlib import Path

import click

from garabato.cli.demo_source import DEFAULT_SOURCE, choose_source


@click.command()
@click.option(
    "--source",
    type=click.Path(path_type=Path),
    help=f"Folder of <category>.ndjson files.  [default: the first there is of {DEFAULT_SOURCE}, "
    "Google's bucket, the starter set]",
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

    chosen = choose_source(source, out / "drawings")
    demo = Demo(out, DemoSettings(chosen, categories, minutes, seed))
    print_summary(demo, demo.run())
