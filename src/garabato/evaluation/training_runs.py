"""Training runs to compare: a run's log, and the published results of the reference project."""

from __future__ import annotations

import json
import tomllib
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class TrainingLog:
    """The records of metrics.jsonl and the settings of config.toml."""

    metrics: list[dict[str, Any]]
    config: dict[str, Any]

    @property
    def steps(self) -> int | None:
        return self.metrics[-1].get("step")

    @property
    def minutes(self) -> float | None:
        seconds = self.metrics[-1].get("seconds")
        return None if seconds is None else seconds / 60

    @property
    def batch_size(self) -> int | None:
        return self.config.get("batch_size")


def read_training_log(folder: str | PathLike[str]) -> TrainingLog | None:
    """Read the log of the run in `folder`; None if it has no metrics.

    An incomplete last line, as a running or killed training leaves it, is skipped.
    """
    metrics = []
    try:
        lines = (Path(folder) / "metrics.jsonl").read_text(errors="replace").splitlines()
    except OSError:
        return None
    for line in lines:
        try:
            metrics.append(json.loads(line))
        except ValueError:
            continue
    try:
        config = tomllib.loads((Path(folder) / "config.toml").read_text(encoding="utf-8"))
    except (OSError, ValueError):  # not TOML, or not UTF-8
        config = {}
    return TrainingLog(metrics, config) if metrics else None


@dataclass(frozen=True, slots=True)
class PublishedResult:
    """A row of the reference project's table: 100 categories, 1,000 + 50 drawings each, one GPU.

    `train_top1`, `test_top1` and `map` (test against test) are in 0..1.
    """

    model: str
    batch_size: int
    steps: int
    minutes: int
    loss: float
    train_top1: float
    test_top1: float
    map: float


REFERENCE_RESULTS: tuple[PublishedResult, ...] = (
    PublishedResult("skNet", 100, 20_000, 392, 1.214, 0.9131, 0.733, 0.11),
    PublishedResult("skNet", 200, 10_259, 225, 1.27, 0.874, 0.745, 0.072),
    PublishedResult("skNet", 200, 7_000, 162, 1.34, 0.743, 0.587, 0.041),
    PublishedResult("skResNet", 50, 14_000, 202, 1.214, 0.816, 0.702, 0.075),
    PublishedResult("skResNet", 50, 7_000, 155, 1.87, 0.674, 0.518, 0.069),
)
