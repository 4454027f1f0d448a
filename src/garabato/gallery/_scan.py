"""Compiled dot products of int8 rows with one query, the inner loop of the scan in memory."""

from __future__ import annotations

import numba as nb
import numpy as np


@nb.njit(nogil=True, cache=True)
def scan_all(codes, query, scales, scores):  # type: ignore[no-untyped-def]
    """scores[i] = scales[i] * (codes[i] . query), for codes (N, D) int8 and query (D,) int16."""
    n_dims = codes.shape[1]
    for row in range(codes.shape[0]):
        total = np.int32(0)
        for j in range(n_dims):
            total += np.int32(codes[row, j]) * np.int32(query[j])
        scores[row] = scales[row] * np.float32(total)


@nb.njit(nogil=True, cache=True)
def scan_some(codes, rows, query, scales, scores):  # type: ignore[no-untyped-def]
    """scores[i] as above for row rows[i]."""
    n_dims = codes.shape[1]
    for i in range(rows.shape[0]):
        row = rows[i]
        total = np.int32(0)
        for j in range(n_dims):
            total += np.int32(codes[row, j]) * np.int32(query[j])
        scores[i] = scales[row] * np.float32(total)
