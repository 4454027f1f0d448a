"""Training: from a prepared dataset to an encoder file."""

from __future__ import annotations

from garabato.training.config import TrainConfig, load_preset, preset_names
from garabato.training.distributed import is_first_worker
from garabato.training.loop import RunResult, train

__all__ = ["RunResult", "TrainConfig", "is_first_worker", "load_preset", "preset_names", "train"]
