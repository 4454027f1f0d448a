"""The two networks of the reference project: sknet, similar to VGG, and the residual skresnet."""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from garabato.models.base import ConvNormAct, MaxPoolSame, Model

_DEEP_FEATURE_DIM = 1024
#: Each stage ends in a pooling that halves the image side, rounding up.
_N_POOLINGS = 4
_LAST_WIDTH = 256
#: The widths of the convolutions in each stage of skNet.
_STAGES = ((64, 64), (128, 128), (128, 128), (256, 256))


class ReferenceNetwork(Model):
    """`layers` -> deep features: fully connected 1024 + ReLU -> dropout 0.25 -> logits."""

    def __init__(
        self,
        layers: list[nn.Module],
        *,
        n_categories: int,
        image_size_px: int = 128,
        mirror: bool = False,
    ) -> None:
        super().__init__(
            n_categories=n_categories,
            image_size_px=image_size_px,
            embedding_dim=_DEEP_FEATURE_DIM,
            subtract_mean=True,
            mirror=mirror,
        )
        side = -(-image_size_px // 2**_N_POOLINGS)
        self.stages = nn.Sequential(*layers)
        self.deep_feature = nn.Linear(_LAST_WIDTH * side * side, _DEEP_FEATURE_DIM)
        self.head = nn.Sequential(nn.Dropout(0.25), nn.Linear(_DEEP_FEATURE_DIM, n_categories))

    def forward_features(self, images: Tensor) -> Tensor:
        maps: Tensor = self.stages(images)  # (N, 256, S / 16, S / 16)
        return F.relu(self.deep_feature(maps.flatten(1)))  # (N, 1024)

    def forward_head(self, features: Tensor) -> Tensor:
        logits: Tensor = self.head(features)
        return logits


def sknet(*, n_channels: int = 1, **options: Any) -> ReferenceNetwork:
    """Four stages of two 3x3 convolutions and a pooling; options as for `ReferenceNetwork`."""
    layers: list[nn.Module] = []
    n_in = n_channels
    for widths in _STAGES:
        for width in widths:
            layers.append(ConvNormAct(n_in, width, bias=True))
            n_in = width
        layers.append(MaxPoolSame())
    return ReferenceNetwork(layers, **options)


def skresnet(*, n_channels: int = 1, **options: Any) -> ReferenceNetwork:
    """Convolutions, poolings and residual blocks; options as for `ReferenceNetwork`."""
    layers: list[nn.Module] = [
        ConvNormAct(n_channels, 64, bias=True),
        ConvNormAct(64, 64, bias=True),
    ]
    for width, wider in ((64, 128), (128, 256), (256, 256)):
        layers += [
            MaxPoolSame(),
            ReferenceBlock(width),
            ReferenceBlock(width),
            ConvNormAct(width, wider, bias=True),
        ]
    layers.append(MaxPoolSame())
    return ReferenceNetwork(layers, **options)


class ReferenceBlock(nn.Module):
    """Two conv-norm-ReLU; the input is added after the second ReLU."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.convs = nn.Sequential(
            ConvNormAct(width, width, bias=True), ConvNormAct(width, width, bias=True)
        )

    def forward(self, maps: Tensor) -> Tensor:
        """(N, C, H, W) -> the same shape."""
        convolved: Tensor = self.convs(maps)
        return convolved + maps
