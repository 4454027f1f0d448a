"""skfast: garabato's own network, designed for CPUs: a residual network, and a stroke branch."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import pairwise

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from garabato.models.base import ConvNormAct, Model, ResidualBlock
from garabato.render import PATH_POINTS

#: Channels of the picture; a fourth is the path for the stroke branch.
_IMAGE_CHANNELS = 3
#: Label smoothing makes probabilities too even, so a pull that ignores confidence sharpens them.
_SHARPEN = 1.4
#: Numbers per point in the fourth channel of images (see `RenderSpec.path`).
_NUMBERS = 4
#: Features of each point: x, y, the step from the previous point (dx, dy, length), stroke start,
#: share of the points and of the strokes before it.
_FEATURES = 8
#: Scales the steps between points, which are short compared to the drawing.
_STEP_SCALE = 5.0
#: The stroke branch: points that a convolution covers, weighted means, width of the hidden layer.
_KERNEL = 5
_POOLINGS = 4
_HIDDEN = 256


class SkFast(Model):
    """A residual network whose stages all cost the same: half the image side, twice the width.

    `widths` and `depths` are the channels and residual blocks of each stage (sides S/2, S/4, ...).
    The features (D = `embedding_dim`) are L2-normalised, and the classifier compares them with one
    direction per category: logits = scale * cosine, with a learned scale.

    The embedding pulls the features towards the directions of the predicted categories:
    normalise(features + `focus` * sum of probability * direction). This brings drawings of a
    category closer together, for retrieval, and keeps their differences. With
    `focus_by_confidence`, the pull is also multiplied by the highest probability, so drawings of
    categories that the network doesn't know keep more of their features. Training uses the logits
    only and depends on neither.

    With `priors`, the buffer `log_priors` (C,) is added to the logits: how much more or less often
    than others each category is expected. Training leaves it at 0.

    For images of four channels (see `RenderSpec.path`) the network has a stroke branch: its logits
    are added to the logits of the image with a learned weight, one for drawings with a known stroke
    order and one for the others.
    """

    log_priors: Tensor | None

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
        focus_by_confidence: bool = False,
        priors: bool = False,
        mirror: bool = False,
    ) -> None:
        super().__init__(
            n_categories=n_categories,
            image_size_px=image_size_px,
            embedding_dim=embedding_dim,
            mirror=mirror,
        )
        self.strokes = StrokeBranch(n_categories) if n_channels > _IMAGE_CHANNELS else None
        self.stem = ConvNormAct(min(n_channels, _IMAGE_CHANNELS), widths[0], 5, stride=2)
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
        self.register_buffer("log_priors", torch.zeros(n_categories) if priors else None)
        self.focus = focus
        self.focus_by_confidence = focus_by_confidence
        if self.strokes is not None:
            #: The weights of the stroke branch: for a known stroke order, and for an unknown one.
            self.stroke_weights = nn.Parameter(torch.tensor([0.5, 0.25]))
            self.branches = ("strokes.", "stroke_weights")

    @property
    def logit_scale(self) -> Tensor | None:
        is_cosine = self.strokes is None and self.log_priors is None
        return self.log_scale.exp() if is_cosine else None

    def forward_features(self, images: Tensor) -> Tensor:
        pictures = images[:, :_IMAGE_CHANNELS]
        maps: Tensor = self.stages(self.stem(pictures))  # (N, W, S / 16, S / 16)
        pooled = self.pool(maps)  # (N, W)
        return F.normalize(self.norm(self.project(pooled)).float(), dim=1)  # (N, D)

    @staticmethod
    def pool(maps: Tensor) -> Tensor:
        """(N, W, h, w) -> (N, W)."""
        return maps.mean(dim=(2, 3)) + maps.amax(dim=(2, 3))

    def forward_head(self, features: Tensor) -> Tensor:
        cosines = F.linear(features, F.normalize(self.directions, dim=1))  # (N, C)
        return cosines * self.log_scale.exp()

    def add_branches(self, images: Tensor, logits: Tensor) -> Tensor:
        if self.log_priors is not None:
            logits = logits + self.log_priors
        if self.strokes is None:
            return logits
        path = images[:, _IMAGE_CHANNELS]
        of_strokes: Tensor = self.strokes(path)
        if self.training:
            self.branch_logits = (logits, of_strokes)
        weights = torch.where(
            StrokeBranch.has_order(path), self.stroke_weights[0], self.stroke_weights[1]
        )
        return logits + weights[:, None] * of_strokes

    def each_branch(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """The logits of the image and the unweighted ones of the strokes, (N, C) each.

        Without gradients; for networks with a stroke branch only.
        """
        assert self.strokes is not None
        strokes = self.strokes

        def of_views(views: Tensor) -> tuple[Tensor, Tensor]:
            of_image = self.forward_head(self.forward_features(views))
            return of_image, strokes(views[:, _IMAGE_CHANNELS])

        with torch.inference_mode():
            return self.mean_over_views(images, of_views)

    def mirrored(self, images: Tensor) -> Tensor:
        pictures = images[:, :_IMAGE_CHANNELS].flip(3)
        if self.strokes is None:
            return pictures
        paths = StrokeBranch.mirrored(images[:, _IMAGE_CHANNELS])
        return torch.cat([pictures, paths[:, None]], dim=1)

    def forward_embedding(self, features: Tensor, logits: Tensor) -> Tensor:
        directions = F.normalize(self.directions, dim=1)
        if self.focus_by_confidence:
            probabilities = logits.softmax(dim=1)
            strength = self.focus * probabilities.amax(dim=1, keepdim=True)  # (N, 1)
            pull = strength * (probabilities @ directions)  # (N, D)
        else:
            pull = self.focus * (_SHARPEN * logits).softmax(dim=1) @ directions
        return F.normalize(features + pull, dim=1)


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
