"""Augmentation: random variations of drawings, as other people might have drawn them.

Varies strokes, before they become pixels, so lines stay sharp. Each drawing has a key for its
random numbers: the result depends neither on its batch nor on the number of threads.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from garabato.drawing import ByteArray, DrawingBatch, IntArray
from garabato.errors import InputError
from garabato.render import RenderSpec, rasterise, render_batch, with_strokes
from garabato.render._augment import Page, Strokes, Variation, reordered, vary_strokes
from garabato.render._redraw import Redrawing, redraw

#: Like Google's 28x28 bitmaps: drawings 23.5 px wide, lines 1.47 px wide.
SMALL_PICTURE = RenderSpec(size_px=28, line_width=1.47 / 28, margin=1.5 / 28)

#: The fields of `AugmentSpec` in 0..1: probabilities and shares.
_SHARES = (
    *("flip", "partial", "partial_least", "drop_stroke", "shrink", "picture", "reorder"),
    *("pose", "cut", "sketchy", "shade", "detail"),
)


@dataclass(frozen=True, slots=True)
class AugmentSpec:
    """How much drawings are varied in training.

    Probabilities: `flip` mirrors left to right; `partial` keeps only the first part of the ink (a
    uniform share of `partial_least`..1); `drop_stroke` leaves out each stroke, but never the
    longest; `picture` renders the drawing without its stroke order, and for half of these traces a
    small picture of it instead (28x28, as Google's); `reorder` shuffles the strokes, each drawn
    from a random end.

    Strengths: `rotate_degrees`, `shear` and `stretch` (log of the aspect ratio) are standard
    deviations; `wobble` is the amplitude of a smooth random deformation and `stroke_shift` the
    standard deviation of the shift of each stroke, both in shares of the drawing's longer side;
    `line_width` is the standard deviation of the log of the line width; `shrink` is the largest
    share by which a drawing becomes smaller, at a random position.

    Probabilities of changes that imitate drawings made with more time, or photographs: `pose`
    rotates strongly, in perspective; `cut` cuts off one side, as a page does; `sketchy` draws
    lines in several strokes, with gaps or twice; `shade` hatches areas; `detail` adds small marks.
    `picture_px`: small pictures have sides from 28 px to this (log-uniform) and varied lines.
    """

    flip: float = 0.5
    partial: float = 0.15
    partial_least: float = 0.3
    drop_stroke: float = 0.05
    rotate_degrees: float = 8.0
    shear: float = 0.10
    stretch: float = 0.12
    wobble: float = 0.02
    stroke_shift: float = 0.01
    line_width: float = 0.15
    shrink: float = 0.15
    picture: float = 0.1
    reorder: float = 0.05
    pose: float = 0.0
    cut: float = 0.0
    sketchy: float = 0.0
    shade: float = 0.0
    detail: float = 0.0
    picture_px: int = 28

    def __post_init__(self) -> None:
        for name in _SHARES:
            value = getattr(self, name)
            if not 0 <= value <= 1:
                raise InputError(f"augmentation {name} must be between 0 and 1, not {value}")
        if not SMALL_PICTURE.size_px <= self.picture_px <= 1024:
            raise InputError(f"augmentation picture_px must be 28 to 1024, not {self.picture_px}")

    @classmethod
    def none(cls) -> AugmentSpec:
        """No augmentation."""
        off: dict[str, Any] = {field.name: 0.0 for field in fields(cls)}
        return cls(**(off | {"partial_least": 1.0, "picture_px": SMALL_PICTURE.size_px}))


def render_augmented(
    batch: DrawingBatch,
    spec: RenderSpec,
    augment: AugmentSpec,
    keys: npt.NDArray[np.uint32],
) -> ByteArray:
    """Drawings, each varied by its key (N,) uint32 -> images (N, *spec.image_shape) uint8.

    The same key gives the same image. Runs on one core and releases the GIL. Raises InputError for
    style "reference".
    """
    if spec.style != "smooth":
        raise InputError(f"style {spec.style!r} cannot be augmented; use style 'smooth'")
    batch = with_strokes(batch)
    has_order = batch.has_order
    if max(augment.pose, augment.cut, augment.sketchy, augment.shade, augment.detail) > 0:
        redrawn = redraw(_strokes_of(batch), keys, _settings_of(augment, Redrawing))
        batch = batch.replace(**Strokes(*redrawn)._asdict())
    shares = _shares(keys, 1)
    small = np.flatnonzero(has_order & (shares < augment.picture / 2))
    batch = _as_small_pictures(batch, small, keys[small], augment.picture_px)
    rows = np.flatnonzero(has_order & (_shares(keys, 2) < augment.reorder))
    points, stroke_starts = reordered(_strokes_of(batch), rows, keys)
    batch = batch.replace(points=points, stroke_starts=stroke_starts)
    rotate = float(np.radians(augment.rotate_degrees))
    variation = _settings_of(augment, Variation, rotate=rotate)
    page = Page(float(spec.size_px), float(spec.line_px), float(spec.margin * spec.size_px))
    points_px, stroke_starts, drawing_starts, line_widths_px = vary_strokes(
        _strokes_of(batch), keys, variation, page
    )
    in_order = has_order & (shares >= augment.picture)
    return rasterise(points_px, stroke_starts, drawing_starts, line_widths_px, in_order, spec=spec)


def _strokes_of(batch: DrawingBatch) -> Strokes:
    """The strokes of a batch, as kernels take them."""
    return Strokes(
        np.ascontiguousarray(batch.points, np.float32), batch.stroke_starts, batch.drawing_starts
    )


def _settings_of(augment: AugmentSpec, kind: Any, **others: float) -> Any:
    """The fields of `augment` that a kernel needs, as its named tuple `kind` of floats."""
    values = {n: float(getattr(augment, n)) for n in kind._fields if n not in others}
    return kind(**values, **others)


def _shares(keys: npt.NDArray[np.uint32], purpose: int) -> npt.NDArray[np.float64]:
    """A number in 0..1 from each key, independent of those for other purposes.

    The hash is the finalizer of MurmurHash3: https://github.com/aappleby/smhasher.
    """
    mixed = keys + np.uint32(purpose * 0x9E3779B9 % 2**32)
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35), (16, 1)):
        mixed = (mixed ^ (mixed >> np.uint32(shift))) * np.uint32(factor)
    return mixed / 2.0**32


def _as_small_pictures(
    batch: DrawingBatch,
    rows: IntArray,
    keys: npt.NDArray[np.uint32],
    largest_px: int,
) -> DrawingBatch:
    """Replace the drawings at `rows` by traced small pictures of them."""
    if len(rows) == 0:
        return batch
    others = np.delete(np.arange(len(batch)), rows)
    parts, order = [batch.take(others)], [others]
    specs = _small_specs(keys, largest_px)
    for spec in sorted(set(specs), key=lambda spec: (spec.size_px, spec.line_width)):
        these = rows[[i for i, its in enumerate(specs) if its == spec]]
        seen = batch.take(these)
        parts.append(with_strokes(seen.replace(bitmaps=render_batch(seen, spec))))
        order.append(these)
    return DrawingBatch.concatenate(parts).take(np.argsort(np.concatenate(order)))


def _small_specs(keys: npt.NDArray[np.uint32], largest_px: int) -> list[RenderSpec]:
    """A render spec for each small picture."""
    if largest_px <= SMALL_PICTURE.size_px:
        return [SMALL_PICTURE] * len(keys)
    sizes = SMALL_PICTURE.size_px * (largest_px / SMALL_PICTURE.size_px) ** _shares(keys, 3)
    # From 1 px to a thick felt pen.
    pens_px = 1 + _shares(keys, 4) ** 2 * 0.05 * sizes
    return [
        RenderSpec(size_px=int(size), line_width=float(pen / int(size)), margin=0.02)
        for size, pen in zip(sizes, pens_px, strict=True)
    ]
