"""The published results of the reference project, whose two networks garabato rebuilds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PublishedResult:
    """One line of its table: 100 categories, 1,000 + 50 drawings each, one GPU.

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
