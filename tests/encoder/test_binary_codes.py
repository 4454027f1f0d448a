from __future__ import annotations

import json

import numpy as np
import pytest

from garabato.encoder.binary_codes import BinaryCoder
from garabato.errors import InputError

CODER = BinaryCoder(
    np.eye(8, dtype=np.float32)[:3], np.array([0, 0, 0, 1, -1, 0, 0, 0], np.float32)
)


def test_a_bit_is_the_sign_of_its_projection() -> None:
    codes = CODER.encode(np.array([[1.0, -1.0, 0.5], [-1.0, 2.0, 0.0]], np.float32))
    np.testing.assert_array_equal(codes, [[0b10110000], [0b01010000]])
    assert codes.dtype == np.uint8


def test_a_coder_comes_back_from_json() -> None:
    again = BinaryCoder.from_dict(json.loads(json.dumps(CODER.to_dict())))
    np.testing.assert_array_equal(again.weights, CODER.weights)
    np.testing.assert_array_equal(again.offsets, CODER.offsets)


@pytest.mark.parametrize(
    "plain", [{}, {"weights": "AAAA", "offsets": "AAAA"}, {"weights": "?", "offsets": ""}]
)
def test_a_damaged_coder_is_reported(plain: dict[str, str]) -> None:
    with pytest.raises(InputError, match="binary code"):
        BinaryCoder.from_dict(plain)


def test_codes_have_whole_bytes_and_an_offset_for_each_bit() -> None:
    with pytest.raises(InputError, match="multiple of 8"):
        BinaryCoder(np.zeros((4, 9), np.float32), np.zeros(9, np.float32))
    with pytest.raises(
        InputError, match=r"weights must be \(D, B\) and offsets \(B,\), not \(4, 8\)"
    ):
        BinaryCoder(np.zeros((4, 8), np.float32), np.zeros(16, np.float32))


def test_codes_of_nan_are_refused() -> None:
    with pytest.raises(InputError, match="NaN"):
        BinaryCoder(np.full((4, 8), np.nan, np.float32), np.zeros(8, np.float32))
