"""Learning rate and image size: pure functions of how far the training is (0..1)."""

from __future__ import annotations

import math

from garabato.training.config import TrainConfig


def learning_rate(config: TrainConfig, progress: float) -> float:
    """The learning rate when `progress` (0..1) of the training is done."""
    if config.schedule == "constant":
        return config.learning_rate
    if progress < config.warmup:
        return config.learning_rate * (0.02 + 0.98 * progress / config.warmup)
    share = (progress - config.warmup) / (1 - config.warmup)
    return config.learning_rate * max(0.002, 0.5 * (1 + math.cos(math.pi * min(1.0, share))))


def image_size_px(config: TrainConfig, progress: float) -> int:
    """The side of the training images when `progress` (0..1) of the training is done."""
    for until, size_px in config.sizes:
        if progress < until:
            return size_px
    return config.render.size_px
