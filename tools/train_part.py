"""Train one part of an encoder further, its image network or its stroke branch.

    python tools/train_part.py image runs/image --data runs/all --minutes 90
    python tools/train_part.py strokes runs/strokes --start runs/image --data runs/all
    python tools/ship_encoder.py runs/strokes --data runs/all

The other part stays as it is, so all the time goes to one; `garabato train` trains both together
(docs/training.md). `strokes` adds a branch to an encoder that has none.

The targets are the labels mixed with the probabilities that the encoder before the training gives
to the same augmented images (Beyer et al. 2022, "Knowledge distillation: a good teacher is patient
and consistent"), so each part learns what both know together. `--bitmaps` takes a folder of
Google's 28x28 bitmaps, or `starter`, and can be repeated. They are traced and mixed with the
drawings, so the part learns from more drawings and from real small pictures: they replace drawings
of their categories, as often as they would come up in a data set with both, but at most half. No
category is seen more often than before. Bitmaps that look like a drawing of the validation or test
part are left out.

`--icons` takes a data set of icons (`tools/icon_drawings.py`): one image in nine is one of them,
and one in sixteen is a geometric shape of the data set, turned by any angle. The teacher knows
neither, so their targets are the labels alone. `--further` takes a data set of icons of other
names. The image network learns to tell these names apart as well, one image in nine, each from the
others by a direction like those of the categories. The directions are not kept: what the features
learned is meant for the search of drawings of categories that the encoder doesn't know.

The learning rate falls by the clock, and `--resume` goes on after an interruption.
"""

from __future__ import annotations

import argparse
import copy
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from ship_encoder import network_of, rebuilt
from torch import Tensor, nn

from garabato.dataset import Dataset
from garabato.drawing import ByteArray, Drawing, DrawingBatch, FloatArray, IntArray
from garabato.encoder import FILE_NAME, Encoder, load_encoder
from garabato.host.atomic import replacing
from garabato.models import Model, as_input
from garabato.render import RenderSpec, render_batch, with_strokes
from garabato.render.augment import AugmentSpec, render_augmented
from garabato.sources import open_source
from garabato.training import TrainConfig
from garabato.training.config import learning_rate
from garabato.training.data import Batch, prefetch, split_off_validation
from garabato.training.distributed import uses_bfloat16
from garabato.training.learner import Weights
from garabato.training.loop import RunningMean


@dataclass(frozen=True)
class Part:
    """How a part is trained."""

    augment: AugmentSpec
    batch_size: int
    learning_rate: float


#: Varied towards the drawings of other people: in several strokes a line, with details and poses.
_AUGMENT = AugmentSpec(
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
    reorder=0.15,
    pose=0.2,
    cut=0.05,
    sketchy=0.2,
    shade=0.08,
    detail=0.15,
    picture_px=128,
)
PARTS = {
    "image": Part(_AUGMENT, batch_size=256, learning_rate=1.5e-3),
    "strokes": Part(
        replace(_AUGMENT, partial=0.15, picture=0.2, reorder=0.2, sketchy=0.25),
        batch_size=256,
        learning_rate=2e-3,
    ),
}
#: How a part is trained, beside its learning rate. `teaching` is the weight of the teacher's
#: probabilities in the targets.
CONFIG = TrainConfig(
    optimizer="muon", warmup=0.02, ema_decay=0.999, teaching=0.5, label_smoothing=0.03
)
SAVE_EVERY_S = 120
#: Bitmaps this similar to a held-out drawing are taken for the same one (cosine of blurred images).
SAME = 0.9
#: Largest share of a category's drawings that are bitmaps.
MAX_BITMAPS = 0.5
#: Shares of a batch that are icons and turned shapes.
ICON_SHARE, TURNED_SHARE = 1 / 9, 1 / 16
#: Images of further icons for each image of a batch.
FURTHER_SHARE = 1 / 9
#: Shapes whose name does not depend on how they stand, and the largest angle they are turned by.
TURNED_DEGREES = {
    "triangle": 180,
    "hexagon": 180,
    "octagon": 180,
    "star": 180,
    "circle": 180,
    "square": 20,
}


