"""Compiled kernels of the augmentation. `augment.py` is the only caller."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from garabato.drawing import FloatArray, IntArray
from garabato.host.kernels import inner_kernel, kernel

#: The smooth deformation is a sum of this many plane waves.
_N_WAVES = 3


class Strokes(NamedTuple):
    """The flat arrays of a `DrawingBatch`, as kernels take and return them."""

    points: FloatArray
    stroke_starts: IntArray
    drawing_starts: IntArray


class Page(NamedTuple):
    """The image that drawings are fitted into."""

    size_px: float
    line_px: float
    margin_px: float


class Variation(NamedTuple):
    """The strengths of `AugmentSpec`, with the angle in radians."""

    flip: float
    partial: float
    partial_least: float
    drop_stroke: float
    rotate: float
    shear: float
    stretch: float
    wobble: float
    stroke_shift: float
    line_width: float
    shrink: float


@kernel
def vary_strokes(
    strokes: Strokes, keys: npt.NDArray[np.uint32], variation: Variation, page: Page
) -> Any:
    """Vary every drawing and fit it into the page.

    -> (points in px, stroke_starts, drawing_starts, line widths (N,) in px).
    """
    points, stroke_starts, drawing_starts = strokes
    n_drawings = len(drawing_starts) - 1
    out = Strokes(
        np.empty_like(points), np.zeros_like(stroke_starts), np.zeros_like(drawing_starts)
    )
    line_widths_px = np.empty(n_drawings, np.float32)
    n_points = 0
    n_strokes = 0
    for i in range(n_drawings):
        np.random.seed(keys[i])
        line_widths_px[i] = page.line_px * math.exp(np.random.normal() * variation.line_width)
        first_stroke, first_point = n_strokes, n_points
        n_points, n_strokes = _keep_ink(strokes, i, variation, out, n_points, n_strokes)
        out.drawing_starts[i + 1] = n_strokes
        out.stroke_starts[n_strokes] = n_points
        drawing = out.points[first_point:n_points]
        if len(drawing) == 0:
            continue
        _fit_to_unit(drawing)
        for s in range(first_stroke, n_strokes):
            dx = np.random.normal() * variation.stroke_shift
            dy = np.random.normal() * variation.stroke_shift
            for p in range(out.stroke_starts[s], out.stroke_starts[s + 1]):
                out.points[p, 0] += dx
                out.points[p, 1] += dy
        _wobble(drawing, variation.wobble)
        mirror = -1.0 if np.random.random() < variation.flip else 1.0
        angle = np.random.normal() * variation.rotate
        skew = np.random.normal() * variation.shear
        aspect = math.exp(np.random.normal() * variation.stretch / 2)
        cos, sin = math.cos(angle), math.sin(angle)
        for p in range(len(drawing)):
            x, y = drawing[p, 0] * mirror * aspect, drawing[p, 1] / aspect
            x += skew * y
            drawing[p, 0] = cos * x - sin * y
            drawing[p, 1] = sin * x + cos * y
        width, height = _fit_to_unit(drawing)
        box = page.size_px - 2 * page.margin_px - line_widths_px[i]
        scale = box * (1 - variation.shrink * np.random.random())
        x_centre = page.size_px / 2 + (np.random.random() - 0.5) * (box - scale * width)
        y_centre = page.size_px / 2 + (np.random.random() - 0.5) * (box - scale * height)
        if variation.shrink == 0:  # in the middle, where the renderer puts it
            x_centre = y_centre = page.size_px / 2
        for p in range(len(drawing)):
            drawing[p, 0] = x_centre + scale * drawing[p, 0]
            drawing[p, 1] = y_centre + scale * drawing[p, 1]
    return (
        out.points[:n_points],
        out.stroke_starts[: n_strokes + 1],
        out.drawing_starts,
        line_widths_px,
    )


@kernel
def reordered(strokes: Strokes, rows: IntArray, keys: npt.NDArray[np.uint32]) -> Any:
    """Put the strokes of the drawings `rows` in a random order, each starting at a random end.

    -> points and stroke_starts of all drawings.
    """
    points, stroke_starts, drawing_starts = strokes
    out, out_starts = points.copy(), stroke_starts.copy()
    for i in rows:
        np.random.seed(keys[i])
        first = drawing_starts[i]
        order = np.random.permutation(drawing_starts[i + 1] - first)
        n_points = stroke_starts[first]
        for rank in range(len(order)):
            start, end = stroke_starts[first + order[rank]], stroke_starts[first + order[rank] + 1]
            turned = np.random.random() < 0.5
            for p in range(end - start):
                out[n_points + p] = points[end - 1 - p] if turned else points[start + p]
            n_points += end - start
            out_starts[first + rank + 1] = n_points
    return out, out_starts


@inner_kernel
def _keep_ink(
    strokes: Strokes, i: int, variation: Variation, out: Strokes, n_points: int, n_strokes: int
) -> tuple[int, int]:
    """Append the strokes of drawing `i` that stay to `out`.

    Either the first part of the ink stays, or all strokes but the dropped ones. Returns the new
    numbers of points and strokes in `out`.
    """
    points, stroke_starts = strokes.points, strokes.stroke_starts
    stroke_from, stroke_to = strokes.drawing_starts[i], strokes.drawing_starts[i + 1]
    is_partial = np.random.random() < variation.partial
    part = variation.partial_least + (1 - variation.partial_least) * np.random.random()
    ink = 0.0
    longest, longest_ink = stroke_from, -1.0
    for s in range(stroke_from, stroke_to):
        length = 0.0
        for p in range(stroke_starts[s] + 1, stroke_starts[s + 1]):
            length += math.hypot(points[p, 0] - points[p - 1, 0], points[p, 1] - points[p - 1, 1])
        ink += length
        if length > longest_ink:
            longest, longest_ink = s, length
    left = ink * part if is_partial else np.inf
    for s in range(stroke_from, stroke_to):
        if s > stroke_from and left <= 0:
            break
        is_dropped = np.random.random() < variation.drop_stroke and s != longest
        if is_dropped and not is_partial:
            continue
        out.stroke_starts[n_strokes] = n_points
        n_strokes += 1
        for p in range(stroke_starts[s], stroke_starts[s + 1]):
            if p > stroke_starts[s]:
                dx, dy = points[p, 0] - points[p - 1, 0], points[p, 1] - points[p - 1, 1]
                step = math.hypot(dx, dy)
                if step >= left:  # the ink runs out within this line
                    share = left / step if step > 0 else 0.0
                    out.points[n_points, 0] = points[p - 1, 0] + share * dx
                    out.points[n_points, 1] = points[p - 1, 1] + share * dy
                    n_points += 1
                    left = 0.0
                    break
                left -= step
            out.points[n_points, 0] = points[p, 0]
            out.points[n_points, 1] = points[p, 1]
            n_points += 1
    return n_points, n_strokes


@inner_kernel
def _fit_to_unit(drawing: FloatArray) -> tuple[float, float]:
    """Centre on the origin, longer side 1 (unless it is a dot); returns width and height."""
    x_low = x_high = drawing[0, 0]
    y_low = y_high = drawing[0, 1]
    for p in range(1, len(drawing)):
        x_low = min(x_low, drawing[p, 0])
        x_high = max(x_high, drawing[p, 0])
        y_low = min(y_low, drawing[p, 1])
        y_high = max(y_high, drawing[p, 1])
    extent = max(x_high - x_low, y_high - y_low)
    scale = 1.0 / extent if extent > 0 else 1.0
    for p in range(len(drawing)):
        drawing[p, 0] = (drawing[p, 0] - (x_low + x_high) / 2) * scale
        drawing[p, 1] = (drawing[p, 1] - (y_low + y_high) / 2) * scale
    return (x_high - x_low) * scale, (y_high - y_low) * scale


@inner_kernel
def _wobble(drawing: FloatArray, amplitude: float) -> None:
    """Move points by a few random plane waves: a smooth deformation of the whole drawing."""
    if amplitude == 0:
        return
    for _ in range(_N_WAVES):
        kx, ky = np.random.normal() * 5.0, np.random.normal() * 5.0
        phase = np.random.random() * 2 * math.pi
        ax, ay = np.random.normal() * amplitude, np.random.normal() * amplitude
        for p in range(len(drawing)):
            wave = math.sin(kx * drawing[p, 0] + ky * drawing[p, 1] + phase)
            drawing[p, 0] += ax * wave
            drawing[p, 1] += ay * wave
