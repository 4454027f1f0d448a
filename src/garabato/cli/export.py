"""garabato export: tfrecord, onnx, hub and web."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Literal

import click
import numpy as np

import garabato
from garabato.cli.group import Group
from garabato.cli.options import (
    Choice,
    added_categories_option,
    file_option,
    json_option,
    model_option,
)
from garabato.cli.output import counted, print_json, print_result, progress, stderr, stdout

#: Training drawings that give the ranges for 8 bits.
N_CALIBRATION = 512


@click.group(cls=Group)
def command() -> None:
    """Export data sets, encoders and the page for use elsewhere.

    \b
    Example: garabato export onnx --out encoder.onnx
    """


@command.command()
@file_option("--data", required=True, help="A prepared data set.")
@file_option("--out", required=True, help="Folder to write.")
@click.option("--shards", default=1, show_default=True, help="Files per split.")
@click.option("--image-size", default=64, show_default=True, help="Side of the images, in px.")
@json_option
def tfrecord(data: Path, out: Path, shards: int, image_size: int, as_json: bool) -> None:
    """Write a data set as TFRecord files of tf.train.Example, in shuffled order.

    Each example holds the rendered image as PNG (`image`), `label`, `category`, `key_id`, other
    metadata and the strokes, so `garabato train` can train from the export, too. The folder also
    gets the mean image and dataset.json, which describes the features.

    \b
    Example: garabato export tfrecord --data data --out records --shards 4
    """
    with progress("drawings") as show:
        exported = garabato.export_tfrecord(
            garabato.Dataset.open(data),
            out,
            spec=garabato.RenderSpec(size_px=image_size),
            n_shards=shards,
            progress=show,
        )
    if as_json:
        print_json(exported.manifest)
        return
    for name, split in exported.manifest["splits"].items():
        n_bytes = sum(file["bytes"] for file in split["files"])
        drawings = counted(split["n_drawings"], "drawing")
        files = counted(len(split["files"]), "file")
        stdout.print(f"{name}: {drawings}, {n_bytes / 1e6:,.1f} MB in {files}")
    stdout.print(f"described in {out}/dataset.json")


@command.command()
@model_option
@file_option("--out", required=True, help="File to write, named *.onnx.")
@click.option(
    "--bits",
    type=Choice(["8", "32"]),
    help="8: smaller and faster, needs --data.  [default: 32; a file in ONNX form stays as it is]",
)
@file_option("--data", help="For --bits 8: the data set the encoder was trained on.")
@json_option
def onnx(
    model: str | None, out: Path, bits: Literal["8", "32"] | None, data: Path | None, as_json: bool
) -> None:
    """Write an encoder as ONNX, to run it without PyTorch.

    Other commands take the file as --model. With 32 bits, predictions are the same as the
    original encoder's, with 8 bits almost always the same. docs/export.md explains how to use the
    file in other programs.

    \b
    Example: garabato export onnx --model run --out encoder.onnx
    Example: garabato export onnx --model run --bits 8 --data data --out encoder.onnx
    """
    if out.suffix != ".onnx":
        raise click.BadParameter(f"{out} must end in .onnx", param_hint="--out")
    if (bits == "8") != (data is not None):
        raise click.UsageError("--bits 8 needs --data, and --data is for --bits 8 only")
    calibration = None if data is None else _calibration_drawings(data)
    encoder = garabato.load_encoder(model, runtime="auto" if bits is None else "pytorch")
    garabato.export_onnx(
        encoder,
        out,
        bits=None if bits is None else 8 if bits == "8" else 32,
        calibration=calibration,
    )
    written = garabato.load_encoder(out)
    n_bytes = out.stat().st_size
    about = f"{encoder.model_name}, {len(encoder.categories)} categories, {n_bytes / 1e6:.1f} MB"
    print_result(
        {"file": str(out), "bytes": n_bytes, "fingerprint": written.fingerprint},
        f"{out}: {about}",
        as_json=as_json,
    )
    if not as_json and written.fingerprint != encoder.fingerprint:
        stderr.print(
            "its embeddings differ too much from those of the original encoder to search the same "
            "galleries"
        )


@command.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@model_option
@file_option("--evaluation", help="Output of `garabato evaluate --json`, for the model card.")
@file_option(
    "--calibrate",
    metavar="DATA",
    help="Also write an 8-bit form, calibrated with the data set the encoder was trained on. Not "
    "needed for the encoder that ships.",
)
@click.option(
    "--dataset",
    "datasets",
    multiple=True,
    metavar="NAME",
    help="Data set on the Hub that the encoder was trained on, for the card; repeatable.",
)
@click.option("--name", default="garabato encoder", show_default=True, help="Title of the card.")
@click.option(
    "--license",
    "licence",
    metavar="NAME",
    help="Licence of the encoder as the Hub names it, such as cc-by-4.0.  [default: none is "
    "stated; mit for the encoder that ships]",
)
@json_option
def hub(
    folder: Path,
    model: str | None,
    evaluation: Path | None,
    calibrate: Path | None,
    datasets: tuple[str, ...],
    name: str,
    licence: str | None,
    as_json: bool,
) -> None:
    """Write an encoder as a model repository of the Hugging Face Hub.

    DIR gets the weights, the ONNX forms, the configuration and a model card. Upload it with
    huggingface_hub's `hf upload OWNER/NAME DIR`, and load it as --model hf://OWNER/NAME.

    \b
    Example: garabato export hub repository --model run --evaluation evaluation.json
    Example: garabato export hub repository --model run --calibrate data
    """
    results = None if evaluation is None else _results_of(evaluation)
    calibration = None if calibrate is None else _calibration_drawings(calibrate)
    encoder = garabato.load_encoder(model, runtime="pytorch")
    files = garabato.export_hub(
        encoder,
        folder,
        name=name,
        license=licence,
        datasets=datasets or None,
        results=results,
        calibration=calibration,
        run=model if model is not None and Path(model).is_dir() else None,
    )
    n_bytes = sum(file.stat().st_size for file in files)
    print_result(
        {"folder": str(folder), "files": [str(file.relative_to(folder)) for file in files]},
        f"{folder}: {counted(len(files), 'file')}, {n_bytes / 1e6:.1f} MB",
        as_json=as_json,
    )


@command.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--gallery", metavar="URI", help="Drawings to search.  [default: the starter set]")
@model_option
@added_categories_option
@click.option("--per-category", default=12, show_default=True, help="Drawings per category.")
@json_option
def web(
    folder: Path,
    gallery: str | None,
    model: str | None,
    categories: Path | None,
    per_category: int,
    as_json: bool,
) -> None:
    """Write the page of `garabato serve` as static files that need no server.

    The browser itself classifies and searches. Put DIR on any static web host; to try it here:
    python -m http.server --directory DIR

    \b
    Example: garabato export web page --gallery my.gallery
    """
    encoder = garabato.load_encoder(model, categories=categories)
    drawings = None
    if gallery is not None:
        drawings = garabato.open_gallery(gallery, encoder=encoder, must_exist=True)
    with progress("") as show:
        page = garabato.export_web(
            encoder, folder, gallery=drawings, per_category=per_category, progress=show
        )
    n_bytes = sum(page.files.values())
    files = counted(len(page.files), "file")
    print_result(
        {"folder": str(folder), "n_drawings": page.n_drawings, "files": page.files},
        f"{folder}: {counted(page.n_drawings, 'drawing')}, {n_bytes / 1e6:.1f} MB in {files}",
        as_json=as_json,
    )
    # As a file, the page would stay blank: browsers load modules and data from servers only.
    command = f"python -m http.server --directory {shlex.quote(str(folder))}"
    stderr.print(f"to look at it: {command}, then open http://127.0.0.1:8000")


def _calibration_drawings(data: Path) -> garabato.DrawingBatch:
    """Some of the training drawings, the same ones each time."""
    drawings = garabato.Dataset.open(data).split("train")
    return drawings.take(np.random.default_rng(0).permutation(len(drawings))[:N_CALIBRATION])


def _results_of(evaluation: Path) -> dict[str, float]:
    """The measures of a model card from the JSON of `garabato evaluate`."""
    measures = {"top1": "accuracy", "top5": "top_5_accuracy", "map": "mean_average_precision"}
    try:
        document = json.loads(evaluation.read_text())
        return {
            name: float(document[key])
            for key, name in measures.items()
            if document.get(key) is not None
        }
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise click.BadParameter(
            f"{evaluation} must be what `garabato evaluate --json` prints: {error}",
            param_hint="--evaluation",
        ) from None
