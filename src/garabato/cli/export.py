"""garabato export ..."""

from __future__ import annotations

from pathlib import Path

import click

from garabato.cli.console import print_json, progress, stdout


@click.group()
def command() -> None:
    """Write what garabato made for other programs."""


@command.command()
@click.option("--data", required=True, type=click.Path(path_type=Path), help="A prepared data set.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder to write.")
@click.option("--shards", default=1, show_default=True, help="Files a split.")
@click.option("--image-size", default=64, show_default=True, help="Side of the images in px.")
@click.option("--json", "as_json", is_flag=True, help="Print the description as JSON.")
def tfrecord(data: Path, out: Path, shards: int, image_size: int, as_json: bool) -> None:
    """Write a data set as TFRecords of tf.train.Example, in shuffled order.

    Each holds the rendered image as PNG (`image`), `label`, `category`, `key_id`, what else is
    known, and the strokes, so that `garabato train` can train from the folder as from the data
    set. Beside them: the mean image and dataset.json, which describes the features.

    \b
    Example: garabato export tfrecord --data data --out records --shards 4
    """
    from garabato.dataset import Dataset, export_tfrecord
    from garabato.render import RenderSpec

    with progress("drawings") as show:
        exported = export_tfrecord(
            Dataset.open(data),
            out,
            spec=RenderSpec(size_px=image_size),
            n_shards=shards,
            progress=show,
        )
    if as_json:
        print_json(exported.manifest)
        return
    for name, split in exported.manifest["splits"].items():
        n_bytes = sum(file["bytes"] for file in split["files"])
        files = f"{len(split['files'])} file" + ("s" if len(split["files"]) > 1 else "")
        text = f"{name}: {split['n_drawings']:,} drawings, {n_bytes / 1e6:,.1f} MB in {files}"
        stdout.print(text, markup=False, soft_wrap=True)
    stdout.print(f"what is in them: {out}/dataset.json", markup=False, soft_wrap=True)
