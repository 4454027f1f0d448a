"""An encoder without a network: mean pictures of categories, deterministic and quick."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from garabato.drawing import DrawingBatch
from garabato.encoder.binary_codes import BinaryCoder
from garabato.render import RenderSpec, render_batch


class PrototypeEncoder:
    """Embeds by the pixels of an 8x8 render, classifies by the nearest mean of a category."""

    model_name = "prototypes"
    embedding_dim = 64
    fingerprint = "0123456789abcdef"
    unsure_below = 0.6
    unsure_precision = 0.9

    def __init__(self, drawings: DrawingBatch, sharpness: float = 12.0) -> None:
        self.spec = RenderSpec(size_px=8, line_width=0.1)
        self.sharpness = sharpness
        self.coders = {64: BinaryCoder(np.eye(64, dtype=np.float32), np.zeros(64, np.float32))}
        embeddings, names = self._embed(drawings), np.array(drawings.categories)
        self.categories = sorted(set(names.tolist()))
        means = np.stack([embeddings[names == name].mean(axis=0) for name in self.categories])
        self._means = means / np.linalg.norm(means, axis=1, keepdims=True)

    def predict(self, drawings: DrawingBatch) -> SimpleNamespace:
        embeddings = self._embed(drawings)
        scores = np.exp(self.sharpness * embeddings @ self._means.T)
        probabilities = scores / scores.sum(axis=1, keepdims=True)
        return SimpleNamespace(
            probabilities=probabilities.astype(np.float32), embeddings=embeddings
        )

    def _embed(self, drawings: DrawingBatch) -> np.ndarray:
        pixels = render_batch(drawings, self.spec).reshape(len(drawings), 64).astype(np.float32)
        pixels -= pixels.mean(axis=1, keepdims=True) - 1e-3
        return pixels / np.linalg.norm(pixels, axis=1, keepdims=True)
