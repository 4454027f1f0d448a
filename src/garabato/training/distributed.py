"""The hardware of a training: its device, PyTorch's threads, and torchrun's processes (DDP)."""

from __future__ import annotations

import inspect
import os
import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.parallel import DistributedDataParallel

from garabato.encoder.torch_runtime import choose_device, cpu_has_bfloat16
from garabato.training.config import TrainConfig

#: How often another number of threads is tried, and for how many steps.
_TUNE_EVERY_S = 30.0
_TUNE_STEPS = 8


def uses_bfloat16(config: TrainConfig, device: torch.device) -> bool:
    """Whether to compute in bfloat16: as configured, or if the hardware supports it."""
    if config.precision != "auto":
        return config.precision == "bfloat16"
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    return device.type == "cpu" and cpu_has_bfloat16()


class ThreadTuner:
    """Finds the number of PyTorch threads that trains fastest, and tries others from time to time.

    On a busy machine, fewer threads than PyTorch has at first can be faster.
    """

    def __init__(self) -> None:
        self.n_threads = self._kept = self._most = torch.get_num_threads()
        self._kept_rate = 0.0
        self._rates: list[float] = []
        self._size_px = 0
        self._step = -1  # fewer threads are tried first
        self._next_s = time.perf_counter() + _TUNE_EVERY_S / 3

    def after_step(self, drawings_per_second: float, *, size_px: int) -> None:
        """Record the speed of a step; from time to time, change the number of threads."""
        if size_px != self._size_px:  # rates at different image sizes can't be compared
            self._size_px = size_px
            self._use(self._kept)
        self._rates.append(drawings_per_second)
        if len(self._rates) < _TUNE_STEPS:
            return
        rate = statistics.median(self._rates[-_TUNE_STEPS:])
        if self.n_threads != self._kept:
            if rate >= 1.05 * self._kept_rate:
                self._kept = self.n_threads
            else:
                self._step *= -1
            self._use(self._kept)
            self._next_s = time.perf_counter() + _TUNE_EVERY_S
        elif self._most > 1 and time.perf_counter() >= self._next_s:
            if not 1 <= self._kept + self._step <= self._most:
                self._step *= -1
            self._kept_rate = rate
            self._use(self._kept + self._step)

    def _use(self, n_threads: int) -> None:
        self.n_threads, self._rates = n_threads, []
        torch.set_num_threads(n_threads)


def is_main_process() -> bool:
    """Whether this process writes files and shows progress: under torchrun only rank 0 does."""
    return int(os.environ.get("RANK", "0")) == 0 or not dist.is_torchelastic_launched()


@dataclass(frozen=True, slots=True)
class ProcessGroup:
    """This process's `rank` among the `n` processes that train one network, and its device."""

    rank: int
    n: int
    device: torch.device

    @property
    def is_main(self) -> bool:
        """Whether this is the process that writes files and shows progress."""
        return self.rank == 0

    def sum(self, values: Sequence[float]) -> list[float]:
        """Sum each value over all processes; every process gets the sums."""
        if self.n == 1:
            return list(values)
        total = torch.tensor(values, dtype=torch.float64, device=self.device)
        dist.all_reduce(total)
        summed: list[float] = total.tolist()
        return summed

    def share(self, model: nn.Module) -> nn.Module:
        """Wrap `model` so that gradients are averaged over the processes.

        Batch normalisation then uses the statistics of the whole batch, as one process would.
        """
        if self.n == 1:
            return model
        # Buffers never differ between processes, because each computes the same statistics.
        # The option got a new name in torch 2.13.
        names = inspect.signature(DistributedDataParallel).parameters
        name = "forward_sync_buffers" if "forward_sync_buffers" in names else "broadcast_buffers"
        options: dict[str, Any] = {name: False}
        return DistributedDataParallel(share_batch_norms(model), **options)


@contextmanager
def joined_processes(config: TrainConfig) -> Iterator[ProcessGroup]:
    """Join the processes that torchrun started: NCCL on GPUs, gloo on CPUs. Without it, just one.

    On GPUs each process takes the GPU of its local rank. Raises TrainingError if there is none.
    """
    n = int(os.environ.get("WORLD_SIZE", "1"))
    if n == 1 or not dist.is_torchelastic_launched():
        yield ProcessGroup(0, 1, choose_device(config.device))
        return
    on_gpu = torch.cuda.is_available() if config.device == "auto" else config.device == "cuda"
    device = choose_device(f"cuda:{os.environ['LOCAL_RANK']}" if on_gpu else config.device)
    if device.type == "cuda":
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield ProcessGroup(dist.get_rank(), n, device)
    finally:
        dist.destroy_process_group()


def share_batch_norms(model: nn.Module) -> nn.Module:
    """Make every batch normalisation of `model` use the statistics of all processes.

    Names and values of weights and statistics stay. Call it when the model is on its device:
    PyTorch's SyncBatchNorm works on GPUs only, so CPUs get `SharedBatchNorm`.
    """
    if next(model.parameters()).device.type == "cuda":
        return nn.SyncBatchNorm.convert_sync_batchnorm(model)  # type: ignore[no-any-return, no-untyped-call]
    for module in model.modules():
        if isinstance(module, _BatchNorm):
            module.__class__ = SharedBatchNorm
    return model


class SharedBatchNorm(_BatchNorm):
    """Batch normalisation by the mean and variance over the batches of all processes.

    PyTorch has no public base class of its batch normalisations; test_distributed.py would fail.
    """

    def forward(self, values: Tensor) -> Tensor:
        """(N, C, ...) -> the same shape; N may differ between processes."""
        if not self.training:
            return super().forward(values)
        dims = [d for d in range(values.ndim) if d != 1]
        variance, mean = torch.var_mean(values.float(), dims, correction=0)
        variance, mean = variance.double(), mean.double()
        n_local = torch.full_like(mean, values.numel() / values.shape[1])
        sums = torch.stack([n_local, n_local * mean, n_local * (variance + mean**2)])
        n, total, total_of_squares = _AllReduce.apply(sums)  # type: ignore[no-untyped-call]
        mean = total / n  # (C,), over all processes
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
        """Accept images and vectors."""


class _AllReduce(torch.autograd.Function):
    """The sum over all processes; its gradient is summed over all processes too."""

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
