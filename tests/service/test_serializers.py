"""What answers are made of."""

from __future__ import annotations

import numpy as np
import pytest

from garabato.drawing import Drawing
from garabato.encoder import Encoder
from garabato.gallery import Hit
from garabato.service.http.serializers import drawing_document, hit_document, prediction_documents


@pytest.mark.parametrize(
    ("threshold", "probability", "unsure"),
    [(0.7, 0.69, True), (0.7, 0.71, False), (0.3, 0.29, True), (0.3, 0.31, False)],
)
def test_the_encoders_own_threshold_says_what_is_unsure(
    shipped_encoder: Encoder,
    monkeypatch: pytest.MonkeyPatch,
    threshold: float,
    probability: float,
    unsure: bool,
) -> None:
    monkeypatch.setattr(shipped_encoder, "unsure_below", threshold)
    probabilities = np.full(345, (1 - probability) / 344, np.float32)
    probabilities[7] = probability
    document = prediction_documents(shipped_encoder, probabilities, 3)
    assert document["unsure"] is unsure
    assert document["predictions"][0]["category"] == shipped_encoder.categories[7]
    assert len(document["predictions"]) == 3


@pytest.mark.parametrize(("together", "unknown"), [(0.39, True), (0.41, False)])
def test_a_drawing_is_unknown_if_its_five_best_predictions_are_improbable(
    shipped_encoder: Encoder, monkeypatch: pytest.MonkeyPatch, together: float, unknown: bool
) -> None:
    monkeypatch.setattr(shipped_encoder, "unknown_below", 0.4)
    probabilities = np.full(345, (1 - together) / 340, np.float32)
    probabilities[[3, 5, 7, 8, 9]] = together / 5
    document = prediction_documents(shipped_encoder, probabilities, 1)
    assert document["unknown"] is unknown
    assert len(document["predictions"]) == 1
    among = np.arange(20)
    assert not prediction_documents(shipped_encoder, probabilities, 1, among)["unknown"]


def test_drawings_that_are_bitmaps_are_sent_as_strokes() -> None:
    bitmap = np.zeros((28, 28), np.uint8)
    bitmap[14, 4:24] = 255
    drawing = Drawing(bitmap=bitmap, key_id="5", category="line")
    for document in (
        drawing_document(drawing),
        hit_document(Hit("5", "line", 0.5, drawing)),
    ):
        assert "bitmap" not in document
        ((xs, ys),) = document["drawing"]
        assert max(xs) - min(xs) > 200
        assert max(ys) - min(ys) < 20


def test_unknown_fields_are_left_out() -> None:
    drawing = Drawing([[[0, 255], [0, 10]]], key_id="5")
    assert drawing_document(drawing) == {
        "key_id": "5",
        "category": None,
        "drawing": [[[0, 255], [0, 10]]],
    }
