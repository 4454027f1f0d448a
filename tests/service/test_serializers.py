"""What answers are made of."""

from __future__ import annotations

import numpy as np

from garabato.drawing import Drawing
from garabato.gallery import Hit
from garabato.service.http.serializers import drawing_document, hit_document


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
