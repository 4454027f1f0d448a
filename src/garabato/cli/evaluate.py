"""garabato evaluate."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from garabato.cli.console import counted, print_json, progress, stderr, stdout

if TYPE_CHECKING:
    from garabato.dataset import Dataset
    from garabato.sources import Source

#: Categories printed as the hardest; the report has all.
N_HARDEST = 5


@click.command()
@click.option(
    "--model",
    type=click.Path(path_type=Path),
    help="An encoder file or a run's folder.  [default: the encoder that ships]",
)
@click.option("--data", type=click.Path(path_type=Path), help="A prepared data set.")
@click.option(
    "--split",
    type=click.Choice(["train", "test"]),
    default="test",
    show_default=True,
    help="The drawings of --data to measure with.",
)
@click.option(
    "--source", type=click.Path(path_type=Path), help="A folder; all its drawings are measured."
)
@click.option(
    "--gallery-split",
    type=click.Choice(["train", "test", "none"]),
    help="Where in --data to search, too.  [default: train; none where that is the --split]",
)
@click.option("--report", type=click.Path(path_type=Path), help="Folder for pictures and a page.")
@click.option("--device", default="cpu", show_default=True, help="cpu, cuda, cuda:1 ...")
@click.option("--strict", is_flag=True, help="Stop at the first unreadable line of --source.")
@click.option("--json", "as_json", is_flag=True, help="Print all figures as JSON.")
def command(
    model: Path | None,
    data: Path | None,
    split: str,
    source: Path | None,
    gallery_split: str | None,
    report: Path | None,
    device: str,
    strict: bool,
    as_json: bool,
) -> None:
    """Measure an encoder on drawings whose categories are known.

    Gives top-1 and top-5 accuracy, the mAP of searching among these drawings and in the gallery
    split, and more; --report writes a page with pictures.

    \b
    Example: garabato evaluate --model runs/first --data data --report report
    """
    from garabato.encoder import load_encoder
    from garabato.evaluation import evaluate, write_report
    from garabato.evaluation.report import check_folder

    drawings = _open(data, source, gallery_split)
    if report is not None:
        check_folder(report)  # before the work, not after it
    encoder = load_encoder(model, device=device)
    with progress() as show:
        evaluation = evaluate(
            encoder,
            drawings,
            split=split,
            gallery_split=_gallery_split(split, gallery_split),
            strict=strict,
            progress=show,
        )
    for line in evaluation.unreadable.lines():
        stderr.print(line)
    page = None
    if report is not None:
        run = model if model is not None and model.is_dir() else None
        page = write_report(evaluation, report, run=run)
    document = evaluation.to_dict()
    if as_json:
        print_json(document)
    else:
        _print_summary(document)
    if page is not None:
        stderr.print(f"look at {page}")


def _open(data: Path | None, source: Path | None, gallery_split: str | None) -> Dataset | Source:
    from garabato.dataset import Dataset
    from garabato.sources import open_source

    if data is not None and source is None:
        return Dataset.open(data)
    if source is not None and data is None:
        if gallery_split not in (None, "none"):
            raise click.UsageError("--gallery-split goes with --data; a source has no splits")
        return open_source(source)
    raise click.UsageError("give the drawings with --data or with --source")


def _gallery_split(split: str, given: str | None) -> str | None:
    if given is None:
        return "train" if split != "train" else None
    return None if given == "none" else given


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
            _print_figure(name, f"{100 * value:.1f} %", width and f"{100 * width:.1f}")
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
        unsure = found["unsure"]
        _print_figure(
            "right when sure",
            f"{100 * unsure['precision']:.1f} % of the {100 * unsure['coverage']:.1f} % answered",
        )
    known = [(row["top1"], name) for name, row in found["per_category"].items()]
    hardest = sorted((top1, name) for top1, name in known if top1 is not None)[:N_HARDEST]
    if len(known) > N_HARDEST and hardest:
        _print_figure("hardest", ", ".join(f"{name} {100 * top1:.0f} %" for top1, name in hardest))
    for pair in found["most_confused"][:3]:
        first, second = pair["categories"]
        n = pair["n_first_as_second"] + pair["n_second_as_first"]
        _print_figure("confused", f"{first} and {second}, {n} times")
    for note in found["notes"]:
        stdout.print(note)


def _print_figure(name: str, value: str, noise: str | None = None) -> None:
    stdout.print(f"  {name:<24}{value}{f' ± {noise}' if noise else ''}")
