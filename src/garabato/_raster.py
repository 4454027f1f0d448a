"""Compiled kernels of the renderer (numba, no GIL); `render.py` is their only caller."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from garabato.drawing import ByteArray, FloatArray, IntArray


@njit(cache=True, nogil=True, fastmath=True)  # type: ignore[untyped-decorator]
def fit_to_box(
    points: FloatArray,
    stroke_starts: IntArray,
    drawing_starts: IntArray,
    size_px: float,
    inset_px: float,
) -> FloatArray:
    """Scale each drawing (aspect kept) into the box `inset_px` inside the image, and centre it."""
    placed = np.empty_like(points)
    box = size_px - 2 * inset_px
    for i in range(len(drawing_starts) - 1):
        first = stroke_starts[drawing_starts[i]]
        last = stroke_starts[drawing_starts[i + 1]]
        if first == last:
            continue
        x_low = x_high = points[first, 0]
        y_low = y_high = points[first, 1]
        for p in range(first + 1, last):
            x_low = min(x_low, points[p, 0])
            x_high = max(x_high, points[p, 0])
            y_low = min(y_low, points[p, 1])
            y_high = max(y_high, points[p, 1])
        extent = max(x_high - x_low, y_high - y_low)
        scale = box / extent if extent > 0 else np.float32(1.0)
        x_shift = (size_px - (x_low + x_high) * scale) / 2
        y_shift = (size_px - (y_low + y_high) * scale) / 2
        for p in range(first, last):
            placed[p, 0] = points[p, 0] * scale + x_shift
            placed[p, 1] = points[p, 1] * scale + y_shift
    return placed


@njit(cache=True, nogil=True, fastmath=True)  # type: ignore[untyped-decorator]
def draw_polylines(
    points: FloatArray,
    stroke_starts: IntArray,
    drawing_starts: IntArray,
    line_widths_px: FloatArray,
    images: ByteArray,
) -> None:
    """Draw into `images` (N, S, S): ink 255, anti-aliased, round caps, overlaps by maximum."""
    for i in range(len(drawing_starts) - 1):
        image = images[i]
        radius = line_widths_px[i] * np.float32(0.5)
        for s in range(drawing_starts[i], drawing_starts[i + 1]):
            first, last = stroke_starts[s], stroke_starts[s + 1]
            if last - first == 1:
                x, y = points[first, 0], points[first, 1]
                _draw_segment(image, x, y, x, y, radius)
            for p in range(first, last - 1):
                _draw_segment(
                    image,
                    points[p, 0],
                    points[p, 1],
                    points[p + 1, 0],
                    points[p + 1, 1],
                    radius,
                )


@njit(cache=True, nogil=True, fastmath=True, inline="always")  # type: ignore[untyped-decorator]
def _draw_segment(
    image: ByteArray, x0: float, y0: float, x1: float, y1: float, radius: float
) -> None:
    """Coverage of a pixel = how far its centre lies inside the capsule, clipped to one pixel."""
    size = image.shape[0]
    half = np.float32(0.5)
    reach = radius + half
    dx, dy = x1 - x0, y1 - y0
    squared_length = dx * dx + dy * dy
    inverse = np.float32(1.0) / squared_length if squared_length > 0 else np.float32(0.0)
    y_first = max(0, int(math.floor(min(y0, y1) - reach)))
    y_last = min(size - 1, int(math.floor(max(y0, y1) + reach)))
    x_left, x_right = min(x0, x1) - reach, max(x0, x1) + reach
    steep = abs(dy) > np.float32(1e-3)
    band = reach * math.sqrt(squared_length) / abs(dy) if steep else np.float32(0.0)
    for row in range(y_first, y_last + 1):
        y = row + half
        left, right = x_left, x_right
        if steep:  # only where the row crosses the band around the line
            centre = x0 + (y - y0) * dx / dy
            left, right = max(left, centre - band), min(right, centre + band)
        for column in range(max(0, int(left - half)), min(size - 1, int(right)) + 1):
            px, py = column + half - x0, y - y0
            along = min(np.float32(1.0), max(np.float32(0.0), (px * dx + py * dy) * inverse))
            ex, ey = px - along * dx, py - along * dy
            squared = ex * ex + ey * ey
            if squared < reach * reach:
                depth = min(np.float32(1.0), reach - math.sqrt(squared))
                ink = np.uint8(depth * np.float32(255.0) + half)
                if ink > image[row, column]:
                    image[row, column] = ink
