"""Compiled inner loop of ranking by Hamming distance."""

from __future__ import annotations

import numpy as np

from garabato.host.kernels import kernel


@kernel
def count_by_distance(query, gallery, labels, label, left_out, n_all, n_relevant):  # type: ignore[no-untyped-def]
    """Count all items, and the relevant ones, at every Hamming distance from one code.

    `query` (W,) and `gallery` (G, W) uint64, `labels` (G,); items with `label` are relevant. The
    row `left_out` is not counted (-1: none). Adds to `n_all` and `n_relevant` (bits + 1,) int64.
    """
    for row in range(gallery.shape[0]):
        if row == left_out:
            continue
        distance = 0
        for word in range(gallery.shape[1]):
            bits = query[word] ^ gallery[row, word]
            bits -= (bits >> np.uint64(1)) & np.uint64(0x5555555555555555)
            bits = (bits & np.uint64(0x3333333333333333)) + (
                (bits >> np.uint64(2)) & np.uint64(0x3333333333333333)
            )
            bits = (bits + (bits >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
            distance += int((bits * np.uint64(0x0101010101010101)) >> np.uint64(56))
        n_all[distance] += 1
        if labels[row] == label:
            n_relevant[distance] += 1
