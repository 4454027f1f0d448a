"""Reproduces the reference project's two tables: its five configurations, trained and measured."""

from __future__ import annotations

import json
import shlex
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import torch

from garabato.categories import Categories
from garabato.dataset import Dataset, prepare
from garabato.drawing import DrawingBatch, FloatArray
from garabato.encoder import FILE_NAME, Encoder, load_encoder
from garabato.encoder.torch_runtime import choose_device
from garabato.errors import InputError, storage_errors
from garabato.evaluation.metrics import mean_average_precision_by_distance
from garabato.evaluation.report import REFERENCE_RESULTS, PublishedResult, read_training_log
from garabato.host.atomic import write_bytes
from garabato.host.machine import n_cores, processor
from garabato.render import render_batch
from garabato.training import TrainConfig, TrainingProgress, load_preset, train
from garabato.training.run_folder import CHECKPOINT_NAME

_CHUNK = 256
#: Share of the minutes that each network trains beforehand, to measure its speed on this machine.
_TRIAL_SHARE = 0.005


@dataclass(frozen=True, slots=True, kw_only=True)
class ReproduceSettings:
    """The data and duration of the trainings.

    `minutes` is for all five trainings together; each takes the same share of its published steps.
    None means all published steps. `seed` is the random seed.
    """

    image_size_px: int
    n_train: int
    n_test: int
    minutes: float | None
    categories: Categories = 100
    seed: int = 0


#: "full" is the published size; "small" takes an hour on two CPU cores.
REPRODUCE_SCALES: dict[str, ReproduceSettings] = {
    "full": ReproduceSettings(image_size_px=128, n_train=1000, n_test=50, minutes=None),
    "small": ReproduceSettings(image_size_px=32, n_train=200, n_test=25, minutes=50),
}


def reproduce(
    source: str | PathLike[str],
    out: str | PathLike[str],
    *,
    settings: ReproduceSettings,
    device: str = "auto",
    on_start: Callable[[PublishedResult], None] | None = None,
    on_progress: Callable[[TrainingProgress], None] | None = None,
) -> dict[str, Any] | None:
    """Train and measure the five configurations; returns the content of `out`/reproduce.json.

    Measured as the reference project did: accuracy without dropout, and the mAP of each test
    drawing against all others by Euclidean distance of deep features. Finished configurations in
    `out` are not trained again. Returns None after Ctrl-C; the same call continues. Raises
    InputError if `out` was started with other settings.
    """
    out = Path(out)
    _check_settings(out, source, settings)
    data = out / "data"
    if not data.exists():
        dataset = prepare(
            source,
            data,
            categories=settings.categories,
            n_train=settings.n_train,
            n_test=settings.n_test,
            seed=settings.seed,
            allow_short=settings.minutes is not None,
        )
    else:
        dataset = Dataset.open(data)
    share = _share_of_steps(dataset, out, settings, device)
    if share is None:
        return None
    rows = []
    for number, published in enumerate(REFERENCE_RESULTS, start=1):
        if on_start is not None:
            on_start(published)
        folder = out / f"{number}-{published.model.lower()}"
        config = _config(published, settings, device)
        config = replace(config, steps=max(1, round(share * published.steps)))
        measured = _measure(dataset, folder, config, on_progress)
        if measured is None:
            return None
        rows.append({"published": asdict(published), "measured": measured})
    machines = dict.fromkeys(row["measured"]["machine"] for row in rows)
    document = {
        "command": _command(source, out, settings, device),
        "machine": ", then ".join(machines),
        "source": Path(source).name,
        "n_categories": len(dataset.categories),
        "n_train": len(dataset.labels("train")),
        "n_test": len(dataset.labels("test")),
        "settings": asdict(settings),
        "share_of_steps": share,
        "rows": rows,
    }
    write_bytes(out / "reproduce.json", (json.dumps(document, indent=1) + "\n").encode())
    write_bytes(out / "reproduce.md", as_markdown(document).encode())
    return document


def as_markdown(document: dict[str, Any]) -> str:
    """Both tables, with published and measured results, as Markdown."""
    size_px = document["settings"]["image_size_px"]
    return "\n".join(
        [
            f"`{document['command']}` on {document['machine']}:",
            "",
            f"{document['n_categories']} categories of {document['source']}, "
            f"{document['n_train']:,} training and {document['n_test']:,} test drawings, images of "
            f"{size_px} px, {document['share_of_steps']:.1%} of the published steps; "
            "published: 100 categories, 100,000 and 5,000, 128 px.",
            "",
            "| network, batch | steps | time, min | loss | train top-1 | test top-1 |",
            "| --- | ---: | ---: | ---: | ---: | ---: |",
            *_lines(document, ("steps", "minutes", "loss", "train_top1", "test_top1")),
            "",
            "| network, batch | mAP, Euclidean distance of deep features |",
            "| --- | ---: |",
            *_lines(document, ("map",)),
            "",
        ]
    )


def _check_settings(out: Path, source: str | PathLike[str], settings: ReproduceSettings) -> None:
    wanted = json.dumps({"source": str(Path(source).resolve()), **asdict(settings)}, indent=1)
    file = out / "settings.json"
    if file.is_file():
        if file.read_text() != wanted:
            raise InputError(
                f"{out} was started with other settings (see {file}); choose another folder"
            )
        return
    with storage_errors(out):
        out.mkdir(parents=True, exist_ok=True)
    write_bytes(file, wanted.encode())


