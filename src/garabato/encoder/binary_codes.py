"""Binary codes: embeddings in 8 or 16 bytes, compared by the number of bits that differ.

For galleries of tens of millions of drawings, whose embeddings would fill the memory.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any

import numpy as np

from garabato.drawing import ByteArray, FloatArray
from garabato.errors import InputError

#: The lengths of code that every new encoder learns to give, in bits.
CODE_BITS = (64, 128)


@dataclass(frozen=True, slots=True, eq=False)
class BinaryCoder:
    """Turns embeddings (N, D) into codes: bit b is set where `weights[:, b]` and `offsets[b]` say.

    `weights` (D, B) and `offsets` (B,) float32, B a multiple of 8. The sign of
    embedding @ weights + offsets gives the bit.
    """

    weights: FloatArray
    offsets: FloatArray

    def __post_init__(self) -> None:
        if self.weights.ndim != 2 or self.offsets.shape != self.weights.shape[1:]:
            raise InputError(
                f"weights are (D, B) with B offsets, not {self.weights.shape} "
                f"with {self.offsets.shape}"
            )
        if self.n_bits % 8:
            raise InputError(f"a code has a multiple of 8 bits, not {self.n_bits}")

    @property
    def n_bits(self) -> int:
        """Length of a code."""
        return int(self.weights.shape[1])

    def encode(self, embeddings: FloatArray) -> ByteArray:
        """Embeddings (N, D) float32 -> codes (N, B / 8) uint8, the first bit the highest."""
        return np.packbits(embeddings @ self.weights + self.offsets > 0, axis=1)

    def to_dict(self) -> dict[str, Any]:
        """For JSON, in Base64; weights in half precision, so 128 bits of 128 floats take 44 KB."""
        return {
            "weights": _as_text(self.weights.astype("<f2")),
            "offsets": _as_text(self.offsets.astype("<f4")),
        }

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> BinaryCoder:
        """The coder that `to_dict` gave; raises InputError where it isn't one."""
        try:
            weights = _from_text(plain["weights"], "<f2")
            offsets = _from_text(plain["offsets"], "<f4")
            return cls(weights.reshape(-1, len(offsets)), offsets)
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"the binary codes are damaged: {error}") from None


def _as_text(values: np.ndarray[Any, Any]) -> str:
    return base64.b64encode(values.tobytes()).decode()


def _from_text(text: str, dtype: str) -> FloatArray:
    return np.frombuffer(base64.b64decode(text, validate=True), dtype).astype(np.float32)
