"""The base class of networks, their input, and shared building blocks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn
from torch.nn.grad import conv2d_input

from garabato.drawing import ByteArray

#: Outputs of up to this many px an image are small: see `Convolution`.
_SMALL_PX = 16


def as_input(images: ByteArray, device: torch.device) -> Tensor:
    """Rendered images (N, S, S) or (N, S, S, K) uint8 -> (N, K, S, S) float32 in 0..1."""
    tensor = torch.from_numpy(images).to(device)
    tensor = tensor[:, None] if tensor.ndim == 3 else tensor.permute(0, 3, 1, 2)
    return tensor.float().contiguous(memory_format=torch.channels_last) / 255


class Model(nn.Module):
    """Images (N, K, S, S) float32, ink 1.0 -> logits (N, C) and embeddings (N, D).

    Built by `create_model`. `forward_features` gives features (N, D), `forward_head` turns them
    into logits, `forward_embedding` into embeddings. `mean_image` (S, S), if not None, is
    subtracted from the input, as in the reference project; training sets it. With `mirror`, the
    network averages its output over each image and its mirror image, except in training: more
    accurate at twice the cost.

    A network with branches combines their logits in `add_branches`. In training it keeps the
    logits of each branch in `branch_logits` until the next forward pass, for a loss per branch.
    """

    name: str
    options: dict[str, Any]
    mean_image: Tensor | None
    #: Prefixes of the names of the branches' weights.
    branches: tuple[str, ...] = ()

    def __init__(
        self,
        *,
        n_categories: int,
        image_size_px: int,
        embedding_dim: int,
        subtract_mean: bool = False,
        mirror: bool = False,
    ) -> None:
        super().__init__()
        self.mirror = mirror
        self.n_categories = n_categories
        self.image_size_px = image_size_px
        self.embedding_dim = embedding_dim
        mean_image = torch.zeros(image_size_px, image_size_px) if subtract_mean else None
        self.register_buffer("mean_image", mean_image)
        self.branch_logits: tuple[Tensor, ...] = ()

    @property
    def logit_scale(self) -> Tensor | None:
        """The scale (a scalar) of logits that are scaled cosines, else None."""
        return None

    def forward_features(self, images: Tensor) -> Tensor:
        """(N, K, S, S) -> features (N, D)."""
        raise NotImplementedError

    def forward_head(self, features: Tensor) -> Tensor:
        """Features (N, D) -> logits (N, C)."""
        raise NotImplementedError

    def add_branches(self, images: Tensor, logits: Tensor) -> Tensor:
        """(N, K, S, S), the logits of `forward_head` (N, C) -> logits (N, C); here the same."""
        return logits

    def mirrored(self, images: Tensor) -> Tensor:
        """(N, K, S, S) -> the mirror images, of the same shape."""
        return images.flip(3)

    def forward_embedding(self, features: Tensor, logits: Tensor) -> Tensor:
        """Features (N, D), logits (N, C) -> embeddings (N, D); here the features themselves."""
        return features

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """(N, K, S, S) -> logits (N, C), embeddings (N, D)."""
        if self.mean_image is not None:
            images = images - self.mean_image
        features, logits = self.mean_over_views(images, self._features_and_logits)
        return logits, self.forward_embedding(features, logits)

    def mean_over_views(
        self, images: Tensor, run: Callable[[Tensor], tuple[Tensor, Tensor]]
    ) -> tuple[Tensor, Tensor]:
        """`run(images)`; with `mirror`, the mean over images and mirror images."""
        if not self.mirror or self.training:
            return run(images)
        first, second = run(torch.cat([images, self.mirrored(images)]))  # (2 N, K, S, S)
        return _mean_of_halves(first), _mean_of_halves(second)

    def _features_and_logits(self, images: Tensor) -> tuple[Tensor, Tensor]:
        features = self.forward_features(images)
        device = images.device.type
        if torch.is_autocast_enabled(device) and not self.training:
            # In float32: bfloat16 has too few digits to tell apart the best categories.
            with torch.autocast(device, enabled=False):
                logits = self.forward_head(features.float())
        else:
            logits = self.forward_head(features)
        return features, self.add_branches(images, logits)


class Convolution(nn.Conv2d):
    """nn.Conv2d, faster to train on CPUs. For same padding, without dilation and groups.

    If the output is small, oneDNN takes up to seven times as long for the gradient of the weights
    as one matrix product on CPUs with AMX, and about as long on others. benchmarks/train_step.py
    measures what that does to a training step.
    """

    def forward(self, input: Tensor) -> Tensor:
        height, width = (
            -(-side // step) for side, step in zip(input.shape[2:], self.stride, strict=True)
        )
        is_small = self.training and height * width <= _SMALL_PX
        if not is_small or self.bias is not None or input.device.type != "cpu":
            return super().forward(input)
        maps, weight = input, self.weight
        if torch.is_autocast_enabled("cpu"):
            dtype = torch.get_autocast_dtype("cpu")
            maps, weight = maps.to(dtype), weight.to(dtype)
        padding = self.kernel_size[0] // 2
        out: Tensor = _SmallConvolution.apply(maps, weight, self.stride[0], padding)  # type: ignore[no-untyped-call]
        return out


#: Convolution, batch normalisation and average pooling, by the number of dimensions.
_LAYERS: dict[int, Any] = {
    1: (nn.Conv1d, nn.BatchNorm1d, nn.AvgPool1d),
    2: (Convolution, nn.BatchNorm2d, nn.AvgPool2d),
}


class ConvNormAct(nn.Sequential):
    """Convolution (same padding, 1-D or 2-D) -> batch normalisation -> ReLU."""

    def __init__(
        self,
        n_in: int,
        n_out: int,
        kernel: int = 3,
        *,
        stride: int = 1,
        bias: bool = False,
        dims: int = 2,
    ) -> None:
        conv, norm, _ = _LAYERS[dims]
        super().__init__(
            conv(n_in, n_out, kernel, stride=stride, padding=kernel // 2, bias=bias),
            norm(n_out),
            nn.ReLU(inplace=True),
        )


class ResidualBlock(nn.Module):
    """Two convolutions plus a shortcut, ReLU after the sum (He et al. 2016).

    With a stride of 2, the shortcut is average pooling and a convolution with kernel 1.
    """

    def __init__(
        self, n_in: int, n_out: int, kernel: int = 3, *, stride: int, dims: int = 2
    ) -> None:
        super().__init__()
        conv, norm, pool = _LAYERS[dims]
        self.first = ConvNormAct(n_in, n_out, kernel, stride=stride, dims=dims)
        self.second = conv(n_out, n_out, kernel, padding=kernel // 2, bias=False)
        self.norm = norm(n_out)
        nn.init.zeros_(self.norm.weight)  # a block starts as its shortcut
        self.shortcut: nn.Module = nn.Identity()
        if stride > 1 or n_in != n_out:
            self.shortcut = nn.Sequential(
                pool(stride, ceil_mode=True) if stride > 1 else nn.Identity(),
                conv(n_in, n_out, 1, bias=False),
                norm(n_out),
            )

    def forward(self, maps: Tensor) -> Tensor:
        """(N, C, ...) -> (N, n_out, ...), each side divided by `stride`, rounded up."""
        return F.relu(self.norm(self.second(self.first(maps))) + self.shortcut(maps))


class MaxPoolSame(nn.Module):
    """Max pooling 3x3, stride 2, "same" padding as TensorFlow's: (S, S) -> (ceil(S / 2), ...)."""

    def forward(self, images: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, ceil(H / 2), ceil(W / 2))."""
        height, width = images.shape[-2:]
        # An even side needs one row of padding, which TensorFlow puts at the end; an odd side two.
        top, left = height % 2, width % 2
        padded = F.pad(images, (left, 1, top, 1), value=float("-inf"))
        return F.max_pool2d(padded, 3, stride=2)


def _mean_of_halves(values: Tensor) -> Tensor:
    """(2 N, D) -> (N, D)."""
    one, other = values.chunk(2)
    return (one + other) / 2


class _SmallConvolution(torch.autograd.Function):
    """A convolution; the gradient of its weights is a matrix product of patches."""

    @staticmethod
    def forward(ctx: Any, maps: Tensor, weight: Tensor, stride: int, padding: int) -> Tensor:
        ctx.save_for_backward(maps, weight)
        ctx.stride, ctx.padding = stride, padding
        return F.conv2d(maps, weight, stride=stride, padding=padding)

    @staticmethod
    def backward(ctx: Any, *of_output: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        maps, weight = ctx.saved_tensors  # (N, C, H, W), (O, C, k, k)
        (of_out,) = of_output  # (N, O, h, w)
        of_maps = of_weight = None
        if ctx.needs_input_grad[0]:
            of_maps = conv2d_input(  # type: ignore[no-untyped-call]
                maps.shape, weight, of_out, stride=ctx.stride, padding=ctx.padding
            )
        if ctx.needs_input_grad[1]:
            n_out, n_in, side = weight.shape[:3]
            padded = F.pad(maps.permute(0, 2, 3, 1), (0, 0) + (ctx.padding,) * 4)
            patches = padded.unfold(1, side, ctx.stride).unfold(2, side, ctx.stride)
            columns = patches.permute(0, 1, 2, 4, 5, 3).reshape(-1, side * side * n_in)
            rows = of_out.permute(0, 2, 3, 1).reshape(-1, n_out)
            of_weight = (rows.T @ columns).view(n_out, side, side, n_in).permute(0, 3, 1, 2)
        return of_maps, of_weight, None, None
