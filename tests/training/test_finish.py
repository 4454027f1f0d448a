from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from sketches import SKETCH_CATEGORIES, make_drawings

from garabato.drawing import DrawingBatch
from garabato.encoder import Encoder
from garabato.evaluation.metrics import mean_average_precision, mean_average_precision_by_hamming
from garabato.models import create_model
from garabato.render import RenderSpec
from garabato.training.finish import (
    Deadline,
    at_temperature,
    best_weight,
    calibrate,
    fit_stroke_weights,
    fit_temperature,
    threshold_for_precision,
    train_hash_codes,
)


def embeddings_of(labels: np.ndarray, seed: int) -> np.ndarray:
    """Points around one direction a label, (N, 24), of length 1."""
    directions = np.random.default_rng(7).normal(size=(labels.max() + 1, 24))
    points = directions[labels] + np.random.default_rng(seed).normal(size=(len(labels), 24)) * 0.8
    return (points / np.linalg.norm(points, axis=1, keepdims=True)).astype(np.float32)


LABELS = np.arange(2000) % 20
TRAIN, TEST = embeddings_of(LABELS, 0), embeddings_of(LABELS[:400], 1)


@pytest.mark.parametrize(("n_bits", "loss"), [(128, 0.08), (64, 0.15)])
def test_codes_retrieve_nearly_as_well_as_their_embeddings(n_bits: int, loss: float) -> None:
    codes = train_hash_codes(TRAIN, n_bits, seed=0).encode(TEST)
    assert codes.shape == (400, n_bits // 8)
    whole = mean_average_precision(TEST, LABELS[:400])
    assert 0.5 < whole < 0.99
    assert whole - loss < mean_average_precision_by_hamming(codes, LABELS[:400]) < whole + 0.02


def test_learned_codes_are_better_than_random_ones() -> None:
    random = TEST @ np.random.default_rng(0).normal(size=(24, 64)).astype(np.float32)
    learned = train_hash_codes(TRAIN, 64, seed=0).encode(TEST)
    at_random = mean_average_precision_by_hamming(np.packbits(random > 0, axis=1), LABELS[:400])
    assert mean_average_precision_by_hamming(learned, LABELS[:400]) > at_random + 0.02


def test_the_mean_embedding_uses_up_no_bits() -> None:
    together = np.full(24, 6.0, np.float32) / np.sqrt(24, dtype=np.float32)
    near, near_test = ((e + together) / 7 for e in (TRAIN, TEST))
    near, near_test = (e / np.linalg.norm(e, axis=1, keepdims=True) for e in (near, near_test))
    assert (near_test @ near_test.T).min() > 0.9
    codes = train_hash_codes(near, 128, seed=0).encode(near_test)
    whole = mean_average_precision(near_test, LABELS[:400])
    assert mean_average_precision_by_hamming(codes, LABELS[:400]) > whole - 0.1


def test_the_same_seed_gives_the_same_codes() -> None:
    first, again = (train_hash_codes(TRAIN[:200], 64, seed=3).encode(TEST) for _ in range(2))
    np.testing.assert_array_equal(first, again)


def test_two_embeddings_are_enough_to_learn_from() -> None:
    assert train_hash_codes(TRAIN[:2], 64, seed=0).encode(TEST).shape == (400, 8)


def test_the_better_branch_gets_the_greater_weight() -> None:
    """Two branches see the right category through normal noise: the best weight of the second is
    the ratio of their precisions, 1 / variance."""
    generator = torch.Generator().manual_seed(0)
    targets = torch.randint(5, (20_000,), generator=generator)
    right = torch.nn.functional.one_hot(targets, 5).float()
    for first, second in ((1.0, 2.0), (1.0, 1.0), (2.0, 1.0)):
        logits, others = (
            right + noise * torch.randn(right.shape, generator=generator)
            for noise in (first, second)
        )
        expected = first**2 / second**2
        assert best_weight(logits, others, targets) == pytest.approx(expected, rel=0.1)


def test_a_misleading_branch_gets_weight_zero() -> None:
    right = torch.eye(5).repeat(50, 1)
    targets = torch.arange(5).repeat(50)
    noise = torch.randn(right.shape, generator=torch.Generator().manual_seed(0))
    assert best_weight(right + noise, noise - right, targets) == 0


def test_few_held_out_drawings_are_unknown_and_these_are_unsure() -> None:
    names = SKETCH_CATEGORIES[:8]
    torch.manual_seed(0)
    model = create_model("skfast", n_categories=len(names), image_size_px=24)
    encoder = Encoder(model, spec=RenderSpec(24), categories=names)
    drawings = DrawingBatch.from_drawings(make_drawings(names, 20, seed=3))
    labels = np.repeat(np.arange(8), 20)
    calibrate(encoder, (drawings, labels), 0.9, Deadline(None), with_strange=False)
    predictions = encoder.classify(drawings)
    unknown = [p for p in predictions if p.unknown]
    assert 0 < len(unknown) <= 0.03 * len(drawings)
    assert all(p.unsure for p in unknown)


def test_a_deadline_is_divided_by_shares_of_the_time_left(monkeypatch) -> None:
    now = 0.0
    monkeypatch.setattr("garabato.training.finish.time", SimpleNamespace(perf_counter=lambda: now))
    deadline, n_done = Deadline(10), []
    for share in (0.4, 0.5, 1.0, 1.0):  # 4 of 10 s, 3 of 6, all 3, and nothing is left
        n_done.append(0)
        for _ in deadline.limit(range(20), share=share):
            n_done[-1] += 1
            now += 1
    assert n_done == [4, 3, 3, 1]
    assert list(Deadline(None).limit(range(20), share=0.1)) == list(range(20))


class FooledByCopies:
    """Always right about drawings, but takes varied copies of all of them for category 1."""

    temperature, unsure_below, spec = 1.0, 0.5, RenderSpec(24)

    def predict(self, drawings):
        return self._sure_of(int(category) for category in drawings.categories)

    def predict_images(self, images):
        return self._sure_of([1] * len(images))

    def _sure_of(self, categories):
        return SimpleNamespace(probabilities=np.eye(2)[list(categories)] * 0.8 + 0.1)


@pytest.mark.parametrize(("with_strange", "precision"), [(False, 1.0), (True, 0.75)])
def test_the_unsure_threshold_counts_strongly_varied_copies(with_strange, precision) -> None:
    sketches = make_drawings(["circle", "star"], 30, seed=0)
    labels = np.repeat([0, 1], 30)
    drawings = DrawingBatch.from_drawings(sketches).replace(categories=labels.astype(str).tolist())
    for wanted, is_reached in ((precision, True), (precision + 0.01, False)):
        encoder = FooledByCopies()
        share = calibrate(
            encoder, (drawings, labels), wanted, Deadline(None), with_strange=with_strange
        )
        assert share == 1
        assert (encoder.unsure_below <= 1) is is_reached  # 60 of 60, or 90 of 120, are right


def sharpened(probabilities, temperature):
    powers = probabilities ** (1 / temperature)
    return powers / powers.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("distortion", [0.4, 1.0, 2.5])
def test_the_temperature_undoes_a_known_distortion(distortion):
    random = np.random.default_rng(0)
    true = random.dirichlet(np.full(5, 0.5), 20_000)
    labels = (random.random((len(true), 1)) < true.cumsum(axis=1)).argmax(axis=1)
    given = sharpened(true, distortion)
    assert fit_temperature(given, labels) == pytest.approx(1 / distortion, rel=0.05)


def test_two_outcomes_by_hand():
    # Said 0.8, right 3 times of 4: the best constant is 0.75, so odds 4 must become odds 3.
    probabilities = np.array([[0.8, 0.2]] * 4)
    labels = np.array([0, 0, 0, 1])
    assert fit_temperature(probabilities, labels) == pytest.approx(np.log(4) / np.log(3), rel=1e-3)


def test_a_probability_of_zero_gives_a_finite_temperature():
    assert np.isfinite(fit_temperature(np.array([[1.0, 0.0], [1.0, 0.0]]), np.array([0, 1])))


def test_probabilities_at_another_temperature_are_those_of_its_logits():
    logits = np.random.default_rng(0).normal(size=(6, 4))
    at_one = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    at_half = np.exp(2 * logits) / np.exp(2 * logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(at_temperature(at_one, 0.5), at_half)


def test_the_threshold_is_the_lowest_that_reaches_the_precision():
    confidence = np.array([0.3, 0.9, 0.8, 0.6, 0.5, 0.7])
    right = np.array([False, True, True, True, False, False])
    # From the surest: 1/1, 2/2, 2/3, 3/4, 3/5, 3/6 are right.
    for precision, threshold in ((1.0, 0.8), (0.75, 0.6), (0.7, 0.6), (0.5, 0.3)):
        assert threshold_for_precision(confidence, right, precision) == threshold


def test_predictions_of_equal_probability_are_on_one_side_of_the_threshold():
    confidence = np.array([0.9, 0.7, 0.7])
    for right in ([True, True, False], [True, False, True]):
        assert threshold_for_precision(confidence, np.array(right), 0.9) == 0.9


@pytest.mark.parametrize("n", [0, 1, 5])
def test_if_no_threshold_reaches_the_precision_all_predictions_are_unsure(n):
    threshold = threshold_for_precision(np.ones(n, np.float32), np.zeros(n, np.bool_), 0.9)
    assert threshold > 1


def test_the_threshold_reaches_its_precision_on_other_predictions():
    random = np.random.default_rng(0)
    confidence = random.random(20_000)
    right = random.random(20_000) < confidence
    threshold = threshold_for_precision(confidence[:10_000], right[:10_000], 0.9)
    sure = confidence[10_000:] >= threshold
    assert right[10_000:][sure].mean() == pytest.approx(0.9, abs=0.015)
    assert sure.mean() == pytest.approx(0.2, abs=0.03)  # answers of 0.8 to 1


def test_the_weight_for_a_known_order_is_fitted_to_drawings_that_have_one() -> None:
    torch.manual_seed(0)
    names = SKETCH_CATEGORIES[:2]
    model = create_model(
        "skfast", n_categories=2, image_size_px=32, n_channels=4, widths=[8, 16], depths=[1, 1]
    )
    encoder = Encoder(model, spec=RenderSpec(32, order=True, path=True), categories=names)
    drawn = DrawingBatch.from_drawings(make_drawings(names, 30, seed=0))
    labels = np.repeat([0, 1], 30)
    weights = encoder.as_pytorch().model.stroke_weights
    for traced in (False, True):
        with torch.no_grad():
            weights[:] = 7.0
        fit_stroke_weights(encoder, (drawn.replace(traced=[traced] * 60), labels), Deadline(None))
        assert (weights[0].item() == 7.0) is traced
        assert weights[1].item() != 7.0
