"""The recipe's ablations: one change at a time, each a short training, scored on drawings kept out.

Every arm trains the preset skfast in a short form (48 px, 10 epochs, AdamW unless the arm says
otherwise) on 90% of S100's training drawings and is scored on the other 10%, so the test part is
never looked at. An arm takes some four minutes of one core. Arms that are finished are not run
again; `make docs` writes their table into docs/recipe.md.

    python benchmarks/recipe.py [--arms preset,no-order] [--seeds 0,1]
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import harness
import numpy as np
from rich.console import Console
from rich.table import Table
from torch import Tensor

from garabato.dataset import Dataset, prepare
from garabato.drawing import Drawing, DrawingBatch
from garabato.evaluation.metrics import mean_average_precision, rank_of_label
from garabato.models import register_model
from garabato.models.skfast import SkFast
from garabato.render import render_batch
from garabato.render.augment import SMALL_PICTURE, AugmentSpec
from garabato.sources import open_source
from garabato.training import TrainConfig, load_preset, train
from garabato.training.data import split_off_validation

FOLDER = harness.ROOT / "runs" / "recipe"
RESULTS = harness.RESULTS / "recipe"
COLUMNS = ("top1", "top5", "map", "half_ink", "bitmap", "reordered", "minutes")


@dataclass(frozen=True, slots=True)
class Arm:
    """One change to the recipe: fields of TrainConfig, or of its parts by their names."""

    what: str
    changes: dict[str, Any] = field(default_factory=dict)


class MeanPooled(SkFast):
    """skfast without the maximum in its pooling."""

    @staticmethod
    def pool(maps: Tensor) -> Tensor:
        return maps.mean(dim=(2, 3))


class MaxPooled(SkFast):
    """skfast without the mean in its pooling."""

    @staticmethod
    def pool(maps: Tensor) -> Tensor:
        return maps.amax(dim=(2, 3))


register_model("skfast-mean", MeanPooled)
register_model("skfast-max", MaxPooled)

MILD = asdict(load_preset("shipped").augment)
ARMS = {
    "preset": Arm("the preset skfast"),
    "no-order": Arm("images without the order of strokes", {"render": {"order": False}}),
    "no-pictures": Arm(
        "no drawing seen as a picture, none reordered",
        {"augment": {"picture": 0.0, "reorder": 0.0}},
    ),
    "no-augment": Arm("no augmentation at all", {"augment": asdict(AugmentSpec.none())}),
    "pictures": Arm(
        "every drawing seen as a picture, half of them 28x28", {"augment": {"picture": 1.0}}
    ),
    "mild": Arm(
        "the preset shipped's augmentation: milder, 40% half-finished drawings",
        {"augment": MILD},
    ),
    "partial": Arm(
        "35% half-finished drawings, from 20% of the ink",
        {"augment": {"partial": 0.35, "partial_least": 0.2}},
    ),
    "all-partial": Arm(
        "every drawing half-finished, from 20% of the ink",
        {"augment": {"partial": 1.0, "partial_least": 0.2}},
    ),
    "muon": Arm("Muon for the convolutions", {"optimizer": "muon"}),
    "no-ema": Arm("the last weights, not their average", {"ema_decay": 0.0}),
    "no-smoothing": Arm("no label smoothing", {"label_smoothing": 0.0}),
    "rate-2": Arm("learning rate 0.002", {"learning_rate": 0.002}),
    "rate-8": Arm("learning rate 0.008", {"learning_rate": 0.008}),
    "float32": Arm("float32 in place of bfloat16", {"precision": "float32"}),
    "longer": Arm("20 epochs", {"epochs": 20}),
    "size-32": Arm("32 px throughout", {"sizes": (), "render": {"size_px": 32}}),
    "size-64": Arm("48 px, then 64 px", {"sizes": ((0.6, 48),), "render": {"size_px": 64}}),
    "one-size": Arm("48 px from the start", {"sizes": ()}),
    "deeper": Arm("a third block in the last stage", {"model_options": {"depths": [1, 1, 2, 3]}}),
    "mean-pooling": Arm("features pooled by their mean only", {"model": "skfast-mean"}),
    "max-pooling": Arm("features pooled by their maximum only", {"model": "skfast-max"}),
    "wider": Arm("1.5 times as wide", {"model_options": {"widths": [48, 96, 192, 384]}}),
    "tiny": Arm(
        "half as wide (the preset tiny is shallower, too)",
        {"model_options": {"widths": [16, 32, 64, 128]}},
    ),
    "one-sided": Arm(
        "predictions from the image alone, without its mirror image",
        {"model_options": {"mirror": False}},
    ),
    "no-focus": Arm("embedding = features", {"model_options": {"focus": 0.0}}),
    "arcface": Arm("loss: ArcFace", {"loss": "arcface"}),
    "supcon": Arm("loss: softmax and SupCon, on the embeddings", {"loss": "supcon"}),
    "proxy-anchor": Arm("loss: proxy-anchor", {"loss": "proxy-anchor"}),
    "mixup": Arm("mixup, Beta(0.2, 0.2)", {"mixup": 0.2}),
    "taught": Arm(
        "taught by three networks: the arms preset, mild and wider",
        {"teachers": ("preset", "mild", "wider"), "label_smoothing": 0.0},
    ),
}


def main() -> None:
    """Run the arms that were not run yet, then show all."""
    parser = harness.argument_parser(__doc__)
    parser.add_argument("--arms", default=",".join(ARMS))
    parser.add_argument("--seeds", default="0")
    given = parser.parse_args()
    unknown = set(given.arms.split(",")) - set(ARMS)
    if unknown:
        sys.exit(f"unknown arms {', '.join(sorted(unknown))}; there are {', '.join(ARMS)}")
    dataset = s100(harness.checked_source(given.source))
    RESULTS.mkdir(parents=True, exist_ok=True)
    for seed in map(int, given.seeds.split(",")):
        for name in given.arms.split(","):
            target = RESULTS / f"{name}-seed{seed}.json"
            if target.exists():
                continue
            print(f"{name}, seed {seed}: {ARMS[name].what} ...", file=sys.stderr, flush=True)
            result = {"arm": name, "what": ARMS[name].what, "seed": seed} | scores(
                dataset, config(ARMS[name], seed), FOLDER / f"{name}-seed{seed}"
            )
            target.write_text(json.dumps(result, indent=1) + "\n")
    table = Table("arm", "what", "seed", *COLUMNS)
    for path in sorted(RESULTS.glob("*.json")):
        found = json.loads(path.read_text())
        figures = [f"{found[column]:.3f}" for column in COLUMNS]
        table.add_row(found["arm"], found["what"], str(found["seed"]), *figures)
    Console(width=140).print(table)


def s100(source: Path) -> Dataset:
    """S100 of seed 0, prepared once."""
    if not (FOLDER / "data").exists():
        prepare(open_source(source), FOLDER / "data", categories=100, n_train=200, n_test=25)
    return Dataset.open(FOLDER / "data")


def config(arm: Arm, seed: int) -> TrainConfig:
    """The preset in its short form, with the arm's changes."""
    short = replace(
        load_preset("skfast"),
        epochs=10,
        optimizer="adamw",
        sizes=((0.6, 32),),
        validation=0.1,
        seed=seed,
    )
    changes = dict(arm.changes)
    for part in {"render", "augment"} & set(changes):
        changes[part] = replace(getattr(short, part), **changes[part])
    if "teachers" in changes:  # arms of the same seed, trained on the same drawings before
        changes["teachers"] = tuple(
            str(FOLDER / f"{teacher}-seed{seed}") for teacher in changes["teachers"]
        )
    if "model_options" in changes:
        changes["model_options"] = short.model_options | changes["model_options"]
    return replace(short, **changes)


