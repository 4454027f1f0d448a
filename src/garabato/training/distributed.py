"""The processes that train together: started by torchrun, one a device (DDP)."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from garabato.training.config import TrainConfig
from garabato.training.device import choose_device
from garabato.training.shared_norm import share_batch_norms


@dataclass(frozen=True, slots=True)
class Workers:
    """This process's `place` among `n` that train one network, and its device."""

    place: int
    n: int
    device: torch.device

    @property
    def is_first(self) -> bool:
        """Whether this is the one that writes files and shows progress."""
        return self.place == 0

    def sum(self, values: Sequence[float]) -> list[float]:
        """Each value summed over all workers; every worker gets the same."""
        if self.n == 1:
            return list(values)
        total = torch.tensor(values, dtype=torch.float64, device=self.device)
        dist.all_reduce(total)
        summed: list[float] = total.tolist()
        return summed

    def share(self, model: nn.Module) -> nn.Module:
        """The network to train by: its gradients are means over the workers.

        Batch normalisation then takes its statistics from the whole batch, as one process would.
        """
        if self.n == 1:
            return model
        # Buffers are equal on all workers already: every one of them sees the same statistics.
        return DistributedDataParallel(share_batch_norms(model), broadcast_buffers=False)


def is_first_worker() -> bool:
    """Whether this process writes and shows: all do but torchrun's second and further ones."""
    return int(os.environ.get("RANK", "0")) == 0


@contextmanager
def joined_workers(config: TrainConfig) -> Iterator[Workers]:
    """The workers that torchrun started, talking by NCCL on GPUs and by gloo on CPUs; else one.

    On GPUs each worker takes the one with its number on its machine. Raises TrainingError where
    there is no such device.
    """
    n = int(os.environ.get("WORLD_SIZE", "1"))
    if n == 1 or not dist.is_torchelastic_launched():
        yield Workers(0, 1, choose_device(config.device))
        return
    on_gpu = torch.cuda.is_available() if config.device == "auto" else config.device == "cuda"
    device = choose_device(f"cuda:{os.environ['LOCAL_RANK']}" if on_gpu else config.device)
    if device.type == "cuda":
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield Workers(dist.get_rank(), n, device)
    finally:
        dist.destroy_process_group()
