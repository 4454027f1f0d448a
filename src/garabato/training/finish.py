"""The work after the last training step: branch weights, calibration and binary codes."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F  # noqa: N812

from garabato.drawing import BoolArray, DrawingBatch, FloatArray, IntArray
from garabato.encoder import N_TO_KNOW, Encoder
from garabato.encoder.binary_codes import CODE_BITS, BinaryCoder
from garabato.errors import EncoderError
from garabato.models import as_input
from garabato.models.skfast import SkFast
from garabato.render.augment import AugmentSpec, render_augmented

T = TypeVar("T")

#: Varies held-out drawings strongly, so that they look like drawings by people with more time,
#: another pen or another style than the players of Quick, Draw!.
STRANGE = AugmentSpec(
    partial=0.3,
    picture=0.3,
    picture_px=64,
    pose=0.7,
    cut=0.3,
    sketchy=0.5,
    shade=0.4,
    detail=0.5,
)

#: With fewer held-out drawings, nothing is calibrated.
MIN_TO_CALIBRATE = 50
#: Share of held-out drawings that may be taken for unknown. Few of these are predicted correctly.
_SHARE_UNKNOWN = 0.03
#: Training drawings that binary codes are trained on, at most.
_MAX_FOR_CODES = 10_000
#: Drawings encoded between two checks of the deadline: enough to calibrate, and on a busy machine,
#: which may take a second for ten, not much more than a deadline allows.
_CHUNK = 64
#: Passes of `train_hash_codes` over the embeddings, batch size and learning rate.
_PASSES, _BATCH, _LEARNING_RATE = 8, 512, 0.03
#: Bits are tanh(sharpness x value) while they are trained; the sharpness grows from first to last.
_SHARPNESS = (1.0, 4.0)
#: The temperatures that `fit_temperature` searches, and the ratio of the golden section.
_MIN, _MAX = 0.05, 20.0
_GOLDEN = (5**0.5 - 1) / 2


class Deadline:
    """A time budget from now on, divided among stages; without `seconds` there is no limit."""

    def __init__(self, seconds: float | None) -> None:
        self._end = None if seconds is None else time.perf_counter() + seconds

    def limit(self, items: Iterable[T], *, share: float) -> Iterator[T]:
        """Yield items, the first one always, until `share` of the time left is used up."""
        if self._end is None:
            yield from items
            return
        now = time.perf_counter()
        until = now + share * max(0.0, self._end - now)
        for item in items:
            yield item
            if time.perf_counter() >= until:
                return


def n_drawings_to_encode(n_train: int, n_held_out: int, *, has_branches: bool = False) -> int:
    """Number of drawings that the functions below encode without a deadline."""
    return (4 if has_branches else 2) * n_held_out + min(n_train, _MAX_FOR_CODES)


def calibrate(
    encoder: Encoder,
    held_out: tuple[DrawingBatch, IntArray],
    precision: float,
    deadline: Deadline,
    *,
    with_strange: bool = True,
) -> float:
    """Fit the temperature and both thresholds to held-out drawings; returns top-1 on them.

    The unsure threshold is fitted to the drawings and strongly varied copies of them (`STRANGE`),
    so that it also holds for drawings from elsewhere; on the drawings themselves, the precision
    above it is higher than `precision`. The copies are left out with `with_strange=False` and for
    styles other than "smooth". The threshold for unknown drawings takes at most `_SHARE_UNKNOWN` of
    the drawings themselves for unknown, and only unsure ones. With fewer than 50 drawings the
    encoder is not changed.
    """
    drawings, labels = held_out
    before, encoder.temperature = encoder.temperature, 1.0
    with_strange = with_strange and encoder.spec.style == "smooth"
    rows, plain, strange = [], [], []
    for chunk in deadline.limit(_shuffled_chunks(len(labels)), share=0.4):
        batch = drawings.take(chunk)
        rows.append(chunk)
        plain.append(encoder.predict(batch).probabilities)
        if with_strange:
            keys = chunk.astype(np.uint32)
            images = render_augmented(batch, encoder.spec, STRANGE, keys)
            strange.append(encoder.predict_images(images).probabilities)
    given, right_labels = np.concatenate(plain), labels[np.concatenate(rows)]
    right = given.argmax(1) == right_labels
    if len(right) < MIN_TO_CALIBRATE:
        encoder.temperature = before
    else:
        encoder.temperature = fit_temperature(given, right_labels)
        scaled = at_temperature(np.concatenate([*plain, *strange]), encoder.temperature)
        all_right = scaled.argmax(1) == np.resize(right_labels, len(scaled))
        encoder.unsure_precision = precision
        encoder.unsure_below = threshold_for_precision(scaled.max(axis=1), all_right, precision)
        encoder.unknown_below = 0.0
        if given.shape[1] > N_TO_KNOW:
            best = np.sort(scaled[: len(given)], axis=1)[:, -N_TO_KNOW:]
            lowest = float(np.quantile(best.sum(axis=1), _SHARE_UNKNOWN, method="lower"))
            encoder.unknown_below = min(lowest, encoder.unsure_below)
    return float(right.mean())


def fit_stroke_weights(
    encoder: Encoder, held_out: tuple[DrawingBatch, IntArray], deadline: Deadline
) -> None:
    """Fit the weights of the stroke branch on held-out drawings.

    Not on training drawings, which one branch may have memorised better than the other. The weight
    for drawings with an order is fitted to those that have one, the other weight to all drawings as
    pictures. Does nothing without a stroke branch; fewer than 50 drawings leave a weight as it is.
    """
    model = encoder.as_pytorch().model
    drawings, labels = held_out
    if not isinstance(model, SkFast) or model.strokes is None:
        return
    for i, rows in enumerate((np.flatnonzero(drawings.has_order), np.arange(len(labels)))):
        if len(rows) < MIN_TO_CALIBRATE:
            continue
        as_seen = replace(AugmentSpec.none(), picture=float(i))
        chunks = [rows[chunk] for chunk in _shuffled_chunks(len(rows))]
        each = []
        for chunk in deadline.limit(chunks, share=0.15):
            images = render_augmented(
                drawings.take(chunk), encoder.spec, as_seen, chunk.astype(np.uint32)
            )
            each.append(model.each_branch(as_input(images, torch.device(encoder.device))))
        of_image, of_strokes = (
            torch.cat(logits).float().cpu() for logits in zip(*each, strict=True)
        )
        if len(of_image) >= MIN_TO_CALIBRATE:
            targets = torch.from_numpy(labels[np.concatenate(chunks[: len(each)])])
            with torch.no_grad():
                model.stroke_weights[i] = best_weight(of_image, of_strokes, targets)


def best_weight(logits: torch.Tensor, others: torch.Tensor, targets: torch.Tensor) -> float:
    """The weight w >= 0 that minimises the loss of logits + w * others, (N, C) each.

    The loss is the cross-entropy with `targets` (N,) at the best temperature for the sum.
    """
    logits, others = logits.clone(), others.clone()  # inference tensors can't be used in autograd
    scale, weight = torch.ones(1, requires_grad=True), torch.full((1,), 0.5, requires_grad=True)
    optimizer = torch.optim.LBFGS([scale, weight], max_iter=50, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        value = F.cross_entropy(scale * (logits + weight * others), targets)
        value.backward()  # type: ignore[no-untyped-call]
        return value

    optimizer.step(loss)  # type: ignore[no-untyped-call]
    return max(0.0, weight.item())


def add_binary_codes(
    encoder: Encoder, drawings: DrawingBatch, *, seed: int, deadline: Deadline
) -> None:
    """Train binary codes of all lengths on up to 10,000 training drawings.

    Small bitmaps must not be traced: the encoder also sees their own ink. Raises EncoderError if
    the training diverged in its last step.
    """
    chunks = _shuffled_chunks(len(drawings), (seed, 2), most=_MAX_FOR_CODES)
    embeddings = np.concatenate(
        [encoder.embed(drawings.take(chunk)) for chunk in deadline.limit(chunks, share=0.8)]
    )
    if not np.isfinite(embeddings).all():
        raise EncoderError(
            "the trained network computes NaN or infinity; train again with a lower learning_rate"
        )
    encoder.coders = {n: train_hash_codes(embeddings, n, seed=seed) for n in CODE_BITS}


def train_hash_codes(embeddings: FloatArray, n_bits: int, *, seed: int) -> BinaryCoder:
    """Train a coder on embeddings (N, D) float32, N >= 2, L2-normalised. Needs no labels.

    Fits the mean product of the bits of two codes (as -1 and 1) to the cosine of their embeddings,
    by least squares over random pairs: the objective of binary reconstructive embeddings (Kulis &
    Darrell 2009), with gradients through soft bits. The mean embedding is subtracted first, so
    that no bits are spent on what all embeddings have in common.
    """
    generator = torch.Generator().manual_seed(seed)
    n, dim = embeddings.shape
    mean = embeddings.mean(axis=0)
    given = F.normalize(torch.from_numpy(embeddings - mean), dim=1)
    # Coordinates of an embedding are about 1 / sqrt(D), those of its projection about 1.
    weights = _directions(dim, n_bits, generator).mul_(dim**0.5).requires_grad_()
    optimizer = torch.optim.Adam([weights])
    size = min(_BATCH, n)
    n_steps = _PASSES * (n // size)
    others = ~torch.eye(size, dtype=torch.bool)
    for step in range(n_steps):
        progress = step / n_steps
        for group in optimizer.param_groups:
            group["lr"] = _LEARNING_RATE * dim**0.5 * (1 - progress)
        batch = given[torch.randperm(n, generator=generator)[:size]]
        sharpness = _SHARPNESS[0] + progress * (_SHARPNESS[1] - _SHARPNESS[0])
        bits = torch.tanh(sharpness * (batch @ weights))  # (size, n_bits)
        gaps = bits @ bits.T / n_bits - batch @ batch.T
        loss = gaps[others].square().mean()
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    # Rounded as in the file, so that an encoder gives the same codes before and after saving.
    stored = weights.detach().half().float().numpy()
    return BinaryCoder(stored, -(mean @ stored))


def fit_temperature(probabilities: FloatArray, labels: IntArray) -> float:
    """The temperature T that minimises the cross-entropy of `labels` (N,) (Guo et al. 2017).

    `probabilities` (N, C) are at temperature 1; at T they are proportional to
    probabilities ** (1 / T). Golden-section search over log T, T in 0.05..20.
    """
    logs = np.log(np.maximum(probabilities.astype(np.float64), 1e-30))  # (N, C)
    rows = np.arange(len(labels))

    def loss(log_temperature: float) -> float:
        scaled = logs / np.exp(log_temperature)
        largest = scaled.max(axis=1)
        totals = largest + np.log(np.exp(scaled - largest[:, None]).sum(axis=1))
        return float((totals - scaled[rows, labels]).mean())

    low, high = np.log(_MIN), np.log(_MAX)
    while high - low > 1e-4:
        left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
        if loss(left) < loss(right):
            high = right
        else:
            low = left
    return float(np.exp((low + high) / 2))


def at_temperature(
    probabilities: npt.NDArray[np.floating], temperature: float
) -> npt.NDArray[np.float64]:
    """Probabilities (N, C) at temperature 1 -> at another temperature, (N, C) float64."""
    logs = np.log(np.maximum(probabilities.astype(np.float64), 1e-30)) / temperature
    powers = np.exp(logs - logs.max(axis=1, keepdims=True))
    scaled: npt.NDArray[np.float64] = powers / powers.sum(axis=1, keepdims=True)
    return scaled


def threshold_for_precision(
    confidence: npt.NDArray[np.floating], right: BoolArray, precision: float
) -> float:
    """The lowest threshold above which predictions have at least this `precision` (0..1).

    `confidence` (N,) in 0..1 is the probability of each prediction, `right` (N,) its correctness.
    Returns a number just above 1, which no prediction reaches, if there is no such threshold.
    """
    order = np.argsort(-confidence, kind="stable")
    descending = confidence[order]
    precisions = np.cumsum(right[order]) / np.arange(1, len(order) + 1)
    is_last_of_ties = np.append(descending[1:] != descending[:-1], True)[: len(order)]
    enough = np.flatnonzero(is_last_of_ties & (precisions >= precision))
    return float(descending[enough[-1]]) if len(enough) else float(np.nextafter(1.0, 2.0))


def _shuffled_chunks(
    n: int, seed: tuple[int, ...] = (0,), *, most: int | None = None
) -> list[IntArray]:
    """Up to `most` of `n` rows, in random chunks, so that a deadline leaves a fair sample."""
    order = np.random.default_rng(seed).permutation(n)[:most]
    return [order[i : i + _CHUNK] for i in range(0, len(order), _CHUNK)]


def _directions(dim: int, n_bits: int, generator: torch.Generator) -> torch.Tensor:
    """(D, B), orthogonal within each group of D columns."""
    groups = [
        torch.linalg.qr(torch.randn(dim, dim, generator=generator)).Q
        for _ in range(-(-n_bits // dim))
    ]
    return torch.cat(groups, dim=1)[:, :n_bits].contiguous()
