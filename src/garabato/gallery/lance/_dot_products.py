"""Compiled inner loop of ranking in memory: dot products of int8 rows with one query."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from garabato.host.kernels import kernel


class Rows(NamedTuple):
    """Quantized rows: `heads` (N, H) and `tails` (N, T) int8 are their first and last dimensions.

    `head_scales` and `tail_scales` (N,) are what a step of them is worth, `tail_lengths` (N,) the
    lengths of the tails.
    """

    heads: Any
    tails: Any
    head_scales: Any
    tail_scales: Any
    tail_lengths: Any


class Query(NamedTuple):
    """A quantized query: `steps` (H + T,) int16, each worth `unit`; `weight` is the length of its
    tail. Rows that cannot reach the score `least` are left out."""

    steps: Any
    unit: Any
    weight: Any
    least: Any


@kernel(fastmath=True)
def score_blocks(blocks, starts, positions, rows, query, found, scores):  # type: ignore[no-untyped-def]
    """Score the rows of `blocks` that can reach `query.least`; returns how many there are.

    A block's rows are `positions`[starts[b] : starts[b + 1]], or these numbers themselves if
    `positions` is (0,). Their positions go to `found` and their scores to `scores`, which are as
    long as all blocks together.
    """
    n_head, n_tail = rows.heads.shape[1], rows.tails.shape[1]
    is_subset = positions.shape[0] > 0
    n_found = 0
    for block in blocks:
        for i in range(starts[block], starts[block + 1]):
            row = positions[i] if is_subset else i
            total = np.int32(0)
            for j in range(n_head):
                total += np.int32(rows.heads[row, j]) * np.int32(query.steps[j])
            score = rows.head_scales[row] * query.unit * np.float32(total)
            # Cauchy-Schwarz: the tail adds at most the product of its length and the query's.
            if score + rows.tail_lengths[row] * query.weight >= query.least:
                total = np.int32(0)
                for j in range(n_tail):
                    total += np.int32(rows.tails[row, j]) * np.int32(query.steps[n_head + j])
                found[n_found] = row
                scores[n_found] = score + rows.tail_scales[row] * query.unit * np.float32(total)
                n_found += 1
    return n_found