def main() -> None:
    """Train for a given time, and write the encoder with the averaged weights."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("out", type=Path, help="folder for the checkpoint and the encoder")
    parser.add_argument("--data", type=Path, required=True, help="the data set to train on")
    parser.add_argument(
        "--bitmaps", action="append", help="folder of Google's numpy bitmaps, or 'starter'"
    )
    parser.add_argument("--icons", type=Path, help="data set of icons")
    parser.add_argument("--further", type=Path, help="data set of icons of other names")
    parser.add_argument("--start", default="shipped", help="the encoder to train further")
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--learning-rate", type=float, help="the highest; default: the part's")
    parser.add_argument("--validation", type=float, default=0.03, help="share kept out")
    parser.add_argument("--seed", type=int, default=0, help="of the order and the augmentation")
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoint in `out`")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    encoder = load_encoder(arguments.start, runtime="pytorch", precision="float32")
    log_priors = network_of(encoder).log_priors
    if log_priors is not None:
        log_priors.zero_()  # tools/ship_encoder.py sets them
    dataset = Dataset.open(arguments.data)
    # The split has one seed, so that no training learns from what an earlier one kept out.
    config = TrainConfig(validation=arguments.validation, seed=0)
    drawings, labels, held_out = split_off_validation(dataset, config)
    assert held_out is not None, "--validation must be more than 0"
    if dataset.categories != encoder.network_categories:
        raise SystemExit(f"{dataset.path} and {arguments.start} have different categories")
    strokes = Drawings(with_strokes(drawings), labels)
    bitmaps = None
    if arguments.bitmaps is not None:
        kept_out = [held_out, (dataset.split("test"), dataset.labels("test"))]
        bitmaps = read_bitmaps(arguments.bitmaps, encoder, kept_out)
    icons = turned = None
    if arguments.icons is not None:
        icons = read_icons(Dataset.open(arguments.icons), dataset.categories)
        turned = turned_shapes(strokes, dataset.categories)
    torch.manual_seed(arguments.seed)
    teacher = Teacher(copy.deepcopy(network_of(encoder)), encoder.temperature)
    if arguments.part == "strokes":
        encoder = with_branch(encoder)
    model = network_of(encoder)

    further = directions = None
    if arguments.further is not None:
        if arguments.part != "image":
            raise SystemExit("--further is for the image network")
        names = Dataset.open(arguments.further)
        further = Drawings(with_strokes(names.split("train")), names.labels("train"))
        directions = nn.Parameter(torch.randn(len(names.categories), encoder.embedding_dim))
        model.register_parameter("further", directions)

    def logits_of(images: Tensor, n_further: int) -> tuple[Tensor, Tensor | None]:
        """The logits, and for the last images those of the names of further icons."""
        if arguments.part == "strokes":
            assert model.strokes is not None
            return model.strokes(images[:, 3]), None
        features = model.forward_features(images)
        logits = model.forward_head(features[: len(images) - n_further])
        if directions is None:
            return logits, None
        cosines = F.linear(features[-n_further:], F.normalize(directions, dim=1))
        return logits, cosines * model.log_scale.exp()

    for name, parameter in model.named_parameters():
        of_branch = name.startswith(model.branches)
        parameter.requires_grad = of_branch == (arguments.part == "strokes")
    if arguments.part == "strokes":
        model.stroke_weights.requires_grad = False  # tools/ship_encoder.py fits them
    part = PARTS[arguments.part]
    if arguments.learning_rate is not None:
        part = replace(part, learning_rate=arguments.learning_rate)
    batches = MixedBatches(
        strokes, bitmaps, icons, turned, further, teacher, encoder.spec, part, arguments.seed
    )
    seconds = 60 * arguments.minutes
    train(model, logits_of, batches, seconds, arguments.out, resume=arguments.resume)
    if further is not None:
        del model.further
    encoder.save(arguments.out / FILE_NAME)
    print(f"wrote {arguments.out / FILE_NAME}")


def with_branch(start: Encoder) -> Encoder:
    """The encoder with a stroke branch of random weights beside its network, if it has none."""
    if not start.spec.order:
        raise SystemExit(f"{start!r} does not see the order of strokes; give one that does")
    spec = replace(start.spec, path=True)
    return rebuilt(start, spec, n_channels=spec.n_channels)


@dataclass(frozen=True)
class Drawings:
    """Strokes and labels (N,)."""

    strokes: DrawingBatch
    labels: IntArray


class Teacher:
    """The network as it was before the training, and the temperature of its probabilities."""

    def __init__(self, model: Model, temperature: float) -> None:
        self._model = model.eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._model.mirror = False  # one view: mirror images would double its time
        self._temperature = temperature

    def probabilities(self, images: ByteArray) -> FloatArray:
        """The probabilities of the categories, (N, C), of rendered images."""
        device = torch.device("cpu")
        with (
            torch.inference_mode(),
            torch.autocast("cpu", torch.bfloat16, enabled=uses_bfloat16(CONFIG, device)),
        ):
            logits, _ = self._model(as_input(images, device))
        probabilities: FloatArray = (logits.float() / self._temperature).softmax(1).numpy()
        return probabilities


def read_bitmaps(
    sources: list[str], encoder: Encoder, kept_out: list[tuple[DrawingBatch, IntArray]]
) -> Drawings:
    """The bitmaps of the encoder's categories, traced, without those similar to `kept_out`."""
    batches, labels = [], []
    for source in map(open_source, sources):
        for category in source.categories():
            label = encoder.categories.index(category)
            batch = DrawingBatch.concatenate(list(source.read(category)))
            theirs = [drawings.take(np.flatnonzero(own == label)) for drawings, own in kept_out]
            similarity = _blurred(batch) @ _blurred(DrawingBatch.concatenate(theirs)).T
            batch = batch.take(np.flatnonzero(similarity.max(axis=1) < SAME))
            batches.append(with_strokes(batch))
            labels.append(np.full(len(batch), label))
            print(f"{category}: {len(batch)} bitmaps", flush=True)
    return Drawings(DrawingBatch.concatenate(batches), np.concatenate(labels))


