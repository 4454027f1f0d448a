"""What an SVG document paints: polylines with paint and clips; their dashes, markers and cuts."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise, starmap
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from garabato.drawing import BoolArray, IntArray
from garabato.formats.svg.geometry import length
from garabato.formats.svg.style import Colour

Points = npt.NDArray[np.float64]  # (n, 2)
Rectangle = tuple[float, float, float, float]  # left, top, right, bottom

WHITE: Colour = (255.0, 255.0, 255.0, 1.0)

#: A gap longer than this share of its line is left out; shorter ones are only a pattern.
_MIN_GAP = 0.25
#: Longer dash patterns are not read.
_MAX_DASHES = 64
#: Lines are sampled at points at least this far apart, and at no more points than this.
_STEP_PX, _MAX_SAMPLES = 1.5, 200_000
#: Visible parts of a hidden line that are shorter, in samples and as a share of the line, are only
#: where it crosses others.
_MIN_SAMPLES, _MIN_SHARE = 8, 0.25
#: Where strokes are cut into pieces, at least this many begin where the last one ended.
_MIN_PIECES = 16


class Clip(NamedTuple):
    """Where an item may be seen: in a rectangle and in all regions, each painted by items."""

    rectangle: Rectangle | None = None
    regions: tuple[tuple[Item, ...], ...] = ()


class Item(NamedTuple):
    """One shape: polylines `points[starts[i]:starts[i + 1]]` in page units, and how it is painted.

    `fill` and `stroke` are None where nothing is painted; `stroke_width` is in page units.
    """

    points: Points
    starts: IntArray
    bounds: Rectangle
    fill: Colour | None = None
    stroke: Colour | None = None
    stroke_width: float = 0.0
    is_even_odd: bool = False
    clip: Clip = Clip()


class Document(NamedTuple):
    """What a document paints, in units of its outermost view box.

    `page` is what a viewer shows of it, None if the document doesn't say. `background` is the
    page's colour if the document sets it.
    """

    items: list[Item]
    page: Rectangle | None
    background: Colour | None
    n_pictures: int
    n_texts: int


def joined(lines: Sequence[Points]) -> tuple[Points, IntArray]:
    """Polylines as the `points` and `starts` of an item."""
    starts = np.cumsum([0, *map(len, lines)], dtype=np.int64)
    return np.concatenate(lines) if lines else np.empty((0, 2)), starts


def bounds_of(points: Points) -> Rectangle:
    """The smallest rectangle that holds all points."""
    left, top = points.min(axis=0).tolist()
    right, bottom = points.max(axis=0).tolist()
    return left, top, right, bottom


def intersection(a: Rectangle | None, b: Rectangle | None) -> Rectangle | None:
    """The intersection of two rectangles; None stands for the whole plane."""
    if a is None or b is None:
        return b if a is None else a
    return max(a[0], b[0]), max(a[1], b[1]), min(a[2], b[2]), min(a[3], b[3])


def rectangle_of(item: Item) -> Rectangle | None:
    """The rectangle with sides along the axes that a filled item is; None for other shapes."""
    points = item.points
    if len(item.starts) != 2 or not 4 <= len(points) <= 5:
        return None
    if len(points) == 5 and not (points[0] == points[4]).all():
        return None
    low, high = points.min(axis=0), points.max(axis=0)
    on_edge = (points == low) | (points == high)
    sides = np.abs(np.diff(points[[0, 1, 2, 3, 0]], axis=0)) > 0
    if not on_edge.all() or not (sides.sum(axis=1) == 1).all():
        return None
    return float(low[0]), float(low[1]), float(high[0]), float(high[1])


def whole_strokes(items: list[Item]) -> list[Item]:
    """`items` with strokes that are written in pieces, each from one point to the next, made whole.

    Programs that know the pen's pressure give each piece a width of its own. In such documents,
    most lines begin where the last one ended.
    """
    whole: list[tuple[Item, list[list[Points]]]] = []  # with its lines, each in pieces
    n_lines = n_joined = 0
    for item in items:
        for first, end in pairwise(item.starts.tolist()):
            line = item.points[first:end]
            n_lines += 1
            if whole and _goes_on(whole[-1][0], whole[-1][1][-1][-1], item, line):
                n_joined += 1
                whole[-1][1][-1].append(line)
            elif whole and whole[-1][0] is item:
                whole[-1][1].append([line])
            else:
                whole.append((item, [[line]]))
    return items if n_joined < max(_MIN_PIECES, n_lines / 2) else list(starmap(_with_lines, whole))


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

    A dashed line is read as a line: only gaps count that are long for their line. `scale`
    converts the units of `dashes` and `offset`, `whole_length` is the path's `pathLength`, 0 if not
    set. Dashes of length 0 are dots, which are visible if the line `has_caps`.
    Source: https://www.w3.org/TR/SVG2/painting.html#StrokeDashing.
    """
    texts = dashes.replace(",", " ").split()
    pattern = [length(text, 0.0, -1.0) for text in texts]
    cycle = sum(pattern)
    if len(texts) > _MAX_DASHES or min(pattern, default=-1.0) < 0 or not 0 < cycle < math.inf:
        return points, starts
    if not has_caps and sum((pattern * (1 + len(pattern) % 2))[::2]) == 0:
        return joined([])
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
    return joined(parts)


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


