"""Knowing when it doesn't know: what is answered, and how often rightly, above a probability."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class Sureness:
    """The predictions of an encoder that are not marked unsure.

    `below` is the probability below which they are unsure, and `chosen_for` the precision (0..1)
    that training chose it for (None: the default threshold). Measured on test drawings:
    `coverage`, the share that is not unsure, and `precision`, the share of these that is right
    (None where all are unsure).
    """

    below: float
    chosen_for: float | None
    coverage: float
    precision: float | None


def sureness(
    confidence: npt.NDArray[np.floating],
    right: npt.NDArray[np.bool_],
    *,
    below: float,
    chosen_for: float | None,
) -> Sureness:
    """From the probability of each answer, (N,) in 0..1, N >= 1, and whether it was right, (N,)."""
    sure = confidence.astype(np.float64) >= below  # as `Encoder.is_unsure` compares
    precision = float(right[sure].mean()) if sure.any() else None
    return Sureness(below, chosen_for, float(sure.mean()), precision)


def precision_by_coverage(
    confidence: npt.NDArray[np.floating], right: npt.NDArray[np.bool_]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Coverage and precision, (M,) float64 each, at every threshold there is, the highest first."""
    order = np.argsort(-confidence, kind="stable")
    ends = np.flatnonzero(np.append(np.diff(confidence[order]) != 0, True)[: len(order)])
    n_answered = ends + 1
    return n_answered / max(len(order), 1), np.cumsum(right[order])[ends] / n_answered
