"""Train the image network of an encoder further; its stroke branch stays as it is.

    python tools/train_image_network.py runs/image --data runs/all --minutes 90
    python tools/ship_encoder.py runs/image/encoder.safetensors --data runs/all

The network starts with the encoder's weights, and learns the labels mixed with the probabilities
that the whole encoder gives to the unchanged drawings, which soften the labels of drawings that
look like something else (Hinton et al. 2015). `--bitmaps` takes a folder of Google's 28x28 bitmaps:
half of the drawings of the categories it has are replaced by one of these, traced, so the network
learns from real small pictures without seeing these categories more often. Bitmaps that look like
a drawing of the validation or test part are left out.

The learning rate falls by the clock, and `--resume` goes on after an interruption.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from train_stroke_branch import save

from garabato.dataset import Dataset
from garabato.drawing import DrawingBatch, FloatArray, IntArray
from garabato.encoder import FILE_NAME, Encoder, load_encoder
from garabato.models import Model, as_input
from garabato.render import RenderSpec, with_strokes
from garabato.render.augment import AugmentSpec, render_augmented
from garabato.sources import open_source
from garabato.training import TrainConfig
from garabato.training.data import Batch, prefetch, split_off_validation

AUGMENT = AugmentSpec(
    partial=0.2,
    partial_least=0.3,
    drop_stroke=0.03,
    rotate_degrees=6,
    shear=0.06,
    stretch=0.08,
    wobble=0.012,
    stroke_shift=0.006,
    line_width=0.12,
    shrink=0.1,
    picture=0.3,
    reorder=0.2,
    pose=0.3,
    cut=0.08,
    sketchy=0.25,
    shade=0.12,
    detail=0.2,
    picture_px=128,
)
#: Smaller images for the first part of the time (Touvron et al. 2019).
SMALL_PX, SMALL_SHARE = 32, 0.6
BATCH_SIZE, LEARNING_RATE, WEIGHT_DECAY, WARMUP_STEPS = 128, 1.5e-3, 0.05, 200
#: How much of the target is the encoder's probabilities; the rest is the label.
TEACHING, LABEL_SMOOTHING = 0.4, 0.03
EMA_DECAY = 0.999
SAVE_EVERY_S = 120
#: Bitmaps this similar to a held-out drawing are taken for the same one (cosine of blurred images).
SAME = 0.9


def main() -> None:
    """Train for a given time, and write the encoder with the averaged weights."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path, help="folder for the checkpoint and the encoder")
    parser.add_argument("--data", type=Path, required=True, help="the data set to train on")
    parser.add_argument("--bitmaps", type=Path, help="folder of Google's numpy bitmaps")
    parser.add_argument("--start", default="shipped", help="the encoder to train further")
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--validation", type=float, default=0.03, help="share kept out")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoint in `out`")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    encoder = load_encoder(arguments.start, runtime="pytorch", precision="float32")
    teacher = load_encoder(arguments.start)
    dataset = Dataset.open(arguments.data)
    config = TrainConfig(validation=arguments.validation, seed=arguments.seed)
    drawings, labels, held_out = split_off_validation(dataset, config)
    assert held_out is not None, "--validation must be more than 0"
    print("computing the probabilities that the encoder gives", flush=True)
    strokes = Drawings(with_strokes(drawings), labels, teacher.predict(drawings).probabilities)
    bitmaps = None
    if arguments.bitmaps is not None:
        kept_out = [held_out, (dataset.split("test"), dataset.labels("test"))]
        bitmaps = read_bitmaps(arguments.bitmaps, teacher, kept_out)
    batches = MixedBatches(strokes, bitmaps, replace(encoder.spec, path=False), arguments.seed)
    torch.manual_seed(arguments.seed)
    train(encoder, batches, 60 * arguments.minutes, arguments.out, resume=arguments.resume)
    encoder.save(arguments.out / FILE_NAME)
    print(f"wrote {arguments.out / FILE_NAME}")


@dataclass(frozen=True)
class Drawings:
    """Strokes, labels (N,) and the teacher's probabilities (N, C)."""

    strokes: DrawingBatch
    labels: IntArray
    taught: FloatArray


def read_bitmaps(
    folder: Path, teacher: Encoder, kept_out: list[tuple[DrawingBatch, IntArray]]
) -> Drawings:
    """The bitmaps of the teacher's categories, traced, without those similar to `kept_out`."""
    source = open_source(folder)
    batches, labels = [], []
    for category in source.categories():
        label = teacher.categories.index(category)
        batch = DrawingBatch.concatenate(list(source.read(category)))
        theirs = [drawings.take(np.flatnonzero(own == label)) for drawings, own in kept_out]
        similarity = _blurred(batch) @ _blurred(DrawingBatch.concatenate(theirs)).T
        batch = batch.take(np.flatnonzero(similarity.max(axis=1) < SAME))
        batches.append(batch)
        labels.append(np.full(len(batch), label))
        print(f"{category}: {len(batch)} bitmaps", flush=True)
    drawings = DrawingBatch.concatenate(batches)
    taught = teacher.predict(drawings).probabilities
    return Drawings(with_strokes(drawings), np.concatenate(labels), taught)


