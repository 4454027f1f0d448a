"""Tracing, 3: graphs -> strokes of a few straight lines.

Branches that run straight through a node become one stroke. Branch c has two half-edges: `2 * c` is
c from its first point on, `2 * c + 1` is c from its last point on.

The centre lines of thick or small pictures cut corners and wobble a little. So a straight line is
fitted to the points between two corners, and corners are moved to where these lines intersect.
"""

from __future__ import annotations

import math

import numpy as np

from garabato.host.kernels import inner_kernel, kernel

#: A stroke continues through a node if it turns by less than 60 degrees (the cosine between its
#: branches).
_STRAIGHT = -0.5
#: At nodes with more branches than this, all strokes end (noise; pairing is quadratic).
_MAX_BRANCHES = 12
#: The direction of a branch is measured over this many pen radii, plus two points, from its node.
_AHEAD = 2.5
#: Points are averaged over this many pen radii, and at most this many points, on each side.
_SMOOTHING, _SMOOTHING_POINTS = 0.5, 8
#: Where a stroke passes other branches, points within this many pen radii of the node are left out,
#: since the other branches displace them.
_PASSING = 1.0

_BRANCH, _RING, _SINGLE = 0, 1, 2  # the kinds of chains in `_graph`

#: Points within this many pen radii of a corner are ignored when lines are fitted; a corner is
#: moved by at most _MAX_MOVE pen radii.
_IGNORED, _MAX_MOVE = 1.0, 1.5
#: The intersection of lines that turn by less than this (sine) is not used.
_MIN_TURN = 0.25


