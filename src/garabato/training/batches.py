"""Training batches: which drawings, in which order, varied how: all functions of seed and step."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from garabato.drawing import ByteArray, DrawingBatch, FloatArray, IntArray
from garabato.render import RenderSpec, render_batch
from garabato.render.augment import AugmentSpec, render_augmented
from garabato.training.teachers import Teachers


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """`images` (B, *RenderSpec.image_shape) uint8, ink 255; `labels` (B,) int64.

    `taught`: the teachers' probabilities (B, C) float32, where there are teachers.
    """

    images: ByteArray
    labels: IntArray
    taught: FloatArray | None = None


@dataclass(frozen=True, slots=True, eq=False)
class TrainingBatches:
    """Shuffled, augmented batches of `drawings` (strokes) with `labels` (N,) int64.

    `has_order`: the strokes were drawn in this order, not traced from pictures. Every epoch has its
    own order of drawings, in which every one comes once but for a rest smaller than a batch.
    `worker` of `n_workers` takes its part of each batch (training on several devices).
    """

    drawings: DrawingBatch
    has_order: bool
    labels: IntArray
    batch_size: int
    augment: AugmentSpec
    render: RenderSpec
    seed: int
    worker: int = 0
    n_workers: int = 1
    teachers: Teachers | None = None

    @property
    def steps_per_epoch(self) -> int:
        """Batches an epoch; at least one, however few the drawings."""
        return max(1, len(self.labels) // self.batch_size)

    def at(self, step: int, *, size_px: int) -> Batch:
        """The batch of a step, rendered at `size_px`."""
        epoch, position = divmod(step, self.steps_per_epoch)
        order, keys = self._epoch(epoch)
        rows = order[position * self.batch_size : (position + 1) * self.batch_size]
        rows = rows[self.worker :: self.n_workers]
        drawings = self.drawings.take(rows)

        def render(spec: RenderSpec) -> ByteArray:
            if spec.style == "reference" and self.augment == AugmentSpec.none():
                return render_batch(drawings, spec)
            return render_augmented(
                drawings, spec, self.augment, keys[rows], has_order=self.has_order
            )

        return Batch(
            render(replace(self.render, size_px=size_px)),
            self.labels[rows],
            self.teachers.answers(render) if self.teachers else None,
        )

    def _epoch(self, epoch: int) -> tuple[IntArray, npt.NDArray[np.uint32]]:
        random = np.random.default_rng([self.seed, epoch])
        order = random.permutation(len(self.labels))
        keys = random.integers(0, 2**32, len(self.labels), dtype=np.uint32)
        return order, keys


def prefetch(
    plan: Callable[[int], Callable[[], Batch]], first_step: int, *, n_threads: int
) -> Generator[tuple[int, Batch]]:
    """(step, its batch) for first_step, first_step + 1, ... without end, prepared in threads.

    `plan(step)`, called in the caller's thread, gives what to call in another one.
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
