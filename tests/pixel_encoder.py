"""A small real encoder-shaped thing for gallery tests: it embeds by an 8x8 render, no network."""

from __future__ import annotations

import numpy as np

from garabato.drawing import Drawing, DrawingBatch
from garabato.render import RenderSpec, render_batch


class PixelEncoder:
    """64-d embeddings: the pixels of an 8x8 render, centred, of length 1. Deterministic."""

    model_name = "pixels"
    embedding_dim = 64

    def __init__(self, line_width: float = 0.1) -> None:
        self.spec = RenderSpec(size_px=8, line_width=line_width)
        self.fingerprint = f"pixels{self.spec.fingerprint[:8]}"

    def embed(self, drawings) -> np.ndarray:
        if isinstance(drawings, Drawing):
            drawings = [drawings]
        if not isinstance(drawings, DrawingBatch):
            drawings = DrawingBatch.from_drawings(drawings)
        pixels = render_batch(drawings, self.spec).reshape(len(drawings), 64).astype(np.float32)
        pixels -= pixels.mean(axis=1, keepdims=True)
        return pixels / np.maximum(np.linalg.norm(pixels, axis=1, keepdims=True), 1e-6)
