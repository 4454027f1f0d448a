"""Kernels of the rasteriser. `renderer.py` is the only caller.

Python and the compiler must compute the same pixels (`Kernel.interpreted`), so the precision of
each step is spelt out.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from garabato.drawing import BoolArray, ByteArray, FloatArray, IntArray
from garabato.host.kernels import inner_kernel, kernel

#: The compiler may not fuse or reorder operations, so that the same strokes give the same pixels on
#: every CPU and in the JavaScript of exported pages.
_FASTMATH = {"nnan", "ninf", "nsz"}
#: This many pixels of a row are computed together, without branches. The compiler unrolls shorter
#: loops, instead of using vector instructions.
_LANES = 16
#: Second channel: the first stroke is 1, and each further one is this factor closer to _LAST_RANK.
_RANK_FADES = np.float32(0.8)
_LAST_RANK = np.float32(0.15)
#: Third channel: a stroke starts at 1 and loses this until its end.
_STROKE_FADE = np.float32(0.8)
#: Fourth channel: points along the strokes, at least two a stroke.
PATH_POINTS = 160


@kernel(fastmath=_FASTMATH)
def draw_polylines(
    points: FloatArray,
    stroke_starts: IntArray,
    drawing_starts: IntArray,
    line_widths_px: FloatArray,
    has_order: BoolArray,
    images: ByteArray,
) -> None:
    """Draw into `images` (N, S, S, 1, 3 or 4): anti-aliased, round caps, overlaps by maximum.

    `RenderSpec` describes the first three channels; the fourth is left as it is. Drawings without
    `has_order` only get the first.
    """
    size, n_channels = images.shape[1], images.shape[3]
    rows = images.reshape(len(images), size, size * n_channels)
    # The current drawing, 0..1; wider than the image, because lanes may run over its edge.
    pages = np.zeros((min(n_channels, 3), size, size + _LANES), np.float32)
    for i in range(len(drawing_starts) - 1):
        pages[:] = 0
        radius = line_widths_px[i] * np.float32(0.5)
        in_order = n_channels > 1 and has_order[i]
        rank_shade = np.float32(1.0)
        for s in range(drawing_starts[i], drawing_starts[i + 1]):
            first, last = stroke_starts[s], stroke_starts[s + 1]
            rank = _LAST_RANK + (np.float32(1.0) - _LAST_RANK) * rank_shade
            rank_shade *= _RANK_FADES
            ink = np.float32(0.0)
            if in_order:
                for p in range(first, last - 1):
                    ink += _distance(points, p)
            fade = _STROKE_FADE / ink if ink > 0 else np.float32(0.0)
            shade = np.float32(1.0)
            shades = _Shades(in_order, rank, shade, fade)
            if last - first == 1:
                x, y = points[first, 0], points[first, 1]
                _draw_segment(pages, x, y, x, y, radius, shades)
            for p in range(first, last - 1):
                x0, y0, x1, y1 = points[p, 0], points[p, 1], points[p + 1, 0], points[p + 1, 1]
                _draw_segment(pages, x0, y0, x1, y1, radius, shades)
                if in_order:
                    shade -= fade * _distance(points, p)
                    shades = _Shades(in_order, rank, shade, fade)
        if n_channels == 1:
            for row in range(size):
                for column in range(size):
                    rows[i, row, column] = _as_byte(pages[0, row, column])
        else:
            for row in range(size):
                for column in range(size):
                    rows[i, row, n_channels * column] = _as_byte(pages[0, row, column])
                    rows[i, row, n_channels * column + 1] = _as_byte(pages[1, row, column])
                    rows[i, row, n_channels * column + 2] = _as_byte(pages[2, row, column])


@kernel(fastmath=_FASTMATH)
def list_path(
    points: FloatArray,
    stroke_starts: IntArray,
    drawing_starts: IntArray,
    has_order: BoolArray,
    images: ByteArray,
) -> None:
    """Fill the fourth channel of `images` (N, S, S, 4), as `RenderSpec` describes it.

    Each stroke gets two points and a share of the others by its length; strokes beyond half the
    number of points are left out.
    """
    size = images.shape[1]
    for i in range(len(drawing_starts) - 1):
        images[i, :, :, 3] = 0
        first_stroke, end_stroke = drawing_starts[i], drawing_starts[i + 1]
        if stroke_starts[first_stroke] == stroke_starts[end_stroke]:
            continue
        x_middle, y_middle, scale = _path_box(
            points, stroke_starts[first_stroke], stroke_starts[end_stroke]
        )
        n_strokes = min(end_stroke - first_stroke, PATH_POINTS // 2)
        ink = 0.0
        for s in range(first_stroke, first_stroke + n_strokes):
            ink += _stroke_length(points, stroke_starts[s], stroke_starts[s + 1])
        n_free = PATH_POINTS - 2 * n_strokes
        n_given, drawn, k = 0, 0.0, 0
        for rank in range(n_strokes):
            p, end = stroke_starts[first_stroke + rank], stroke_starts[first_stroke + rank + 1]
            if p == end:
                continue
            length = _stroke_length(points, p, end)
            drawn += length
            share = drawn / ink if ink > 0 else (rank + 1) / n_strokes
            n_more = int(n_free * share + 0.5) - n_given
            n_given += n_more
            passed, step = 0.0, _step_length(points, p, end)  # up to point p, and from it
            for j in range(n_more + 2):
                wanted = length * j / (n_more + 1)
                while p + 2 < end and passed + step < wanted:
                    passed += step
                    p += 1
                    step = _step_length(points, p, end)
                x, y = np.float64(points[p, 0]), np.float64(points[p, 1])
                if step > 0:
                    t = min((wanted - passed) / step, 1.0)
                    x += t * (points[p + 1, 0] - x)
                    y += t * (points[p + 1, 1] - y)
                _put(images, i, k, size, (x - x_middle) * scale + 128.0)
                _put(images, i, PATH_POINTS + k, size, (y - y_middle) * scale + 128.0)
                if j == 0:
                    start = 255.0 if has_order[i] else 128.0
                    _put(images, i, 2 * PATH_POINTS + k, size, start)
                if has_order[i]:
                    before = 255.0 * rank / n_strokes + 0.5
                    _put(images, i, 3 * PATH_POINTS + k, size, before)
                k += 1


@inner_kernel(fastmath=_FASTMATH)
def _distance(points: FloatArray, p: int) -> float:
    """From point `p` to the next."""
    dx, dy = points[p + 1, 0] - points[p, 0], points[p + 1, 1] - points[p, 1]
    return np.float32(math.sqrt(dx * dx + dy * dy))


class _Shades(NamedTuple):
    """What a segment adds to the second and third channel, if the strokes have an order."""

    in_order: bool
    rank: float  # of the second channel
    shade: float  # of the third channel at the start of the segment
    fade: float  # what the third channel loses per px


@inner_kernel(fastmath=_FASTMATH)
def _draw_segment(
    pages: FloatArray,
    x0: float,
    y0: float,
    x1: float,
    y1: float,
    radius: float,
    shades: _Shades,
) -> None:
    """Take the maximum of the pages and of a segment, a capsule, in `_LANES` pixels at a time."""
    in_order, rank, shade, fade = shades
    zero, half, one = np.float32(0.0), np.float32(0.5), np.float32(1.0)
    page = pages[0]
    size = page.shape[0]
    reach = radius + half
    dx, dy = x1 - x0, y1 - y0
    length = np.float32(math.sqrt(dx * dx + dy * dy))
    ux, uy = (dx / length, dy / length) if length > zero else (one, zero)
    y_first = max(0, int(min(y0, y1) - reach))
    y_last = min(size - 1, int(max(y0, y1) + reach))
    x_left, x_right = min(x0, x1) - reach, max(x0, x1) + reach
    steep = abs(uy) > np.float32(1e-3)
    band = reach / abs(uy) if steep else zero
    slope = dx / dy if steep else zero
    for row in range(y_first, y_last + 1):
        py = np.float32(row) + half - y0
        left, right = x_left, x_right
        if steep:  # only where the row crosses the band around the line
            centre = x0 + py * slope
            left, right = max(left, centre - band), min(right, centre + band)
        for first in range(max(0, int(left + half)), min(size - 1, int(right)) + 1, _LANES):
            px = np.float32(first) + half - x0
            along = px * ux + py * uy
            across = px * uy - py * ux
            line = page[row, first : first + _LANES]
            if in_order:
                ranks = pages[1, row, first : first + _LANES]
                shades_of_line = pages[2, row, first : first + _LANES]
                for lane in range(_LANES):
                    step = np.float32(lane)
                    depth, on_line = _depth(along + step * ux, across + step * uy, length, reach)
                    line[lane] = max(line[lane], depth)
                    ranks[lane] = max(ranks[lane], depth * rank)
                    now = shade - fade * on_line
                    shades_of_line[lane] = max(shades_of_line[lane], depth * now)
            else:
                for lane in range(_LANES):
                    step = np.float32(lane)
                    depth, _ = _depth(along + step * ux, across + step * uy, length, reach)
                    line[lane] = max(line[lane], depth)


@inner_kernel(fastmath=_FASTMATH)
def _depth(along: float, across: float, length: float, reach: float) -> tuple[float, float]:
    """How far a pixel's centre lies inside the capsule, at most one pixel; the nearest position.

    `along` and `across` are the centre's coordinates from the start of the segment; the position
    is on the segment, 0 to `length`.
    """
    on_line = min(max(along, np.float32(0.0)), length)
    beyond = along - on_line
    off_line = np.float32(math.sqrt(beyond * beyond + across * across))
    return min(reach - off_line, np.float32(1.0)), on_line


@inner_kernel(fastmath=_FASTMATH)
def _as_byte(depth: float) -> int:
    return np.uint8(depth * np.float32(255.0) + np.float32(0.5))


@inner_kernel(fastmath=_FASTMATH)
def _path_box(points: FloatArray, first: int, end: int) -> tuple[float, float, float]:
    """The middle of a drawing's box, and the scale that makes its longer side 255."""
    x_low = x_high = np.float64(points[first, 0])
    y_low = y_high = np.float64(points[first, 1])
    for p in range(first + 1, end):
        x, y = np.float64(points[p, 0]), np.float64(points[p, 1])
        x_low, x_high = min(x_low, x), max(x_high, x)
        y_low, y_high = min(y_low, y), max(y_high, y)
    extent = max(x_high - x_low, y_high - y_low)
    scale = 255.0 / extent if extent > 0 else 0.0
    return (x_low + x_high) / 2, (y_low + y_high) / 2, scale


@inner_kernel(fastmath=_FASTMATH)
def _stroke_length(points: FloatArray, first: int, end: int) -> float:
    length = 0.0
    for p in range(first, end - 1):
        length += _step_length(points, p, end)
    return length


@inner_kernel(fastmath=_FASTMATH)
def _step_length(points: FloatArray, p: int, end: int) -> float:
    """From point `p` to the next one of its stroke, in double precision; 0 from the last."""
    if p + 1 >= end:
        return 0.0
    dx = np.float64(points[p + 1, 0]) - np.float64(points[p, 0])
    dy = np.float64(points[p + 1, 1]) - np.float64(points[p, 1])
    return math.sqrt(dx * dx + dy * dy)


@inner_kernel(fastmath=_FASTMATH)
def _put(images: ByteArray, i: int, position: int, size: int, value: float) -> None:
    """Set byte `position` of the fourth channel of image `i`."""
    images[i, position // size, position % size, 3] = np.uint8(min(value, 255.0))
