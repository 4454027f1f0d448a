"""A dataset for PyTorch's DataLoader, which renders and augments drawings as they are read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from os import PathLike

import numpy as np
import torch
from torch import Tensor

from garabato.dataset import Dataset
from garabato.drawing import DrawingBatch, IntArray
from garabato.errors import InputError
from garabato.models import as_input
from garabato.render import RenderSpec, render_batch, with_strokes
from garabato.render.augment import AugmentSpec, render_augmented


def torch_dataset(
    data: Dataset | str | PathLike[str],
    split: str = "train",
    *,
    render: RenderSpec | None = None,
    augment: AugmentSpec | bool = False,
) -> TorchDataset:
    """A `torch.utils.data.Dataset` of (image (K, S, S) float32 with ink 1.0, label) pairs.

    `data` is a prepared dataset or its folder; a label is an index into its `categories`. `render`
    says how drawings become images. With `augment`, drawings are varied each time they are read,
    by PyTorch's random numbers: `torch.manual_seed` makes it repeatable. A DataLoader renders whole
    batches at once:

        loader = DataLoader(torch_dataset("data", augment=True), batch_size=128, shuffle=True)
    """
    dataset = data if isinstance(data, Dataset) else Dataset.open(data)
    spec = render or RenderSpec()
    varied = AugmentSpec() if augment is True else augment or None
    if varied is not None and spec.style != "smooth":
        raise InputError(f"style {spec.style!r} cannot be augmented; use style 'smooth'")
    drawings = dataset.split(split)
    return TorchDataset(
        with_strokes(drawings),
        dataset.labels(split),
        dataset.categories,
        spec,
        varied,
        has_order=drawings.bitmaps is None,
    )


@dataclass(eq=False)
class TorchDataset(torch.utils.data.Dataset[tuple[Tensor, int]]):
    """The dataset of `torch_dataset`. `drawings` and `labels` (N,) are in the same order."""

    drawings: DrawingBatch
    labels: IntArray
    categories: list[str] = field(repr=False)
    spec: RenderSpec
    augment: AugmentSpec | None
    has_order: bool = True

    def __len__(self) -> int:
        return len(self.drawings)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.__getitems__([range(len(self))[index]])[0]

    def __getitems__(self, indices: Sequence[int]) -> list[tuple[Tensor, int]]:
        """A whole batch; DataLoader calls this."""
        rows = np.asarray(indices, np.int64)
        batch = self.drawings.take(rows)
        if self.augment is None:
            images = render_batch(batch, self.spec)
        else:
            keys = torch.randint(0, 2**32, (len(rows),)).numpy().astype(np.uint32)
            images = render_augmented(
                batch, self.spec, self.augment, keys, has_order=self.has_order
            )
        tensors = as_input(images, torch.device("cpu"))
        return list(zip(tensors, self.labels[rows].tolist(), strict=True))
