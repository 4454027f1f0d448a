"""A map of a gallery: its embeddings projected to the plane, like drawings near each other.

Made by UMAP (McInnes and others, 2018) on cosine distances. Needs the extra `map`.
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

#: Positions are whole numbers 0..SIDE.
SIDE = 65_535
_N_NEIGHBOURS = 15
#: Fewer drawings than this have no neighbourhoods to keep; they are laid out by their two
#: strongest directions.
_MIN_FOR_UMAP = 100


#: `progress(stage, done, total)`.
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True, eq=False)
class Projection:
    """Where drawings lie: `key_ids` (N,), `x` and `y` (N,) uint16, 0..65535 over the map."""

    key_ids: list[str]
    x: npt.NDArray[np.uint16]
    y: npt.NDArray[np.uint16]

    def save(self, file: Path) -> None:
        """Write it as Parquet, whole or not at all. Raises StorageError."""
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
            raise GalleryError(f"{file} is damaged ({error}); remove it, it is made anew") from None


def check_extra() -> None:
    """Raise MissingExtraError where the extra `map` is not installed."""
    from importlib.util import find_spec

    if find_spec("umap") is None:
        raise MissingExtraError("the map of a gallery", "map")


def project(gallery: Gallery, *, seed: int = 0, progress: Progress | None = None) -> Projection:
    """Project all drawings of `gallery`; minutes for 100,000, on one core.

    The same gallery and seed give the same map. `progress(stage, done, total)` is called now and
    then. Raises MissingExtraError.
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
        places = _strongest_directions(embeddings)
    else:
        places = _umap(embeddings, seed, progress)
    return Projection(key_ids, *_on_map(places))


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
    with redirect_stdout(StringIO()):  # what else it says
        places: FloatArray = model.fit_transform(embeddings)
    return places


class _Epochs(StringIO):
    """What UMAP's progress bar writes to: "EPOCH TOTAL" lines, told to `progress`."""

    def __init__(self, progress: Progress | None) -> None:
        super().__init__()
        self._progress = progress

    def write(self, text: str) -> int:
        numbers = [int(word) for word in text.split() if word.isdigit()]
        if self._progress is not None and len(numbers) == 2:
            self._progress("laying out the map", *numbers)
        return len(text)


def _strongest_directions(embeddings: FloatArray) -> FloatArray:
    """(N, 2): the first two principal components."""
    centred = embeddings - embeddings.mean(axis=0) if len(embeddings) else embeddings
    if len(embeddings) < 3:
        return np.arange(2 * len(embeddings), dtype=np.float32).reshape(-1, 2)
    _, _, directions = np.linalg.svd(centred, full_matrices=False)
    places: FloatArray = centred @ directions[:2].T
    return places


def _on_map(places: FloatArray) -> tuple[npt.NDArray[np.uint16], npt.NDArray[np.uint16]]:
    """x and y as whole numbers; both by one scale, outliers (one in 1,000) at the edge."""
    if len(places) == 0:
        return np.zeros(0, np.uint16), np.zeros(0, np.uint16)
    low, high = np.quantile(places, [0.0005, 0.9995], axis=0)
    extent = max(float((high - low).max()), 1e-9)
    middle = (low + high) / 2
    placed = np.clip((places - middle) / extent + 0.5, 0, 1) * SIDE
    x, y = np.rint(placed).astype(np.uint16).T
    return x, y
