"""The exact nearest of many embeddings held in memory, found by looking at all of them.

Embeddings are held twice: as int8 (a quarter of the bytes of float32, and what a core reads is
what a scan costs) and as stored (float16). A query is compared with all int8 rows; how far such a
score can be off is known for each row (Cauchy-Schwarz on what rounding took away), so the rows
that could be among the k nearest are known for certain, and only these are scored as stored. The
answer is that of an exact scan; a test holds it against one.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from garabato.drawing import FloatArray, IntArray

#: Rows a thread should have at least: below, starting threads costs more than it saves.
ROWS_PER_THREAD = 250_000
_CODE_MAX = 127
# Codes reach 127 and queries 4,000: a sum of 4,096 such products stays below 2^31.
_QUERY_MAX = 4_000


class ResidentVectors:
    """Embeddings (N, D), D at most 4,096, stored as float16, ready to be scanned.

    Scores are cosine similarities: rows are compared by direction, whatever rounding did to their
    length. Immutable; `keep` and `joined` make new ones.
    """

    def __init__(self, stored: npt.NDArray[np.float16]) -> None:
        exact = stored.astype(np.float32)
        lengths = np.linalg.norm(exact, axis=1)
        self.stored = stored
        self.inverse_lengths = (1 / np.maximum(lengths, 1e-12)).astype(np.float32)
        exact *= self.inverse_lengths[:, None]
        self.scales = (np.abs(exact).max(axis=1, initial=0) / _CODE_MAX).astype(np.float32)
        steps = exact / np.maximum(self.scales, 1e-12)[:, None]
        self.codes = np.rint(steps).astype(np.int8)
        exact -= self.codes * self.scales[:, None]
        self.rounding = np.linalg.norm(exact, axis=1).astype(np.float32)

    def __len__(self) -> int:
        return len(self.stored)

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return sum(getattr(self, name).nbytes for name in _ARRAYS)

    def keep(self, rows: npt.NDArray[np.bool_]) -> ResidentVectors:
        """Those where `rows` (N,) is true."""
        return _made_of({name: getattr(self, name)[rows] for name in _ARRAYS})

    def joined(self, other: ResidentVectors) -> ResidentVectors:
        """These, then the other's."""
        return _made_of(
            {name: np.concatenate([getattr(self, name), getattr(other, name)]) for name in _ARRAYS}
        )

    def nearest(
        self, query: FloatArray, k: int, rows: IntArray | None = None
    ) -> tuple[IntArray, FloatArray]:
        """The k nearest rows (of `rows` only, where given) and their cosine similarities.

        `query` (D,) float32 of length 1. Best first; equal ones in the order of their rows.
        """
        n = len(self) if rows is None else len(rows)
        if n == 0:
            return np.zeros(0, np.int64), np.zeros(0, np.float32)
        scale = float(np.abs(query).max()) / _QUERY_MAX
        steps = np.rint(query / scale).astype(np.int16)
        scores = self._approximate(steps, scale, rows)
        candidates = np.arange(n)
        if k < n:
            of_rows = self.rounding if rows is None else self.rounding[rows]
            of_query = float(np.linalg.norm(query - steps * np.float32(scale)))
            # Scores are off by at most this; the last term is float32's own rounding.
            off = float(of_rows.max()) + of_query * (1 + float(of_rows.max())) + 1e-5
            kth = np.partition(scores, n - k)[n - k]
            candidates = np.flatnonzero(scores >= kth - 2 * off)
        found = candidates if rows is None else rows[candidates]
        exact = (self.stored[found].astype(np.float32) @ query) * self.inverse_lengths[found]
        best = np.lexsort((found, -exact))[:k]
        return found[best].astype(np.int64), exact[best]

    def _approximate(
        self, steps: npt.NDArray[np.int16], scale: float, rows: IntArray | None
    ) -> FloatArray:
        from garabato.gallery._scan import scan_all, scan_some

        n = len(self) if rows is None else len(rows)
        scores: FloatArray = np.empty(n, np.float32)

        def scan(first: int, last: int) -> None:
            if rows is None:
                part = slice(first, last)
                scan_all(self.codes[part], steps, self.scales[part], scores[part])
            else:
                scan_some(self.codes, rows[first:last], steps, self.scales, scores[first:last])

        n_parts = min(_n_threads(), max(1, n // ROWS_PER_THREAD))
        ends = np.linspace(0, n, n_parts + 1).astype(int)
        if n_parts == 1:
            scan(0, n)
        else:
            list(_threads().map(scan, ends[:-1], ends[1:]))
        scores *= np.float32(scale)
        return scores


_ARRAYS = ("stored", "inverse_lengths", "scales", "codes", "rounding")


def _made_of(arrays: dict[str, Any]) -> ResidentVectors:
    made = object.__new__(ResidentVectors)
    made.__dict__.update(arrays)
    return made


def _n_threads() -> int:
    return min(8, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 4)


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(_n_threads(), thread_name_prefix="garabato-scan")
