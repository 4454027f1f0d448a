"""garabato index."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

import garabato
from garabato.cli.options import (
    SOURCE_HELP,
    Choice,
    category_from_option,
    file_option,
    gallery_option,
    json_option,
    model_option,
    open_drawings,
    strict_option,
    tags_option,
)
from garabato.cli.output import (
    counted,
    print_busy,
    print_result,
    print_unreadable,
    progress,
    stderr,
)


@click.command()
@model_option
@file_option("--data", help="A prepared data set.")
@click.option("--split", type=Choice(["train", "test"]), help="Only this split of --data.")
@file_option("--source", help=SOURCE_HELP)
@category_from_option
@click.option(
    "--keep-originals",
    is_flag=True,
    help="Keep the title, path and file of each SVG or picture of --source (up to 64 KiB).",
)
@gallery_option
@tags_option
@click.option(
    "--runner",
    type=Choice(["local", "ray"]),
    default="local",
    show_default=True,
    help="Embed on this machine, or on the Ray cluster of RAY_ADDRESS.",
)
@strict_option
@json_option
def command(
    model: str | None,
    data: Path | None,
    split: str | None,
    source: Path | None,
    category_from: str,
    keep_originals: bool,
    uri: str,
    tags: tuple[str, ...],
    runner: Any,
    strict: bool,
    as_json: bool,
) -> None:
    """Fill a gallery with drawings and their embeddings; create it if it does not exist.

    Drawings that the gallery already holds are skipped, so after an interruption, run the same
    command again to continue.

    \b
    Example: garabato index --data data --gallery my.gallery
    Example: garabato index --source mine --gallery my.gallery --tag mine --tag 2026
    Example: garabato index --source icons --category-from name --keep-originals --gallery icons
    Example: garabato index --data data --gallery http://localhost:19530/drawings --runner ray
    """
    if split is not None and data is None:
        raise click.UsageError("--split needs --data; a source has no splits")
    started = time.perf_counter()
    meter = garabato.CpuMeter()
    report = garabato.ReadReport()
    drawings = open_drawings(data, source, category_from, keep_originals=keep_originals)
    encoder = garabato.load_encoder(model)
    if runner == "ray":
        garabato.connect_ray()  # before LanceDB starts threads, which forking would break
    gallery = garabato.open_gallery(uri, encoder=encoder)
    try:
        with progress() as show:
            indexed = garabato.index(
                drawings,
                gallery,
                encoder,
                split=split,
                tags=tags,
                runner=runner,
                strict=strict,
                report=report,
                progress=lambda n_done, n_expected: show("index", n_done, n_expected),
            )
    except KeyboardInterrupt:
        stderr.print(
            f"{len(gallery):,} drawings are stored; run the same command again to continue"
        )
        raise
    print_unreadable(report)
    print_busy(meter)
    n_drawings = len(gallery)
    print_result(
        {
            "gallery": uri,
            "n_drawings": n_drawings,
            **asdict(indexed),
            "unreadable": report.n_unreadable,
            "seconds": round(time.perf_counter() - started, 2),
        },
        f"{uri}: {counted(n_drawings, 'drawing')} ({indexed.n_new:,} new, "
        f"{indexed.n_there:,} already there, {indexed.n_empty:,} empty and skipped)",
        as_json=as_json,
    )
