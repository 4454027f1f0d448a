"""Muon's steps, by hand and as properties."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, tensor

from garabato.training.learner import Muon, orthogonalize


def newton_schulz(matrix: Tensor) -> Tensor:
    """The iteration as in the literature, on the whole matrix."""
    matrix = matrix / matrix.norm()
    for _ in range(5):
        gram = matrix @ matrix.T
        matrix = 3.4445 * matrix + (-4.7750 * gram + 2.0315 * gram @ gram) @ matrix
    return matrix


def random_matrix(rows: int, columns: int, seed: int = 0) -> Tensor:
    values = np.random.default_rng(seed).normal(size=(rows, columns))
    return torch.from_numpy(values).float()


def test_the_shortcut_gives_the_values_of_the_whole_iteration() -> None:
    matrix = random_matrix(32, 288)
    torch.testing.assert_close(orthogonalize(matrix), newton_schulz(matrix), rtol=1e-3, atol=1e-4)


def test_products_in_bfloat16_are_close() -> None:
    matrix = random_matrix(32, 288)
    fast = orthogonalize(matrix.bfloat16())
    assert fast.dtype == torch.bfloat16
    torch.testing.assert_close(fast.float(), orthogonalize(matrix), rtol=0.02, atol=2e-3)


@given(st.integers(1, 12), st.integers(13, 60), st.integers(0, 1000))
def test_singular_values_come_near_1(rows: int, columns: int, seed: int) -> None:
    matrix = random_matrix(rows, columns, seed)
    for given_matrix in (matrix, matrix.T, 1e-3 * matrix):
        singular = torch.linalg.svdvals(orthogonalize(given_matrix))
        assert singular.min() > 0.6
        assert singular.max() < 1.2


def test_a_gradient_of_zeros_changes_nothing() -> None:
    kernels = torch.nn.Parameter(torch.ones(2, 3, 3, 3))
    kernels.grad = torch.zeros_like(kernels)
    Muon([kernels], lr=0.1, weight_decay=0.0).step()
    assert torch.equal(kernels, torch.ones_like(kernels))


def test_the_first_step_by_hand() -> None:
    # One output: the normalised gradient times the value of the quintic, applied 5 times to 1.
    weights = torch.nn.Parameter(tensor([[[3.0, 4.0]]]))
    weights.grad = tensor([[[30.0, 40.0]]])
    value = 1.0
    for _ in range(5):
        value = 3.4445 * value - 4.7750 * value**3 + 2.0315 * value**5
    Muon([weights], lr=0.1, weight_decay=0.5).step()
    size = 0.1 * 0.2 * 2**0.5 * value
    expected = [0.95 * 3 - size * 0.6, 0.95 * 4 - size * 0.8]
    assert weights.flatten().tolist() == pytest.approx(expected, rel=1e-4)
