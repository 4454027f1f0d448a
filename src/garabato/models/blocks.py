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
