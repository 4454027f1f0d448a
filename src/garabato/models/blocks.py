"""Parts the networks share."""

from __future__ import annotations

import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn


class ConvNormAct(nn.Sequential):
    """Convolution (same padding) -> batch normalisation -> ReLU."""

    def __init__(
        self, n_in: int, n_out: int, kernel: int = 3, *, stride: int = 1, bias: bool = False
    ) -> None:
        super().__init__(
            nn.Conv2d(n_in, n_out, kernel, stride=stride, padding=kernel // 2, bias=bias),
            nn.BatchNorm2d(n_out),
            nn.ReLU(inplace=True),
        )


class MaxPoolSame(nn.Module):
    """Max pooling 3x3, stride 2, "same" padding as TensorFlow's: (S, S) -> (ceil(S / 2), ...)."""

    def forward(self, images: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, ceil(H / 2), ceil(W / 2))."""
        height, width = images.shape[-2:]
        # An even side needs one row of padding, which TensorFlow puts at the end; an odd one two.
        top, left = height % 2, width % 2
        padded = F.pad(images, (left, 1, top, 1), value=float("-inf"))
        return F.max_pool2d(padded, 3, stride=2)


class SeedResidual(nn.Module):
    """The seed's residual block: two conv-norm-ReLU; the input is added and passed on as it is."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.convs = nn.Sequential(
            ConvNormAct(width, width, bias=True), ConvNormAct(width, width, bias=True)
        )

    def forward(self, images: Tensor) -> Tensor:
        """(N, C, H, W) -> the same shape."""
        convolved: Tensor = self.convs(images)
        return convolved + images


class SeedHead(nn.Module):
    """Fully connected 1024 + ReLU, the seed's deep feature."""

    def __init__(self, n_in: int, embedding_dim: int = 1024) -> None:
        super().__init__()
        self.linear = nn.Linear(n_in, embedding_dim)

    def forward(self, images: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, 1024)."""
        return F.relu(self.linear(images.flatten(1)))
