"""Compiled inner loops of the scan in memory: dot products of int8 rows with one query.

Rows go in blocks of BLOCK. `heads` (N, H) and `tails` (N, T) int8 are a row's first and last
dimensions, `query` (H + T,) int16; `unit` is what a query's step is worth.
"""

from __future__ import annotations

import numba as nb
import numpy as np

#: Rows whose best score and bound are kept together.
BLOCK = 32


@nb.njit(nogil=True, cache=True, fastmath=True)
def bound_blocks(heads, scales, lengths, query, unit, weight, scores, bounds):  # type: ignore[no-untyped-def]
    """The best of each block by its heads: scores (B,) and, with what tails may add, bounds (B,).

    A row's score is unit * scale * (head . query), its bound that + weight * its tail's length.
    """
    n, n_dims = heads.shape
    score = np.empty(BLOCK, np.float32)
    bound = np.empty(BLOCK, np.float32)
    for block in range(scores.shape[0]):
        first = block * BLOCK
        last = min(first + BLOCK, n)
        for row in range(first, last):
            total = np.int32(0)
            for j in range(n_dims):
                total += np.int32(heads[row, j]) * np.int32(query[j])
            score[row - first] = scales[row] * unit * np.float32(total)
        best = np.float32(-1e9)
        for i in range(last - first):
            best = max(best, score[i])
        scores[block] = best
        for i in range(last - first):
            bound[i] = score[i] + lengths[first + i] * weight
        best = np.float32(-1e9)
        for i in range(last - first):
            best = max(best, bound[i])
        bounds[block] = best


@nb.njit(nogil=True, cache=True, fastmath=True)
def bound_blocks_of(rows, heads, scales, lengths, query, unit, weight, scores, bounds):  # type: ignore[no-untyped-def]
    """The same for blocks of `rows` (n,)."""
    n, n_dims = rows.shape[0], heads.shape[1]
    for block in range(scores.shape[0]):
        best_score = best_bound = np.float32(-1e9)
        for i in range(block * BLOCK, min((block + 1) * BLOCK, n)):
            row = rows[i]
            total = np.int32(0)
            for j in range(n_dims):
                total += np.int32(heads[row, j]) * np.int32(query[j])
            score = scales[row] * unit * np.float32(total)
            best_score = max(best_score, score)
            best_bound = max(best_bound, score + lengths[row] * weight)
        scores[block] = best_score
        bounds[block] = best_bound


@nb.njit(nogil=True, cache=True, fastmath=True)
def score_blocks(  # type: ignore[no-untyped-def]
    blocks,
    rows,
    heads,
    tails,
    scales,
    tail_scales,
    lengths,
    query,
    unit,
    weight,
    least,
    found,
    scores,
):
    """Score by all dimensions the rows of `blocks` whose bound is at least `least`.

    `rows` (n,) as above, or (0,) where blocks are of all rows. Writes the rows into `found` and
    their scores into `scores`, both (len(blocks) * BLOCK,), and returns how many there are.
    """
    n_head, n_tail = heads.shape[1], tails.shape[1]
    some = rows.shape[0] > 0
    n = rows.shape[0] if some else heads.shape[0]
    n_found = 0
    for block in blocks:
        for i in range(block * BLOCK, min((block + 1) * BLOCK, n)):
            row = rows[i] if some else i
            total = np.int32(0)
            for j in range(n_head):
                total += np.int32(heads[row, j]) * np.int32(query[j])
            score = scales[row] * unit * np.float32(total)
            if score + lengths[row] * weight >= least:
                total = np.int32(0)
                for j in range(n_tail):
                    total += np.int32(tails[row, j]) * np.int32(query[n_head + j])
                found[n_found] = row
                scores[n_found] = score + tail_scales[row] * unit * np.float32(total)
                n_found += 1
    return n_found