@kernel
def find_polylines(graphs, radii):  # type: ignore[no-untyped-def]
    """`_graph.Graphs` -> points (P, 2) float32, stroke_starts, drawing_starts.

    The points are in px of the bitmaps, about as far apart as pixels of the working images.
    `radii` (N,) are half the line widths of the drawings, in those pixels.
    """
    points, chain_starts, kinds, ends, nodes = (
        graphs.points, graphs.chain_starts, graphs.kinds, graphs.ends, graphs.nodes
    )  # fmt: skip
    first_chains, first_nodes = graphs.first_chains, graphs.first_nodes
    edges, edge_starts = _edges_of_nodes(ends, len(nodes))
    partner = np.full(2 * len(kinds), -1, np.int64)
    for i in range(len(radii)):
        ahead, left_out = int(_AHEAD * radii[i]) + 2, int(_PASSING * radii[i])
        for node in range(first_nodes[i], first_nodes[i + 1]):
            around = edges[edge_starts[node] : edge_starts[node + 1]]
            if 2 <= len(around) <= _MAX_BRANCHES:
                _pair(points, chain_starts, nodes[node], around, ahead, partner)
            if len(around) > 2:
                _move_onto_line(points, chain_starts, nodes[node], around, left_out, partner)
    out = np.empty((len(points) + 3 * len(kinds) + len(nodes), 2), np.float64)
    stroke_starts = np.zeros(len(kinds) + len(nodes) + 1, np.int64)
    drawing_starts = np.zeros(len(radii) + 1, np.int64)
    scratch = np.empty((len(out), 2), np.float64)
    walked = np.zeros(len(kinds), np.bool_)
    n, n_strokes = np.int64(0), 0  # numba would compile `_walk` once more for a literal 0
    for i in range(len(radii)):
        reach = max(1, min(_SMOOTHING_POINTS, int(_SMOOTHING * radii[i])))
        left_out = int(_PASSING * radii[i])
        for closed in (False, True):  # chains that no free end leads to are closed
            for edge in range(2 * first_chains[i], 2 * first_chains[i + 1]):
                if (
                    walked[edge // 2]
                    or (kinds[edge // 2] == _BRANCH and partner[edge] >= 0) != closed
                ):
                    continue
                last = _walk(edge, graphs, edge_starts, partner, left_out, walked, out, n)
                _smooth(out[n:last], reach, scratch)
                n = last
                n_strokes += 1
                stroke_starts[n_strokes] = n
        for node in range(first_nodes[i], first_nodes[i + 1]):
            if edge_starts[node] == edge_starts[node + 1]:  # its branches were all spurs: a dot
                out[n, 0], out[n, 1] = nodes[node, 0], nodes[node, 1]
                n += 1
                n_strokes += 1
                stroke_starts[n_strokes] = n
        drawing_starts[i + 1] = n_strokes
    return out[:n].astype(np.float32), stroke_starts[: n_strokes + 1], drawing_starts


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
def _edges_of_nodes(ends, n_nodes):  # type: ignore[no-untyped-def]
    """The half-edges by node, and where those of each node start."""
    starts = np.zeros(n_nodes + 1, np.int64)
    for c in range(len(ends)):
        for end in range(2):
            if ends[c, end] >= 0:
                starts[ends[c, end] + 1] += 1
    filled = np.empty(n_nodes + 1, np.int64)
    filled[0] = 0
    for node in range(n_nodes):
        starts[node + 1] += starts[node]
        filled[node + 1] = starts[node + 1]
    edges = np.empty(starts[n_nodes], np.int64)
    for c in range(len(ends)):
        for end in range(2):
            node = ends[c, end]
            if node >= 0:
                edges[filled[node]] = 2 * c + end
                filled[node] += 1
    return edges, starts


@inner_kernel
def _pair(points, chain_starts, node, around, ahead, partner):  # type: ignore[no-untyped-def]
    """Pair the half-edges around a node that continue each other, the straightest first."""
    ways = np.empty((len(around), 2), np.float64)
    for i in range(len(around)):
        first, last = chain_starts[around[i] // 2], chain_starts[around[i] // 2 + 1] - 1
        steps = min(ahead, last - first)
        near, far = (first, first + steps) if around[i] % 2 == 0 else (last, last - steps)
        from_x, from_y = node[0], node[1]
        if steps > 2:
            from_x, from_y = points[near, 0], points[near, 1]
        x, y = points[far, 0] - from_x, points[far, 1] - from_y
        length = max(1e-9, math.hypot(x, y))
        ways[i, 0], ways[i, 1] = x / length, y / length
    while True:
        best, best_i, best_j = (2.0 if len(around) == 2 else _STRAIGHT), -1, -1
        for i in range(len(around)):
            for j in range(i):
                if partner[around[i]] < 0 and partner[around[j]] < 0:
                    cosine = ways[i, 0] * ways[j, 0] + ways[i, 1] * ways[j, 1]
                    if cosine < best:
                        best, best_i, best_j = cosine, i, j
        if best_i < 0:
            break
        partner[around[best_i]] = around[best_j]
        partner[around[best_j]] = around[best_i]


@inner_kernel
def _move_onto_line(points, chain_starts, node, around, left_out, partner):  # type: ignore[no-untyped-def]
    """Move a node onto the first line that passes it, so that other strokes end on that line."""
    for edge in around:
        if partner[edge] >= 0:
            a = _passing_point(chain_starts, edge, left_out)
            b = _passing_point(chain_starts, partner[edge], left_out)
            x, y = points[a, 0], points[a, 1]
            way_x, way_y = points[b, 0] - x, points[b, 1] - y
            along = (node[0] - x) * way_x + (node[1] - y) * way_y
            along /= max(1e-9, way_x * way_x + way_y * way_y)
            along = min(1.0, max(0.0, along))
            node[0], node[1] = x + along * way_x, y + along * way_y
            return


@inner_kernel
def _passing_point(chain_starts, edge, left_out):  # type: ignore[no-untyped-def]
    """The first point of a half-edge that is not left out when its stroke passes the node."""
    first, last = chain_starts[edge // 2], chain_starts[edge // 2 + 1] - 1
    spare = min(left_out, (last - first) // 3)
    return first + spare if edge % 2 == 0 else last - spare


@inner_kernel
def _walk(edge, graphs, edge_starts, partner, left_out, walked, out, n):  # type: ignore[no-untyped-def]
    """Write the stroke that begins at a half-edge to `out` from row n on; returns the next row."""
    points, chain_starts, kinds, ends, nodes = (
        graphs.points, graphs.chain_starts, graphs.kinds, graphs.ends, graphs.nodes
    )  # fmt: skip
    first = n
    kind = kinds[edge // 2]
    node = ends[edge // 2, edge % 2]
    if node >= 0:
        out[n, 0], out[n, 1] = nodes[node, 0], nodes[node, 1]
        n += 1
    passing = False
    while edge >= 0 and not walked[edge // 2]:
        chain, is_forward = edge // 2, edge % 2 == 0
        walked[chain] = True
        start, last = chain_starts[chain], chain_starts[chain + 1] - 1
        spare = min(left_out, (last - start) // 3)
        low = spare if passing else 0
        node = ends[chain, 1 - edge % 2]
        edge = partner[edge ^ 1]
        continues = edge >= 0 and not walked[edge // 2]
        passing = continues and edge_starts[node + 1] - edge_starts[node] > 2
        high = last - start - (spare if passing else 0)
        for i in range(low, high + 1):
            p = start + i if is_forward else last - i
            out[n, 0], out[n, 1] = points[p, 0], points[p, 1]
            n += 1
        if node >= 0 and (not continues or (graphs.through[node] and not passing)):
            out[n, 0], out[n, 1] = nodes[node, 0], nodes[node, 1]
            n += 1
    if kind == _RING:
        out[n, 0], out[n, 1] = out[first, 0], out[first, 1]
        n += 1
    elif kind == _SINGLE:
        for axis in range(2):
            out[first, axis] = 0.5 * (out[first, axis] + out[n - 1, axis])
        n = first + 1
    return n


@inner_kernel
def _smooth(stroke, reach, scratch):  # type: ignore[no-untyped-def]
    """Replace points by the mean of 2 * reach + 1 points, fewer near the ends; the ends stay.
    Closed lines are averaged around."""
    n = len(stroke)
    closed = n > 2 * reach + 1
    closed = closed and stroke[0, 0] == stroke[n - 1, 0] and stroke[0, 1] == stroke[n - 1, 1]
    for i in range(n):
        around = reach if closed else min(reach, i, n - 1 - i)
        x, y = 0.0, 0.0
        for j in range(i - around, i + around + 1):
            at = j % (n - 1) if closed else j
            x += stroke[at, 0]
            y += stroke[at, 1]
        scratch[i, 0], scratch[i, 1] = x / (2 * around + 1), y / (2 * around + 1)
    for i in range(n):
        stroke[i, 0], stroke[i, 1] = scratch[i, 0], scratch[i, 1]


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