def read_icons(icons: Dataset, categories: Sequence[str]) -> Drawings:
    """Icons, with the labels of their categories among `categories`."""
    to_label = np.array([categories.index(category) for category in icons.categories])
    return Drawings(with_strokes(icons.split("train")), to_label[icons.labels("train")])


def turned_shapes(drawings: Drawings, categories: Sequence[str]) -> Drawings:
    """The drawings of geometric shapes, each turned by a random angle."""
    random = np.random.default_rng(0)
    turned: list[Drawing] = []
    labels: list[int] = []
    for category, degrees in TURNED_DEGREES.items():
        label = categories.index(category)
        shapes = drawings.strokes.take(np.flatnonzero(drawings.labels == label))
        turned += [_turned(shape, random, degrees) for shape in shapes]
        labels += [label] * len(shapes)
    return Drawings(DrawingBatch.from_drawings(turned), np.array(labels))


def _turned(drawing: Drawing, random: np.random.Generator, degrees: float) -> Drawing:
    angle = np.radians(random.uniform(-degrees, degrees))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    points = (drawing.points @ turn).astype(np.float32)
    return Drawing.from_points(points, drawing.stroke_starts)


def _blurred(drawings: DrawingBatch) -> FloatArray:
    """Small blurred images of length 1, (N, S * S) float32, to find the same drawings."""
    images = render_batch(with_strokes(drawings), RenderSpec(28)).astype(np.float32)
    blurred = [cv2.GaussianBlur(image, (0, 0), 1.0).ravel() for image in images]
    flat: FloatArray = np.stack(blurred)
    lengths: FloatArray = np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-6)
    return flat / lengths


@dataclass(frozen=True, slots=True, eq=False)
class MixedBatch(Batch):
    """The last images are of further icons: `further_labels`, (F,) int64, are theirs."""

    further_labels: IntArray = field(default_factory=lambda: np.zeros(0, np.int64))


