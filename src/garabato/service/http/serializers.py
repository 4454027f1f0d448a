"""Drawings, hits and predictions as the answers' JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from garabato.drawing import Drawing, DrawingBatch
from garabato.encoder import Encoder, Prediction
from garabato.gallery import Hit
from garabato.service.jobs.batching import Encoded
from garabato.tracing.trace import trace_batch

#: Below this probability an encoder that holds no threshold of its own is not sure.
_SURE_FROM = 0.5


def as_strokes(drawing: Drawing) -> Drawing:
    """The drawing as strokes, which a bitmap is traced to."""
    if drawing.bitmap is None:
        return drawing
    return trace_batch(DrawingBatch.from_drawings([drawing]))[0]


def hit_document(hit: Hit) -> dict[str, Any]:
    """A hit; what is not known of it is left out."""
    return replace(hit, drawing=as_strokes(hit.drawing)).to_dict()


def drawing_document(drawing: Drawing, tags: Sequence[str] = ()) -> dict[str, Any]:
    """A stored drawing; what is not known of it is left out."""
    known = {
        name: value
        for name, value in drawing.known.items()
        if value is not None or name == "category"
    }
    if tags:
        known["tags"] = list(tags)
    return known | {"drawing": as_strokes(drawing).to_lists()}


def prediction_documents(encoder: Encoder, encoded: Encoded, k: int) -> dict[str, Any]:
    """`predictions` (the k most probable, best first) and `unsure`."""
    probabilities = encoded.probabilities
    best = np.argsort(-probabilities, kind="stable")[:k]
    predictions = [Prediction(encoder.categories[c], float(probabilities[c])) for c in best]
    return {
        "predictions": [
            {"category": p.category, "probability": round(p.probability, 6)} for p in predictions
        ],
        "unsure": _is_unsure(encoder, predictions),
    }


def _is_unsure(encoder: Encoder, predictions: list[Prediction]) -> bool:
    if encoder.unsure_below is None:  # it was trained without drawings to measure it on
        return predictions[0].probability < _SURE_FROM
    return encoder.is_unsure(predictions)
