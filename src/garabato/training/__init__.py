"""Training: from a prepared dataset to an encoder file."""

from garabato.training.config import TrainConfig, load_preset, preset_names
from garabato.training.distributed import is_main_process
from garabato.training.loop import RunResult, TrainingProgress, train

__all__ = [
    "RunResult",
    "TrainConfig",
    "TrainingProgress",
    "is_main_process",
    "load_preset",
    "preset_names",
    "train",
]
