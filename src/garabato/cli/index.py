"""garabato index."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from garabato.cli.console import counted, print_json, progress, stderr, stdout
from garabato.cli.model_option import model_option
from garabato.cli.where import split_names

if TYPE_CHECKING:
    from garabato.drawing import DrawingBatch
    from garabato.formats import ReadReport


@click.command()
@model_option
@click.option("--data", type=click.Path(path_type=Path), help="Data set that `prepare` wrote.")
@click.option("--split", type=click.Choice(["train", "test"]), help="Only this split of --data.")
@click.option("--source", type=click.Path(path_type=Path), help="Folder with files of drawings.")
@click.option("--gallery", "uri", required=True, metavar="URI", help="Gallery to fill.")
@click.option(
    "--tag",
    "tags",
    callback=split_names,
    metavar="T[,T]",
    help="Tags for the new drawings, to filter by.",
)
@click.option(
    "--engine",
    type=click.Choice(["local", "ray"]),
    default="local",
    show_default=True,
    help="Embed on this machine, or on a Ray cluster (RAY_ADDRESS).",
)
@click.option("--strict", is_flag=True, help="Stop at the first unreadable line.")
@click.option("--json", "as_json", is_flag=True, help="Print what was done as JSON.")
def command(
    model: str | None,
    data: Path | None,
    split: str | None,
    source: Path | None,
    uri: str,
    tags: list[str] | None,
    engine: str,
    strict: bool,
    as_json: bool,
) -> None:
    """Fill a gallery with drawings and their embeddings; make it where there is none.

    Drawings that are there already are passed over, so the same command goes on where an
    interrupted one stopped.

    \b
    Example: garabato index --data data --gallery my.gallery
    Example: garabato index --source mine --gallery my.gallery --tag mine,2026
    Example: garabato index --data data --gallery http://localhost:19530/drawings --engine ray
    """
    if (data is None) == (source is None):
        raise click.UsageError("give --data or --source, one of the two")
    if split is not None and data is None:
        raise click.UsageError("--split goes with --data")

    from garabato.encoder import load_encoder
    from garabato.formats import ReadReport
    from garabato.gallery import open_gallery
    from garabato.ingest.bulk_load import OneThread, fill
    from garabato.ingest.ray_cluster import RayWorkers

    started = time.perf_counter()
    report = ReadReport()
    encoder = load_encoder(model)
    reading = _Reading(data, split, source, strict, report)
    gallery = open_gallery(uri, encoder=encoder)
    try:
        with progress() as show:
            filled = fill(
                gallery,
                encoder,
                reading.batches(),
                tags=tags or (),
                progress=lambda n_done: show("index", n_done, max(n_done, reading.n_expected)),
                workers=RayWorkers if engine == "ray" else OneThread,
            )
    except KeyboardInterrupt:
        stderr.print(f"{len(gallery):,} drawings are stored; the same command goes on from there")
        raise
    for line in report.lines():
        stderr.print(line)
    n_drawings = len(gallery)
    document = {
        "gallery": uri,
        "n_drawings": n_drawings,
        "n_new": filled.n_new,
        "n_there": filled.n_there,
        "n_empty": filled.n_empty,
        "unreadable": report.n_unreadable,
        "seconds": round(time.perf_counter() - started, 2),
    }
    if as_json:
        print_json(document)
        return
    stdout.print(
        f"{uri}: {counted(n_drawings, 'drawing')} ({filled.n_new:,} new, "
        f"{filled.n_there:,} were there, {filled.n_empty:,} without ink left out)"
    )


class _Reading:
    """The drawings to index, and how many they will be: known, or guessed from those so far."""

    def __init__(
        self,
        data: Path | None,
        split: str | None,
        source: Path | None,
        strict: bool,
        report: ReadReport,
    ) -> None:
        from garabato.dataset import Dataset
        from garabato.sources import open_source

        self.n_expected = 0
        self._strict = strict
        self._report = report
        self._splits = [split] if split else ["train", "test"]
        self._dataset = None if data is None else Dataset.open(data)
        self._source = None if source is None else open_source(source)

    def batches(self) -> Iterator[DrawingBatch]:
        if self._dataset is not None:
            splits = self._dataset.manifest["splits"]
            self.n_expected = sum(splits[name]["n_drawings"] for name in self._splits)
            for name in self._splits:
                yield self._dataset.split(name)
            return
        assert self._source is not None
        categories = self._source.categories()
        n_read = 0
        for number, category in enumerate(categories, start=1):
            for batch in self._source.read(category, strict=self._strict, report=self._report):
                n_read += len(batch)
                yield batch
            self.n_expected = n_read * len(categories) // number
