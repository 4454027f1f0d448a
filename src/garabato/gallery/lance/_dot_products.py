"""Compiled inner loop of the scan in memory: dot products of int8 rows with one query."""

from __future__ import annotations

import numpy as np

from garabato.host.kernels import kernel


@kernel(fastmath=True)
def score_blocks(  # type: ignore[no-untyped-def]
    blocks,
    starts,
    places,
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
    """Score by all dimensions the rows of `blocks` that can reach `least`.

    `heads` (N, H) and `tails` (N, T) int8 are a row's first and last dimensions, `query` (H + T,)
    int16; `unit` is what a query's step is worth. A row's head scores unit * scale * (head .
    query), and its tail adds at most weight * its length. A block's rows are `places`[starts[b] :
    starts[b + 1]], or these numbers themselves where `places` is (0,). Writes the rows into
    `found` and their scores into `scores`, as long as the blocks together, and returns how many
    there are.
    """
    n_head, n_tail = heads.shape[1], tails.shape[1]
    some = places.shape[0] > 0
    n_found = 0
    for block in blocks:
        for i in range(starts[block], starts[block + 1]):
            row = places[i] if some else i
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
