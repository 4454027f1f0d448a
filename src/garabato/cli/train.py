"""garabato train."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from shlex import quote
from typing import Any

import click

import garabato
from garabato.cli.options import file_option
from garabato.cli.output import TrainingNotes, counted, stderr, training_progress


@click.command("train")
@file_option("--data", required=True, help="A prepared data set.")
@file_option("--out", required=True, help="Run folder to write.")
@click.option("--model", help="Network: skfast, sknet or skresnet, each with its own preset.")
@click.option(
    "--preset",
    help="tiny, skfast, large, shipped, sknet or skresnet (docs/training.md describes them), or a "
    "TOML file of settings. Options override it.  [default: skfast]",
)
@click.option(
    "--start-from",
    metavar="ENCODER",
    help="Weights to start with: an encoder file, a run folder, `shipped` or hf://OWNER/NAME.",
)
@click.option(
    "--image-size",
    type=click.IntRange(8, 1024),
    help="Side of the images, in px.  [default: the preset's]",
)
@click.option(
    "--epochs",
    type=click.IntRange(min=1),
    help="How often the network sees each drawing.  [default: the preset's]",
)
@click.option(
    "--minutes",
    type=click.FloatRange(min=0, min_open=True),
    help="Time to train, loading and calibration included.",
)
@click.option("--device", help="auto, cpu, cuda, cuda:1 ...  [default: the preset's]")
@click.option("--seed", type=click.IntRange(min=0), help="Random seed.  [default: the preset's]")
@click.option("--resume", is_flag=True, help="Continue the stopped run in --out.")
@click.option("--tensorboard", is_flag=True, help="Also write TensorBoard logs to OUT/tensorboard.")
def command(data: Path, out: Path, resume: bool, tensorboard: bool, **options: Any) -> None:
    """Train a network on a data set.

    The run folder gets the encoder, the settings, the metrics and a checkpoint. Ctrl-C or SIGTERM
    stops cleanly; --resume continues with the settings the run was started with.

    To train on several devices, start it with torchrun; each device processes its part of every
    batch.

    \b
    Example: garabato train --data data --out runs/first --minutes 10
             torchrun --nproc-per-node 4 -m garabato train --data data --out runs/first
    """
    given = {name: value for name, value in options.items() if value is not None}
    if "epochs" in given and "minutes" in given:
        raise click.UsageError("give --epochs or --minutes, not both")
    if resume and given:
        name = next(iter(given)).replace("_", "-")
        raise click.UsageError(
            f"--resume continues with the settings of the run; leave out --{name}"
        )
    config = None if resume else _config(**given)
    is_main = garabato.is_main_process()
    log = garabato.TensorBoardLog(out / "tensorboard") if tensorboard and is_main else None
    notes = TrainingNotes()
    with training_progress(notes, shown=is_main) as show:
        result = garabato.train(
            data, out, config=config, resume=resume, on_progress=show, on_metrics=log
        )
    if not is_main:
        return
    notes.print(result.notes)
    if result.interrupted:
        stderr.print(
            f"stopped after {counted(result.steps, 'step')}; continue with: "
            f"garabato train --data {quote(str(data))} --out {quote(str(out))} --resume"
        )
        raise SystemExit(130)
    stderr.print(f"trained {counted(result.steps, 'step')} in {result.elapsed_s / 60:.1f} min")
    click.echo(result.run / "encoder.safetensors")


def _config(
    preset: str | None = None,
    model: str | None = None,
    image_size: int | None = None,
    **settings: Any,
) -> garabato.TrainConfig:
    """The preset, overridden by the options that were given."""
    if model is not None:
        names = garabato.model_names()
        if model not in names:
            weights = "to start from the weights of an encoder, use --start-from"
            hint = garabato.did_you_mean(model, names, otherwise=weights)
            raise click.BadParameter(
                f"{model!r} is not one of {', '.join(names)}{hint}", param_hint="--model"
            )
        settings["model"] = model
    config = garabato.load_preset(preset or model or "skfast")
    if image_size is not None:
        config = config.at_size(image_size)
    if "epochs" in settings or "minutes" in settings:
        settings = {"steps": None, "minutes": None} | settings
    return replace(config, **settings)
