"""Muon, the optimizer for the kernels of convolutions.

Ours, because PyTorch's takes matrices only and needs twice the time for wide ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor

#: How much of the momentum the next step keeps.
_MOMENTUM = 0.95
#: Makes the mean square of a step about that of AdamW (Liu et al. 2025, "Muon is scalable for LLM
#: training"), so both share learning rate and weight decay.
_STEP_SIZE = 0.2
#: Coefficients of the quintic iteration. They bring singular values near 1 quickly, not exactly.
_COEFFICIENTS = (3.4445, -4.7750, 2.0315)
_ITERATIONS = 5


class Muon(torch.optim.Optimizer):
    """Momentum whose steps have all singular values near 1 (Jordan et al. 2024, "Muon").

    A gradient is mostly made of few directions; equal singular values let a step learn from the
    rare ones too. Kernels (out, in, height, width) count as matrices (out, in * height * width).
    """

    def __init__(self, params: Iterable[Tensor], *, lr: float, weight_decay: float) -> None:
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Take a step along the gradients."""
        assert closure is None
        for group in self.param_groups:
            for weights in group["params"]:
                if weights.grad is None:
                    continue
                state = self.state[weights]
                if not state:
                    state["momentum"] = torch.zeros_like(weights)
                momentum = state["momentum"]
                momentum.lerp_(weights.grad, 1 - _MOMENTUM)
                direction = weights.grad.lerp(momentum, _MOMENTUM)  # Nesterov
                matrix = orthogonalize(direction.flatten(1))
                size = _STEP_SIZE * max(matrix.shape) ** 0.5
                weights.mul_(1 - group["lr"] * group["weight_decay"])
                weights.add_(matrix.view_as(weights), alpha=-group["lr"] * size)


def orthogonalize(matrix: Tensor) -> Tensor:
    """The matrix (M, N) with singular values near 1, 0.68 to 1.14, in place of its own.

    Newton-Schulz iteration: X <- a X + b (X X^T) X + c (X X^T)^2 X. All its factors are polynomials
    of the first X X^T, so they are multiplied on the shorter side and applied to X once.
    """
    if matrix.shape[0] > matrix.shape[1]:
        return orthogonalize(matrix.T).T
    matrix = matrix / (matrix.norm() + 1e-7)
    gram = matrix @ matrix.T  # (M, M)
    factor = product = _factor(gram)
    for _ in range(_ITERATIONS - 1):
        gram = factor @ gram @ factor
        factor = _factor(gram)
        product = factor @ product
    return product @ matrix


def _factor(gram: Tensor) -> Tensor:
    """a + b X X^T + c (X X^T)^2, (M, M)."""
    a, b, c = _COEFFICIENTS
    factor = torch.addmm(gram, gram, gram, beta=b, alpha=c)
    factor.diagonal().add_(a)
    return factor
