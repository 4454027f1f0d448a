"""Compiled kernels of tracing, 2: ink -> skeletons one pixel wide."""

from __future__ import annotations

import numpy as np

from garabato.drawing import ByteArray
from garabato.host.kernels import inner_kernel, kernel

#: Chamfer distances of a straight and a diagonal step (Borgefors 1986).
_UNITS, _DIAGONAL = 5, 7
#: The largest line width as a share of the drawing's longer side, and, if that is more, as a share
#: of the bitmap's. Thicker ink is a filled area, with an outline of _OUTLINE_WIDTH.
_MAX_WIDTH, _MAX_DOT_WIDTH, _OUTLINE_WIDTH = 0.22, 0.11, 0.04
#: Areas deeper than _FILLED pen radii are hollowed out; an outline _OUTLINE radii deep remains.
_FILLED, _OUTLINE = 1.9, 1.7
#: Areas up to _SCRIBBLED radii deep are lines that ran together: lines _APART radii apart remain,
#: too. Deeper ones are filled shapes.
_SCRIBBLED, _APART = 8.0, 2.5


@kernel
def skeletons(ink, starts, strides, sides):  # type: ignore[no-untyped-def]
    """Working images (from `_ink.inks`) -> (pixels, depths, starts, radii).

    `pixels` (K,) int64 are the pixels of the skeletons, row * stride + column; those of image i
    begin at `starts[i]`. `depths` (K,) float32 are their distances to the edge of the ink, and
    `radii` (N,) half the line widths, both in working px. `sides` (N,) are the longer sides of the
    bitmaps in working px. Overwrites `ink`.
    """
    pixels = np.empty(1024, np.int64)
    depths = np.empty(1024, np.float32)
    pixel_starts = np.zeros(len(strides) + 1, np.int64)
    radii = np.empty(len(strides), np.float64)
    n = 0
    for i in range(len(strides)):
        image = ink[starts[i] : starts[i + 1]]
        inked = _inked_pixels(image)
        radii[i] = 0.5
        if len(inked) > 0:
            distance = _distances(image, inked, strides[i])
            radii[i] = _pen_radius(distance, inked, strides[i], sides[i])
            if _hollow(image, distance, inked, strides[i], radii[i]):
                inked = _inked_pixels(image)
                distance = _distances(image, inked, strides[i])
            skeleton = _thin(image, distance, inked, strides[i])
            if n + len(skeleton) > len(pixels):
                more_pixels = np.empty(2 * (n + len(skeleton)), np.int64)
                more_depths = np.empty(2 * (n + len(skeleton)), np.float32)
                for p in range(n):
                    more_pixels[p], more_depths[p] = pixels[p], depths[p]
                pixels, depths = more_pixels, more_depths
            for p in skeleton:
                pixels[n], depths[n] = p, distance[p] / _UNITS
                n += 1
        pixel_starts[i + 1] = n
    return pixels[:n], depths[:n], pixel_starts, radii


@inner_kernel
def _inked_pixels(ink):  # type: ignore[no-untyped-def]
    """Indices of the inked pixels, in raster order."""
    n = 0
    for p in range(len(ink)):
        n += ink[p] != 0
    pixels = np.empty(n, np.int64)
    n = 0
    for p in range(len(ink)):
        if ink[p]:
            pixels[n] = p
            n += 1
    return pixels


@inner_kernel
def _distances(ink, pixels, stride):  # type: ignore[no-untyped-def]
    """Chamfer distance to the nearest empty pixel, in _UNITS; 0 off the ink."""
    distance = np.zeros(len(ink), np.int32)
    for p in pixels:
        if ink[p]:
            straight = min(distance[p - 1], distance[p - stride]) + _UNITS
            slanted = min(distance[p - stride - 1], distance[p - stride + 1]) + _DIAGONAL
            distance[p] = min(straight, slanted)
    for p in pixels[::-1]:
        if ink[p]:
            straight = min(distance[p + 1], distance[p + stride]) + _UNITS
            slanted = min(distance[p + stride - 1], distance[p + stride + 1]) + _DIAGONAL
            distance[p] = min(distance[p], straight, slanted)
    return distance


@inner_kernel
def _pen_radius(distance, pixels, stride, side):  # type: ignore[no-untyped-def]
    """Half the line width in working px: the median of the distance along its ridges."""
    deepest = 0
    for p in pixels:
        deepest = max(deepest, distance[p])
    counts = np.zeros(deepest + 1, np.int64)
    n = 0
    left, right = stride, 0
    for p in pixels:
        column = p % stride
        left, right = min(left, column), max(right, column)
        d = distance[p]
        if (
            d >= distance[p - 1]
            and d >= distance[p + 1]
            and d >= distance[p - stride]
            and d >= distance[p + stride]
            and d >= distance[p - stride - 1]
            and d >= distance[p - stride + 1]
            and d >= distance[p + stride - 1]
            and d >= distance[p + stride + 1]
        ):
            counts[d] += 1
            n += 1
    seen, median = 0, 0
    while seen + counts[median] <= n // 2:
        seen += counts[median]
        median += 1
    rows = pixels[len(pixels) - 1] // stride - pixels[0] // stride
    extent = max(right - left, rows) + 1
    width = 2 * median / _UNITS - 0.5
    if width > max(_MAX_WIDTH * extent, _MAX_DOT_WIDTH * side):
        width = _OUTLINE_WIDTH * extent
    return 0.5 * max(1.0, width)


