"""Embeddings in two parts, and the memory that takes."""

from __future__ import annotations

import tracemalloc

import numpy as np

from garabato.gallery.exact.half_precision import join, split


def test_splitting_many_rows_takes_little_more_memory_than_the_result() -> None:
    rows = np.random.default_rng(0).uniform(-1, 1, (50_000, 64)).astype(np.float32)
    tracemalloc.start()
    stored, rest = split(rows)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1.6 * (stored.nbytes + rest.nbytes)
    # 10 binary digits of float16, and 254 steps from one to the next
    assert np.abs(join(stored, rest) - rows).max() <= 2.0**-11 / 254 + 1e-7
