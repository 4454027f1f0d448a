"""The map of a gallery: its embeddings in two dimensions, similar drawings close together.

UMAP (McInnes et al. 2018) on cosine distances. Needs the extra `map`.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from garabato.drawing import FloatArray
from garabato.errors import GalleryError, MissingExtraError
from garabato.gallery.base import Gallery
from garabato.host.atomic import replacing

#: Coordinates are integers in 0..SIDE.
SIDE = 65_535
_N_NEIGHBOURS = 15
#: With fewer drawings, the map is their first two principal components.
_MIN_FOR_UMAP = 100

#: `progress(stage, done, total)`.
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True, eq=False)
class Projection:
    """Coordinates of N drawings: `x` and `y` (N,) uint16, 0..65535."""

    key_ids: list[str]
    x: npt.NDArray[np.uint16]
    y: npt.NDArray[np.uint16]

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


def check_extra() -> None:
    """Raise MissingExtraError if the extra `map` is not installed."""
    from importlib.util import find_spec

    if find_spec("umap") is None:
        raise MissingExtraError("the map of a gallery", "map")


def project(gallery: Gallery, *, seed: int = 0, progress: Progress | None = None) -> Projection:
    """Project all drawings of `gallery`, on one core; 100,000 take minutes.

    Deterministic for a gallery and seed. Raises MissingExtraError.
    """
    check_extra()
    key_ids: list[str] = []
    pieces = [np.zeros((0, gallery.info().encoder.embedding_dim), np.float32)]
    total = len(gallery)
    for piece in gallery.scan():
        key_ids += [str(key_id) for key_id in piece.drawings.key_ids]
        pieces.append(piece.embeddings)
        if progress is not None:
            progress("reading the gallery", len(key_ids), max(total, len(key_ids)))
    embeddings = np.concatenate(pieces)
    if len(embeddings) < _MIN_FOR_UMAP:
        coordinates = _principal_components(embeddings)
    else:
        coordinates = _umap(embeddings, seed, progress)
    return Projection(key_ids, *_scale(coordinates))


def _umap(embeddings: FloatArray, seed: int, progress: Progress | None) -> FloatArray:
    import umap

    if progress is not None:
        progress("finding neighbours", 0, len(embeddings))
    model = umap.UMAP(
        n_neighbors=_N_NEIGHBOURS,
        metric="cosine",
        random_state=seed,
        init="pca",
        low_memory=True,
        n_jobs=1,
        verbose=progress is not None,
        tqdm_kwds={"file": _Epochs(progress), "bar_format": "{n} {total}\n", "mininterval": 0.5},
    )
    with redirect_stdout(StringIO()):  # UMAP's other messages
        coordinates: FloatArray = model.fit_transform(embeddings)
    return coordinates


class _Epochs(StringIO):
    """The file of UMAP's progress bar: passes its "EPOCH TOTAL" lines on to `progress`."""

    def __init__(self, progress: Progress | None) -> None:
        super().__init__()
        self._progress = progress

    def write(self, text: str) -> int:
        numbers = [int(word) for word in text.split() if word.isdigit()]
        if self._progress is not None and len(numbers) == 2:
            self._progress("laying out the map", *numbers)
        return len(text)


def _principal_components(embeddings: FloatArray) -> FloatArray:
    """(N, 2): the first two principal components."""
    centred = embeddings - embeddings.mean(axis=0) if len(embeddings) else embeddings
    if len(embeddings) < 3:
        return np.arange(2 * len(embeddings), dtype=np.float32).reshape(-1, 2)
    _, _, directions = np.linalg.svd(centred, full_matrices=False)
    coordinates: FloatArray = centred @ directions[:2].T
    return coordinates


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
