"""Batches of a PyTorch DataLoader: `garabato.torch_dataset`, and the code people usually write.

Like tutorials for Quick, Draw!, that code draws one drawing at a time with PIL, at four times the
size, and then rotates, shears and shrinks it. Both make images of the same size from the same
drawings. Rates are per second of processor time, in one process.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Iterable

import harness
import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor
from torch.utils.data import DataLoader

import garabato

SIZE_PX, BATCH, REPEATS = 64, 128, 5
OVERSAMPLING, PEN_PX = 4, 2
ROTATE_DEGREES, SHEAR = 15, 0.1


class DrawnByPillow(torch.utils.data.Dataset[tuple[Tensor, int]]):
    """What a user would write: one drawing at a time, by PIL."""

    def __init__(self, data: garabato.Dataset, *, augment: bool) -> None:
        self.drawings = [drawing.strokes for drawing in data.split("train")]
        self.labels = data.labels("train").tolist()
        self.augment = augment

    def __len__(self) -> int:
        return len(self.drawings)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        side = SIZE_PX * OVERSAMPLING
        image = Image.new("L", (side, side))
        pen = ImageDraw.Draw(image)
        scale, margin = (side - 4 * PEN_PX * OVERSAMPLING) / 255, 2 * PEN_PX * OVERSAMPLING
        for stroke in self.drawings[index]:
            points = [(margin + scale * x, margin + scale * y) for x, y in stroke.T.tolist()]
            pen.line(points, fill=255, width=PEN_PX * OVERSAMPLING, joint="curve")
        if self.augment:
            image = image.transform(
                (side, side), Image.Transform.AFFINE, _affine(side), Image.Resampling.BILINEAR
            )
        image = image.resize((SIZE_PX, SIZE_PX), Image.Resampling.BOX)
        return torch.from_numpy(np.asarray(image, np.float32)[None] / 255), self.labels[index]


def _affine(side: float) -> tuple[float, ...]:
    """A random turn and shear about the middle, as the six numbers that PIL takes."""
    angle = math.radians(random.uniform(-ROTATE_DEGREES, ROTATE_DEGREES))
    shear = random.uniform(-SHEAR, SHEAR)
    cos, sin, middle = math.cos(angle), math.sin(angle), side / 2
    a, b, d, e = cos, sin + shear, -sin, cos
    return a, b, middle - a * middle - b * middle, d, e, middle - d * middle - e * middle


def run(context: harness.Context) -> list[harness.Row]:
    """All ways take turns, so that a busy minute of the machine hits them all."""
    torch.set_num_threads(1)
    data = garabato.prepare(
        context.source, context.work / "data", categories=20, n_train=200, n_test=0, sheets=False
    )
    spec = garabato.RenderSpec(SIZE_PX)
    varied = garabato.AugmentSpec(rotate_degrees=ROTATE_DEGREES, shear=SHEAR)
    ways = {
        "torch_dataset": garabato.torch_dataset(data, render=spec),
        "PIL in __getitem__": DrawnByPillow(data, augment=False),
        "torch_dataset, augmented": garabato.torch_dataset(data, render=spec, augment=varied),
        "PIL in __getitem__, augmented": DrawnByPillow(data, augment=True),
    }
    rates: dict[str, list[float]] = {name: [] for name in ways}
    for dataset in ways.values():
        _drain(DataLoader(dataset, BATCH))  # compiles the kernels
    for _ in range(REPEATS):
        for name, dataset in ways.items():
            started = time.process_time()
            n = _drain(DataLoader(dataset, BATCH, shuffle=True))
            rates[name].append(n / (time.process_time() - started))
    return [harness.Row(name, "drawings/s", samples) for name, samples in rates.items()]


def _drain(loader: Iterable[list[Tensor]]) -> int:
    return sum(len(labels) for _, labels in loader)


BENCHMARK = harness.Benchmark(
    "torch_dataset",
    f"20 random categories x 200 drawings, images of {SIZE_PX} px, batches of {BATCH}, one core",
    "a drawing at a time by PIL, the way of tutorials",
    run,
)

if __name__ == "__main__":
    harness.main(BENCHMARK)
