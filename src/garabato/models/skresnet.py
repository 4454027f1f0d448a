"""skResNet: the seed's residual network."""

from __future__ import annotations

from torch import Tensor, nn

from garabato.models.base import Model
from garabato.models.blocks import ConvNormAct, MaxPoolSame, SeedHead, SeedResidual


class SkResNet(Model):
    """Convolutions and poolings with two residual blocks between; 1024-d deep feature."""

    def __init__(self, *, n_categories: int, image_size_px: int = 128) -> None:
        super().__init__(
            n_categories=n_categories,
            image_size_px=image_size_px,
            embedding_dim=1024,
            subtract_mean=True,
        )
        self.stages = nn.Sequential(
            ConvNormAct(1, 64, bias=True),
            ConvNormAct(64, 64, bias=True),
            MaxPoolSame(),
            SeedResidual(64),
            SeedResidual(64),
            ConvNormAct(64, 128, bias=True),
            MaxPoolSame(),
            SeedResidual(128),
            SeedResidual(128),
            ConvNormAct(128, 256, bias=True),
            MaxPoolSame(),
            SeedResidual(256),
            SeedResidual(256),
            ConvNormAct(256, 256, bias=True),
            MaxPoolSame(),
        )
        side = -(-image_size_px // 16)  # four poolings, each rounding up
        self.deep_feature = SeedHead(256 * side * side)
        self.head = nn.Sequential(nn.Dropout(0.25), nn.Linear(1024, n_categories))

    def forward_features(self, images: Tensor) -> Tensor:
        features: Tensor = self.deep_feature(self.stages(images))
        return features

    def forward_head(self, features: Tensor) -> Tensor:
        logits: Tensor = self.head(features)
        return logits
