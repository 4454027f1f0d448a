"""What the reference project's two networks share: everything but the convolutional stages."""

from __future__ import annotations

import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from garabato.models.base import Model

_DEEP_FEATURE_DIM = 1024
#: Each stage ends in a pooling that halves the side, rounding up.
_N_POOLINGS = 4
_LAST_WIDTH = 256


class ReferenceNetwork(Model):
    """`stages` -> fully connected 1024 + ReLU, the deep feature -> dropout, keep 0.75 -> logits."""

    def __init__(
        self, stages: nn.Sequential, *, n_categories: int, image_size_px: int, mirror: bool
    ) -> None:
        super().__init__(
            n_categories=n_categories,
            image_size_px=image_size_px,
            embedding_dim=_DEEP_FEATURE_DIM,
            subtract_mean=True,
            mirror=mirror,
        )
        side = -(-image_size_px // 2**_N_POOLINGS)
        self.stages = stages
        self.deep_feature = nn.Linear(_LAST_WIDTH * side * side, _DEEP_FEATURE_DIM)
        self.head = nn.Sequential(nn.Dropout(0.25), nn.Linear(_DEEP_FEATURE_DIM, n_categories))

    def forward_features(self, images: Tensor) -> Tensor:
        maps: Tensor = self.stages(images)  # (N, 256, S / 16, S / 16)
        return F.relu(self.deep_feature(maps.flatten(1)))  # (N, 1024)

    def forward_head(self, features: Tensor) -> Tensor:
        logits: Tensor = self.head(features)
        return logits
