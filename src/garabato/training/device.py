"""Where a training runs, and in which precision."""

from __future__ import annotations

import torch

from garabato.errors import TrainingError
from garabato.training.config import TrainConfig


def choose_device(name: str) -> torch.device:
    """The device of a name; "auto" is CUDA where there is one. Raises TrainingError."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise TrainingError(f"device {name!r} cannot be used here: {error}") from None
    return device


def chooses_bfloat16(config: TrainConfig, device: torch.device) -> bool:
    """Whether to compute in bfloat16: as configured, or where the device has it in hardware."""
    if config.precision != "auto":
        return config.precision == "bfloat16"
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    return device.type == "cpu" and bool(torch.cpu._is_avx512_bf16_supported())