@dataclass(frozen=True)
class MixedBatches:
    """Augmented batches of stroke drawings, of which some are replaced by bitmaps and icons."""

    drawings: Drawings
    bitmaps: Drawings | None
    icons: Drawings | None
    turned: Drawings | None
    further: Drawings | None
    teacher: Teacher
    spec: RenderSpec
    part: Part
    seed: int

    def plan(self, step: int) -> Callable[[], MixedBatch]:
        """A function that makes the batch of a step."""
        n, batch_size = len(self.drawings.labels), self.part.batch_size
        epoch, position = divmod(step, n // batch_size)
        order = np.random.default_rng([self.seed, epoch]).permutation(n)
        rows = order[position * batch_size : (position + 1) * batch_size]
        return lambda: self._make(rows, np.random.default_rng([self.seed, step, 1]))

    def _make(self, rows: IntArray, random: np.random.Generator) -> MixedBatch:
        keys = random.integers(0, 2**32, len(rows), dtype=np.uint32)
        labels = self.drawings.labels[rows]
        strokes = self.drawings.strokes.take(rows)
        images = render_augmented(strokes, self.spec, self.part.augment, keys)
        if self.bitmaps is not None:
            n_drawings = np.bincount(self.drawings.labels)
            n_bitmaps = np.bincount(self.bitmaps.labels, minlength=len(n_drawings))
            shares = np.minimum(n_bitmaps / (n_drawings + n_bitmaps), MAX_BITMAPS)
            replaced = np.flatnonzero(random.random(len(rows)) < shares[labels])
            if len(replaced) > 0:
                same_label = [np.flatnonzero(self.bitmaps.labels == labels[i]) for i in replaced]
                chosen = np.array([random.choice(candidates) for candidates in same_label])
                traced = self.bitmaps.strokes.take(chosen)
                images[replaced] = render_augmented(
                    traced, self.spec, self.part.augment, keys[replaced]
                )
        probabilities = self.teacher.probabilities(images)
        begin = 0
        for drawings, share in ((self.icons, ICON_SHARE), (self.turned, TURNED_SHARE)):
            if drawings is None:
                continue
            # The square root keeps rare icons from being seen far too often, or hardly ever.
            weights = np.bincount(drawings.labels)[drawings.labels] ** -0.5
            n_chosen = round(share * len(rows))
            chosen = random.choice(len(weights), n_chosen, p=weights / weights.sum())
            place = slice(begin, begin + n_chosen)
            images[place] = render_augmented(
                drawings.strokes.take(chosen), self.spec, self.part.augment, keys[place]
            )
            labels[place] = drawings.labels[chosen]
            probabilities[place] = np.eye(probabilities.shape[1])[labels[place]]
            begin += n_chosen
        if self.further is None:
            return MixedBatch(images, labels, probabilities)
        chosen = random.choice(len(self.further.labels), round(FURTHER_SHARE * len(rows)))
        keys = random.integers(0, 2**32, len(chosen), dtype=np.uint32)
        icons = self.further.strokes.take(chosen)
        with_further = [images, render_augmented(icons, self.spec, self.part.augment, keys)]
        return MixedBatch(
            np.concatenate(with_further), labels, probabilities, self.further.labels[chosen]
        )


def train(
    model: Model,
    logits_of: Callable[[Tensor, int], tuple[Tensor, Tensor | None]],
    batches: MixedBatches,
    seconds: float,
    out: Path,
    *,
    resume: bool,
) -> None:
    """Minimise cross-entropy; at the end, `model` has the averaged weights."""
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    config = replace(CONFIG, learning_rate=batches.part.learning_rate)
    weights = Weights(model, config)
    autocast = uses_bfloat16(config, torch.device("cpu"))
    checkpoint = out / "checkpoint.pt"
    step, trained_s = 0, 0.0
    if resume:
        state = torch.load(checkpoint)
        weights.restore(state)
        step, trained_s = state["step"], state["trained_s"]
    mean, saved_s = RunningMean(), trained_s
    began, first_s = time.perf_counter(), trained_s
    model.train()
    steps = prefetch(batches.plan, step, n_threads=1)
    while trained_s < seconds:
        rate = learning_rate(config, trained_s / seconds)
        step, batch = next(steps)
        assert isinstance(batch, MixedBatch)
        labels = torch.from_numpy(batch.labels)
        assert batch.teacher_probabilities is not None
        targets = F.one_hot(labels, batch.teacher_probabilities.shape[1]).float()
        targets = targets.lerp(torch.from_numpy(batch.teacher_probabilities), config.teaching)
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            images = as_input(batch.images, torch.device("cpu"))
            logits, further_logits = logits_of(images, len(batch.further_labels))
        loss = F.cross_entropy(logits.float(), targets, label_smoothing=config.label_smoothing)
        if further_logits is not None:
            loss += FURTHER_SHARE * F.cross_entropy(
                further_logits.float(),
                torch.from_numpy(batch.further_labels),
                label_smoothing=config.label_smoothing,
            )
        weights.step(loss, step=step, learning_rate=rate)
        step += 1
        before_s, trained_s = trained_s, first_s + time.perf_counter() - began
        right = (logits.argmax(1) == labels).float().mean().item()
        mean.add(loss.item(), right, len(labels) / (trained_s - before_s))
        if step % 100 == 0:
            print(
                f"step {step}, {trained_s:.0f} s, loss {mean.loss:.3f}, accuracy "
                f"{mean.accuracy:.3f}, {mean.rate:.0f} drawings/s",
                flush=True,
            )
        if trained_s - saved_s > SAVE_EVERY_S or trained_s >= seconds:
            with replacing(checkpoint) as unfinished:
                torch.save(weights.state() | {"step": step, "trained_s": trained_s}, unfinished)
            saved_s = trained_s
    model.load_state_dict(weights.average)
    model.eval()


if __name__ == "__main__":
    main()
