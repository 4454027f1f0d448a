"""Drawings with embeddings for the benchmarks of galleries: real ones, and larger sets from them.

Real: every drawing of the source, embedded by the encoder that ships. Larger sets: row r has the
strokes and the category of real drawing r mod N. Its embedding is a point between the drawing's and
that of one of its 16 nearest of the same category, plus noise: normalise((1 - a) x + a y + 0.1 z),
a uniform in [0, 0.7], z normal of expected length 1. The seed is r, so any part can be made alone.
"""

from __future__ import annotations

import hashlib
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from garabato.drawing import DrawingBatch
from garabato.host.machine import cache_folder

CHUNK = 16_384
_NEIGHBOURS = 16
RECIPE = (
    "between a real drawing's embedding x and that of one of its 16 nearest of its category, y: "
    "(1 - a) x + a y + 0.1 z, a uniform in [0, 0.7], z normal of length about 1, normalised"
)


@dataclass(frozen=True)
class Drawings:
    """Real drawings and their embeddings (N, D) float32, L2-normalised, by category."""

    batch: DrawingBatch
    embeddings: np.ndarray

    def __len__(self) -> int:
        return len(self.batch)

    def chunks(self, n: int, first: int = 0) -> Iterator[tuple[DrawingBatch, np.ndarray]]:
        """Rows first to first + n of an infinite set: the real ones, then made ones."""
        for start in range(first, first + n, CHUNK):
            rows = np.arange(start, min(start + CHUNK, first + n))
            yield self.drawings(rows), self.vectors(rows)

    def held_out(self, n: int, seed: int = 1) -> tuple[Drawings, np.ndarray]:
        """The drawings without `n` random ones, and the embeddings (n, D) of these: real queries,
        as the public sets of ann-benchmarks have them."""
        order = np.random.default_rng(seed).permutation(len(self))
        kept = np.sort(order[n:])
        others = Drawings(self.batch.take(kept), self.embeddings[kept])
        return others, self.embeddings[order[:n]]

    def as_pixels(self) -> Drawings:
        """The same drawings, their pixels (N, 784) of length 1 in place of embeddings: vectors that
        no network arranged, in the shape of ann-benchmarks' MNIST."""
        from garabato.render import RenderSpec, render_batch

        pixels = render_batch(self.batch, RenderSpec(size_px=28)).reshape(len(self), -1)
        lengths = np.linalg.norm(pixels.astype(np.float32), axis=1, keepdims=True)
        return Drawings(self.batch, pixels / np.maximum(lengths, 1e-12))

    def drawings(self, rows: np.ndarray) -> DrawingBatch:
        """The drawings of these rows; their key_ids are the rows' numbers."""
        batch = self.batch.take(rows % len(self))
        return batch.replace(key_ids=[f"{row:016d}" for row in rows.tolist()])

    def vectors(self, rows: np.ndarray) -> np.ndarray:
        """Their embeddings (n, D) float32; rows of one chunk are made together."""
        made = np.empty((len(rows), self.embeddings.shape[1]), np.float32)
        real = rows < len(self)
        made[real] = self.embeddings[rows[real]]
        for chunk in np.unique(rows[~real] // CHUNK):
            mine = ~real & (rows // CHUNK == chunk)
            made[mine] = self._made(int(chunk))[rows[mine] % CHUNK]
        return made

    def _made(self, chunk: int) -> np.ndarray:
        rng = np.random.default_rng([7, chunk])
        rows = (chunk * CHUNK + np.arange(CHUNK)) % len(self)
        partners = self.neighbours()[rows, rng.integers(0, _NEIGHBOURS, CHUNK)]
        share = rng.uniform(0, 0.7, (CHUNK, 1)).astype(np.float32)
        dim = self.embeddings.shape[1]
        noise = rng.standard_normal((CHUNK, dim), np.float32) * np.float32(0.1 / np.sqrt(dim))
        made = (1 - share) * self.embeddings[rows] + share * self.embeddings[partners] + noise
        return made / np.linalg.norm(made, axis=1, keepdims=True)

    def neighbours(self) -> np.ndarray:
        """(N, 16) int32: the nearest of the same category to each, repeated if there are fewer. The
        only drawing of a category is its own neighbour."""
        if not hasattr(self, "_neighbours"):
            found = np.empty((len(self), _NEIGHBOURS), np.int32)
            categories = np.array(self.batch.categories)
            for name in np.unique(categories):
                rows = np.flatnonzero(categories == name)
                likeness = self.embeddings[rows] @ self.embeddings[rows].T
                np.fill_diagonal(likeness, -2)
                n = min(_NEIGHBOURS, len(rows) - 1)
                nearest = np.argpartition(-likeness, n, axis=1)[:, : max(1, n)]
                found[rows] = np.take(rows[nearest], np.arange(_NEIGHBOURS) % max(1, n), axis=1)
            object.__setattr__(self, "_neighbours", found)
        return self._neighbours  # type: ignore[attr-defined, no-any-return]


def load(source: Path, *, per_file: int | None = None) -> Drawings:
    """The drawings of the source, or the first `per_file` of each file, with their embeddings.

    Embedding all takes minutes; embeddings are cached for each file, so an interrupted run
    continues where it stopped.
    """
    import garabato
    from garabato.formats import read_batches

    encoder = garabato.load_encoder()
    kept = cache_folder() / "bench" / encoder.fingerprint[:16]
    kept.mkdir(parents=True, exist_ok=True)
    batches, embeddings = [], []
    for file in sorted(source.glob("*.ndjson")):
        batch = DrawingBatch.concatenate(list(read_batches(file)))
        whole = kept / f"{file.stem}-{_checksum(file)}.npy"
        path = whole
        if per_file is not None and not whole.exists():
            batch = batch[:per_file]
            path = whole.with_suffix(f".{per_file}.npy")
        if not path.exists():
            print(f"embedding {file.name}, kept in {kept}", file=sys.stderr, flush=True)
            _save(path, encoder.embed(batch))
        batches.append(batch[:per_file])
        embeddings.append(np.load(path)[:per_file])
    return Drawings(DrawingBatch.concatenate(batches), np.concatenate(embeddings))


def _checksum(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()[:16]


def _save(path: Path, embeddings: np.ndarray) -> None:
    """Write a file atomically."""
    with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".npy", delete=False) as file:
        np.save(file, embeddings)
    Path(file.name).replace(path)


def queries(drawings: Drawings, n: int, seed: int = 1) -> np.ndarray:
    """(n, D) float32: made like the larger sets, but not part of them."""
    rng = np.random.default_rng(seed)
    far = 2**40 // CHUNK * CHUNK  # beyond all sets
    rows = far + rng.choice(CHUNK * 8, n, replace=False)
    return drawings.vectors(rows)
