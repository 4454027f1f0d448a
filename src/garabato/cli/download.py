"""garabato download."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

import garabato
from garabato.cli.options import (
    Categories,
    Choice,
    categories_option,
    file_option,
    json_option,
    seed_option,
)
from garabato.cli.output import counted, print_result, progress, stderr


@click.command()
@file_option("--out", required=True, help="Folder to write.")
@categories_option
@click.option(
    "--per-category",
    type=click.IntRange(1),
    default=1050,
    show_default=True,
    help="Drawings per category, a random sample of its whole file.",
)
@click.option("--full", is_flag=True, help="Download whole files, 50 to 300 MB per category.")
@click.option(
    "--format",
    "kind",
    type=Choice(["simplified", "raw", "bin", "npy"]),
    default="simplified",
    show_default=True,
    help="Which files: simplified strokes, strokes as recorded, strokes in binary, 28x28 bitmaps.",
)
@seed_option
@click.option(
    "--bucket",
    metavar="URL",
    envvar="GARABATO_BUCKET",
    help="A mirror with the bucket's paths.  [default: Google's bucket; env: GARABATO_BUCKET]",
)
@json_option
def command(
    out: Path,
    categories: Categories,
    per_category: int,
    full: bool,
    kind: Any,
    seed: int,
    bucket: str | None,
    as_json: bool,
) -> None:
    """Download drawings from Google's public bucket.

    Only a few parts of each file are downloaded, about 10 MB for ten categories, and drawings are
    sampled from them by --seed. With --full, whole files are downloaded and their hashes checked.
    After an interruption, run the same command again.

    \b
    Example: garabato download --out simplified --categories 100 --per-category 1050
    """
    with progress("MB" if full else "drawings") as show:
        done = garabato.download(
            out,
            categories,
            format=kind,
            per_category=None if full else per_category,
            seed=seed,
            bucket=bucket,
            progress=show,
        )
    _warn(done, per_category)
    before = f", {done.n_done_before} of them earlier" if done.n_done_before else ""
    drawings = "whole files" if done.n_drawings is None else counted(done.n_drawings, "drawing")
    text = f"{done.path}: {counted(done.n_categories, 'category')}{before}, {drawings}, "
    text += f"{done.fetched_bytes / 1e6:,.1f} MB downloaded"
    print_result(done.record, text, as_json=as_json)


def _warn(done: garabato.Download, per_category: int) -> None:
    if done.short:
        short = ", ".join(f"{name} {n:,}" for name, n in done.short.items())
        stderr.print(f"fewer than {per_category:,} drawings in the bucket: {short}")
    if not done.at_random:
        stderr.print(
            "the server does not support Range requests, so these are the first drawings of each "
            "file instead of a random sample"
        )
