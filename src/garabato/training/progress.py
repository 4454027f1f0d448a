"""How a training stands, for whoever shows it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TrainingProgress:
    """A training after a step; loss, accuracy and rate are means over the last ones."""

    share_done: float
    step: int
    epoch: int
    loss: float
    accuracy: float
    drawings_per_second: float
    elapsed_s: float


class RunningMean:
    """Means over about the last fifty steps."""

    def __init__(self) -> None:
        self.n = 0
        self.loss = self.accuracy = self.rate = 0.0

    def add(self, loss: float, accuracy: float, rate: float) -> None:
        self.n += 1
        share = 1 / min(self.n, 50)
        self.loss += share * (loss - self.loss)
        self.accuracy += share * (accuracy - self.accuracy)
        self.rate += share * (rate - self.rate)
