"""garabato gallery copy."""

from __future__ import annotations

import time
from pathlib import Path

import click

from garabato.cli.console import counted, print_json, progress, stderr, stdout


@click.command()
@click.argument("source", metavar="SRC")
@click.argument("target", metavar="DST")
@click.option(
    "--model",
    type=click.Path(path_type=Path),
    help="Embed anew by this encoder: its file or a run's folder.",
)
@click.option("--json", "as_json", is_flag=True, help="Print what was done as JSON.")
def copy(source: str, target: str, model: Path | None, as_json: bool) -> None:
    """Copy the gallery SRC to DST, made where there is none; each a folder or on a Milvus server.

    Embeddings and tags come along; with --model DST is for another encoder. Drawings that are in
    DST already are passed over, so the same command goes on where an interrupted one stopped.

    \b
    Example: garabato gallery copy my.gallery http://localhost:19530/drawings
    """
    from garabato.encoder import load_encoder
    from garabato.errors import InputError
    from garabato.gallery import open_gallery
    from garabato.ingest.copy import copy as copy_gallery
    from garabato.ingest.copy import open_copy

    if source == target:
        raise InputError(f"SRC and DST are the same gallery, {source}")
    started = time.perf_counter()
    gallery = open_gallery(source, must_exist=True)
    made = open_copy(gallery, target, encoder=None if model is None else load_encoder(model))
    n_drawings = len(gallery)
    try:
        with progress() as show:
            copied = copy_gallery(
                gallery, made, progress=lambda n_done: show("copy", n_done, n_drawings)
            )
    except KeyboardInterrupt:
        stderr.print(f"{len(made):,} drawings are in {target}; the same command goes on from there")
        raise
    n_drawings = len(made)
    document = {
        "source": source,
        "target": target,
        "n_copied": copied.n_copied,
        "n_there": copied.n_there,
        "n_drawings": n_drawings,
        "seconds": round(time.perf_counter() - started, 2),
    }
    if as_json:
        print_json(document)
        return
    stdout.print(
        f"{target}: {counted(n_drawings, 'drawing')} ({copied.n_copied:,} copied, "
        f"{copied.n_there:,} were there)"
    )
