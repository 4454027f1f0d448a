"""skNet: the seed's VGG-like network."""

from __future__ import annotations

from torch import Tensor, nn

from garabato.models.base import Model
from garabato.models.blocks import ConvNormAct, MaxPoolSame, SeedHead

_STAGES = ((64, 64), (128, 128), (128, 128), (256, 256))


class SkNet(Model):
    """Four stages of two 3x3 convolutions and a pooling; 1024-d deep feature; dropout keep 0.75."""

    def __init__(self, *, n_categories: int, image_size_px: int = 128) -> None:
        super().__init__(
            n_categories=n_categories,
            image_size_px=image_size_px,
            embedding_dim=1024,
            subtract_mean=True,
        )
        layers: list[nn.Module] = []
        n_in, side = 1, image_size_px
        for widths in _STAGES:
            for width in widths:
                layers.append(ConvNormAct(n_in, width, bias=True))
                n_in = width
            layers.append(MaxPoolSame())
            side = (side + 1) // 2
        self.stages = nn.Sequential(*layers)
        self.deep_feature = SeedHead(n_in * side * side)
        self.head = nn.Sequential(nn.Dropout(0.25), nn.Linear(1024, n_categories))

    def forward_features(self, images: Tensor) -> Tensor:
        features: Tensor = self.deep_feature(self.stages(images))
        return features

    def forward_head(self, features: Tensor) -> Tensor:
        logits: Tensor = self.head(features)
        return logits