def cut(line: Points, px: Points, is_seen: BoolArray) -> list[Points]:
    """The parts of a line, whose pixels are at `px`, where `is_seen` (H, W) is true."""
    lengths = np.hypot(*np.diff(px, axis=0).T)
    step = max(_STEP_PX, float(lengths.sum()) / _MAX_SAMPLES)
    n_pieces = np.maximum(np.ceil(lengths / step), 1).astype(np.int64)
    # at positions 0..n - 1 along the line's points, its own points among them
    segment = np.repeat(np.arange(len(n_pieces)), n_pieces)
    within = np.arange(len(segment)) - np.repeat(np.cumsum(n_pieces) - n_pieces, n_pieces)
    share = np.append(within / n_pieces[segment], 1.0)
    segment = np.append(segment, len(n_pieces) - 1)
    at = px[segment] + (px[segment + 1] - px[segment]) * share[:, None]
    height, width = is_seen.shape
    columns = np.clip(np.floor(at[:, 0]), 0, width - 1).astype(np.int64)
    rows = np.clip(np.floor(at[:, 1]), 0, height - 1).astype(np.int64)
    seen = is_seen[rows, columns]
    if seen.all():
        return [line]
    samples = line[segment] + (line[segment + 1] - line[segment]) * share[:, None]
    edges = np.flatnonzero(np.diff(np.concatenate([[0], seen.view(np.int8), [0]])))
    shortest = min(_MIN_SAMPLES, _MIN_SHARE * len(seen))
    return [samples[a:b] for a, b in edges.reshape(-1, 2) if b - a > shortest]


def clipped_lines(item: Item) -> list[Points]:
    """The polylines of an item, cut where its clip rectangle ends."""
    lines = [item.points[a:b] for a, b in pairwise(item.starts.tolist())]
    if not is_cut(item):
        return lines
    rectangle = grown(item)
    return [part for line in lines for part in _cut_at_rectangle(line, rectangle)]


def is_cut(item: Item) -> bool:
    """Whether an item reaches beyond its clip rectangle."""
    if item.clip.rectangle is None:
        return False
    left, top, right, bottom = item.clip.rectangle
    own = item.bounds
    return not (left <= own[0] and top <= own[1] and own[2] <= right and own[3] <= bottom)


def grown(item: Item) -> Rectangle:
    """The clip rectangle, enlarged so that strokes half visible at its edge stay."""
    left, top, right, bottom = item.clip.rectangle  # type: ignore[misc]
    margin = item.stroke_width / 2 if item.stroke else 0.0
    margin += 1e-6 * max(right - left, bottom - top, 0.0)
    return left - margin, top - margin, right + margin, bottom + margin


def _goes_on(item: Item, last: Points, following: Item, line: Points) -> bool:
    """Whether `line` of `following` goes on with the stroke that `last` of `item` is a piece of."""
    return (
        len(last) == len(line) == 2
        and bool((last[1] == line[0]).all())
        and not (item.fill or following.fill)
        and (item.stroke, item.clip.rectangle) == (following.stroke, following.clip.rectangle)
        and list(map(id, item.clip.regions)) == list(map(id, following.clip.regions))
    )


def _with_lines(item: Item, lines: list[list[Points]]) -> Item:
    whole = [np.concatenate([pieces[0], *(one[1:] for one in pieces[1:])]) for pieces in lines]
    points, starts = joined(whole)
    return item._replace(points=points, starts=starts, bounds=bounds_of(points))


def _long_gaps(pattern: list[float], offset: float, total: float) -> list[tuple[float, float]]:
    """The gaps (from, to) on a line of length `total` that are long for it."""
    cycle = sum(pattern)
    if not (0 < total < math.inf and math.isfinite(offset)) or cycle <= _MIN_GAP * total:
        return []
    at = -(offset % cycle)
    gaps = []
    while at < total:
        for i, extent in enumerate(pattern):
            low, high = max(at, 0.0), min(at + extent, total)
            if i % 2 and high - low > _MIN_GAP * total:
                gaps.append((low, high))
            at += extent
    return gaps


def _between(line: Points, at: Points, gaps: list[tuple[float, float]]) -> Iterator[Points]:
    """The parts of a line between its gaps; its points lie at the lengths `at`."""
    total = float(at[-1])
    edges = [0.0, *(edge for gap in gaps for edge in gap), total]
    for low, high in zip(edges[::2], edges[1::2], strict=True):
        if high - low <= 1e-3 * total:
            continue
        inner = at[(at > low) & (at < high)]
        along = np.concatenate([[low], inner, [high]])
        yield np.column_stack([np.interp(along, at, line[:, axis]) for axis in (0, 1)])


def _cut_at_rectangle(line: Points, rectangle: Rectangle) -> list[Points]:
    """The parts of a line inside a rectangle, by Liang and Barsky's algorithm."""
    a, b = line[:-1], line[1:]
    step = b - a
    enter, leave = np.zeros(len(a)), np.ones(len(a))
    for axis in (0, 1):
        low, high = rectangle[axis], rectangle[axis + 2]
        moves = step[:, axis] != 0
        t = np.stack([low - a[:, axis], high - a[:, axis]]) / np.where(moves, step[:, axis], 1.0)
        enter = np.where(moves, np.maximum(enter, t.min(axis=0)), enter)
        leave = np.where(moves, np.minimum(leave, t.max(axis=0)), leave)
        outside = (a[:, axis] < low) | (a[:, axis] > high)
        leave = np.where(~moves & outside, -1.0, leave)
    parts: list[list[Points]] = []
    following = -1  # the segment that would go on with the last part
    for i in np.flatnonzero(enter <= leave).tolist():
        if i != following or enter[i] > 0.0:
            parts.append([a[i] + enter[i] * step[i]])
        parts[-1].append(a[i] + leave[i] * step[i] if leave[i] < 1.0 else b[i])
        following = i + 1 if leave[i] == 1.0 else -1
    return [np.array(part) for part in parts]
