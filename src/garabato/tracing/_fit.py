"""Tracing, 5: dense polylines -> a few straight lines.

The centre lines of thick or small pictures cut corners and wobble a little. So a straight line is
fitted to the points between two corners, and corners are moved to where these lines intersect.
"""

from __future__ import annotations

import math

import numpy as np

from garabato.host.kernels import inner_kernel, kernel

#: Points within this many pen radii of a corner are ignored when lines are fitted; a corner is
#: moved by at most _MAX_MOVE pen radii.
_IGNORED, _MAX_MOVE = 1.0, 1.5
#: The intersection of lines that turn by less than this (sine) is not used.
_MIN_TURN = 0.25


@kernel
def fit_lines(points, is_corner, stroke_starts, radii):  # type: ignore[no-untyped-def]
    """Strokes of dense points (P, 2) float32 -> corners (Q, 2) float32 and their stroke_starts.

    `is_corner` (P,) bool marks initial corners, including both ends of each stroke. `radii` (S,)
    are half the line widths of the strokes, in units of the points.
    """
    points = points.astype(np.float64)
    n_corners = 0
    for p in range(len(points)):
        n_corners += is_corner[p]
    out = np.empty((n_corners, 2), np.float32)
    out_starts = np.zeros(len(stroke_starts), np.int64)
    longest = 1
    for s in range(len(radii)):
        longest = max(longest, stroke_starts[s + 1] - stroke_starts[s])
    at = np.empty(longest, np.int64)
    lines = np.empty((longest, 4), np.float64)  # a point of each line and its direction
    n = 0
    for s in range(len(radii)):
        m = 0
        for p in range(stroke_starts[s], stroke_starts[s + 1]):
            if is_corner[p]:
                at[m] = p
                m += 1
        for k in range(m - 1):
            _fit(points, at[k], at[k + 1], _IGNORED * radii[s], lines[k])
        first, last = at[0], at[m - 1]
        closed = (
            m > 3 and points[first, 0] == points[last, 0] and points[first, 1] == points[last, 1]
        )
        for k in range(m):
            x, y = points[at[k], 0], points[at[k], 1]
            before, after = k - 1, k
            if closed and (k == 0 or k == m - 1):
                before, after = m - 2, 0
            if before < 0:
                before = after
            if after > m - 2:
                after = before
            if m > 1:
                x, y = _corner(x, y, lines[before], lines[after], _MAX_MOVE * radii[s])
            out[n, 0], out[n, 1] = x, y
            n += 1
        out_starts[s + 1] = n
    return out, out_starts


@inner_kernel
def _fit(points, first, last, ignored, line):  # type: ignore[no-untyped-def]
    """Write the least-squares line (orthogonal distances) through points[first:last + 1]."""
    skipped = 0  # at either end
    while skipped < (last - first) // 4 and (
        math.hypot(
            points[first + skipped, 0] - points[first, 0],
            points[first + skipped, 1] - points[first, 1],
        )
        < ignored
    ):
        skipped += 1
    chosen = points[first + skipped : last + 1 - skipped]
    x, y = 0.0, 0.0
    for p in range(len(chosen)):
        x += chosen[p, 0]
        y += chosen[p, 1]
    x /= len(chosen)
    y /= len(chosen)
    xx, xy, yy = 0.0, 0.0, 0.0
    for p in range(len(chosen)):
        dx, dy = chosen[p, 0] - x, chosen[p, 1] - y
        xx += dx * dx
        xy += dx * dy
        yy += dy * dy
    angle = 0.5 * math.atan2(2 * xy, xx - yy)
    line[0], line[1], line[2], line[3] = x, y, math.cos(angle), math.sin(angle)


@inner_kernel
def _corner(x, y, before, after, max_move):  # type: ignore[no-untyped-def]
    """The intersection of two lines, or (x, y) projected onto them if they are nearly parallel;
    (x, y) if that is more than `max_move` away."""
    turn = before[2] * after[3] - before[3] * after[2]
    if abs(turn) > _MIN_TURN:
        dx, dy = after[0] - before[0], after[1] - before[1]
        along = (dx * after[3] - dy * after[2]) / turn
        new_x, new_y = before[0] + along * before[2], before[1] + along * before[3]
    else:
        new_x, new_y = 0.0, 0.0
        for line in (before, after):
            along = (x - line[0]) * line[2] + (y - line[1]) * line[3]
            new_x += 0.5 * (line[0] + along * line[2])
            new_y += 0.5 * (line[1] + along * line[3])
    if math.hypot(new_x - x, new_y - y) > max_move:
        return x, y
    return new_x, new_y
