"""Compiled kernels of tracing, 5: dense polylines -> few straight lines.

Centre lines of thick or small pictures cut corners and wobble a little. A drawing's corners are
where the straight lines meet that fit best between them.
"""

from __future__ import annotations

import math

import numpy as np

from garabato.host.kernels import inner_kernel, kernel

#: Points within this many pen radii of a corner don't count for its lines; a corner is moved by at
#: most _MOVED pen radii.
_SPARED, _MOVED = 1.0, 1.5
#: Lines that turn by less than this (sine) have no corner worth looking for.
_TURN = 0.25


@kernel
def fit_lines(points, is_corner, stroke_starts, radii):  # type: ignore[no-untyped-def]
    """Strokes of dense points (P, 2) float32 -> (corners (Q, 2) float32, where strokes start).

    `is_corner` (P,) bool marks first guesses, both ends of each stroke among them; `radii` (S,) is
    half the line width of each stroke in units of the points.
    """
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
            _fit(points, at[k], at[k + 1], _SPARED * radii[s], lines[k])
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
                x, y = _corner(x, y, lines[before], lines[after], _MOVED * radii[s])
            out[n, 0], out[n, 1] = x, y
            n += 1
        out_starts[s + 1] = n
    return out, out_starts


@inner_kernel
def _fit(points, first, last, spared, line):  # type: ignore[no-untyped-def]
    """Write the line with the least squared distances from points[first:last + 1]."""
    skipped = 0  # at either end
    while skipped < (last - first) // 4 and (
        math.hypot(
            points[first + skipped, 0] - points[first, 0],
            points[first + skipped, 1] - points[first, 1],
        )
        < spared
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
def _corner(x, y, before, after, most):  # type: ignore[no-untyped-def]
    """Where two lines meet, or else the nearest point to them, if it is within `most` of (x, y)."""
    turn = before[2] * after[3] - before[3] * after[2]
    if abs(turn) > _TURN:
        dx, dy = after[0] - before[0], after[1] - before[1]
        along = (dx * after[3] - dy * after[2]) / turn
        new_x, new_y = before[0] + along * before[2], before[1] + along * before[3]
    else:
        new_x, new_y = 0.0, 0.0
        for line in (before, after):
            along = (x - line[0]) * line[2] + (y - line[1]) * line[3]
            new_x += 0.5 * (line[0] + along * line[2])
            new_y += 0.5 * (line[1] + along * line[3])
    if math.hypot(new_x - x, new_y - y) > most:
        return x, y
    return new_x, new_y