def scores(dataset: Dataset, recipe: TrainConfig, run: Path) -> dict[str, Any]:
    """Train, and score on the drawings kept out: as they are and made harder."""
    shutil.rmtree(run, ignore_errors=True)
    result = train(dataset, run, config=recipe)
    assert result.encoder is not None
    kept_out = split_off_validation(dataset, recipe)[2]
    assert kept_out is not None
    drawings, labels = kept_out
    output = result.encoder.predict(drawings)
    measured = {
        "top1": (rank_of_label(output.probabilities, labels) == 1).mean(),
        "top5": (rank_of_label(output.probabilities, labels) <= 5).mean(),
        "map": mean_average_precision(output.embeddings, labels),
    }
    for name, variant in harder(drawings):
        probabilities = result.encoder.predict(variant).probabilities
        measured[name] = (rank_of_label(probabilities, labels) == 1).mean()
    return {k: float(v) for k, v in measured.items()} | {
        "minutes": result.elapsed_s / 60,
        "machine": harness.machine(),
    }


def harder(drawings: DrawingBatch) -> Iterator[tuple[str, DrawingBatch]]:
    """Half of the ink; a 28x28 bitmap; strokes in another order, each from either end."""
    yield "half_ink", DrawingBatch.from_drawings([d.first_part(0.5) for d in drawings])
    yield "bitmap", drawings.replace(bitmaps=render_batch(drawings, SMALL_PICTURE))
    rng = np.random.default_rng(0)
    shuffled = []
    for drawing in drawings:
        order = rng.permutation(len(drawing.strokes))
        shuffled.append(Drawing([drawing.strokes[i][:, :: rng.choice([-1, 1])] for i in order]))
    yield "reordered", DrawingBatch.from_drawings(shuffled)


if __name__ == "__main__":
    main()
