"""All similarities of a gallery's embeddings: N^2 dot products in tiles of bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from garabato.drawing import FloatArray
from garabato.gallery.base import Gallery
from garabato.gallery.filters import Where

#: Rows and columns of a tile: 64 MiB of similarities.
N_ROWS, N_COLUMNS = 1_024, 16_384

#: `progress(n_done, n)`: drawings compared with all others.
Progress = Callable[[int, int], None]


def read_embeddings(
    gallery: Gallery, where: Where | None
) -> tuple[list[str], list[str | None], FloatArray]:
    """The key_ids, categories and embeddings (N, D) of all drawings that match `where`."""
    key_ids: list[str] = []
    categories: list[str | None] = []
    embeddings = [np.zeros((0, gallery.info().encoder.embedding_dim), np.float32)]
    for piece in gallery.scan(where=where):
        key_ids += [str(key_id) for key_id in piece.drawings.key_ids]
        categories += piece.drawings.categories
        embeddings.append(piece.embeddings)
    return key_ids, categories, np.concatenate(embeddings)


def row_blocks(
    embeddings: FloatArray, progress: Progress | None
) -> Iterator[tuple[int, FloatArray]]:
    """Yield (position, (R, D) embeddings from that position on)."""
    for top in range(0, len(embeddings), N_ROWS):
        rows = embeddings[top : top + N_ROWS]
        yield top, rows
        if progress is not None:
            progress(top + len(rows), len(embeddings))


def tiles(
    rows: FloatArray, embeddings: FloatArray, first: int = 0
) -> Iterator[tuple[int, FloatArray]]:
    """Yield (position, (R, C) similarities of `rows` with the embeddings from that position on)."""
    for left in range(first, len(embeddings), N_COLUMNS):
        yield left, rows @ embeddings[left : left + N_COLUMNS].T
