from __future__ import annotations

import numpy as np
import pytest

from garabato.errors import InputError
from garabato.evaluation.metrics import mean_average_precision
from garabato.evaluation.rankings import mean_average_precision_of_codes


def as_unit_vectors(codes: np.ndarray) -> np.ndarray:
    """Their cosines are as the number of equal bits."""
    bits = np.unpackbits(codes, axis=1).astype(np.float32) * 2 - 1
    return bits / np.sqrt(bits.shape[1], dtype=np.float32)


@pytest.mark.parametrize("n_bits", [64, 128])
def test_rankings_by_distance_are_those_by_the_cosine_of_the_bits(n_bits: int) -> None:
    random = np.random.default_rng(n_bits)
    codes = random.integers(0, 256, (300, n_bits // 8), np.uint8)
    labels = random.integers(0, 9, 300)
    alone = mean_average_precision_of_codes(codes, labels)
    assert alone == pytest.approx(mean_average_precision(as_unit_vectors(codes), labels))
    split = (codes[:50], labels[:50], codes[50:], labels[50:])
    vectors = as_unit_vectors(codes)
    assert mean_average_precision_of_codes(*split) == pytest.approx(
        mean_average_precision(vectors[:50], labels[:50], vectors[50:], labels[50:])
    )


def test_a_ranking_worked_out_by_hand() -> None:
    # Distances from the query (all zero): 0 right; 1 right and wrong, tied; 64 wrong.
    codes = np.zeros((5, 8), np.uint8)
    codes[2, 0], codes[3, 7], codes[4] = 1, 128, 255
    labels = np.array([0, 0, 0, 1, 1])
    found = mean_average_precision_of_codes(codes[:1], labels[:1], codes[1:], labels[1:])
    assert found == pytest.approx((1 / 1 + 2 / 3) / 2)


def test_a_query_with_nothing_to_find_is_not_counted() -> None:
    codes = np.zeros((3, 8), np.uint8)
    assert mean_average_precision_of_codes(codes, np.array([0, 0, 1])) == pytest.approx(0.5)
    assert np.isnan(mean_average_precision_of_codes(codes, np.array([0, 1, 2])))


def test_codes_of_other_shapes_are_refused() -> None:
    codes, labels = np.zeros((2, 8), np.uint8), np.zeros(2, np.int64)
    for wrong in (codes[:, :5], codes.astype(np.int64), codes[0]):
        with pytest.raises(InputError, match="uint8"):
            mean_average_precision_of_codes(wrong, labels)
    with pytest.raises(InputError, match="64 bits, the gallery 128"):
        mean_average_precision_of_codes(codes, labels, np.zeros((2, 16), np.uint8), labels)
    with pytest.raises(InputError, match="labels"):
        mean_average_precision_of_codes(codes, labels[:1])
