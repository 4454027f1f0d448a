"""Compiled kernel of the augmentation (numba, no GIL); `augment.py` is its only caller."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from garabato.drawing import FloatArray, IntArray
from garabato.host.kernels import kernel

#: Smooth deformation: a sum of this many plane waves.
_N_WAVES = 3


@kernel
def vary_strokes(
    points: FloatArray,
    stroke_starts: IntArray,
    drawing_starts: IntArray,
    keys: npt.NDArray[np.uint32],
    size_px: float,
    line_px: float,
    margin_px: float,
    flip: float,
    partial: float,
    partial_least: float,
    drop_stroke: float,
    rotate: float,
    shear: float,
    stretch: float,
    wobble: float,
    stroke_shift: float,
    line_width: float,
    shrink: float,
) -> Any:
    """Vary and place every drawing -> points in px, stroke_starts, drawing_starts, widths."""
    n_drawings = len(drawing_starts) - 1
    out = np.empty_like(points)
    out_strokes = np.zeros_like(stroke_starts)
    out_drawings = np.zeros_like(drawing_starts)
    line_widths = np.empty(n_drawings, np.float32)
    n_points = 0
    n_strokes = 0
    for i in range(n_drawings):
        np.random.seed(keys[i])
        line_widths[i] = line_px * math.exp(np.random.normal() * line_width)
        first_stroke, first_point = n_strokes, n_points
        n_points, n_strokes = _keep_ink(
            points,
            stroke_starts,
            drawing_starts[i],
            drawing_starts[i + 1],
            np.random.random() < partial,
            partial_least + (1 - partial_least) * np.random.random(),
            drop_stroke,
            out,
            out_strokes,
            n_points,
            n_strokes,
        )
        out_drawings[i + 1] = n_strokes
        out_strokes[n_strokes] = n_points
        drawing = out[first_point:n_points]
        if len(drawing) == 0:
            continue
        _fit_to_unit(drawing)
        for s in range(first_stroke, n_strokes):
            dx, dy = np.random.normal() * stroke_shift, np.random.normal() * stroke_shift
            for p in range(out_strokes[s], out_strokes[s + 1]):
                out[p, 0] += dx
                out[p, 1] += dy
        _wobble(drawing, wobble)
        mirror = -1.0 if np.random.random() < flip else 1.0
        angle = np.random.normal() * rotate
        skew = np.random.normal() * shear
        aspect = math.exp(np.random.normal() * stretch / 2)
        cos, sin = math.cos(angle), math.sin(angle)
        for p in range(len(drawing)):
            x, y = drawing[p, 0] * mirror * aspect, drawing[p, 1] / aspect
            x += skew * y
            drawing[p, 0] = cos * x - sin * y
            drawing[p, 1] = sin * x + cos * y
        width, height = _fit_to_unit(drawing)
        room = size_px - 2 * margin_px - line_widths[i]
        scale = room * (1 - shrink * np.random.random())
        x_centre = size_px / 2 + (np.random.random() - 0.5) * (room - scale * width)
        y_centre = size_px / 2 + (np.random.random() - 0.5) * (room - scale * height)
        if shrink == 0:  # as the renderer places it: in the middle
            x_centre = y_centre = size_px / 2
        for p in range(len(drawing)):
            drawing[p, 0] = x_centre + scale * drawing[p, 0]
            drawing[p, 1] = y_centre + scale * drawing[p, 1]
    return out[:n_points], out_strokes[: n_strokes + 1], out_drawings, line_widths


@kernel
def _keep_ink(
    points: FloatArray,
    stroke_starts: IntArray,
    stroke_from: int,
    stroke_to: int,
    is_partial: bool,
    part: float,
    drop_stroke: float,
    out: FloatArray,
    out_strokes: IntArray,
    n_points: int,
    n_strokes: int,
) -> tuple[int, int]:
    """Copy the strokes that stay: the first part of the ink, then without the dropped ones."""
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
        dropped = np.random.random() < drop_stroke and s != longest and not is_partial
        if dropped:
            continue
        out_strokes[n_strokes] = n_points
        n_strokes += 1
        for p in range(stroke_starts[s], stroke_starts[s + 1]):
            if p > stroke_starts[s]:
                dx, dy = points[p, 0] - points[p - 1, 0], points[p, 1] - points[p - 1, 1]
                step = math.hypot(dx, dy)
                if step >= left:  # the ink runs out within this line
                    share = left / step if step > 0 else 0.0
                    out[n_points, 0] = points[p - 1, 0] + share * dx
                    out[n_points, 1] = points[p - 1, 1] + share * dy
                    n_points += 1
                    left = 0.0
                    break
                left -= step
            out[n_points, 0] = points[p, 0]
            out[n_points, 1] = points[p, 1]
            n_points += 1
    return n_points, n_strokes


@kernel
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


@kernel
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


@kernel
def reordered(
    points: FloatArray,
    stroke_starts: IntArray,
    drawing_starts: IntArray,
    rows: IntArray,
    keys: npt.NDArray[np.uint32],
) -> Any:
    """Strokes of the drawings `rows` in a random order, each from a random end.

    -> points and stroke_starts of all.
    """
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
