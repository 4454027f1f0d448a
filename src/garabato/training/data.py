"""Training data: the held-out part, batches rendered in threads, teachers' probabilities, and
`torch_dataset`, the same images for other training loops.

Which drawings a batch holds and how they are augmented depend only on the random seed and the step.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from os import PathLike

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from garabato.dataset import Dataset
from garabato.drawing import ByteArray, DrawingBatch, FloatArray, IntArray
from garabato.encoder import Encoder, load_encoder
from garabato.errors import InputError, TrainingError
from garabato.models import as_input
from garabato.render import RenderSpec, render_batch, with_strokes
from garabato.render.augment import AugmentSpec, render_augmented
from garabato.training.config import TrainConfig

#: Drawings rendered at once for the mean image.
_CHUNK = 1024


def split_off_validation(
    dataset: Dataset, config: TrainConfig
) -> tuple[DrawingBatch, IntArray, tuple[DrawingBatch, IntArray] | None]:
    """Training drawings, their labels, and the held-out drawings with labels (None if none).

    Raises TrainingError if fewer than two drawings are left to train on.
    """
    drawings, labels = dataset.split("train"), dataset.labels("train")
    if len(labels) < 2:
        raise TrainingError(f"{dataset.path} holds {len(labels)} training drawings; prepare more")
    if config.validation == 0:
        return drawings, labels, None
    order = np.random.default_rng([config.seed, 1]).permutation(len(labels))
    n_held_out = max(1, round(config.validation * len(labels)))
    if len(labels) - n_held_out < 2:
        raise TrainingError(
            f"validation = {config.validation} holds out {n_held_out} of {len(labels)} training "
            "drawings, which leaves fewer than two to train on; lower it or prepare more drawings"
        )
    held_out, kept = np.sort(order[:n_held_out]), np.sort(order[n_held_out:])
    return drawings.take(kept), labels[kept], (drawings.take(held_out), labels[held_out])


def without_order(drawings: DrawingBatch, labels: IntArray) -> int | None:
    """A label (N,) most of whose drawings have no stroke order, if there is one."""
    n_drawings = np.bincount(labels)
    n_without = np.bincount(labels, ~drawings.has_order)
    found = np.flatnonzero(n_without > n_drawings / 2)
    return int(found[0]) if len(found) else None


def mean_image(drawings: DrawingBatch, spec: RenderSpec) -> Tensor:
    """Mean of the training images without augmentation, (S, S) float32 in 0..1."""
    total = np.zeros((spec.size_px, spec.size_px), np.float64)
    for start in range(0, len(drawings), _CHUNK):
        images = render_batch(drawings[start : start + _CHUNK], spec)
        total += images.sum(axis=0, dtype=np.float64)
    return torch.from_numpy(total / (255 * len(drawings))).float()


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """`images` (B, *RenderSpec.image_shape) uint8, ink 255; `labels` (B,) int64.

    `teacher_probabilities`: the teachers' probabilities (B, C) float32, if there are teachers.
    """

    images: ByteArray
    labels: IntArray
    teacher_probabilities: FloatArray | None = None


@dataclass(frozen=True, slots=True, eq=False)
class TrainingBatches:
    """Shuffled, augmented batches of `drawings` (strokes) with `labels` (N,) int64.

    Each epoch shuffles the drawings again and shows each of them once, except for a remainder
    smaller than a batch. In distributed training, process `rank` of `n_processes` gets its part of
    each batch.
    """

    drawings: DrawingBatch
    labels: IntArray
    batch_size: int
    augment: AugmentSpec
    render: RenderSpec
    seed: int
    rank: int = 0
    n_processes: int = 1
    teachers: Teachers | None = None

    @property
    def steps_per_epoch(self) -> int:
        """Batches per epoch, at least one."""
        return max(1, len(self.labels) // self.batch_size)

    def at(self, step: int, *, size_px: int) -> Batch:
        """The batch of a step, rendered at `size_px`."""
        epoch, position = divmod(step, self.steps_per_epoch)
        order, keys = self._epoch(epoch)
        rows = order[position * self.batch_size : (position + 1) * self.batch_size]
        rows = rows[self.rank :: self.n_processes]
        drawings = self.drawings.take(rows)

        def render(spec: RenderSpec) -> ByteArray:
            if spec.style == "reference" and self.augment == AugmentSpec.none():
                return render_batch(drawings, spec)
            return render_augmented(drawings, spec, self.augment, keys[rows])

        return Batch(
            render(replace(self.render, size_px=size_px)),
            self.labels[rows],
            self.teachers.probabilities(render) if self.teachers else None,
        )

    def _epoch(self, epoch: int) -> tuple[IntArray, npt.NDArray[np.uint32]]:
        random = np.random.default_rng([self.seed, epoch])
        order = random.permutation(len(self.labels))
        keys = random.integers(0, 2**32, len(self.labels), dtype=np.uint32)
        return order, keys


def prefetch(
    plan: Callable[[int], Callable[[], Batch]], first_step: int, *, n_threads: int
) -> Generator[tuple[int, Batch]]:
    """Yield (step, batch) for first_step, first_step + 1, ... forever, prepared in threads.

    `plan(step)` is called in the caller's thread; the function it returns makes the batch in a
    worker thread.
    """
    with ThreadPoolExecutor(n_threads, thread_name_prefix="render") as pool:
        waiting: deque[tuple[int, Future[Batch]]] = deque()
        step = first_step
        try:
            while True:
                while len(waiting) <= n_threads:
                    waiting.append((step, pool.submit(plan(step))))
                    step += 1
                ready_step, future = waiting.popleft()
                yield ready_step, future.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


class Teachers:
    """Encoders whose probabilities a network learns along with the labels (Hinton et al. 2015).

    They see each drawing with the same augmentation as the network (Beyer et al. 2022), at their
    own image size. `categories` gives the order of the probabilities. Raises TrainingError if a
    teacher lacks one of them or cannot see augmented drawings.
    """

    def __init__(
        self, config: TrainConfig, categories: Sequence[str], device: torch.device
    ) -> None:
        self._teachers: list[tuple[Encoder, npt.NDArray[np.intp]]] = []
        for path in config.teachers:
            encoder = load_encoder(path, device=device, runtime="pytorch")
            columns = {name: i for i, name in enumerate(encoder.network_categories)}
            missing = [name for name in categories if name not in columns]
            if missing:
                raise TrainingError(
                    f"the teacher {path} doesn't know {len(missing)} of the data set's categories, "
                    f"such as {missing[0]!r}; choose one trained on the same categories"
                )
            if encoder.spec.style != "smooth" and config.augment != AugmentSpec.none():
                raise TrainingError(
                    f"the teacher {path} needs images of style {encoder.spec.style!r}, which "
                    "cannot be augmented; train without augmentation or choose another teacher"
                )
            self._teachers.append((encoder, np.array([columns[name] for name in categories])))

    def probabilities(self, render: Callable[[RenderSpec], ByteArray]) -> FloatArray:
        """Mean probabilities of all teachers, (B, C) float32, at temperature 1.

        `render` renders the drawings of the batch by a RenderSpec.
        """
        each = []
        for encoder, columns in self._teachers:
            logits = encoder.runtime.run(render(encoder.spec))[0]
            each.append(torch.from_numpy(logits[:, columns]).softmax(1))
        mean: FloatArray = torch.stack(each).mean(0).numpy()
        return mean


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
    render_batch([], spec)  # raises unless it is a RenderSpec
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
    )


@dataclass(eq=False)
class TorchDataset(torch.utils.data.Dataset[tuple[Tensor, int]]):
    """The dataset of `torch_dataset`. `drawings` and `labels` (N,) are in the same order."""

    drawings: DrawingBatch
    labels: IntArray = field(repr=False)
    categories: list[str] = field(repr=False)
    spec: RenderSpec
    augment: AugmentSpec | None

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
            images = render_augmented(batch, self.spec, self.augment, keys)
        tensors = as_input(images, torch.device("cpu"))
        return list(zip(tensors, self.labels[rows].tolist(), strict=True))
