"""Binary codes: embeddings in 8 or 16 bytes, compared by Hamming distance.

For galleries of tens of millions of drawings, whose embeddings would not fit in memory.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any

import numpy as np

from garabato.drawing import ByteArray, FloatArray
from garabato.errors import InputError

#: Lengths of the codes that every new encoder has, in bits.
CODE_BITS = (64, 128)


@dataclass(frozen=True, slots=True, eq=False)
class BinaryCoder:
    """Turns embeddings (N, D) into binary codes of B bits, B a multiple of 8.

    `weights` (D, B) and `offsets` (B,) float32: bit b is set if (embedding @ weights + offsets)[b]
    is positive.
    """

    weights: FloatArray
    offsets: FloatArray

    def __post_init__(self) -> None:
        if self.weights.ndim != 2 or self.offsets.shape != self.weights.shape[1:]:
            raise InputError(
                f"weights must be (D, B) and offsets (B,), not {self.weights.shape} "
                f"and {self.offsets.shape}"
            )
        if self.n_bits % 8:
            raise InputError(f"the number of bits must be a multiple of 8, not {self.n_bits}")
        if not (np.isfinite(self.weights).all() and np.isfinite(self.offsets).all()):
            raise InputError("weights and offsets must not contain NaN or infinity")

    @property
    def n_bits(self) -> int:
        return int(self.weights.shape[1])

    def encode(self, embeddings: FloatArray) -> ByteArray:
        """Embeddings (N, D) float32 -> codes (N, B / 8) uint8, most significant bit first."""
        return np.packbits(embeddings @ self.weights + self.offsets > 0, axis=1)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON: Base64, weights in half precision (44 KB for 128 x 128)."""
        return {
            "weights": array_as_text(self.weights.astype("<f2")),
            "offsets": array_as_text(self.offsets.astype("<f4")),
        }

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> BinaryCoder:
        """The inverse of `to_dict`. Raises InputError."""
        try:
            weights = array_from_text(plain["weights"], "<f2")
            offsets = array_from_text(plain["offsets"], "<f4")
            return cls(weights.reshape(-1, len(offsets)), offsets)
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"the binary codes are damaged: {error}") from None


def array_as_text(values: np.ndarray[Any, Any]) -> str:
    """The bytes of an array in Base64."""
    return base64.b64encode(values.tobytes()).decode()


def array_from_text(text: str, dtype: str) -> FloatArray:
    """The inverse of `array_as_text`, flat, as float32. Raises ValueError."""
    return np.frombuffer(base64.b64decode(text, validate=True), dtype).astype(np.float32)
