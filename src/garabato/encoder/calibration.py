"""Calibration: the temperature of probabilities, and the threshold for unsure predictions."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from garabato.drawing import FloatArray, IntArray

_LEAST, _MOST = 0.05, 20.0
_GOLDEN = (5**0.5 - 1) / 2


def fit_temperature(probabilities: FloatArray, labels: IntArray) -> float:
    """The temperature T that minimises the cross-entropy of `labels` (N,) (Guo et al. 2017).

    `probabilities` (N, C) are at temperature 1; at T they are proportional to
    probabilities ** (1 / T). Golden-section search over log T, T in 0.05..20.
    """
    logs = np.log(np.maximum(probabilities.astype(np.float64), 1e-30))  # (N, C)
    rows = np.arange(len(labels))

    def loss(log_temperature: float) -> float:
        scaled = logs / np.exp(log_temperature)
        largest = scaled.max(axis=1)
        totals = largest + np.log(np.exp(scaled - largest[:, None]).sum(axis=1))
        return float((totals - scaled[rows, labels]).mean())

    low, high = np.log(_LEAST), np.log(_MOST)
    while high - low > 1e-4:
        left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
        if loss(left) < loss(right):
            high = right
        else:
            low = left
    return float(np.exp((low + high) / 2))


def at_temperature(
    probabilities: npt.NDArray[np.floating], temperature: float
) -> npt.NDArray[np.float64]:
    """Probabilities (N, C) at temperature 1 -> at another temperature, (N, C) float64."""
    logs = np.log(np.maximum(probabilities.astype(np.float64), 1e-30)) / temperature
    powers = np.exp(logs - logs.max(axis=1, keepdims=True))
    scaled: npt.NDArray[np.float64] = powers / powers.sum(axis=1, keepdims=True)
    return scaled


def threshold_for_precision(
    confidence: npt.NDArray[np.floating], right: npt.NDArray[np.bool_], precision: float
) -> float:
    """The lowest threshold above which predictions have at least this `precision` (0..1).

    `confidence` (N,) in 0..1 is the probability of each prediction, `right` (N,) its correctness.
    Returns a number just above 1, which no prediction reaches, if there is no such threshold.
    """
    order = np.argsort(-confidence, kind="stable")
    descending = confidence[order]
    precisions = np.cumsum(right[order]) / np.arange(1, len(order) + 1)
    is_last_of_ties = np.append(descending[1:] != descending[:-1], True)[: len(order)]
    enough = np.flatnonzero(is_last_of_ties & (precisions >= precision))
    return float(descending[enough[-1]]) if len(enough) else float(np.nextafter(1.0, 2.0))
