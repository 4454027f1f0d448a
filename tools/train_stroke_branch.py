"""Train a stroke branch alone, for an encoder that has none, and join the two.

    python tools/train_stroke_branch.py runs/strokes --data runs/all --minutes 90
    python tools/ship_encoder.py runs/strokes/encoder.safetensors --data runs/all

The image network stays as it is, so all the time goes to the branch. `garabato train` with `path`
trains both together (docs/training.md). The drawings are varied towards those of other people: in
several strokes a line, with details, as pictures, half-finished. The learning rate falls by the
clock, and `--resume` goes on after an interruption. tools/ship_encoder.py fits the weight of the
branch.
"""

from __future__ import annotations

import argparse
import math
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn

from garabato.dataset import Dataset
from garabato.encoder import FILE_NAME, Encoder, load_encoder
from garabato.models import create_model
from garabato.render import RenderSpec, with_strokes
from garabato.render.augment import AugmentSpec
from garabato.training import TrainConfig
from garabato.training.data import TrainingBatches, split_off_validation

AUGMENT = AugmentSpec(
    partial=0.25,
    partial_least=0.3,
    drop_stroke=0.03,
    rotate_degrees=7,
    shear=0.07,
    stretch=0.1,
    wobble=0.014,
    stroke_shift=0.007,
    line_width=0,
    shrink=0,
    picture=0.25,
    reorder=0.25,
    pose=0.15,
    cut=0.05,
    sketchy=0.45,
    shade=0.1,
    detail=0.3,
    picture_px=128,
)
#: The smallest images with a path: their pictures are not used.
SPEC = RenderSpec(26, order=True, path=True)
BATCH_SIZE, LEARNING_RATE, WEIGHT_DECAY, WARMUP_STEPS = 256, 1.2e-3, 0.05, 100
SAVE_EVERY_S = 60


def main() -> None:
    """Train the branch for a given time, and write the encoder of both."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path, help="folder for the checkpoint and the encoder")
    parser.add_argument("--data", type=Path, required=True, help="the data set to train on")
    parser.add_argument("--start", default="shipped", help="the encoder that gets the branch")
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--validation", type=float, default=0.03, help="share kept out")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoint in `out`")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    start = load_encoder(arguments.start, runtime="pytorch", precision="float32")
    dataset = Dataset.open(arguments.data)
    config = TrainConfig(validation=arguments.validation, seed=arguments.seed)
    drawings, labels, _ = split_off_validation(dataset, config)
    batches = TrainingBatches(
        with_strokes(drawings),
        drawings.bitmaps is None,
        labels,
        BATCH_SIZE,
        AUGMENT,
        SPEC,
        arguments.seed,
    )
    torch.manual_seed(arguments.seed)
    encoder = with_branch(start)
    branch: nn.Module = encoder.as_pytorch().model.strokes
    train(branch, batches, 60 * arguments.minutes, arguments.out, resume=arguments.resume)
    encoder.save(arguments.out / FILE_NAME)
    print(f"wrote {arguments.out / FILE_NAME}")


def with_branch(start: Encoder) -> Encoder:
    """The encoder with a stroke branch of random weights beside its network, if it has none."""
    old = start.as_pytorch().model
    if not start.spec.order:
        raise SystemExit(f"{start!r} does not see the order of strokes; give one that does")
    spec = replace(start.spec, path=True)
    model = create_model(
        old.name,
        n_categories=len(start.network_categories),
        image_size_px=spec.size_px,
        **(old.options | {"n_channels": spec.n_channels}),
    )
    model.load_state_dict(model.state_dict() | old.state_dict())
    return Encoder(
        model,
        spec=spec,
        categories=start.network_categories,
        notes=start.notes,
        precision="float32",
    )


def train(
    branch: nn.Module, batches: TrainingBatches, seconds: float, out: Path, *, resume: bool
) -> None:
    """Minimise cross-entropy with AdamW; the learning rate is a cosine over `seconds`."""
    optimizer = torch.optim.AdamW(
        branch.parameters(), LEARNING_RATE, weight_decay=WEIGHT_DECAY, fused=True
    )
    checkpoint = out / "checkpoint.pt"
    step, trained_s = 0, 0.0
    if resume:
        state = torch.load(checkpoint)
        branch.load_state_dict(state["branch"])
        optimizer.load_state_dict(state["optimizer"])
        step, trained_s = state["step"], state["trained_s"]
    saved_s, mean_loss = trained_s, math.nan
    branch.train()
    while trained_s < seconds:
        began = time.perf_counter()
        share = 0.5 * (1 + math.cos(math.pi * trained_s / seconds))
        for group in optimizer.param_groups:
            group["lr"] = LEARNING_RATE * share * min(1.0, (step + 1) / WARMUP_STEPS)
        batch = batches.at(step, size_px=SPEC.size_px)
        paths = torch.from_numpy(np.ascontiguousarray(batch.images[..., 3])).float() / 255
        loss = F.cross_entropy(branch(paths), torch.from_numpy(batch.labels), label_smoothing=0.1)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        step += 1
        trained_s += time.perf_counter() - began
        if math.isnan(mean_loss):
            mean_loss = loss.item()
        mean_loss += 0.02 * (loss.item() - mean_loss)
        if step % 50 == 0:
            print(f"step {step}, {trained_s:.0f} s, loss {mean_loss:.3f}", flush=True)
        if trained_s - saved_s > SAVE_EVERY_S or trained_s >= seconds:
            save(
                checkpoint,
                {
                    "branch": branch.state_dict(),
                    "optimizer": optimizer.state_dict(),
                    "step": step,
                    "trained_s": trained_s,
                },
            )
            saved_s = trained_s


def save(checkpoint: Path, state: dict[str, Any]) -> None:
    """Write the checkpoint beside the old one, then put it in its place."""
    unfinished = checkpoint.with_suffix(".new")
    torch.save(state, unfinished)
    unfinished.replace(checkpoint)


if __name__ == "__main__":
    main()
