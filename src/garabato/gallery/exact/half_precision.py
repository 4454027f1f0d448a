"""Embeddings as float16 and their rounding errors as int8: nearly as precise as float32, in three
quarters of the space."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from garabato.drawing import FloatArray

#: The spacing of float16 numbers with each exponent, over 254.
_STEPS = np.ldexp(np.float32(1), np.maximum(np.arange(32), 1) - 25) / np.float32(254)
#: Rows split at a time: a million at once would take four times their space.
_CHUNK = 2_048


def split(embeddings: FloatArray) -> tuple[npt.NDArray[np.float16], npt.NDArray[np.int8]]:
    """Embeddings as float16, and their rounding errors in steps of 1/254 of the last binary digit,
    int8."""
    stored = embeddings.astype(np.float16)
    rest = np.empty(embeddings.shape, np.int8)
    for first in range(0, len(embeddings), _CHUNK):
        part = slice(first, first + _CHUNK)
        errors = embeddings[part] - stored[part].astype(np.float32)
        rest[part] = np.rint(errors / _steps(stored[part]))
    return stored, rest


def join(stored: npt.NDArray[np.floating], rest: npt.NDArray[np.int8]) -> FloatArray:
    """The embeddings that `split` split, as float32, precise to 20 binary digits."""
    whole: FloatArray = stored.astype(np.float32) + rest * _steps(stored)
    return whole


def _steps(stored: npt.NDArray[np.floating]) -> FloatArray:
    exponents = (stored.astype(np.float16, copy=False).view(np.uint16) >> 10) & 31
    steps: FloatArray = _STEPS[exponents]
    return steps
