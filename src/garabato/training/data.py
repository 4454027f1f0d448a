"""What a training gets of its dataset."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from garabato.dataset import Dataset
from garabato.drawing import DrawingBatch, IntArray
from garabato.errors import TrainingError
from garabato.render import render_batch
from garabato.training.config import TrainConfig


def split_off_validation(
    dataset: Dataset, config: TrainConfig
) -> tuple[DrawingBatch, IntArray, tuple[DrawingBatch, IntArray] | None]:
    """Training drawings and labels, and what is kept out of them for validation.

    Raises TrainingError where fewer than two are left to train on.
    """
    drawings, labels = dataset.split("train"), dataset.labels("train")
    if len(labels) < 2:
        raise TrainingError(f"{dataset.path} holds {len(labels)} training drawings; prepare more")
    if config.validation == 0:
        return drawings, labels, None
    order = np.random.default_rng([config.seed, 1]).permutation(len(labels))
    n_kept_out = max(1, round(config.validation * len(labels)))
    if len(labels) - n_kept_out < 2:
        raise TrainingError(
            f"validation {config.validation} keeps {n_kept_out} of {len(labels)} training drawings "
            "out; at least two must be left: lower it or prepare more"
        )
    kept_out, kept = np.sort(order[:n_kept_out]), np.sort(order[n_kept_out:])
    return drawings.take(kept), labels[kept], (drawings.take(kept_out), labels[kept_out])


def mean_image(drawings: DrawingBatch, config: TrainConfig) -> Tensor:
    """Mean of the training images as they are without augmentation, (S, S) float32 in 0..1."""
    spec = config.render
    total = np.zeros((spec.size_px, spec.size_px), np.float64)
    for start in range(0, len(drawings), 1024):
        images = render_batch(drawings[start : start + 1024], spec)
        total += images.sum(axis=0, dtype=np.float64)
    return torch.from_numpy(total / (255 * len(drawings))).float()
