"""The map of a gallery: time and neighbours kept, beside umap-learn and PaCMAP.

Times are processor times on one core, compiling included: the service makes a map in a process of
its own. The others are measured if they are installed: pip install 'garabato[bench]'.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import harness
import numpy as np
import vectors

#: Drawings of each file: of 345 files about 90,000 in all, as some have fewer.
PER_FILE = 290
#: Drawings whose neighbours are compared, neighbours of each, and those that are near on a map.
N_COMPARED, N_NEIGHBOURS, N_NEAR = 1_000, 14, 50


def run(context: harness.Context) -> list[harness.Row]:
    """Times, and the share of neighbours that are near on the map."""
    drawings = vectors.load(context.source, per_file=PER_FILE)
    embeddings = drawings.embeddings
    ways: dict[str, Callable[[np.ndarray], np.ndarray]] = {"garabato": _garabato}
    if harness.is_installed("umap-learn", "umap"):
        ways["umap-learn"] = _umap
    if harness.is_installed("PaCMAP", "pacmap"):
        ways["PaCMAP"] = _pacmap
    compared = np.random.default_rng(0).choice(len(embeddings), N_COMPARED, replace=False)
    nearest = _nearest(-embeddings[compared] @ embeddings.T, N_NEIGHBOURS)
    rows = [harness.Row("drawings", "", [len(embeddings)])]
    for name, way in ways.items():
        started = time.process_time()
        points = way(embeddings).astype(np.float32)
        took = time.process_time() - started
        squared = sum((points[compared, i, None] - points[None, :, i]) ** 2 for i in (0, 1))
        near = _nearest(squared, N_NEAR)
        kept = np.mean([np.isin(*both).mean() for both in zip(nearest, near, strict=True)])
        target = 30 if name == "garabato" else None
        rows.append(harness.Row(f"{name}: map", "CPU s", [took], target))
        note = f"the {N_NEIGHBOURS} nearest drawings that are among the {N_NEAR} nearest points"
        rows.append(harness.Row(f"{name}: neighbours kept", "%", [float(kept)], note=note))
    return rows


def _garabato(embeddings: np.ndarray) -> np.ndarray:
    from garabato.analysis.map import lay_out
    from garabato.gallery.embeddings import Embeddings

    n = len(embeddings)
    drawings = Embeddings([str(row) for row in range(n)], [None] * n, embeddings)
    return lay_out(drawings, seed=0, progress=lambda *step: None)


def _umap(embeddings: np.ndarray) -> np.ndarray:
    import umap

    model = umap.UMAP(metric="cosine", random_state=0, init="pca", n_jobs=1)
    points: np.ndarray = model.fit_transform(embeddings)
    return points


def _pacmap(embeddings: np.ndarray) -> np.ndarray:
    import pacmap

    points: np.ndarray = pacmap.PaCMAP(random_state=0).fit_transform(embeddings)
    return points


def _nearest(distances: np.ndarray, k: int) -> np.ndarray:
    """(n, k): the columns of the least distances, the least of all (the drawing's own) left out."""
    least = np.argpartition(distances, k, axis=1)[:, : k + 1]
    order = np.argsort(np.take_along_axis(distances, least, axis=1), axis=1)
    return np.take_along_axis(least, order, axis=1)[:, 1:]


BENCHMARK = harness.Benchmark(
    "gallery_map",
    f"the first {PER_FILE} drawings of each file, embedded by the encoder that ships",
    "umap-learn and PaCMAP",
    run,
    quick=False,
)

if __name__ == "__main__":
    harness.main(BENCHMARK)
