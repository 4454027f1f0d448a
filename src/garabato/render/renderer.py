"""Strokes -> images for networks.

Training, indexing and queries use the same code, so a network sees drawings as it learned them.
Bitmaps are traced into strokes first. Small bitmaps are also shown as they are (`with_own_ink`):
tracing one of 28x28 px, as Google publishes them, loses details, as lines that nearly touch become
one. Enlarged and sharpened, the bitmap keeps them, though its lines are not those that networks
learned. The mean of both views is right more often than the traced lines alone:
`benchmarks/picture_agreement.py` measures it.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any, Literal

import numpy as np

from garabato.drawing import BoolArray, ByteArray, Drawing, DrawingBatch, FloatArray, IntArray
from garabato.errors import InputError
from garabato.host.kernels import Kernels
from garabato.render._raster import PATH_POINTS, draw_polylines, list_path

Style = Literal["smooth", "reference"]

#: How encoder files, galleries and old configurations spell the style "reference".
_STORED_REFERENCE = "seed"
#: The canvas and pen of the reference project's images, in px.
_REFERENCE_CANVAS_PX = 256
_REFERENCE_LINE_PX = 3
#: The smallest image whose fourth channel has room for a path, four bytes a point.
_MIN_PATH_PX = math.isqrt(4 * PATH_POINTS - 1) + 1
#: Python draws this many pixels in about 0.4 s. Loading the kernels takes as long, compiling 5 s.
_KERNELS = Kernels(draw_polylines, list_path, interpreted_work=100_000)

#: Larger bitmaps gain nothing from being shown as they are.
SMALL_PX = 28
#: The ink that is kept, as a multiple of the ink of the traced lines.
_INK = 1.2
#: Lines are assumed to be as wide as in Google's bitmaps.
_BITMAP_LINE_PX = 1.47
#: Drawings of at most this many px a side have one view.
_SPECK_PX = 6
#: Bitmaps are enlarged by this much to be sharpened, images are drawn so much larger at first.
_ENLARGED, _OVERSAMPLED = 8, 4


@dataclass(frozen=True, slots=True)
class RenderSpec:
    """How a drawing becomes an image; saved with every encoder.

    `size_px` is the side of the square image. Style "smooth" scales the drawing (aspect kept) and
    centres it, with lines `line_width` wide and a free `margin` on all sides, both as fractions of
    the image side; lines are anti-aliased with round caps. Style "reference" draws as the reference
    project did: 3 px lines on 256x256 at the unscaled coordinates, reduced by area, ignoring
    `line_width` and `margin`. Files spell this style "seed", which is accepted here, too.

    With `order` an image has three channels: the ink; the ink shaded by stroke (the first
    darkest); the ink shaded along each stroke from its start. The last two are empty if the
    stroke order is unknown.

    With `path` as well, a fourth channel serves networks with a stroke branch. It is not a picture:
    its first bytes, row by row, list 160 points at even distances along the strokes: all x,
    then all y (0 to 255 in the drawing's box, aspect kept), then 255 where a stroke starts (128 if
    the stroke order is unknown) and 0 elsewhere, then the share of strokes drawn before this one (0
    to 255; all 0 if the order is unknown).
    """

    size_px: int = 64
    line_width: float = 0.028
    margin: float = 0.02
    style: Style = "smooth"
    order: bool = False
    path: bool = False

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if isinstance(value, np.generic):  # JSON, in the encoder's file, has Python's numbers
                object.__setattr__(self, name, value.item())
        if self.style == _STORED_REFERENCE:
            object.__setattr__(self, "style", "reference")
        if not 8 <= self.size_px <= 1024:
            raise InputError(f"size_px must be between 8 and 1024, not {self.size_px}")
        if not 0 < self.line_width <= 0.5:
            raise InputError(f"line_width must be a fraction in (0, 0.5], not {self.line_width}")
        if not 0 <= self.margin < 0.5:
            raise InputError(f"margin must be a fraction in [0, 0.5), not {self.margin}")
        if self.line_width + 2 * self.margin >= 1:  # `box_px` would be negative
            raise InputError(
                "line_width and twice the margin must be less than 1, to leave room for the "
                f"drawing, not {self.line_width} + 2 * {self.margin}"
            )
        if self.style not in ("smooth", "reference"):
            raise InputError(f"style must be 'smooth' or 'reference', not {self.style!r}")
        if self.order and self.style == "reference":
            raise InputError("style 'reference' cannot show the stroke order; use style 'smooth'")
        if self.path and not self.order:
            raise InputError("a spec with `path` needs `order` as well")
        if self.path and self.size_px < _MIN_PATH_PX:
            raise InputError(
                f"with `path`, size_px must be at least {_MIN_PATH_PX}, not {self.size_px}"
            )

    @classmethod
    def reference(cls, size_px: int = 128) -> RenderSpec:
        """The images of the reference project: 3 px lines on 256x256, reduced by area."""
        return cls(size_px=size_px, style="reference")

    @property
    def line_px(self) -> float:
        """Line width in px of the image."""
        return self.line_width * self.size_px

    @property
    def box_px(self) -> float:
        """The longer side of a drawing in px of the image, measured between line centres."""
        return self.size_px - 2 * (self.margin * self.size_px + self.line_px / 2)

    @property
    def image_shape(self) -> tuple[int, ...]:
        """(S, S), (S, S, 3) with `order`, or (S, S, 4) with `path`."""
        sides = (self.size_px, self.size_px)
        return (*sides, self.n_channels) if self.order else sides

    @property
    def n_channels(self) -> int:
        """Channels of an image: 4 with `path`, 3 with `order`, else 1."""
        return 4 if self.path else 3 if self.order else 1

    @property
    def fingerprint(self) -> str:
        """Sixteen hex digits that identify the spec."""
        text = json.dumps(self.to_dict(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON; `order` and `path` only if on, as the first specs had neither."""
        values = asdict(self)
        if self.style == "reference":
            values["style"] = _STORED_REFERENCE
        for name in ("order", "path"):
            if not values[name]:
                del values[name]
        return values

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> RenderSpec:
        """The inverse of `to_dict`. Raises InputError for unknown fields."""
        try:
            return cls(**values)
        except TypeError as error:
            raise InputError(f"not a render spec: {error}") from None


