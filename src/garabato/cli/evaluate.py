"""garabato evaluate."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

import garabato
from garabato.cli.options import (
    SOURCE_HELP,
    Choice,
    category_from_option,
    file_option,
    json_option,
    model_option,
    open_drawings,
    strict_option,
)
from garabato.cli.output import (
    counted,
    print_busy,
    print_json,
    print_unreadable,
    progress,
    stderr,
    stdout,
)

#: Categories printed as the hardest; the report has all.
N_HARDEST = 5


@click.command()
@model_option
@file_option("--data", help="A prepared data set.")
@click.option(
    "--split",
    type=Choice(["train", "test"]),
    default="test",
    show_default=True,
    help="The split of --data to measure with.",
)
@file_option("--source", help=SOURCE_HELP)
@category_from_option
@click.option(
    "--gallery-split",
    type=Choice(["train", "test", "none"]),
    help="The split of --data to search in.  [default: train; none if that is the --split]",
)
@file_option("--report", help="Folder for a report with pictures.")
@click.option("--device", default="cpu", show_default=True, help="auto, cpu, cuda, cuda:1 ...")
@strict_option
@json_option
def command(
    model: str | None,
    data: Path | None,
    split: str,
    source: Path | None,
    category_from: str,
    gallery_split: str | None,
    report: Path | None,
    device: str,
    strict: bool,
    as_json: bool,
) -> None:
    """Measure an encoder on drawings whose categories are known.

    Reports top-1 and top-5 accuracy, the mAP of searching among these drawings and in the gallery
    split, and more; --report also writes a page with pictures.

    \b
    Example: garabato evaluate --model runs/first --data data --report report
    """
    if data is None and gallery_split not in (None, "none"):
        raise click.UsageError("--gallery-split needs --data; a source has no splits")
    drawings = open_drawings(data, source, category_from)
    if report is not None:
        garabato.check_report_folder(report)  # before the work, not after it
    encoder = garabato.load_encoder(model, device=device)
    meter = garabato.CpuMeter()
    if gallery_split is None and split != "train":
        gallery_split = "train"
    with progress() as show:
        evaluation = garabato.evaluate(
            encoder,
            drawings,
            split=split,
            gallery_split=None if gallery_split == "none" else gallery_split,
            strict=strict,
            progress=show,
        )
    print_unreadable(evaluation.unreadable)
    print_busy(meter)
    if report is not None:
        run = model if model is not None and Path(model).is_dir() else None
        stderr.print(f"look at {garabato.write_report(evaluation, report, run=run)}")
    document = evaluation.to_dict()
    if as_json:
        print_json(document)
    else:
        _print_summary(document)


def _print_summary(found: dict[str, Any]) -> None:
    noise = found["noise"]
    stdout.print(
        f"{counted(found['n_drawings'], 'drawing')} of "
        f"{counted(found['n_categories'], 'category')}, "
        f"{found['seconds']:.1f} s"
    )
    for name, value, width in (
        ("top-1", found["top1"], noise["top1"]),
        ("top-5", found["top5"], noise["top5"]),
        ("train top-1", found["train_top1"], None),
        ("train top-5", found["train_top5"], None),
        ("precision@10", found["precision_at_10"], noise["precision_at_10"]),
    ):
        if value is not None:
            _print_figure(name, f"{100 * value:.1f}%", width and f"{100 * width:.1f}")
    for answer, name in (("yes", "top-1, recognized"), ("no", "top-1, not recognized")):
        if answer in found["by_recognized"]:
            row = found["by_recognized"][answer]
            n_drawings = counted(row["n_drawings"], "drawing")
            _print_figure(name, f"{100 * row['top1']:.1f}% ({n_drawings})")
    for name, value, width in (
        ("loss", found["loss"], noise["loss"]),
        ("mAP, test against test", found["map"], noise["map"]),
        ("mAP, in the gallery", found["map_gallery"], noise["map_gallery"]),
        ("mAP, unseen categories", found["map_unseen"], None),
        ("mAP by 128-bit codes", found["map_128_bit"], None),
        ("mAP by 64-bit codes", found["map_64_bit"], None),
        ("calibration error", found["ece"], None),
    ):
        if value is not None:
            _print_figure(name, f"{value:.3f}", width and f"{width:.3f}")
    if found["unsure"] and found["unsure"]["precision"] is not None:
        precision, share = (100 * found["unsure"][name] for name in ("precision", "coverage"))
        _print_figure("top-1, if not unsure", f"{precision:.1f}% ({share:.1f}% of the drawings)")
    known = [(row["top1"], name) for name, row in found["per_category"].items()]
    hardest = sorted((top1, name) for top1, name in known if top1 is not None)[:N_HARDEST]
    if len(known) > N_HARDEST and hardest:
        _print_figure("hardest", ", ".join(f"{name} {100 * top1:.0f}%" for top1, name in hardest))
    for pair in found["most_confused"][:3]:
        first, second = pair["categories"]
        n = pair["n_first_as_second"] + pair["n_second_as_first"]
        _print_figure("confused", f"{first} and {second}, {counted(n, 'time')}")
    for note in found["notes"]:
        stdout.print(note)


def _print_figure(name: str, value: str, noise: str | None = None) -> None:
    stdout.print(f"  {name:<24}{value}{f' ± {noise}' if noise else ''}")
