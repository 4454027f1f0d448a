"""garabato download."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from garabato.cli.categories_option import categories_option
from garabato.cli.console import counted, print_json, progress, stderr, stdout

if TYPE_CHECKING:
    from garabato.sources.google_bucket import Download
    from garabato.sources.google_bucket.bucket import Kind


@click.command()
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder to write.")
@categories_option
@click.option(
    "--per-category",
    type=click.IntRange(1),
    default=1050,
    show_default=True,
    help="Different drawings of each, at random from all over its file.",
)
@click.option("--full", is_flag=True, help="Whole files, 50 to 300 MB a category.")
@click.option(
    "--format",
    "kind",
    type=click.Choice(["simplified", "raw", "bin", "npy"]),
    default="simplified",
    show_default=True,
    help="Which of Google's files: strokes, strokes as the devices sent them, 28x28 bitmaps.",
)
@click.option("--seed", default=0, show_default=True, help="Another seed, another choice.")
@click.option(
    "--bucket",
    metavar="URL",
    envvar="GARABATO_BUCKET",
    help="Another place with the same paths.  [default: Google's bucket; env: GARABATO_BUCKET]",
)
@click.option("--json", "as_json", is_flag=True, help="Print what is in the folder as JSON.")
def command(
    out: Path,
    categories: int | Literal["all"] | list[str],
    per_category: int,
    full: bool,
    kind: Kind,
    seed: int,
    bucket: str | None,
    as_json: bool,
) -> None:
    """Fetch drawings from Google's public bucket.

    Only a few pieces of each file are fetched, some 10 MB for ten categories, and drawings are
    taken from these at random by --seed. --full fetches whole files and checks their hashes. Run
    it again after an interruption, and it goes on.

    \b
    Example: garabato download --out simplified --categories 100 --per-category 1050
    """
    import garabato
    from garabato.dataset.choose import choose_categories

    known = set(garabato.CATEGORIES)
    if isinstance(categories, list):  # another place may have others: it is asked
        known |= set(categories)
    names = choose_categories(sorted(known), categories, seed=seed)
    with progress("MB" if full else "drawings") as show:
        done = garabato.download(
            out,
            names,
            format=kind,
            per_category=None if full else per_category,
            seed=seed,
            bucket=bucket,
            progress=show,
        )
    _warn(done, per_category)
    if as_json:
        print_json(done.record)
    else:
        stdout.print(_summary(done))


def _warn(done: Download, per_category: int) -> None:
    if done.short:
        said = ", ".join(f"{name} {n:,}" for name, n in done.short.items())
        stderr.print(f"fewer than {per_category:,} drawings in the bucket: {said}")
    if not done.at_random:
        stderr.print(
            "the server sends whole files only (no Range), so these are the first drawings of "
            "their files and no random sample"
        )


def _summary(done: Download) -> str:
    before = f", {done.n_done_before} of them before" if done.n_done_before else ""
    drawings = "whole files" if done.n_drawings is None else counted(done.n_drawings, "drawing")
    return (
        f"{done.path}: {counted(done.n_categories, 'category')}{before}, {drawings}, "
        f"{done.fetched_bytes / 1e6:,.1f} MB fetched"
    )
