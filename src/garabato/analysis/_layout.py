"""Compiled layout of a graph of neighbours in two dimensions.

The method of UMAP (McInnes et al. 2018) with the kernel 1 / (1 + d^2) of t-SNE between points at
distance d: UMAP's a and b are 1, which hardly changes maps (Boehm et al. 2022,
"Attraction-Repulsion Spectrum in Neighbor Embeddings") and needs no powers.
"""

from __future__ import annotations

import numpy as np

from garabato.host.kernels import inner_kernel, kernel

#: How close a sum of memberships comes to its target, and the most bisections until it does.
_TOLERANCE, _N_BISECTIONS = 1e-5, 64
#: The least scale of a point's memberships, as a share of the mean distance to its neighbours.
_MIN_SCALE = 1e-3
#: Points that each step of an edge pushes away.
_N_PUSHED = 5
#: The most that one force moves a point.
_MAX_STEP = 4.0
#: Keeps the force between points in one place finite.
_SOFTENING = 1e-3


@kernel
def memberships(distances):  # type: ignore[no-untyped-def]
    """The strengths (N, K) float32, in (0, 1], of the edges from points to their K neighbours.

    `distances` (N, K) float32 are sorted. The nearest neighbour that is not a copy of the point has
    strength 1. The others' fall off exponentially, on a scale such that strengths sum to about
    log2(K + 1) in dense and in sparse places.
    """
    n, k = distances.shape
    strengths = np.empty((n, k), np.float32)
    target = np.log2(k + 1.0)
    for i in range(n):
        nearest = np.float32(0)
        for j in range(k):
            if distances[i, j] > 0:
                nearest = distances[i, j]
                break
        low, scale, high = 0.0, 1.0, np.inf
        for _ in range(_N_BISECTIONS):
            total = 0.0
            for j in range(k):
                total += np.exp(-max(0.0, distances[i, j] - nearest) / scale)
            if abs(total - target) < _TOLERANCE:
                break
            if total > target:
                high = scale
            else:
                low = scale
            scale = 2 * scale if high == np.inf else (low + high) / 2
        scale = max(scale, _MIN_SCALE * distances[i].mean(), 1e-12)
        for j in range(k):
            strengths[i, j] = np.exp(-max(0.0, distances[i, j] - nearest) / scale)
    return strengths


@kernel(fastmath=True)
def move_points(points, heads, tails, periods, due, epoch, rate, state):  # type: ignore[no-untyped-def]
    """One epoch: move `points` (N, 2) float32, in place.

    The edge from heads[e] to tails[e] takes part every `periods[e]` epochs, next when `due[e]` is
    reached: its ends attract each other, and the head is repelled by a few random points. `rate`
    scales the moves. `state` (1,) uint64 is the random generator's; `due` and `state` are updated.
    """
    n = len(points)
    for e in range(len(heads)):
        if due[e] > epoch:
            continue
        due[e] += periods[e]
        head, tail = heads[e], tails[e]
        x, y = points[head, 0], points[head, 1]
        dx, dy = x - points[tail, 0], y - points[tail, 1]
        pull = np.float32(-2) / (np.float32(1) + dx * dx + dy * dy)
        step_x, step_y = rate * _clipped(pull * dx), rate * _clipped(pull * dy)
        points[tail, 0] -= step_x
        points[tail, 1] -= step_y
        x += step_x
        y += step_y
        moved_x, moved_y = x, y
        for _ in range(_N_PUSHED):
            # The high half of Knuth's MMIX generator, scaled to 0..n-1.
            state[0] = state[0] * np.uint64(6364136223846793005) + np.uint64(1442695040888963407)
            other = np.int64(((state[0] >> np.uint64(32)) * np.uint64(n)) >> np.uint64(32))
            dx, dy = x - points[other, 0], y - points[other, 1]
            squared = dx * dx + dy * dy
            push = np.float32(2) / ((np.float32(_SOFTENING) + squared) * (np.float32(1) + squared))
            moved_x += rate * _clipped(push * dx)
            moved_y += rate * _clipped(push * dy)
        points[head, 0] = moved_x
        points[head, 1] = moved_y


@inner_kernel
def _clipped(step):  # type: ignore[no-untyped-def]
    return min(np.float32(_MAX_STEP), max(np.float32(-_MAX_STEP), step))
