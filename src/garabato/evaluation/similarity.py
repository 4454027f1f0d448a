"""Exact cosine similarities of many embeddings with many others, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from garabato.drawing import FloatArray, IntArray
from garabato.errors import InputError

#: Coordinates are rounded to multiples of 2^-26 (finer than float32 resolves a typical one), which
#: makes the float64 product of two unit vectors exact in any order of summation: equal embeddings
#: tie exactly, and no result depends on chunk size, threads, BLAS or machine.
_GRID = 2.0**26

#: Gallery rows multiplied at once.
_TILE = 4096

#: The most queries compared at once, and the limit on the memory for their scores.
_MAX_CHUNK = 256
_MAX_SCORE_BYTES = 2**30

#: How far the length of an embedding may be from 1.
_LENGTH_TOLERANCE = 1e-3


def similarities(queries: FloatArray, gallery: FloatArray) -> Iterator[tuple[int, FloatArray]]:
    """Cosines of all queries (Q, D) with a whole gallery (G, D), in chunks of queries.

    Yields the index of the first query of a chunk and its scores (q, G) float32, each rounded once
    from its exact value. The scores may be changed; the next chunk overwrites them. A chunk is 256
    queries, or fewer so that its scores fit in 1 GiB.
    """
    n_fitting = _MAX_SCORE_BYTES // (4 * max(len(gallery), 1))
    chunk = max(1, min(_MAX_CHUNK, n_fitting, len(queries)))
    scores = np.empty((chunk, len(gallery)), np.float32)
    tile = np.empty((min(_TILE, len(gallery)), gallery.shape[1]))
    product = np.empty(chunk * len(tile))
    for first in range(0, len(queries), chunk):
        block = np.rint(queries[first : first + chunk].astype(np.float64) * _GRID) / _GRID**2
        for left in range(0, len(gallery), _TILE):
            part = gallery[left : left + _TILE]
            on_grid = np.multiply(part, _GRID, out=tile[: len(part)])
            np.rint(on_grid, out=on_grid)
            exact = product[: len(block) * len(part)].reshape(len(block), len(part))
            np.matmul(block, on_grid.T, out=exact)
            scores[: len(block), left : left + _TILE] = exact
        yield first, scores[: len(block)]


def nearest(
    query_embeddings: FloatArray,
    gallery_embeddings: FloatArray,
    *,
    k: int = 10,
    left_out: IntArray | None = None,
) -> tuple[IntArray, FloatArray]:
    """The k items nearest to each query by cosine: rows (Q, k) int64 and scores (Q, k), best first.

    `left_out` (Q,) is a row to exclude for each query: its own, if it is in the gallery. Ties are
    in the order of their rows. With fewer than k items, all are returned.
    """
    k = min(k, len(gallery_embeddings) - (left_out is not None))
    rows = np.zeros((len(query_embeddings), k), np.int64)
    best = np.zeros((len(query_embeddings), k), np.float32)
    if k == 0:
        return rows, best
    for first, scores in similarities(query_embeddings, gallery_embeddings):
        for i, row in enumerate(scores, start=first):
            if left_out is not None:
                row[left_out[i]] = -np.inf
            near = np.flatnonzero(row >= np.partition(row, len(row) - k)[len(row) - k])
            rows[i] = near[np.argsort(-row[near], kind="stable")][:k]
            best[i] = row[rows[i]]
    return rows, best


def check_embeddings(embeddings: FloatArray, labels: IntArray, name: str) -> None:
    """Raise InputError unless embeddings are (N, D), of length 1, with N labels."""
    if embeddings.ndim != 2 or len(embeddings) != len(labels):
        raise InputError(
            f"{name} embeddings are (N, D) with N labels, "
            f"not {embeddings.shape} with {len(labels)} labels"
        )
    for first in range(0, len(embeddings), _TILE):
        lengths = np.linalg.norm(embeddings[first : first + _TILE], axis=1)
        wrong = np.flatnonzero(~(np.abs(lengths - 1) <= _LENGTH_TOLERANCE))
        if len(wrong):
            raise InputError(
                f"{name} embedding {first + wrong[0]} has length {lengths[wrong[0]]:.4g}, not 1; "
                "embeddings are compared by cosine and must be L2-normalised"
            )
