"""Strokes -> pixels: the renderer, augmentation, contact sheets, HTML pages."""

from garabato.render.renderer import (
    RenderSpec,
    Style,
    rasterise,
    render,
    render_batch,
    with_strokes,
)

__all__ = [
    "RenderSpec",
    "Style",
    "rasterise",
    "render",
    "render_batch",
    "with_strokes",
]
