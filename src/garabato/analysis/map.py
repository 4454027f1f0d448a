"""The map of a gallery: its embeddings in two dimensions, similar drawings close together.

The method is that of UMAP (McInnes et al. 2018), on cosine distances to the exact nearest
neighbours, with the kernel 1 / (1 + d^2) of t-SNE between points at distance d: UMAP's a and b are
1, which hardly changes maps (Boehm et al. 2022, "Attraction-Repulsion Spectrum in Neighbor
Embeddings") and needs no powers. It starts from the first two principal components.
`benchmarks/gallery_map.py` runs umap-learn side by side.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from garabato.drawing import FloatArray, IntArray
from garabato.errors import GalleryError, check_opened
from garabato.gallery.base import Gallery
from garabato.gallery.embeddings import Embeddings
from garabato.host.atomic import replacing
from garabato.host.kernels import inner_kernel, kernel

#: Coordinates are integers in 0..SIDE.
SIDE = 65_535
#: Neighbours of a drawing that attract it.
_N_NEIGHBOURS = 14
#: Epochs of the layout: more for galleries of up to 10,000 drawings, as in UMAP.
_N_EPOCHS, _N_EPOCHS_IF_SMALL, _SMALL = 200, 500, 10_000
#: With fewer drawings, the map is their first two principal components.
_MIN_FOR_LAYOUT = 100
#: The side of the square in which the layout starts.
_FIRST_SIDE = 10.0
#: Drawings closer together than this are equal: float32 rounds principal components.
_MIN_EXTENT = 1e-6
#: Epochs between two reports of progress.
_EPOCHS_AT_ONCE = 10

#: `progress(stage, done, total)`.
StageProgress = Callable[[str, int, int], None]

#: How close a sum of memberships comes to its target, and the most bisections until it does.
_TOLERANCE, _N_BISECTIONS = 1e-5, 64
#: The least scale of a point's memberships, as a share of the mean distance to its neighbours.
_MIN_SCALE = 1e-3
#: Points that each step of an edge pushes away.
_N_PUSHED = 5
#: The most that one force moves a point.
_MAX_STEP = 4.0
#: Keeps the force between points in one place finite.
_SOFTENING = 1e-3


@dataclass(frozen=True, slots=True, eq=False)
class Projection:
    """Positions of N drawings on a map: `x` and `y` (N,) uint16, 0..65535, in the order of
    `key_ids`."""

    key_ids: list[str]
    x: npt.NDArray[np.uint16]
    y: npt.NDArray[np.uint16]

    def __repr__(self) -> str:
        return f"Projection({len(self.key_ids):,} drawings)"

    def save(self, file: Path) -> None:
        """Write it to a Parquet file, atomically. Raises StorageError."""
        table = pa.table({"key_id": pa.array(self.key_ids, pa.string()), "x": self.x, "y": self.y})
        with replacing(file) as unfinished:
            pq.write_table(table, unfinished)

    @classmethod
    def load(cls, file: Path) -> Projection:
        """Read what `save` wrote. Raises GalleryError."""
        try:
            table = pq.read_table(file)
            x, y = (table[name].to_numpy().astype(np.uint16) for name in ("x", "y"))
            return cls(table["key_id"].to_pylist(), x, y)
        except (OSError, pa.ArrowException, KeyError) as error:
            raise GalleryError(
                f"{file} is damaged ({error}); delete it, and the map is computed again"
            ) from None


def map_gallery(
    gallery: Gallery, *, seed: int = 0, progress: StageProgress | None = None
) -> Projection:
    """Place all drawings of a gallery on a map, similar ones close together.

    100,000 drawings take about 25 s of processor time. The same gallery and `seed` give the same
    map. Calls `progress(stage, n_done, n_total)`.
    """
    check_opened(gallery=gallery)
    report_progress = progress or (lambda stage, done, total: None)
    drawings = gallery.embeddings(progress=partial(report_progress, "reading the gallery"))
    coordinates = lay_out(drawings, seed=seed, progress=report_progress)
    return Projection(drawings.key_ids, *_scale(coordinates))


def lay_out(drawings: Embeddings, *, seed: int, progress: StageProgress) -> FloatArray:
    """Coordinates (N, 2) float32 of N drawings, in no fixed range."""
    if len(drawings) < _MIN_FOR_LAYOUT:
        return _principal_components(drawings.embeddings)
    neighbours, scores = drawings.nearest(_N_NEIGHBOURS, partial(progress, "finding neighbours"))
    heads, tails, strengths = _edges(neighbours, _memberships(np.maximum(0, 1 - scores)))
    points = _first_points(drawings.embeddings, seed)
    n_epochs = _N_EPOCHS_IF_SMALL if len(points) <= _SMALL else _N_EPOCHS
    taking_part = strengths >= strengths.max() / n_epochs
    heads, tails = heads[taking_part], tails[taking_part]
    periods = strengths.max() / strengths[taking_part]
    due, state = periods.copy(), np.array([seed], np.uint64)
    for epoch in range(n_epochs):
        if epoch % _EPOCHS_AT_ONCE == 0:
            progress("laying out the map", epoch, n_epochs)
        rate = np.float32(1 - epoch / n_epochs)
        _move_points(points, heads, tails, periods, due, epoch, rate, state)
    progress("laying out the map", n_epochs, n_epochs)
    return points


def _scale(coordinates: FloatArray) -> tuple[npt.NDArray[np.uint16], npt.NDArray[np.uint16]]:
    """Integer x and y, on one scale; outliers (one in 1,000) are clipped to the edge."""
    if len(coordinates) == 0:
        return np.zeros(0, np.uint16), np.zeros(0, np.uint16)
    low, high = np.quantile(coordinates, [0.0005, 0.9995], axis=0)
    extent = max(float((high - low).max()), 1e-9)
    middle = (low + high) / 2
    scaled = np.clip((coordinates - middle) / extent + 0.5, 0, 1) * SIDE
    x, y = np.rint(scaled).astype(np.uint16).T
    return x, y


def _principal_components(embeddings: FloatArray) -> FloatArray:
    """(N, 2): the first two principal components."""
    if len(embeddings) < 3:
        return np.arange(2 * len(embeddings), dtype=np.float32).reshape(-1, 2)
    centred = embeddings - embeddings.mean(axis=0)
    _, directions = np.linalg.eigh(centred.T @ centred)
    coordinates = np.zeros((len(embeddings), 2), np.float32)
    coordinates[:, : centred.shape[1]] = centred @ directions[:, :-3:-1]
    return coordinates


def _edges(
    neighbours: IntArray, strengths: FloatArray
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32], FloatArray]:
    """Heads, tails and strengths (E,) of the edges of a graph, each edge in both directions.

    Drawings of which one is a neighbour of the other are joined with its strength s; if each is a
    neighbour of the other, with s + t - s t.
    """
    n, k = neighbours.shape
    ones, others = np.repeat(np.arange(n), k), neighbours.ravel()
    pairs = np.concatenate([ones * n + others, others * n + ones])
    order = np.argsort(pairs, kind="stable")
    pairs, given = pairs[order], np.tile(strengths.ravel(), 2)[order]
    firsts = np.flatnonzero(np.diff(pairs, prepend=-1))
    joined = np.add.reduceat(given, firsts)
    is_mutual = np.diff(np.append(firsts, len(pairs))) == 2
    mutual = firsts[is_mutual]
    joined[is_mutual] -= given[mutual] * given[mutual + 1]
    heads, tails = np.divmod(pairs[firsts], n)
    return heads.astype(np.int32), tails.astype(np.int32), joined


def _first_points(embeddings: FloatArray, seed: int) -> FloatArray:
    """Where the layout starts: the principal components, moved a little so that no two coincide."""
    points = _principal_components(embeddings)
    points -= points[0]
    points *= _FIRST_SIDE / max(float(np.ptp(points, axis=0).max()), _MIN_EXTENT)
    points += np.random.default_rng(seed).normal(scale=1e-4, size=points.shape)
    return np.ascontiguousarray(points, np.float32)


@kernel
def _memberships(distances):  # type: ignore[no-untyped-def]
    """The strengths (N, K) float32, in (0, 1], of the edges from points to their K neighbours.

    `distances` (N, K) float32 are sorted. The nearest neighbour that is not a copy of the point has
    strength 1. The others' fall off exponentially, on a scale such that strengths sum to about
    log2(K + 1) in dense and in sparse places.
    """
    n, k = distances.shape
    strengths = np.empty((n, k), np.float32)
    target = np.log2(k + 1.0)
    for i in range(n):
        nearest = np.float32(0)
        for j in range(k):
            if distances[i, j] > 0:
                nearest = distances[i, j]
                break
        low, scale, high = 0.0, 1.0, np.inf
        for _ in range(_N_BISECTIONS):
            total = 0.0
            for j in range(k):
                total += np.exp(-max(0.0, distances[i, j] - nearest) / scale)
            if abs(total - target) < _TOLERANCE:
                break
            if total > target:
                high = scale
            else:
                low = scale
            scale = 2 * scale if high == np.inf else (low + high) / 2
        scale = max(scale, _MIN_SCALE * distances[i].mean(), 1e-12)
        for j in range(k):
            strengths[i, j] = np.exp(-max(0.0, distances[i, j] - nearest) / scale)
    return strengths


@kernel(fastmath=True)
def _move_points(points, heads, tails, periods, due, epoch, rate, state):  # type: ignore[no-untyped-def]
    """One epoch: move `points` (N, 2) float32, in place.

    The edge from heads[e] to tails[e] takes part every `periods[e]` epochs, next when `due[e]` is
    reached: its ends attract each other, and the head is repelled by a few random points. `rate`
    scales the moves. `state` (1,) uint64 is the random generator's; `due` and `state` are updated.
    """
    n = len(points)
    for e in range(len(heads)):
        if due[e] > epoch:
            continue
        due[e] += periods[e]
        head, tail = heads[e], tails[e]
        x, y = points[head, 0], points[head, 1]
        dx, dy = x - points[tail, 0], y - points[tail, 1]
        pull = np.float32(-2) / (np.float32(1) + dx * dx + dy * dy)
        step_x, step_y = rate * _clipped(pull * dx), rate * _clipped(pull * dy)
        points[tail, 0] -= step_x
        points[tail, 1] -= step_y
        x += step_x
        y += step_y
        moved_x, moved_y = x, y
        for _ in range(_N_PUSHED):
            # The high half of Knuth's MMIX generator, scaled to 0..n-1.
            state[0] = state[0] * np.uint64(6364136223846793005) + np.uint64(1442695040888963407)
            other = np.int64(((state[0] >> np.uint64(32)) * np.uint64(n)) >> np.uint64(32))
            dx, dy = x - points[other, 0], y - points[other, 1]
            squared = dx * dx + dy * dy
            push = np.float32(2) / ((np.float32(_SOFTENING) + squared) * (np.float32(1) + squared))
            moved_x += rate * _clipped(push * dx)
            moved_y += rate * _clipped(push * dy)
        points[head, 0] = moved_x
        points[head, 1] = moved_y


@inner_kernel
def _clipped(step):  # type: ignore[no-untyped-def]
    return min(np.float32(_MAX_STEP), max(np.float32(-_MAX_STEP), step))
