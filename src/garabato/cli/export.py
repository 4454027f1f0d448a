"""garabato export ..."""

from __future__ import annotations

from pathlib import Path

import click

from garabato.cli.console import counted, print_json, progress, stdout


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
        what = counted(split["n_drawings"], "drawing")
        files = counted(len(split["files"]), "file")
        stdout.print(f"{name}: {what}, {n_bytes / 1e6:,.1f} MB in {files}")
    stdout.print(f"what is in them: {out}/dataset.json", markup=False, soft_wrap=True)


@command.command()
@click.option("--model", metavar="FILE", help="Encoder or run.  [default: the one that ships]")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="File to write.")
@click.option("--json", "as_json", is_flag=True, help="Print what was written as JSON.")
def onnx(model: str | None, out: Path, as_json: bool) -> None:
    """Write an encoder in ONNX form, for programs without PyTorch.

    Given as --model, the file answers as the encoder does, by ONNX Runtime, and searches the
    galleries that encoder filled. docs/export.md tells other programs how to use it.

    \b
    Example: garabato export onnx --out encoder.onnx
    """
    from garabato.encoder import ONNX_SUFFIX, load_encoder
    from garabato.export import export_onnx

    if out.suffix != ONNX_SUFFIX:
        raise click.BadParameter(f"name it *{ONNX_SUFFIX}, by which it is known: {out}")
    encoder = load_encoder(model)
    export_onnx(encoder, out)
    n_bytes = out.stat().st_size
    if as_json:
        print_json({"file": str(out), "bytes": n_bytes, "fingerprint": encoder.fingerprint})
        return
    text = f"{out}: {encoder.model_name}, {len(encoder.categories)} categories"
    stdout.print(f"{text}, {n_bytes / 1e6:.1f} MB", markup=False, soft_wrap=True)


@command.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--gallery", metavar="URI", help="Drawings to find.  [default: the starter set]")
@click.option("--model", metavar="FILE", help="Encoder or run.  [default: the one that ships]")
@click.option("--per-category", default=12, show_default=True, help="Drawings of each category.")
@click.option("--json", "as_json", is_flag=True, help="Print what was written as JSON.")
def web(
    folder: Path, gallery: str | None, model: str | None, per_category: int, as_json: bool
) -> None:
    """Write the page that `garabato serve` shows as files that need no server.

    Drawings are named and found in the browser. DIR can be put on any static web host; to look at
    it here: python -m http.server --directory DIR

    \b
    Example: garabato export web page --gallery my.gallery
    """
    from garabato.encoder import load_encoder
    from garabato.export import export_web
    from garabato.gallery import open_gallery

    encoder = load_encoder(model)
    drawings = None
    if gallery is not None:
        drawings = open_gallery(gallery, encoder=encoder, must_exist=True)
    with progress("steps") as show:
        page = export_web(
            encoder, folder, gallery=drawings, per_category=per_category, progress=show
        )
    if as_json:
        print_json({"folder": str(folder), "n_drawings": page.n_drawings, "files": page.files})
        return
    n_bytes = sum(page.files.values())
    what = counted(page.n_drawings, "drawing")
    files = counted(len(page.files), "file")
    stdout.print(f"{folder}: {what}, {n_bytes / 1e6:.1f} MB in {files}")
