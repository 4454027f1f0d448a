"""The log of a training, read from its folder for a report."""

from __future__ import annotations

import json
import tomllib
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class TrainingLog:
    """The lines of metrics.jsonl, and the settings of the run."""

    metrics: list[dict[str, Any]]
    config: dict[str, Any]

    @property
    def steps(self) -> int | None:
        """Steps trained."""
        return self.metrics[-1].get("step") if self.metrics else None

    @property
    def minutes(self) -> float | None:
        """Minutes spent on training."""
        seconds = self.metrics[-1].get("seconds") if self.metrics else None
        return None if seconds is None else seconds / 60

    @property
    def batch_size(self) -> int | None:
        """Drawings per step."""
        return self.config.get("batch_size")


def read_run(folder: str | PathLike[str]) -> TrainingLog | None:
    """Read the log of the run in `folder`; None if it has no metrics.

    An incomplete last line, of a training that is running or was killed, is skipped.
    """
    metrics = []
    try:
        lines = (Path(folder) / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    for line in lines:
        try:
            metrics.append(json.loads(line))
        except ValueError:
            continue
    try:
        config = tomllib.loads((Path(folder) / "config.toml").read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError):
        config = {}
    return TrainingLog(metrics, config) if metrics else None
