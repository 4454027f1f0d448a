"""Strokes -> pixels: the renderer, augmentation, contact sheets."""

from garabato.render._raster import PATH_POINTS
from garabato.render.renderer import (
    RenderSpec,
    Style,
    as_strokes,
    load_kernels,
    rasterise,
    render,
    render_batch,
    with_own_ink,
    with_strokes,
)

__all__ = [
    "PATH_POINTS",
    "RenderSpec",
    "Style",
    "as_strokes",
    "load_kernels",
    "rasterise",
    "render",
    "render_batch",
    "with_own_ink",
    "with_strokes",
]