@inner_kernel
def _hollow(ink, distance, pixels, stride, radius):  # type: ignore[no-untyped-def]
    """Reduce filled areas to lines around their middle; returns whether there were any.

    The lines are at equal distances from the edge, with gaps of two px between them.
    """
    deep = int(_FILLED * radius * _UNITS) + _UNITS
    outline = int(_OUTLINE * radius * _UNITS) + 1
    apart = max(4 * _UNITS, int(_APART * radius * _UNITS))
    area = np.empty(len(pixels), np.int64)
    seen = np.zeros(len(ink), np.bool_)
    found = False
    for origin in pixels:
        if distance[origin] < deep or seen[origin]:
            continue
        found = True
        seen[origin] = True
        area[0] = origin
        n, n_done, deepest = 1, 0, 0
        while n_done < n:
            p = area[n_done]
            n_done += 1
            deepest = max(deepest, distance[p])
            for q in (p - 1, p + 1, p - stride, p + stride):
                if not seen[q] and distance[q] > outline:
                    seen[q] = True
                    area[n] = q
                    n += 1
        is_scribble = deepest <= _SCRIBBLED * radius * _UNITS
        for i in range(n):
            p = area[i]
            if not is_scribble or (distance[p] - outline) % apart < 2 * _UNITS:
                ink[p] = 0
    return found


def _guo_hall() -> ByteArray:
    """Guo and Hall 1989, algorithm A1: (2, 256), whether a pixel with these eight neighbours is
    removed in the first or second sub-iteration."""
    table = np.zeros((2, 256), np.uint8)
    for code in range(256):
        n, ne, e, se, s, sw, w, nw = ((code >> bit) & 1 for bit in range(8))
        crossings = (
            (1 - n & (ne | e)) + (1 - e & (se | s)) + (1 - s & (sw | w)) + (1 - w & (nw | n))
        )
        pairs = min(
            (nw | n) + (ne | e) + (se | s) + (sw | w), (n | ne) + (e | se) + (s | sw) + (w | nw)
        )
        if crossings == 1 and 2 <= pairs <= 3:
            table[0, code] = 1 - ((s | sw | 1 - nw) & w)
            table[1, code] = 1 - ((n | ne | 1 - se) & e)
    return table


_IS_REMOVED = _guo_hall()


@inner_kernel(inline="always")
def _neighbours(image, p, stride):  # type: ignore[no-untyped-def]
    """The eight neighbours of a pixel as bits, clockwise from the one above."""
    return (
        image[p - stride]
        | image[p - stride + 1] << 1
        | image[p + 1] << 2
        | image[p + stride + 1] << 3
        | image[p + stride] << 4
        | image[p + stride - 1] << 5
        | image[p - 1] << 6
        | image[p - stride - 1] << 7
    )


@inner_kernel
def _thin(ink, distance, pixels, stride):  # type: ignore[no-untyped-def]
    """Thin `ink` in place to lines one pixel wide; returns the remaining pixels, in raster order.

    Each round of Guo-Hall sub-iterations goes one pixel deeper, so that lines stay in the middle
    whatever their direction, and each pixel is visited only a few times.
    """
    order = _by_distance(distance, pixels)
    active = np.empty(len(pixels), np.int64)
    going = np.empty(len(pixels), np.int64)
    n_active, n_seen = 0, 0
    reach = _UNITS
    changed = True
    while changed or n_seen < len(order):
        reach += _UNITS
        while n_seen < len(order) and distance[order[n_seen]] < reach:
            active[n_active] = order[n_seen]
            n_active += 1
            n_seen += 1
        changed = False
        for half in range(2):
            n_going = 0
            for i in range(n_active):
                if _IS_REMOVED[half, _neighbours(ink, active[i], stride)]:
                    going[n_going] = active[i]
                    n_going += 1
            for i in range(n_going):
                ink[going[i]] = 0
            if n_going:
                changed = True
                n_kept = 0
                for i in range(n_active):
                    if ink[active[i]]:
                        active[n_kept] = active[i]
                        n_kept += 1
                n_active = n_kept
    n_kept = 0
    for p in pixels:
        if ink[p]:
            if _is_corner(_neighbours(ink, p, stride)):
                ink[p] = 0
            else:
                active[n_kept] = p
                n_kept += 1
    return active[:n_kept]


@inner_kernel
def _by_distance(distance, pixels):  # type: ignore[no-untyped-def]
    """The pixels sorted by distance (a counting sort, so raster order among equals)."""
    deepest = 0
    for p in pixels:
        deepest = max(deepest, distance[p])
    starts = np.zeros(deepest + 2, np.int64)
    for p in pixels:
        starts[distance[p] + 1] += 1
    for d in range(deepest + 1):
        starts[d + 1] += starts[d]
    order = np.empty(len(pixels), np.int64)
    for p in pixels:
        order[starts[distance[p]]] = p
        starts[distance[p]] += 1
    return order


@inner_kernel(inline="always")
def _is_corner(code):  # type: ignore[no-untyped-def]
    """Whether a pixel is the inner corner of a stair, which Guo-Hall leaves: its two neighbours
    touch without it."""
    for turn in (0, 2, 4, 6):
        beside = 1 << turn | 1 << ((turn + 2) & 7)
        between = 1 << ((turn + 1) & 7)
        if code & beside == beside and code & ~(beside | between) == 0:
            return True
    return False
