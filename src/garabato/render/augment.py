"""Augmentation: other ways a person might have drawn the same thing.

It acts on strokes, before they become pixels, so lines stay crisp whatever is done to them. Each
drawing gets its own random numbers from its own key: what becomes of it depends on neither the
batch it is in nor the number of threads.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from garabato.drawing import ByteArray, DrawingBatch, IntArray
from garabato.errors import InputError
from garabato.render import RenderSpec, rasterise, render_batch, with_strokes

if TYPE_CHECKING:  # kernels are loaded when they are used
    from garabato.render._augment import Strokes

#: As Google draws its 28x28 bitmaps: ink 23.5 px wide, of a line 1.47 px thick.
SMALL_PICTURE = RenderSpec(size_px=28, line_width=1.47 / 28, margin=1.5 / 28)

#: The fields of `AugmentSpec` that are probabilities or shares: 0 to 1.
_SHARES = (
    *("flip", "partial", "partial_least", "drop_stroke", "shrink", "picture", "reorder"),
    *("pose", "cut", "sketchy", "shade", "detail"),
)


@dataclass(frozen=True, slots=True)
class AugmentSpec:
    """How much drawings are varied in training. All zeros: not at all.

    Probabilities: `flip` of mirroring left to right; `partial` of keeping only the first part of
    the ink (a share drawn evenly from `partial_least`..1); `drop_stroke` of leaving out a stroke
    (each on its own; the longest stays). Sizes: `rotate_degrees`, `shear` and `stretch` (log of
    the aspect ratio) are standard deviations; `wobble` is the amplitude of a smooth random
    deformation and `stroke_shift` the standard deviation of moving each stroke on its own, both in
    shares of the drawing's longer side; `line_width` is the standard deviation of the log of the
    line width; `shrink` the most that a drawing is made smaller (share of its size), after which
    it is put anywhere it fits.

    Two more probabilities: `picture` of seeing the drawing without its order, as in a picture; half
    of these see only what is left of it in a small one (28x28, as Google's), traced; `reorder` of
    its strokes being drawn in another order, each from either end.

    For drawings made with more time, or from a photograph, there are five more probabilities:
    `pose` of a strong rotation and perspective; `cut` of one side cut off by the page; `sketchy` of
    lines in several strokes, with gaps or drawn twice; `shade` of hatched areas; `detail` of added
    small marks. `picture_px`: small pictures have sides from 28 px up to this (log-uniform) and
    lines of varied width.
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
                raise InputError(f"augmentation {name} is between 0 and 1, not {value}")
        if not SMALL_PICTURE.size_px <= self.picture_px <= 1024:
            raise InputError(f"augmentation picture_px is 28 to 1024, not {self.picture_px}")

    @classmethod
    def none(cls) -> AugmentSpec:
        """Drawings as they are."""
        return cls(
            flip=0.0,
            partial=0.0,
            partial_least=1.0,
            drop_stroke=0.0,
            rotate_degrees=0.0,
            shear=0.0,
            stretch=0.0,
            wobble=0.0,
            stroke_shift=0.0,
            line_width=0.0,
            shrink=0.0,
            picture=0.0,
            reorder=0.0,
        )


def render_augmented(
    batch: DrawingBatch,
    spec: RenderSpec,
    augment: AugmentSpec,
    keys: npt.NDArray[np.uint32],
    *,
    has_order: bool = True,
) -> ByteArray:
    """Drawings, each varied by its own `keys` (N,) uint32 -> (N, *spec.image_shape) uint8.

    The same key gives the same image. `has_order`: the order of the strokes means something;
    bitmaps and what was traced from them have none. Runs on one core and releases the GIL.
    """
    if spec.style != "smooth":
        raise InputError(f"style {spec.style!r} cannot be augmented; use style 'smooth'")
    from garabato.render._augment import Page, Strokes, Variation, reordered, vary_strokes

    has_order = has_order and batch.bitmaps is None
    batch = with_strokes(batch)
    if max(augment.pose, augment.cut, augment.sketchy, augment.shade, augment.detail) > 0:
        batch = _redrawn(batch, augment, keys)
    is_picture = np.zeros(len(batch), np.bool_)
    if has_order:
        shares = _shares(keys, 1)
        is_picture = shares < augment.picture
        small = np.flatnonzero(shares < augment.picture / 2)
        batch = _as_small_pictures(batch, small, keys[small], augment.picture_px)
        rows = np.flatnonzero(_shares(keys, 2) < augment.reorder)
        points, stroke_starts = reordered(
            Strokes(batch.points, batch.stroke_starts, batch.drawing_starts), rows, keys
        )
        batch = batch.replace(points=points, stroke_starts=stroke_starts)
    strokes = _strokes_of(batch)
    variation = Variation(
        flip=float(augment.flip),
        partial=float(augment.partial),
        partial_least=float(augment.partial_least),
        drop_stroke=float(augment.drop_stroke),
        rotate=float(np.radians(augment.rotate_degrees)),
        shear=float(augment.shear),
        stretch=float(augment.stretch),
        wobble=float(augment.wobble),
        stroke_shift=float(augment.stroke_shift),
        line_width=float(augment.line_width),
        shrink=float(augment.shrink),
    )
    page = Page(float(spec.size_px), float(spec.line_px), float(spec.margin * spec.size_px))
    points_px, stroke_starts, drawing_starts, line_widths_px = vary_strokes(
        strokes, keys, variation, page
    )
    return rasterise(
        points_px,
        stroke_starts,
        drawing_starts,
        line_widths_px,
        has_order & ~is_picture,
        spec=spec,
    )


def _shares(keys: npt.NDArray[np.uint32], purpose: int) -> npt.NDArray[np.float64]:
    """A number in 0..1 from each key, another one for each purpose (Knuth's hash)."""
    mixed = (keys + np.uint32(purpose)) * np.uint32(2_654_435_761)
    return (mixed >> np.uint32(8)) / 2.0**24


def _strokes_of(batch: DrawingBatch) -> Strokes:
    """The strokes of a batch, as kernels take them."""
    from garabato.render._augment import Strokes

    return Strokes(
        np.ascontiguousarray(batch.points, np.float32), batch.stroke_starts, batch.drawing_starts
    )


def _redrawn(
    batch: DrawingBatch, augment: AugmentSpec, keys: npt.NDArray[np.uint32]
) -> DrawingBatch:
    """Redraw the drawings as people with more time would have drawn them."""
    from garabato.render._redraw import Redrawing, redraw

    strokes = _strokes_of(batch)
    chances = Redrawing(
        sketchy=float(augment.sketchy),
        shade=float(augment.shade),
        detail=float(augment.detail),
        cut=float(augment.cut),
        pose=float(augment.pose),
    )
    points, stroke_starts, drawing_starts = redraw(strokes, keys, chances)
    return batch.replace(points=points, stroke_starts=stroke_starts, drawing_starts=drawing_starts)


def _as_small_pictures(
    batch: DrawingBatch,
    rows: IntArray,
    keys: npt.NDArray[np.uint32],
    largest_px: int,
) -> DrawingBatch:
    """Replace the drawings at `rows` by tracings of small pictures of them."""
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
    # From 1 px to the line of a thick felt pen.
    pens_px = 1 + _shares(keys, 4) ** 2 * 0.05 * sizes
    return [
        RenderSpec(size_px=int(size), line_width=float(pen / int(size)), margin=0.02)
        for size, pen in zip(sizes, pens_px, strict=True)
    ]
