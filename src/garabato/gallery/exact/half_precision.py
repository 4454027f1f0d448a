"""Embeddings as float16 and their rounding errors as int8: nearly as precise as float32, in three
quarters of the space."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from garabato.drawing import FloatArray

#: The spacing of float16 numbers with each exponent, over 254.
_STEPS = np.ldexp(np.float32(1), np.maximum(np.arange(32), 1) - 25) / np.float32(254)


def split(embeddings: FloatArray) -> tuple[npt.NDArray[np.float16], npt.NDArray[np.int8]]:
    """Embeddings as float16, and their rounding errors in steps of 1/254 of the last binary digit,
    int8."""
    stored = embeddings.astype(np.float16)
    rest = (embeddings - stored.astype(np.float32)) / _steps(stored)
    return stored, np.rint(rest).astype(np.int8)


def join(stored: npt.NDArray[np.floating], rest: npt.NDArray[np.int8]) -> FloatArray:
    """The embeddings that `split` split, as float32, precise to 20 binary digits."""
    whole: FloatArray = stored.astype(np.float32) + rest * _steps(stored)
    return whole


def _steps(stored: npt.NDArray[np.floating]) -> FloatArray:
    exponents = (stored.astype(np.float16, copy=False).view(np.uint16) >> 10) & 31
    steps: FloatArray = _STEPS[exponents]
    return steps
