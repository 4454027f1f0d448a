"""skfast: garabato's own residual network, made for CPUs."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from garabato.models.base import ConvNormAct, Model

#: Label smoothing leaves probabilities too even; those the embedding is drawn by are sharper.
_SHARPEN = 1.4


class SkFast(Model):
    """A residual network whose 3x3 convolutions all cost the same: half the side, twice the width.

    `widths` and `depths` give the channels and residual blocks of each stage (sides S/2, S/4, ...);
    the features (D = `embedding_dim`) are L2-normalised, and the classifier compares them with one
    direction a category: logits = scale x cosine, the scale learned.

    The embedding is the features drawn towards the directions of the categories the network takes
    the drawing for: normalise(features + `focus` x sum of probability x direction). Drawings of a
    category come closer together, which is what retrieval asks for, and what sets them apart from
    each other stays. Training is by the logits alone and doesn't depend on `focus`.
    """

    def __init__(
        self,
        *,
        n_categories: int,
        image_size_px: int = 64,
        n_channels: int = 1,
        widths: Sequence[int] = (32, 64, 128, 256),
        depths: Sequence[int] = (1, 1, 2, 2),
        embedding_dim: int = 128,
        focus: float = 4.0,
        mirror: bool = False,
    ) -> None:
        super().__init__(
            n_categories=n_categories,
            image_size_px=image_size_px,
            embedding_dim=embedding_dim,
            mirror=mirror,
        )
        self.stem = ConvNormAct(n_channels, widths[0], 5, stride=2)
        stages: list[nn.Module] = []
        n_in = widths[0]
        for stage, (width, depth) in enumerate(zip(widths, depths, strict=True)):
            for block in range(depth):
                stride = 2 if stage > 0 and block == 0 else 1
                stages.append(ResidualBlock(n_in, width, stride=stride))
                n_in = width
        self.stages = nn.Sequential(*stages)
        self.project = nn.Linear(n_in, embedding_dim, bias=False)
        self.norm = nn.BatchNorm1d(embedding_dim)
        self.directions = nn.Parameter(torch.empty(n_categories, embedding_dim))
        nn.init.normal_(self.directions)
        self.log_scale = nn.Parameter(torch.tensor(16.0).log())
        self.focus = focus

    @property
    def logit_scale(self) -> Tensor:
        return self.log_scale.exp()

    def forward_features(self, images: Tensor) -> Tensor:
        maps: Tensor = self.stages(self.stem(images))  # (N, W, S / 16, S / 16)
        pooled = self.pool(maps)  # (N, W)
        return F.normalize(self.norm(self.project(pooled)).float(), dim=1)  # (N, D)

    @staticmethod
    def pool(maps: Tensor) -> Tensor:
        """(N, W, h, w) -> (N, W)."""
        return maps.mean(dim=(2, 3)) + maps.amax(dim=(2, 3))

    def forward_head(self, features: Tensor) -> Tensor:
        cosines = F.linear(features, F.normalize(self.directions, dim=1))  # (N, C)
        return cosines * self.logit_scale

    def forward_embedding(self, features: Tensor, logits: Tensor) -> Tensor:
        expected = (_SHARPEN * logits).softmax(dim=1) @ F.normalize(
            self.directions, dim=1
        )  # (N, D)
        return F.normalize(features + self.focus * expected, dim=1)


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions beside a shortcut, ReLU after the sum (He et al. 2016).

    Where the side halves, the shortcut is averaged 2x2 and brought to the new width by 1x1.
    """

    def __init__(self, n_in: int, n_out: int, *, stride: int) -> None:
        super().__init__()
        self.first = ConvNormAct(n_in, n_out, stride=stride)
        self.second = nn.Conv2d(n_out, n_out, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(n_out)
        nn.init.zeros_(self.norm.weight)  # a block starts as its shortcut
        self.shortcut: nn.Module = nn.Identity()
        if stride > 1 or n_in != n_out:
            self.shortcut = nn.Sequential(
                nn.AvgPool2d(stride, ceil_mode=True) if stride > 1 else nn.Identity(),
                nn.Conv2d(n_in, n_out, 1, bias=False),
                nn.BatchNorm2d(n_out),
            )

    def forward(self, maps: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, n_out, ceil(H / stride), ceil(W / stride))."""
        return F.relu(self.norm(self.second(self.first(maps))) + self.shortcut(maps))
