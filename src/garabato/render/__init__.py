"""Strokes -> pixels: the renderer, augmentation, contact sheets."""

from garabato.render.renderer import (
    RenderSpec,
    Style,
    place,
    rasterise,
    render,
    render_batch,
    with_strokes,
)

__all__ = [
    "RenderSpec",
    "Style",
    "place",
    "rasterise",
    "render",
    "render_batch",
    "with_strokes",
]