def _blurred(drawings: DrawingBatch) -> FloatArray:
    """Small blurred images of length 1, (N, S * S) float32, to find the same drawings."""
    from scipy.ndimage import gaussian_filter

    from garabato.render import render_batch

    images = render_batch(with_strokes(drawings), RenderSpec(28)).astype(np.float32)
    flat = gaussian_filter(images, (0, 1, 1)).reshape(len(images), -1)
    lengths: FloatArray = np.linalg.norm(flat, axis=1, keepdims=True)
    return flat / np.maximum(lengths, 1e-6)


@dataclass(frozen=True)
class MixedBatches:
    """Augmented batches of stroke drawings, of which some are replaced by bitmaps."""

    drawings: Drawings
    bitmaps: Drawings | None
    spec: RenderSpec
    seed: int

    def plan(self, step: int, size_px: int) -> Callable[[], Batch]:
        """A function that makes the batch of a step."""
        per_epoch = len(self.drawings.labels) // BATCH_SIZE
        epoch, position = divmod(step, per_epoch)
        order = np.random.default_rng([self.seed, epoch]).permutation(len(self.drawings.labels))
        rows = order[position * BATCH_SIZE : (position + 1) * BATCH_SIZE]
        return lambda: self._make(rows, np.random.default_rng([self.seed, step, 1]), size_px)

    def _make(self, rows: IntArray, random: np.random.Generator, size_px: int) -> Batch:
        spec = replace(self.spec, size_px=size_px)
        keys = random.integers(0, 2**32, BATCH_SIZE, dtype=np.uint32)
        labels, taught = self.drawings.labels[rows], self.drawings.taught[rows]
        images = render_augmented(self.drawings.strokes.take(rows), spec, AUGMENT, keys)
        if self.bitmaps is not None:
            of_label = {
                int(label): np.flatnonzero(self.bitmaps.labels == label)
                for label in np.intersect1d(labels, self.bitmaps.labels)
            }
            replaced = [
                i for i in range(BATCH_SIZE) if int(labels[i]) in of_label and random.random() < 0.5
            ]
            if replaced:
                chosen = np.array([random.choice(of_label[int(labels[i])]) for i in replaced])
                images[replaced] = render_augmented(
                    self.bitmaps.strokes.take(chosen),
                    spec,
                    AUGMENT,
                    keys[replaced],
                    has_order=False,
                )
                taught[replaced] = self.bitmaps.taught[chosen]
        return Batch(images, labels, taught)


def train(
    encoder: Encoder, batches: MixedBatches, seconds: float, out: Path, *, resume: bool
) -> None:
    """Minimise cross-entropy with AdamW; `encoder` gets the averaged weights."""
    model: Model = encoder.as_pytorch().model
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    branch = [p for name, p in model.named_parameters() if name.startswith(model.branches)]
    for parameter in branch:
        parameter.requires_grad = False
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(
        [
            {"params": [p for p in trained if p.ndim >= 2], "weight_decay": WEIGHT_DECAY},
            {"params": [p for p in trained if p.ndim < 2], "weight_decay": 0.0},
        ],
        LEARNING_RATE,
        fused=True,
    )
    average = {name: value.clone() for name, value in model.state_dict().items()}
    checkpoint = out / "checkpoint.pt"
    step, trained_s = 0, 0.0
    if resume:
        state = torch.load(checkpoint)
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        average, step, trained_s = state["average"], state["step"], state["trained_s"]
    saved_s, loss_mean, right_mean = trained_s, math.nan, 0.0
    began, first_s = time.perf_counter(), trained_s
    model.train()

    def plan(step: int) -> Callable[[], Batch]:
        is_small = trained_s < SMALL_SHARE * seconds
        return batches.plan(step, SMALL_PX if is_small else batches.spec.size_px)

    steps = prefetch(plan, step, n_threads=1)
    while trained_s < seconds:
        share = 0.5 * (1 + math.cos(math.pi * trained_s / seconds))
        for group in optimizer.param_groups:
            group["lr"] = LEARNING_RATE * share * min(1.0, (step + 1) / WARMUP_STEPS)
        step, batch = next(steps)
        labels = torch.from_numpy(batch.labels)
        assert batch.taught is not None
        targets = F.one_hot(labels, batch.taught.shape[1]).float()
        targets = targets.lerp(torch.from_numpy(batch.taught), TEACHING)
        images = as_input(batch.images, torch.device("cpu"))
        logits = model.forward_head(model.forward_features(images))
        loss = F.cross_entropy(logits, targets, label_smoothing=LABEL_SMOOTHING)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        step += 1
        for name, value in model.state_dict().items():
            if value.is_floating_point():
                average[name].lerp_(value, 1 - EMA_DECAY)
        trained_s = first_s + time.perf_counter() - began
        right = (logits.argmax(1) == labels).float().mean().item()
        if math.isnan(loss_mean):
            loss_mean, right_mean = loss.item(), right
        loss_mean += 0.01 * (loss.item() - loss_mean)
        right_mean += 0.01 * (right - right_mean)
        if step % 100 == 0:
            print(
                f"step {step}, {trained_s:.0f} s, loss {loss_mean:.3f}, accuracy {right_mean:.3f}",
                flush=True,
            )
        if trained_s - saved_s > SAVE_EVERY_S or trained_s >= seconds:
            state = {"model": model.state_dict(), "optimizer": optimizer.state_dict()}
            save(
                checkpoint,
                {**state, "average": average, "step": step, "trained_s": trained_s},
            )
            saved_s = trained_s
    model.load_state_dict(average)
    model.eval()


if __name__ == "__main__":
    main()
