"""skResNet: the reference project's residual network."""

from __future__ import annotations

from torch import Tensor, nn

from garabato.models.blocks import ConvNormAct, MaxPoolSame
from garabato.models.reference.base import ReferenceNetwork


class SkResNet(ReferenceNetwork):
    """Convolutions and poolings with two residual blocks between."""

    def __init__(
        self,
        *,
        n_categories: int,
        image_size_px: int = 128,
        n_channels: int = 1,
        mirror: bool = False,
    ) -> None:
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
        super().__init__(
            nn.Sequential(*layers),
            n_categories=n_categories,
            image_size_px=image_size_px,
            mirror=mirror,
        )


class ReferenceBlock(nn.Module):
    """Two conv-norm-ReLU; the input is added after the second ReLU and passed on as it is."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.convs = nn.Sequential(
            ConvNormAct(width, width, bias=True), ConvNormAct(width, width, bias=True)
        )

    def forward(self, maps: Tensor) -> Tensor:
        """(N, C, H, W) -> the same shape."""
        convolved: Tensor = self.convs(maps)
        return convolved + maps
