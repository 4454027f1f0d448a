"""`garabato train`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from garabato.cli.console import counted, stderr

if TYPE_CHECKING:
    from garabato.training import TrainConfig
    from garabato.training.progress import Progress as TrainingProgress


def _check_device(ctx: click.Context, param: click.Parameter, name: str) -> str:
    """A name that PyTorch knows: it names sixteen kinds where it does not, most of them rare."""
    import torch

    try:
        torch.device("cpu" if name == "auto" else name)
    except RuntimeError:
        raise click.BadParameter(f"{name!r} is none of auto, cpu, cuda, cuda:1 ...") from None
    return name


@click.command("train")
@click.option("--data", type=click.Path(path_type=Path), required=True, help="A prepared data set.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The run's folder.")
@click.option("--model", help="skfast (default), sknet or skresnet: each with its own preset.")
@click.option("--preset", help="A preset's name or a TOML file of settings.")
@click.option(
    "--start-from",
    metavar="ENCODER",
    help="An encoder's file, a run or `shipped`: the weights to start with.",
)
@click.option("--image-size", type=int, help="Side of the images, in px.")
@click.option("--epochs", type=click.IntRange(min=1), help="Times each drawing is seen.")
@click.option(
    "--minutes",
    type=click.FloatRange(min=0, min_open=True),
    help="Fit the schedule into this time.",
)
@click.option(
    "--device",
    default="auto",
    show_default=True,
    callback=_check_device,
    help="auto, cpu, cuda, cuda:1 ...",
)
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--resume", is_flag=True, help="Go on with the stopped run in --out.")
def command(
    data: Path,
    out: Path,
    model: str | None,
    preset: str | None,
    start_from: str | None,
    image_size: int | None,
    epochs: int | None,
    minutes: float | None,
    device: str,
    seed: int,
    resume: bool,
) -> None:
    """Train a network on a data set.

    The folder --out gets the encoder, the settings, the metrics and a checkpoint. Ctrl-C or
    SIGTERM stops cleanly; --resume goes on, with the settings the run was started with.

    On several devices, start it with torchrun; every device takes its part of each batch.

    \b
    Example: garabato train --data data --out runs/first --minutes 10
             torchrun --nproc-per-node 4 -m garabato train --data data --out runs/first
    """
    from dataclasses import replace

    from garabato.training import is_first_worker, train

    if epochs and minutes:
        raise click.UsageError("give --epochs or --minutes, not both")
    config = _config(model, preset, image_size, epochs, minutes, device, seed)
    if start_from:
        config = replace(config, start_from=start_from)
    with training_progress(shown=is_first_worker()) as on_progress:
        result = train(data, out, config=config, resume=resume, on_progress=on_progress)
    if not is_first_worker():
        return
    if result.interrupted:
        stderr.print(
            f"stopped after {result.steps:,} steps; go on with: "
            f"garabato train --data {data} --out {out} --resume"
        )
        raise SystemExit(130)
    stderr.print(f"trained {counted(result.steps, 'step')} in {result.elapsed_s / 60:.1f} min")
    click.echo(result.run / "encoder.safetensors")


def _config(
    model: str | None,
    preset: str | None,
    image_size_px: int | None,
    epochs: int | None,
    minutes: float | None,
    device: str,
    seed: int,
) -> TrainConfig:
    """The preset, with what was asked for on the command line put in its place."""
    from dataclasses import replace

    from garabato.models import model_names
    from garabato.training import load_preset

    if model is not None and model not in model_names():
        raise click.BadParameter(
            f"{model!r} is none of {', '.join(model_names())}", param_hint="--model"
        )
    config = load_preset(preset or model or "skfast")
    if model:
        config = replace(config, model=model)
    if image_size_px:
        config = config.at_size(image_size_px)
    if epochs:
        config = replace(config, epochs=epochs)
    return replace(config, minutes=minutes, device=device, seed=seed)


@contextmanager
def training_progress(*, shown: bool = True) -> Iterator[Callable[[TrainingProgress], None]]:
    """A bar on stderr with loss, accuracy, rate and time to go; in a log file, a line an epoch."""
    if not stderr.is_terminal:
        yield _line_an_epoch() if shown else (lambda progress: None)
        return
    columns = (
        TextColumn("training"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}% {task.description}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=stderr, disable=not shown) as bar:
        task = bar.add_task("", total=1.0)

        def show(progress: TrainingProgress) -> None:
            bar.update(task, completed=progress.share_done, description=_in_words(progress))

        yield show


def _line_an_epoch() -> Callable[[TrainingProgress], None]:
    seen = 0

    def show(progress: TrainingProgress) -> None:
        nonlocal seen
        if progress.epoch > seen or progress.share_done >= 1:
            seen = progress.epoch
            stderr.print(f"training {progress.share_done:4.0%} {_in_words(progress)}")

    return show


def _in_words(progress: TrainingProgress) -> str:
    return (
        f"epoch {progress.epoch} · loss {progress.loss:.3f} · accuracy "
        f"{progress.accuracy:.3f} · {progress.drawings_per_second:,.0f} drawings/s"
    )
