"""The stroke branch: a one-dimensional convolutional network over points along the strokes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import pairwise

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from garabato.models.base import ConvNormAct, ResidualBlock
from garabato.render import PATH_POINTS

#: Numbers per point in the fourth channel of images (see `RenderSpec.path`).
_NUMBERS = 4
#: Features of each point: x, y, the step from the previous point (dx, dy, length), stroke start,
#: share of the points and of the strokes before it.
_FEATURES = 8
#: Scales the steps between points, which are short compared to the drawing.
_STEP_SCALE = 5.0
_KERNEL = 5
_POOLINGS = 4
_HIDDEN = 256


class StrokeBranch(nn.Module):
    """The path channel of images (N, S, S) float32 in 0..1 -> logits (N, C).

    Residual blocks of two convolutions over 5 points; `widths` are the channels of the stages. Each
    stage but the first halves the number of points. Points are pooled by maximum and by learned
    attention (four weighted means).
    """

    progress: Tensor

    def __init__(self, n_categories: int, widths: Sequence[int] = (48, 80, 128, 160)) -> None:
        super().__init__()
        self.stem = ConvNormAct(_FEATURES, widths[0], 7, stride=2, dims=1)
        block = partial(ResidualBlock, kernel=_KERNEL, dims=1)
        blocks = [block(widths[0], widths[0], stride=1)]
        for n_in, n_out in pairwise(widths):
            blocks.append(block(n_in, n_out, stride=2))
            if n_out >= 128:
                blocks.append(block(n_out, n_out, stride=1))
        self.blocks = nn.Sequential(*blocks)
        self.attention = nn.Conv1d(widths[-1], _POOLINGS, 1)
        self.head = nn.Sequential(
            nn.Linear((_POOLINGS + 1) * widths[-1], _HIDDEN, bias=False),
            nn.BatchNorm1d(_HIDDEN),
            nn.ReLU(inplace=True),
            nn.Linear(_HIDDEN, n_categories),
        )
        self.register_buffer("progress", torch.arange(PATH_POINTS) / PATH_POINTS, persistent=False)

    def forward(self, path: Tensor) -> Tensor:
        maps: Tensor = self.blocks(self.stem(self.point_features(path)))  # (N, W, 10)
        weights = self.attention(maps).softmax(2)  # (N, 4, 10)
        means = weights @ maps.transpose(1, 2)  # (N, 4, W)
        pooled = torch.cat([means.flatten(1), maps.amax(2)], dim=1)
        logits: Tensor = self.head(pooled)
        return logits

    def point_features(self, path: Tensor) -> Tensor:
        """The path channel (N, S, S) -> the features of its points (N, 8, 160)."""
        numbers = path.flatten(1)[:, : _NUMBERS * PATH_POINTS].reshape(-1, _NUMBERS, PATH_POINTS)
        positions = 2 * numbers[:, :2] - 1  # (N, 2, 160): x and y in -1..1
        steps = F.pad(_STEP_SCALE * (positions[:, :, 1:] - positions[:, :, :-1]), (1, 0))
        lengths = steps.square().sum(1, keepdim=True).sqrt()
        progress = self.progress.expand_as(lengths)
        return torch.cat([positions, steps, lengths, numbers[:, 2:3], progress, numbers[:, 3:]], 1)

    @staticmethod
    def mirrored(path: Tensor) -> Tensor:
        """The path channel (N, S, S) of the mirror image: x becomes 1 - x."""
        values = path.flatten(1)
        xs, rest = values[:, :PATH_POINTS], values[:, PATH_POINTS:]
        return torch.cat([1 - xs, rest], dim=1).reshape(path.shape)

    @staticmethod
    def has_order(path: Tensor) -> Tensor:
        """Whether the order of the strokes is known: (N,) bool."""
        starts = path.flatten(1)[:, 2 * PATH_POINTS : 3 * PATH_POINTS]
        return starts.amax(1) > 0.75