def _share_of_steps(
    dataset: Dataset, out: Path, settings: ReproduceSettings, device: str
) -> float | None:
    """The share of the published steps that fits the minutes; None after Ctrl-C."""
    if settings.minutes is None:
        return 1.0
    file = out / "share.json"
    if file.is_file():
        return float(json.loads(file.read_text()))
    minutes_per_step: dict[tuple[str, int], float] = {}
    for published in REFERENCE_RESULTS:
        network = (published.model, published.batch_size)
        if network in minutes_per_step:
            continue
        config = _config(published, settings, device)
        config = replace(config, steps=None, minutes=_TRIAL_SHARE * settings.minutes)
        with tempfile.TemporaryDirectory(prefix="garabato-reproduce-") as folder:
            result = train(dataset, folder, config=config)
        if result.interrupted:
            return None
        minutes_per_step[network] = result.elapsed_s / 60 / result.steps
    needed = sum(
        row.steps * minutes_per_step[row.model, row.batch_size] for row in REFERENCE_RESULTS
    )
    share = min(1.0, settings.minutes / needed)
    write_bytes(file, json.dumps(share).encode())
    return share


def _config(published: PublishedResult, settings: ReproduceSettings, device: str) -> TrainConfig:
    config = load_preset(published.model.lower()).at_size(settings.image_size_px)
    config = replace(config, batch_size=published.batch_size, steps=published.steps)
    return replace(config, seed=settings.seed, device=device)


def _measure(
    dataset: Dataset,
    folder: Path,
    config: TrainConfig,
    on_progress: Callable[[TrainingProgress], None] | None,
) -> dict[str, Any] | None:
    """Train one configuration, or continue its training, and measure it; None after Ctrl-C."""
    file = folder / "measured.json"
    if file.is_file():
        measured: dict[str, Any] = json.loads(file.read_text())
        return measured
    if not (folder / FILE_NAME).is_file():
        resumes = (folder / CHECKPOINT_NAME).is_file()
        result = train(dataset, folder, config=config, resume=resumes, on_progress=on_progress)
        if result.interrupted:
            return None
    device = choose_device(config.device)
    encoder = load_encoder(folder, device=device)
    log = read_training_log(folder)
    assert log is not None
    started = time.perf_counter()
    test_top1, features = _classify(encoder, dataset.split("test"), dataset.labels("test"))
    train_top1, _ = _classify(encoder, dataset.split("train"), dataset.labels("train"))
    measured = {
        "steps": log.steps,
        "minutes": log.minutes,
        "loss": log.metrics[-1]["loss"],
        "train_top1": train_top1,
        "test_top1": test_top1,
        "map": mean_average_precision_by_distance(features, dataset.labels("test")),
        "measuring_seconds": round(time.perf_counter() - started, 1),
        "machine": _machine(device),
    }
    write_bytes(file, json.dumps(measured).encode())
    return measured


def _classify(
    encoder: Encoder, drawings: DrawingBatch, labels: np.ndarray[Any, Any]
) -> tuple[float, FloatArray]:
    """Top-1 accuracy, and the deep features (N, 1024) float32, not normalised."""
    n_correct, features = 0, []
    for start in range(0, len(drawings), _CHUNK):
        images = render_batch(drawings[start : start + _CHUNK], encoder.spec)
        logits, deep = encoder.runtime.run(images)
        n_correct += int((logits.argmax(axis=1) == labels[start : start + _CHUNK]).sum())
        features.append(deep)
    return n_correct / len(labels), np.concatenate(features)


def _machine(device: torch.device) -> str:
    """The GPU, or the CPU and its number of cores."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{processor()}, {n_cores()} cores"


def _command(
    source: str | PathLike[str], out: Path, settings: ReproduceSettings, device: str
) -> str:
    """The command that repeats this, with every setting written out."""
    chosen = settings.categories
    options = {
        "source": source,
        "out": out,
        "scale": "full" if settings.minutes is None else "small",
        "minutes": settings.minutes,
        "categories": chosen if isinstance(chosen, int | str) else ",".join(chosen),
        "train": settings.n_train,
        "test": settings.n_test,
        "image-size": settings.image_size_px,
        "seed": settings.seed,
        "device": device,
    }
    given = [(name, str(value)) for name, value in options.items() if value is not None]
    return shlex.join(["garabato", "reproduce", *(w for n, v in given for w in (f"--{n}", v))])


def _lines(document: dict[str, Any], columns: tuple[str, ...]) -> Iterator[str]:
    formats = {
        "steps": "{:,}",
        "minutes": "{:.1f}",
        "loss": "{:.3f}",
        "train_top1": "{:.1%}",
        "test_top1": "{:.1%}",
        "map": "{:.3f}",
    }
    for row in document["rows"]:
        for kind in ("published", "measured"):
            cells = [formats[name].format(row[kind][name]) for name in columns]
            name = f"{row['published']['model']}, {row['published']['batch_size']}, {kind}"
            yield f"| {' | '.join([name, *cells])} |"