def render(drawing: Drawing, spec: RenderSpec) -> ByteArray:
    """One drawing -> (*spec.image_shape) uint8, ink 255."""
    image: ByteArray = render_batch(DrawingBatch.from_drawings([drawing]), spec)[0]
    return image


def render_batch(
    batch: DrawingBatch | Drawing | Iterable[Drawing], spec: RenderSpec | None = None
) -> ByteArray:
    """Drawings -> (N, *spec.image_shape) uint8, ink 255.

    Without a `spec`, images are rendered with `RenderSpec()`: 64 px, one channel. Empty drawings
    give empty images. Runs on one core and releases the GIL.
    """
    spec = RenderSpec() if spec is None else spec
    if not isinstance(spec, RenderSpec):
        raise InputError(f"spec must be a RenderSpec, such as RenderSpec(64), not {spec!r}")
    if not isinstance(batch, DrawingBatch):
        batch = DrawingBatch.from_drawings(batch)
    batch = with_strokes(batch)
    if spec.style == "reference":
        return _render_as_reference(batch, spec)
    points_px = fit_to_image(batch, spec)
    line_widths_px = np.full(len(batch), spec.line_px, np.float32)
    return rasterise(
        points_px,
        batch.stroke_starts,
        batch.drawing_starts,
        line_widths_px,
        batch.has_order,
        spec=spec,
    )


def with_strokes(batch: DrawingBatch) -> DrawingBatch:
    """The batch itself, or its bitmaps traced into strokes."""
    if batch.bitmaps is None:
        return batch
    from garabato.tracing.trace import trace_batch

    return trace_batch(batch)


def as_strokes(drawing: Drawing) -> Drawing:
    """The drawing itself, or its bitmap traced into strokes."""
    if drawing.bitmap is None:
        return drawing
    return with_strokes(DrawingBatch.from_drawings([drawing]))[0]


def fit_to_image(batch: DrawingBatch, spec: RenderSpec) -> FloatArray:
    """Points (P, 2) float32 in px of the image: each drawing scaled to fit and centred."""
    low, high = batch.boxes()
    extents = (high - low).max(axis=1).astype(np.float64)
    scale = np.where(extents > 0, spec.box_px / np.where(extents > 0, extents, 1), 1)
    scale_of_points = np.repeat(scale, batch.n_points)
    points_px = np.empty(batch.points.shape, np.float32)
    for axis in (0, 1):
        middle = (low[:, axis] + high[:, axis]).astype(np.float64)
        shift = np.repeat((spec.size_px - middle * scale) / 2, batch.n_points)
        points_px[:, axis] = batch.points[:, axis] * scale_of_points + shift
    return points_px


