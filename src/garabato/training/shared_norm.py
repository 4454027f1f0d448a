"""Batch normalisation over the whole batch when workers hold a part of it each.

PyTorch's own, SyncBatchNorm, is for GPUs only and is taken there; this one is for CPUs.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


def share_batch_norms(model: nn.Module) -> nn.Module:
    """`model` with every batch normalisation made one over all workers.

    Weights, statistics and their names stay; to be called when the model is on its device.
    """
    if next(model.parameters()).device.type == "cuda":
        return nn.SyncBatchNorm.convert_sync_batchnorm(model)  # type: ignore[no-any-return, no-untyped-call]
    for module in model.modules():
        if isinstance(module, _BatchNorm):
            module.__class__ = SharedBatchNorm
    return model


class SharedBatchNorm(_BatchNorm):
    """Batch normalisation by the mean and variance over the batches of all workers."""

    def forward(self, values: Tensor) -> Tensor:
        """(N, C, ...) -> the same shape; N may differ between workers."""
        if not self.training:
            return super().forward(values)
        dims = [d for d in range(values.ndim) if d != 1]
        variance, mean = torch.var_mean(values.float(), dims, correction=0)
        variance, mean = variance.double(), mean.double()
        n_local = torch.full_like(mean, values.numel() / values.shape[1])
        sums = torch.stack([n_local, n_local * mean, n_local * (variance + mean**2)])
        n, total, total_of_squares = _AllReduce.apply(sums)  # type: ignore[no-untyped-call]
        mean = total / n  # (C,), over all workers
        variance = total_of_squares / n - mean**2
        self._update_statistics(mean.detach(), variance.detach(), n.detach())
        scale = self.weight * (variance + self.eps).rsqrt().float()
        shift = self.bias - mean.float() * scale
        shape = [1, -1, *[1] * (values.ndim - 2)]
        return torch.addcmul(shift.view(shape), values.float(), scale.view(shape)).to(values.dtype)

    def _update_statistics(self, mean: Tensor, variance: Tensor, n: Tensor) -> None:
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        assert self.momentum is not None
        self.num_batches_tracked += 1
        self.running_mean.lerp_(mean.float(), self.momentum)
        self.running_var.lerp_((variance * n / (n - 1)).float(), self.momentum)

    def _check_input_dim(self, input: Tensor) -> None:
        """Images and vectors alike."""


class _AllReduce(torch.autograd.Function):
    """The sum over all workers, through which gradients flow back to all of them."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        total = values.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        total = gradient.clone()
        dist.all_reduce(total)
        return total
