"""skNet: the reference project's VGG-like network."""

from __future__ import annotations

from torch import nn

from garabato.models.blocks import ConvNormAct, MaxPoolSame
from garabato.models.reference.base import ReferenceNetwork

_STAGES = ((64, 64), (128, 128), (128, 128), (256, 256))


class SkNet(ReferenceNetwork):
    """Four stages of two 3x3 convolutions and a pooling."""

    def __init__(
        self,
        *,
        n_categories: int,
        image_size_px: int = 128,
        n_channels: int = 1,
        mirror: bool = False,
    ) -> None:
        layers: list[nn.Module] = []
        n_in = n_channels
        for widths in _STAGES:
            for width in widths:
                layers.append(ConvNormAct(n_in, width, bias=True))
                n_in = width
            layers.append(MaxPoolSame())
        super().__init__(
            nn.Sequential(*layers),
            n_categories=n_categories,
            image_size_px=image_size_px,
            mirror=mirror,
        )