def rasterise(
    points_px: FloatArray,
    stroke_starts: IntArray,
    drawing_starts: IntArray,
    line_widths_px: FloatArray,
    has_order: BoolArray,
    *,
    spec: RenderSpec,
) -> ByteArray:
    """Polylines in px (P, 2) -> images (N, *spec.image_shape) uint8.

    Per drawing: `line_widths_px` (N,), and `has_order` (N,), whether its stroke order is known.
    """
    n_drawings = len(drawing_starts) - 1
    images = np.empty((n_drawings, spec.size_px, spec.size_px, spec.n_channels), np.uint8)
    n_pixels = images.size + len(points_px) * (float(line_widths_px.max(initial=0)) + 8) ** 2
    draw, trace_path = _KERNELS.choose(n_pixels)
    draw(points_px, stroke_starts, drawing_starts, line_widths_px, has_order, images)
    if spec.path:
        trace_path(points_px, stroke_starts, drawing_starts, has_order, images)
    return images.reshape(n_drawings, *spec.image_shape)


def load_kernels(spec: RenderSpec) -> None:
    """Load or compile the kernels that draw images, so that no later call has to.

    Other threads can draw a few drawings meanwhile.
    """
    points, starts = np.zeros((1, 2), np.float32), np.array([0, 1])
    images = np.empty((1, spec.size_px, spec.size_px, spec.n_channels), np.uint8)
    has_order = np.array([True])
    with _KERNELS.loading() as (draw, trace_path):
        if spec.path:
            trace_path(points, starts, starts, has_order, images)
        draw(points, starts, starts, np.ones(1, np.float32), has_order, images)


def with_own_ink(images: ByteArray, bitmaps: ByteArray, spec: RenderSpec) -> ByteArray | None:
    """Images (N, *spec.image_shape) of traced bitmaps (N, H, W), with the bitmaps as their ink.

    None if the bitmaps are so large that tracing loses little, or the style is not "smooth".
    """
    if max(bitmaps.shape[1:]) > SMALL_PX or spec.style != "smooth":
        return None
    images = images.copy()
    ink = images[..., 0] if spec.order else images
    for image, bitmap in zip(ink, bitmaps, strict=True):
        drawn = _sharpened(bitmap, spec, _INK * image.sum() / 255)
        if drawn is not None:
            image[:] = drawn
    return images


def _render_as_reference(batch: DrawingBatch, spec: RenderSpec) -> ByteArray:
    import cv2

    images = np.zeros((len(batch), spec.size_px, spec.size_px), np.uint8)
    for image, drawing in zip(images, batch, strict=True):
        canvas = np.full((_REFERENCE_CANVAS_PX,) * 2, 255, np.uint8)
        for xs, ys in drawing.on_grid().strokes:
            xys = np.stack([xs, ys], axis=1).astype(int).tolist()
            for start, end in pairwise(xys):
                cv2.line(canvas, start, end, 0, _REFERENCE_LINE_PX)
        small = cv2.resize(canvas, (spec.size_px, spec.size_px), interpolation=cv2.INTER_AREA)
        image[:] = 255 - small
    return images


def _sharpened(bitmap: ByteArray, spec: RenderSpec, ink_px: float) -> ByteArray | None:
    """A bitmap with about `ink_px` pixels of ink; None if it is empty or a speck."""
    import cv2

    height, width = bitmap.shape
    size = (width * _ENLARGED, height * _ENLARGED)
    darkness = bitmap.astype(np.float32) / max(1, bitmap.max())
    large = cv2.resize(darkness, size, interpolation=cv2.INTER_CUBIC)
    dark = large > 0.5
    rows, columns = (np.flatnonzero(dark.any(axis=axis)) for axis in (1, 0))
    if not len(rows):
        return None
    top, bottom, left, right = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
    extent = max(bottom - top, right - left)
    if extent <= _SPECK_PX * _ENLARGED:
        return None
    scale = _OVERSAMPLED * spec.box_px / (extent - _BITMAP_LINE_PX * _ENLARGED)
    middle = _OVERSAMPLED * spec.size_px / 2
    to_image = np.array(
        [
            [scale, 0, middle - scale * (left + right) / 2],
            [0, scale, middle - scale * (top + bottom) / 2],
        ]
    )
    # the darkest pixels, in smooth bitmaps the middle of the lines
    n_inked = int(np.clip(ink_px * (_OVERSAMPLED / scale) ** 2, 1, large.size))
    edge = np.partition(large.ravel(), -n_inked)[-n_inked]
    sharp: FloatArray = np.clip((large - edge) * _ENLARGED / 3 + 0.5, 0, 1)
    side = _OVERSAMPLED * spec.size_px
    oversampled = cv2.warpAffine(sharp, to_image, (side, side), flags=cv2.INTER_LINEAR)
    image = cv2.resize(oversampled, (spec.size_px, spec.size_px), interpolation=cv2.INTER_AREA)
    return (255 * image).astype(np.uint8)
