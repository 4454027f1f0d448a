"""Temperature scaling: probabilities that are as often right as they say."""

from __future__ import annotations

import numpy as np

from garabato.drawing import FloatArray, IntArray

_LEAST, _MOST = 0.05, 20.0
_GOLDEN = (5**0.5 - 1) / 2


def fit_temperature(probabilities: FloatArray, labels: IntArray) -> float:
    """The temperature T that makes `labels` (N,) most likely (Guo et al. 2017).

    `probabilities` (N, C) are those at temperature 1; with T they become proportional to
    probabilities ** (1 / T). The search is a golden section over log T in 0.05..20.
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
