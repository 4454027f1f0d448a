"""Along a line of an SVG document: the gaps of its dashes, and where its markers are."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from garabato.drawing import IntArray
from garabato.formats.svg.geometry import length
from garabato.formats.svg.items import Points

#: A gap longer than this share of its line is left out; shorter ones are the look of the line.
_LEAST_GAP = 0.25
#: Longer dash patterns are not read.
_MAX_DASHES = 64


def without_gaps(
    points: Points,
    starts: IntArray,
    dashes: str,
    offset: float,
    scale: float,
    whole_length: float = 0.0,
    *,
    has_caps: bool = True,
) -> tuple[Points, IntArray]:
    """The parts of polylines that `stroke-dasharray` shows; the same arrays if it shows all.

    A dashed line is read as a line: only gaps that are long beside the line count. `scale` is that
    of the units of `dashes` and `offset`, `whole_length` the path's `pathLength`, 0 if not set.
    Dashes of length 0 are dots, which are seen if the line `has_caps`.
    Source: https://www.w3.org/TR/SVG2/painting.html#StrokeDashing.
    """
    texts = dashes.replace(",", " ").split()
    pattern = [length(text, 0.0, -1.0) for text in texts]
    cycle = sum(pattern)
    if len(texts) > _MAX_DASHES or min(pattern, default=-1.0) < 0 or not 0 < cycle < math.inf:
        return points, starts
    if not has_caps and sum((pattern * (1 + len(pattern) % 2))[::2]) == 0:
        return np.empty((0, 2)), np.zeros(1, np.int64)
    lines = [points[a:b] for a, b in pairwise(starts.tolist())]
    lengths = [np.hypot(*np.diff(line, axis=0).T) for line in lines]
    if whole_length > 0:
        scale = float(sum(steps.sum() for steps in lengths)) / whole_length
    pattern = [scale * dash for dash in pattern * (1 + len(pattern) % 2)]
    parts: list[Points] = []
    for line, steps in zip(lines, lengths, strict=True):
        at = np.concatenate([[0.0], np.cumsum(steps)])
        gaps = _long_gaps(pattern, scale * offset, float(at[-1]))
        parts += _between(line, at, gaps) if gaps else [line]
    if len(parts) == len(lines) and all(map(np.array_equal, parts, lines)):
        return points, starts
    ends = np.cumsum([0, *map(len, parts)], dtype=np.int64)
    return np.concatenate(parts) if parts else np.empty((0, 2)), ends


def _long_gaps(pattern: list[float], offset: float, total: float) -> list[tuple[float, float]]:
    """The gaps (from, to) on a line of length `total` that are long beside it."""
    cycle = sum(pattern)
    if not (0 < total < math.inf and math.isfinite(offset)) or cycle <= _LEAST_GAP * total:
        return []
    at = -(offset % cycle)
    gaps = []
    while at < total:
        for i, extent in enumerate(pattern):
            low, high = max(at, 0.0), min(at + extent, total)
            if i % 2 and high - low > _LEAST_GAP * total:
                gaps.append((low, high))
            at += extent
    return gaps


def _between(line: Points, at: Points, gaps: list[tuple[float, float]]) -> Iterator[Points]:
    """The parts of a line, whose points are `at` these lengths, between its gaps."""
    total = float(at[-1])
    edges = [0.0, *(edge for gap in gaps for edge in gap), total]
    for low, high in zip(edges[::2], edges[1::2], strict=True):
        if high - low <= 1e-3 * total:
            continue
        inner = at[(at > low) & (at < high)]
        along = np.concatenate([[low], inner, [high]])
        yield np.column_stack([np.interp(along, at, line[:, axis]) for axis in (0, 1)])


def vertices(
    points: Points, starts: IntArray, *, has_mid: bool
) -> Iterator[tuple[int, tuple[float, float], float]]:
    """Where markers are: (0 start, 1 mid or 2 end; the point; the line's direction in degrees).

    Between two segments, the direction is halfway between theirs. Source:
    https://www.w3.org/TR/SVG2/painting.html#VertexMarkerDirection.
    """
    last = len(points) - 1
    for first, end in pairwise(starts.tolist()):
        line = points[first:end]
        steps = np.diff(line, axis=0)
        steps = steps / np.maximum(np.hypot(*steps.T), 1e-300)[:, None]
        is_closed = len(line) > 2 and (line[0] == line[-1]).all()
        before = np.concatenate([steps[-1:] if is_closed else steps[:1], steps])
        after = np.concatenate([steps, steps[:1] if is_closed else steps[-1:]])
        directions = before + after
        for i, (x, y) in enumerate(line.tolist()):
            number = first + i
            if 0 < number < last and not has_mid:
                continue
            dx, dy = directions[i] if directions[i].any() else after[i]
            angle = math.degrees(math.atan2(dy, dx))
            if number in (0, last):
                yield (0 if number == 0 else 2), (x, y), angle
            else:
                yield 1, (x, y), angle
