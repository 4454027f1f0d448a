"""Selective accuracy: how many predictions are not `unsure`, and how many of these are right."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class SelectiveAccuracy:
    """The predictions of an encoder that are not marked unsure.

    Predictions with a probability below `below` are unsure; training chose it for the precision
    `chosen_for` (None: the default threshold). Measured on test drawings: `coverage`, the share
    that is not unsure, and `precision`, the share of these that is right (None if all are unsure).
    """

    below: float
    chosen_for: float | None
    coverage: float
    precision: float | None


def selective_accuracy(
    confidence: npt.NDArray[np.floating],
    right: npt.NDArray[np.bool_],
    *,
    below: float,
    chosen_for: float | None,
) -> SelectiveAccuracy:
    """Measure it on predictions: their probabilities (N,) in 0..1, N >= 1, and correctness (N,)."""
    sure = confidence.astype(np.float64) >= below  # the comparison of `Encoder.is_unsure`
    precision = float(right[sure].mean()) if sure.any() else None
    return SelectiveAccuracy(below, chosen_for, float(sure.mean()), precision)


def precision_by_coverage(
    confidence: npt.NDArray[np.floating], right: npt.NDArray[np.bool_]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Coverage and precision, (M,) float64 each, at every threshold, highest first."""
    order = np.argsort(-confidence, kind="stable")
    ends = np.flatnonzero(np.append(np.diff(confidence[order]) != 0, True)[: len(order)])
    n_answered = ends + 1
    return n_answered / max(len(order), 1), np.cumsum(right[order])[ends] / n_answered
