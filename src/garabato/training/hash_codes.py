"""Learning binary codes whose similarities are those of the embeddings."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812

from garabato.drawing import FloatArray
from garabato.encoder.binary_codes import BinaryCoder

_PASSES = 8
_BATCH = 512
_LEARNING_RATE = 0.03
#: Bits are tanh(sharpness x value) while they are learned; the sharpness grows.
_SHARPNESS = (1.0, 4.0)


def fit_coder(embeddings: FloatArray, n_bits: int, *, seed: int) -> BinaryCoder:
    """A coder for embeddings (N, D) float32, N >= 2, L2-normalised, like the ones given.

    Makes the mean product of two codes' bits (as -1 and 1) equal to the cosine of their
    embeddings, in the mean of squares over random pairs: the aim of binary reconstructive
    embeddings (Kulis & Darrell 2009), reached by gradients through soft bits. What all embeddings
    have in common is taken off first, so that it uses up no bits. Labels are not used.
    """
    generator = torch.Generator().manual_seed(seed)
    n, dim = embeddings.shape
    mean = embeddings.mean(axis=0)
    given = F.normalize(torch.from_numpy(embeddings - mean), dim=1)
    # Coordinates of an embedding are about 1 / sqrt(D), those of its projection about 1.
    weights = _directions(dim, n_bits, generator).mul_(dim**0.5).requires_grad_()
    optimizer = torch.optim.Adam([weights])
    size = min(_BATCH, n)
    n_steps = _PASSES * (n // size)
    others = ~torch.eye(size, dtype=torch.bool)
    for step in range(n_steps):
        progress = step / n_steps
        for group in optimizer.param_groups:
            group["lr"] = _LEARNING_RATE * dim**0.5 * (1 - progress)
        batch = given[torch.randperm(n, generator=generator)[:size]]
        sharpness = _SHARPNESS[0] + progress * (_SHARPNESS[1] - _SHARPNESS[0])
        bits = torch.tanh(sharpness * (batch @ weights))  # (size, n_bits)
        gaps = bits @ bits.T / n_bits - batch @ batch.T
        loss = gaps[others].square().mean()
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    # In the precision that files keep, so that an encoder read back gives the same codes.
    stored = weights.detach().half().float().numpy()
    return BinaryCoder(stored, -(mean @ stored))


def _directions(dim: int, n_bits: int, generator: torch.Generator) -> torch.Tensor:
    """(D, B): orthogonal within each group of D."""
    groups = [
        torch.linalg.qr(torch.randn(dim, dim, generator=generator)).Q
        for _ in range(-(-n_bits // dim))
    ]
    return torch.cat(groups, dim=1)[:, :n_bits].contiguous()
