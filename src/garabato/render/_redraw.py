"""Compiled kernel of the augmentation: redraws drawings as if made with more time.

Quick, Draw! allowed 20 seconds for a drawing. With more time, people draw lines twice, shade, add
details, rotate things or draw them in perspective, and let the page cut them off.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from garabato.drawing import FloatArray, IntArray
from garabato.host.kernels import inner_kernel, kernel
from garabato.render._augment import Strokes

#: Mixed into the keys, so that this kernel and `_augment` draw different random numbers.
_OTHER_NUMBERS = np.uint32(0x5BD1E995)
#: The most strokes of shading in a drawing.
_MAX_HATCHES = 48
#: A cut leaves at least this share of the ink.
_MIN_INK = 0.45


class Redrawing(NamedTuple):
    """The probability of each change, as in `AugmentSpec`."""

    sketchy: float
    shade: float
    detail: float
    cut: float
    pose: float


@kernel
def redraw(strokes: Strokes, keys: npt.NDArray[np.uint32], chances: Redrawing) -> Any:
    """Redraw every drawing, making each change with its probability.

    -> (points, stroke_starts, drawing_starts); the longer side of a drawing is about 1.
    """
    points, stroke_starts, drawing_starts = strokes
    n_drawings = len(drawing_starts) - 1
    out = np.empty((2 * len(points) + 1024, 2), np.float32)
    out_strokes = np.zeros(2 * len(stroke_starts) + 256, np.int64)
    out_drawings = np.zeros_like(drawing_starts)
    n_strokes = 0
    for i in range(n_drawings):
        first, last = drawing_starts[i], drawing_starts[i + 1]
        p_first, p_last = stroke_starts[first], stroke_starts[last]
        if p_first < p_last:
            np.random.seed(keys[i] ^ _OTHER_NUMBERS)
            drawing = points[p_first:p_last].copy()
            starts = stroke_starts[first : last + 1] - p_first
            _to_unit(drawing)
            if np.random.random() < chances.pose:
                _pose(drawing, starts)
            if np.random.random() < chances.cut:
                drawing, starts = _cut(drawing, starts)
            extra, extra_starts = np.empty((0, 2), np.float32), np.zeros(1, np.int64)
            if np.random.random() < chances.shade:
                extra, extra_starts = _hatches(drawing, starts)
            more, more_starts = np.empty((0, 2), np.float32), np.zeros(1, np.int64)
            if np.random.random() < chances.detail:
                more, more_starts = _details(drawing)
            if np.random.random() < chances.sketchy:
                drawing, starts = _sketched(drawing, starts)
            for part, its_starts in (
                (drawing, starts),
                (more, more_starts),
                (extra, extra_starts),
            ):
                n_points = out_strokes[n_strokes]
                out = _with_room(out, n_points, n_points + len(part))
                out[n_points : n_points + len(part)] = part
                if n_strokes + len(its_starts) > len(out_strokes):
                    longer = np.zeros(2 * (n_strokes + len(its_starts)), np.int64)
                    longer[: n_strokes + 1] = out_strokes[: n_strokes + 1]
                    out_strokes = longer
                for s in range(1, len(its_starts)):
                    n_strokes += 1
                    out_strokes[n_strokes] = n_points + its_starts[s]
        out_drawings[i + 1] = n_strokes
    return out[: out_strokes[n_strokes]], out_strokes[: n_strokes + 1], out_drawings


@inner_kernel
def _to_unit(drawing: FloatArray) -> None:
    """Centre on the origin, longer side 1 (unless it is a dot)."""
    x_low = x_high = drawing[0, 0]
    y_low = y_high = drawing[0, 1]
    for p in range(1, len(drawing)):
        x_low, x_high = min(x_low, drawing[p, 0]), max(x_high, drawing[p, 0])
        y_low, y_high = min(y_low, drawing[p, 1]), max(y_high, drawing[p, 1])
    extent = max(x_high - x_low, y_high - y_low)
    scale = 1.0 / extent if extent > 0 else 1.0
    for p in range(len(drawing)):
        drawing[p, 0] = (drawing[p, 0] - (x_low + x_high) / 2) * scale
        drawing[p, 1] = (drawing[p, 1] - (y_low + y_high) / 2) * scale


@kernel
def _pose(drawing: FloatArray, starts: IntArray) -> None:
    """Rotate, foreshorten and draw in perspective, with parts larger or smaller; in place."""
    for s in range(len(starts) - 1):
        first, last = starts[s], starts[s + 1]
        x_mean, y_mean = drawing[first:last, 0].mean(), drawing[first:last, 1].mean()
        size = math.exp(np.random.normal() * 0.15)
        for p in range(first, last):
            drawing[p, 0] = x_mean + size * (drawing[p, 0] - x_mean)
            drawing[p, 1] = y_mean + size * (drawing[p, 1] - y_mean)
    angle = np.random.normal() * 0.35
    cos, sin = math.cos(angle), math.sin(angle)
    aspect = math.exp(np.random.normal() * 0.15)
    skew = np.random.normal() * 0.15
    x_far, y_far = np.random.normal() * 0.3, np.random.normal() * 0.3
    x_far, y_far = min(max(x_far, -0.7), 0.7), min(max(y_far, -0.7), 0.7)
    kx, ky = np.random.normal() * 2.5, np.random.normal() * 2.5
    phase = np.random.random() * 2 * math.pi
    ax, ay = np.random.normal() * 0.03, np.random.normal() * 0.03
    for p in range(len(drawing)):
        x, y = drawing[p, 0], drawing[p, 1]
        wave = math.sin(kx * x + ky * y + phase)
        x, y = (x + ax * wave) * aspect, (y + ay * wave) / aspect
        x += skew * y
        nearness = 1 / max(1 + x_far * x + y_far * y, 0.4)
        x, y = x * nearness, y * nearness
        drawing[p, 0] = cos * x - sin * y
        drawing[p, 1] = sin * x + cos * y
    _to_unit(drawing)


@kernel
def _cut(drawing: FloatArray, starts: IntArray) -> Any:
    """Cut off one side at a straight line -> points, starts; not if too much ink would go."""
    axis = 0 if np.random.random() < 0.7 else 1
    side = 1.0 if np.random.random() < 0.5 else -1.0
    share = 0.03 + 0.3 * np.random.random()
    edge = (side * drawing[:, axis]).max()
    edge -= share * (drawing[:, axis].max() - drawing[:, axis].min())
    out = np.empty((3 * len(drawing), 2), np.float32)
    out_starts = np.zeros(2 * len(drawing) + 2, np.int64)
    n_points = n_strokes = 0
    ink = kept = 0.0
    for s in range(len(starts) - 1):
        open_stroke = False
        for p in range(starts[s], starts[s + 1]):
            here = side * drawing[p, axis] <= edge
            if p > starts[s]:
                dx, dy = drawing[p, 0] - drawing[p - 1, 0], drawing[p, 1] - drawing[p - 1, 1]
                step = math.hypot(dx, dy)
                ink += step
                before = side * drawing[p - 1, axis] <= edge
                along = side * (drawing[p, axis] - drawing[p - 1, axis])
                if here != before and along != 0:
                    t = (edge - side * drawing[p - 1, axis]) / along
                    kept += step * (t if before else 1 - t)
                    out[n_points, 0] = drawing[p - 1, 0] + t * dx
                    out[n_points, 1] = drawing[p - 1, 1] + t * dy
                    n_points += 1
                    open_stroke = True
                    if before:
                        n_strokes += 1
                        out_starts[n_strokes] = n_points
                        open_stroke = False
                elif here:
                    kept += step
            if here:
                out[n_points] = drawing[p]
                n_points += 1
                open_stroke = True
        if open_stroke:
            n_strokes += 1
            out_starts[n_strokes] = n_points
    if n_points < 2 or kept < _MIN_INK * ink:
        return drawing, starts
    return out[:n_points], out_starts[: n_strokes + 1]


@inner_kernel
def _hatches(drawing: FloatArray, starts: IntArray) -> Any:
    """Hatch some of the areas that strokes enclose -> points, starts of the hatching."""
    out = np.empty((2 * _MAX_HATCHES + 2, 2), np.float32)
    out_starts = np.zeros(_MAX_HATCHES + 2, np.int64)
    n_points = n_strokes = 0
    angle = np.random.normal() * 0.3 + (0.8 if np.random.random() < 0.7 else 0.0)
    if np.random.random() < 0.3:
        angle = -angle
    cos, sin = math.cos(angle), math.sin(angle)
    spacing = 0.015 + 0.055 * np.random.random()
    zigzag = np.random.random() < 0.4
    crossings = np.empty(64, np.float64)
    for s in np.random.permutation(len(starts) - 1):
        first, last = starts[s], starts[s + 1]
        if last - first < 4 or _area(drawing, first, last) < 0.004:
            continue
        low, high = np.inf, -np.inf
        for p in range(first, last):
            v = -sin * drawing[p, 0] + cos * drawing[p, 1]
            low, high = min(low, v), max(high, v)
        share = np.random.random()  # of the area, from one side; half of them are filled
        share = 1.0 if share < 0.5 else share
        v = low + spacing * (0.3 + 0.4 * np.random.random())
        turn = False
        while v < low + share * (high - low) and n_strokes < _MAX_HATCHES:
            n = 0
            for p in range(first, last):
                q = p + 1 if p + 1 < last else first
                v0 = -sin * drawing[p, 0] + cos * drawing[p, 1]
                v1 = -sin * drawing[q, 0] + cos * drawing[q, 1]
                if (v0 <= v) != (v1 <= v) and n < 64:
                    t = (v - v0) / (v1 - v0)
                    u0 = cos * drawing[p, 0] + sin * drawing[p, 1]
                    u1 = cos * drawing[q, 0] + sin * drawing[q, 1]
                    crossings[n] = u0 + t * (u1 - u0)
                    n += 1
            inside = np.sort(crossings[:n])
            for c in range(0, n - 1, 2):
                if n_points + 2 > 2 * _MAX_HATCHES:
                    break
                u0 = inside[c] + np.random.normal() * 0.01
                u1 = inside[c + 1] + np.random.normal() * 0.01
                if turn:
                    u0, u1 = u1, u0
                va, vb = v + np.random.normal() * 0.004, v + np.random.normal() * 0.004
                out[n_points, 0], out[n_points, 1] = cos * u0 - sin * va, sin * u0 + cos * va
                out[n_points + 1, 0] = cos * u1 - sin * vb
                out[n_points + 1, 1] = sin * u1 + cos * vb
                n_points += 2
                if not zigzag or n > 2:
                    n_strokes += 1
                    out_starts[n_strokes] = n_points
            turn = zigzag and not turn
            v += spacing * (0.7 + 0.6 * np.random.random())
        if out_starts[n_strokes] < n_points:
            n_strokes += 1
            out_starts[n_strokes] = n_points
        if np.random.random() < 0.5 or n_strokes >= _MAX_HATCHES:
            break
    return out[:n_points], out_starts[: n_strokes + 1]


@inner_kernel
def _area(drawing: FloatArray, first: int, last: int) -> float:
    area = 0.0
    for p in range(first, last):
        q = p + 1 if p + 1 < last else first
        area += drawing[p, 0] * drawing[q, 1] - drawing[q, 0] * drawing[p, 1]
    return abs(area) / 2


@kernel
def _details(drawing: FloatArray) -> Any:
    """Small marks on or between the lines, and a ground below -> their points, starts."""
    n_marks = 1 + int(12 * np.random.random() ** 2)
    kind = np.random.random()
    size = 0.015 + 0.06 * np.random.random()
    out = np.empty((8 * n_marks + 8, 2), np.float32)
    out_starts = np.zeros(n_marks + 3, np.int64)
    n_points = n_strokes = 0
    turned = np.random.random() * 2 * math.pi
    for _ in range(n_marks):
        p = np.random.randint(len(drawing))
        x, y = drawing[p, 0], drawing[p, 1]
        if kind < 0.6:  # between this point and another one
            q = np.random.randint(len(drawing))
            t = np.random.random()
            x, y = x + t * (drawing[q, 0] - x), y + t * (drawing[q, 1] - y)
        its_size = size * (0.6 + 0.8 * np.random.random())
        if 0.2 < kind < 0.4:  # small rings
            for step in range(7):
                around = turned + step * 2 * math.pi / 6
                out[n_points, 0] = x + its_size / 2 * math.cos(around)
                out[n_points, 1] = y + its_size / 2 * math.sin(around)
                n_points += 1
        else:  # short lines in about one direction
            angle = turned + np.random.normal() * 0.4
            bend = np.random.normal() * 0.2 * its_size
            for step in range(3):
                along = (step / 2 - 0.5) * 1.5 * its_size
                across = bend if step == 1 else 0.0
                out[n_points, 0] = x + math.cos(angle) * along - math.sin(angle) * across
                out[n_points, 1] = y + math.sin(angle) * along + math.cos(angle) * across
                n_points += 1
        n_strokes += 1
        out_starts[n_strokes] = n_points
    if np.random.random() < 0.15:  # a ground to stand on
        y = drawing[:, 1].max() + np.random.normal() * 0.02
        middle = np.random.normal() * 0.1
        half = 0.25 + 0.25 * np.random.random()
        for step in range(4):
            out[n_points, 0] = middle + (step / 1.5 - 1) * half
            out[n_points, 1] = y + np.random.normal() * 0.01
            n_points += 1
        n_strokes += 1
        out_starts[n_strokes] = n_points
    return out[:n_points], out_starts[: n_strokes + 1]


@inner_kernel
def _sketched(drawing: FloatArray, starts: IntArray) -> Any:
    """Draw lines in several strokes with gaps or overlaps, some twice -> points, starts."""
    piece = math.exp(math.log(0.1) + np.random.random() * math.log(12.0))
    gap = max(np.random.normal() * 0.02, -0.04)  # overlaps are shorter than the shortest piece
    offset = 0.002 + 0.012 * np.random.random() ** 2
    again = 0.0 if np.random.random() < 0.5 else np.random.random()
    out = np.empty((4 * len(drawing) + 64, 2), np.float32)
    out_starts = np.zeros(len(drawing) + 64, np.int64)
    n_points = n_strokes = 0
    for s in range(len(starts) - 1):
        first, last = starts[s], starts[s + 1]
        length = 0.0
        for p in range(first + 1, last):
            length += math.hypot(
                drawing[p, 0] - drawing[p - 1, 0], drawing[p, 1] - drawing[p - 1, 1]
            )
        at = 0.0
        while True:
            until = min(at + piece * (0.5 + np.random.random()), length)
            if length - until < 0.05:
                until = length
            n_times = 2 if np.random.random() < again else 1
            for time in range(n_times):
                begin, end = at, until
                if time:  # not exactly the same stretch again
                    begin = max(0.0, at + np.random.normal() * 0.03)
                    end = min(length, until + np.random.normal() * 0.03)
                    if end <= begin:
                        begin, end = at, until
                dx, dy = np.random.normal() * offset, np.random.normal() * offset
                n_more = last - first + 2
                out = _with_room(out, n_points, n_points + n_more)
                n_points = _stretch(drawing[first:last], begin, end, dx, dy, out, n_points)
                n_strokes += 1
                if n_strokes + 1 > len(out_starts):
                    longer = np.zeros(2 * len(out_starts), np.int64)
                    longer[: len(out_starts)] = out_starts
                    out_starts = longer
                out_starts[n_strokes] = n_points
            if until >= length:
                break
            at = until + gap
            if at >= length:
                break
    return out[:n_points], out_starts[: n_strokes + 1]


@inner_kernel
def _with_room(buffer: FloatArray, n_used: int, n: int) -> FloatArray:
    """The buffer itself, or a longer copy that holds `n` points, of which `n_used` are there."""
    if n <= len(buffer):
        return buffer
    longer = np.empty((2 * n, 2), np.float32)
    longer[:n_used] = buffer[:n_used]
    return longer


@inner_kernel
def _stretch(
    stroke: FloatArray,
    begin: float,
    end: float,
    dx: float,
    dy: float,
    out: FloatArray,
    n_points: int,
) -> int:
    """Write the part of a stroke between two arc lengths, moved by (dx, dy), to `out`.

    Returns the new number of points in `out`.
    """
    at = 0.0
    written = n_points
    if len(stroke) == 1:
        out[written, 0], out[written, 1] = stroke[0, 0] + dx, stroke[0, 1] + dy
        return written + 1
    for p in range(1, len(stroke)):
        x0, y0 = stroke[p - 1, 0], stroke[p - 1, 1]
        vx, vy = stroke[p, 0] - x0, stroke[p, 1] - y0
        step = math.hypot(vx, vy)
        after = at + step
        if after >= begin and step > 0:
            if written == n_points:
                t = max(begin - at, 0.0) / step
                out[written, 0], out[written, 1] = x0 + t * vx + dx, y0 + t * vy + dy
                written += 1
            t = min((end - at) / step, 1.0)
            out[written, 0], out[written, 1] = x0 + t * vx + dx, y0 + t * vy + dy
            written += 1
            if after >= end:
                break
        at = after
    if written == n_points:
        out[written, 0], out[written, 1] = stroke[0, 0] + dx, stroke[0, 1] + dy
        written += 1
    return written
