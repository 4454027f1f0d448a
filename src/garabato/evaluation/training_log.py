"""What a training left about itself in its folder, for a report."""

from __future__ import annotations

import json
import tomllib
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class RunRecord:
    """The metrics of a run, one dict a line of metrics.jsonl, and its settings."""

    metrics: list[dict[str, Any]]
    config: dict[str, Any]

    @property
    def steps(self) -> int | None:
        """Steps trained."""
        return self.metrics[-1].get("step") if self.metrics else None

    @property
    def minutes(self) -> float | None:
        """Time spent in training."""
        seconds = self.metrics[-1].get("seconds") if self.metrics else None
        return None if seconds is None else seconds / 60

    @property
    def batch_size(self) -> int | None:
        """Drawings in a step."""
        return self.config.get("batch_size")


def read_run(folder: str | PathLike[str]) -> RunRecord | None:
    """The record of the run in `folder`; None where it holds no metrics.

    A last line that was cut off (a training still running or killed) is passed over.
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
    return RunRecord(metrics, config) if metrics else None
