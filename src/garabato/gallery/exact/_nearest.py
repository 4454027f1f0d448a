"""Compiled search in memory: which rows can be among the k nearest to a query.

Rows lie in blocks, and blocks in runs: the blocks of one cluster, sorted by their angle to its
centre (see `clusters`). A first look at the nearest cluster gives a score that k rows reach. The
query then goes through all runs, those of the nearest clusters first, and skips every block whose
angles rule out a higher score.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from garabato.host.kernels import inner_kernel, kernel

#: The largest error of an angle in float32: near 0, cosines say little about it.
ANGLE_SLACK = 2e-3
#: The largest rounding error of a score in float32.
SLACK = 1e-5
#: The largest error of a score from rounding its row to float16, and of a product in float32.
HALF_PRECISION, FLOAT_PRECISION = 2.0**-11, 2.0**-24
#: The divisor of `_shifted`.
SHIFT = 2.0**112
#: Lower than any score. Kernels with `fastmath` must not meet infinity.
NO_SCORE = -4.0
#: Candidates that there is space for at first.
_SPACE = 1_024
#: The least rows of the first look, and the rows for each hit whose score it computes.
_N_LOOKED_AT, _SCORED_PER_HIT = 512, 4


class Rows(NamedTuple):
    """Rows in two precisions: `heads` (N, H) int8 are their first dimensions along the principal
    axes, `halves` (N, D) uint16 the bits of the rows as float16.

    `head_scales` (N,) are the step sizes of the heads, `tail_lengths` (N,) the lengths of the other
    dimensions, `lengths` (N,) those of the rows as float16. `head_error` bounds the error of the
    score of any head.
    """

    heads: Any
    halves: Any
    head_scales: Any
    tail_lengths: Any
    lengths: Any
    head_error: Any


class Runs(NamedTuple):
    """The rows to search. Run r holds blocks `starts[r]` to `starts[r + 1]`, of `clusters[r]`.

    A block's rows are `positions[block_starts[b] : block_starts[b + 1]]`, or these numbers
    themselves if `positions` is (0,); their angles to the centre lie between `low` and `high`.
    """

    starts: Any
    clusters: Any
    block_starts: Any
    low: Any
    high: Any
    positions: Any


class Queries(NamedTuple):
    """`exact` (Q, D) float32 of length 1, and `heads` (Q, H) float32, their first dimensions along
    the principal axes.

    `tail_lengths` (Q,) are the lengths of the other dimensions, and `to_centres` (Q, C) the angles
    to the clusters' centres.
    """

    exact: Any
    heads: Any
    tail_lengths: Any
    to_centres: Any


@kernel
def search_each(rows, runs, queries, k, least, n_near):  # type: ignore[no-untyped-def]
    """The candidates of each query: positions of all rows that can be among the k nearest and can
    score `least`, and of few others, query by query; and how many each query has."""
    counts = np.empty(len(queries.exact), np.int64)
    found = np.empty(_SPACE, np.int64)
    n = 0
    for i in range(len(counts)):
        near, far = split_runs(runs, queries.to_centres[i], n_near)
        best = look_first(rows, runs, near, queries, i, k, least)
        near_found, near_upper = search_runs(rows, runs, near, queries, i, best)
        far_found, far_upper = search_runs(rows, runs, far, queries, i, best)
        before = n
        while n + len(near_found) + len(far_found) > len(found):
            found = _twice(found)
        for j in range(len(near_found)):
            if near_upper[j] >= best[0]:
                found[n] = near_found[j]
                n += 1
        for j in range(len(far_found)):
            if far_upper[j] >= best[0]:
                found[n] = far_found[j]
                n += 1
        counts[i] = n - before
    return found[:n], counts


@kernel
def split_runs(runs, to_centres, n_near):  # type: ignore[no-untyped-def]
    """The `n_near` runs of the clusters nearest to a query, nearest first, and the other runs."""
    n = len(runs.clusters)
    n_near = min(n_near, n)
    near = np.empty(n_near, np.int64)
    angles = np.empty(n_near, np.float32)
    n_held = 0
    for r in range(n):
        angle = to_centres[runs.clusters[r]]
        if n_held == n_near and angle >= angles[n_held - 1]:
            continue
        at = min(n_held, n_near - 1)
        while at > 0 and angles[at - 1] > angle:
            angles[at], near[at] = angles[at - 1], near[at - 1]
            at -= 1
        angles[at], near[at] = angle, r
        n_held = min(n_held + 1, n_near)
    is_near = np.zeros(n, np.bool_)
    for r in near:
        is_near[r] = True
    far = np.empty(n - n_near, np.int64)
    n_far = 0
    for r in range(n):
        if not is_near[r]:
            far[n_far] = r
            n_far += 1
    return near, far


@kernel
def count_promising(runs, chosen, queries, i, least):  # type: ignore[no-untyped-def]
    """How many rows of the `chosen` runs lie in blocks where a score can reach `least`."""
    reach = _reach(least)
    n = 0
    for r in chosen:
        angle = queries.to_centres[i, runs.clusters[r]]
        for block in range(runs.starts[r], runs.starts[r + 1]):
            if runs.low[block] <= angle + reach and runs.high[block] >= angle - reach:
                n += runs.block_starts[block + 1] - runs.block_starts[block]
    return n


@kernel(fastmath=True)
def look_first(rows, runs, near, queries, i, k, least):  # type: ignore[no-untyped-def]
    """A heap (k,) for `search_runs`: copies of a score, at least `least`, that k rows reach.

    Looks at the first of the `near` runs, and computes the scores of the rows with the best heads.
    """
    exact, head = queries.exact[i], queries.heads[i]
    is_subset = len(runs.positions) > 0
    n_rows = n_runs = 0
    for r in near:
        if n_rows >= max(k, _N_LOOKED_AT):
            break
        n_rows += runs.block_starts[runs.starts[r + 1]] - runs.block_starts[runs.starts[r]]
        n_runs += 1
    best = np.full(k, np.float32(least), np.float32)
    if n_rows < k:
        return best
    scores = np.empty(n_rows, np.float32)
    best_heads = np.full(min(n_rows, _SCORED_PER_HIT * k), np.float32(NO_SCORE), np.float32)
    n = 0
    for r in near[:n_runs]:
        for j in range(runs.block_starts[runs.starts[r]], runs.block_starts[runs.starts[r + 1]]):
            scores[n] = _score_head(rows, runs.positions[j] if is_subset else j, head)
            if scores[n] > best_heads[0]:
                _replace_least(best_heads, scores[n])
            n += 1
    n = 0
    for r in near[:n_runs]:
        for j in range(runs.block_starts[runs.starts[r]], runs.block_starts[runs.starts[r + 1]]):
            if scores[n] >= best_heads[0]:
                score = _score_half(rows, runs.positions[j] if is_subset else j, exact)
                if score > best[0]:
                    _replace_least(best, score)
            n += 1
    # These rows are visited again, so their scores in the heap would count twice.
    best[:] = max(np.float32(least), best[0] - _half_error(rows))
    return best


@kernel(fastmath=True)
def search_runs(rows, runs, chosen, queries, i, best):  # type: ignore[no-untyped-def]
    """Go through the `chosen` runs for query i. Returns the positions of the rows that could be
    among the k nearest when they were met, and upper bounds of their scores.

    `best` (k,) is a heap of the k best lower bounds of scores so far, the least one first. It is
    updated, so that the next call goes on from there.
    """
    exact, head = queries.exact[i], queries.heads[i]
    tail_length, head_error = queries.tail_lengths[i], rows.head_error
    error = _half_error(rows)
    is_subset = len(runs.positions) > 0
    found, upper = np.empty(_SPACE, np.int64), np.empty(_SPACE, np.float32)
    n = 0
    least = best[0]
    reach = _reach(least)
    for r in chosen:
        angle = queries.to_centres[i, runs.clusters[r]]
        last = runs.starts[r + 1]
        if runs.high[last - 1] < angle - reach:  # true for most runs, and quick to compute
            continue
        block = _first_reaching(runs.high, runs.starts[r], last, angle - reach)
        while block < last and runs.low[block] <= angle + reach:
            for j in range(runs.block_starts[block], runs.block_starts[block + 1]):
                row = runs.positions[j] if is_subset else j
                score = _score_head(rows, row, head)
                # Cauchy-Schwarz: the tail adds at most the product of its length and the query's.
                if score + rows.tail_lengths[row] * tail_length + head_error < least:
                    continue
                score = _score_half(rows, row, exact)
                if score + error < least:
                    continue
                if n == len(found):
                    n = _drop_below(found, upper, least)
                    if 2 * n > len(found):
                        found, upper = _twice(found), _twice(upper)
                found[n], upper[n] = row, score + error
                n += 1
                if score - error > least:
                    _replace_least(best, score - error)
                    least = best[0]
            reach = _reach(least)
            block += 1
    return found[:n], upper[:n]


@inner_kernel(fastmath=True)
def _score_head(rows, row, head):  # type: ignore[no-untyped-def]
    """The contribution of the head of a row to its score.

    In float32: numba makes integers 64 bits wide, and LLVM does not vectorise their product.
    """
    total = np.float32(0)
    for d in range(rows.heads.shape[1]):
        total += np.float32(rows.heads[row, d]) * head[d]
    return rows.head_scales[row] * total


@inner_kernel(fastmath=True)
def _score_half(rows, row, exact):  # type: ignore[no-untyped-def]
    """The score of a row as float16, within `_half_error`."""
    score = np.float32(0)
    for d in range(rows.halves.shape[1]):
        score += _shifted(rows.halves[row, d]) * exact[d]
    return score * (np.float32(SHIFT) / rows.lengths[row])


@inner_kernel
def _half_error(rows):  # type: ignore[no-untyped-def]
    """The largest error of `_score_half`."""
    return np.float32(HALF_PRECISION + SLACK + rows.halves.shape[1] * FLOAT_PRECISION)


@inner_kernel
def _reach(least):  # type: ignore[no-untyped-def]
    """The angle from a query within which rows score `least` or more."""
    return np.float32(np.arccos(min(1.0, max(-1.0, least - SLACK))) + ANGLE_SLACK)


@inner_kernel
def _shifted(half):  # type: ignore[no-untyped-def]
    """A float16, given by its bits, as float32 and divided by `SHIFT`.

    The exponents of the two have different offsets; moving the bits alone can be vectorised.
    """
    bits = np.uint32(half)
    magnitude = np.uint32((bits & np.uint32(0x7FFF)) << np.uint32(13))
    sign = np.uint32((bits & np.uint32(0x8000)) << np.uint32(16))
    return np.uint32(magnitude | sign).view(np.float32)


@inner_kernel
def _first_reaching(values, first, last, least):  # type: ignore[no-untyped-def]
    """The first of the sorted `values[first:last]` that is at least `least`, by bisection."""
    while first < last:
        middle = (first + last) // 2
        if values[middle] < least:
            first = middle + 1
        else:
            last = middle
    return first


@inner_kernel
def _drop_below(found, upper, least):  # type: ignore[no-untyped-def]
    """Keep the candidates whose upper bound is at least `least`; returns their number."""
    n = 0
    for j in range(len(found)):
        if upper[j] >= least:
            found[n], upper[n] = found[j], upper[j]
            n += 1
    return n


@inner_kernel
def _replace_least(heap, score):  # type: ignore[no-untyped-def]
    """Replace the first, and least, score of a heap by a higher one."""
    at = 0
    while True:
        child = 2 * at + 1
        if child >= len(heap):
            break
        if child + 1 < len(heap) and heap[child + 1] < heap[child]:
            child += 1
        if heap[child] >= score:
            break
        heap[at] = heap[child]
        at = child
    heap[at] = score


@inner_kernel
def _twice(array):  # type: ignore[no-untyped-def]
    """A copy with twice the space."""
    longer = np.empty(2 * len(array), array.dtype)
    for i in range(len(array)):
        longer[i] = array[i]
    return longer
