"""Index a whole data set or source: embed its drawings and store them in a gallery."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Literal

from garabato.dataset import Dataset
from garabato.dataset.store import SPLITS
from garabato.drawing import DrawingBatch
from garabato.errors import InputError
from garabato.formats import ReadReport
from garabato.gallery import Embedder, Gallery
from garabato.ingest.bulk_load import Filled, OneThread, fill
from garabato.ingest.ray_cluster import RayWorkers
from garabato.sources import Source

#: `progress(n_done, n_expected)`; for a source, `n_expected` is an estimate that improves.
Progress = Callable[[int, int], None]
Runner = Literal["local", "ray"]


def index(
    drawings: Dataset | Source,
    gallery: Gallery,
    encoder: Embedder,
    *,
    split: str | None = None,
    tags: Sequence[str] = (),
    runner: Runner = "local",
    strict: bool = False,
    report: ReadReport | None = None,
    progress: Progress | None = None,
) -> Filled:
    """Embed `drawings` and store them in `gallery`; drawings it already holds are skipped.

    An interrupted call can therefore be repeated: it continues where it stopped. `split` limits a
    data set to "train" or "test". `runner` "ray" embeds on the Ray cluster of RAY_ADDRESS.
    Unreadable lines of a source are counted in `report`; with `strict` the first one raises
    FormatError. Raises whatever `Gallery.add` raises.
    """
    reading = _Reading(drawings, split, strict, report)

    def tell(n_done: int) -> None:
        if progress is not None:
            progress(n_done, max(n_done, reading.n_expected))

    workers = RayWorkers if runner == "ray" else OneThread
    return fill(gallery, encoder, reading.batches(), tags=tags, progress=tell, workers=workers)


class _Reading:
    """The drawings to index, and how many to expect: known for a data set, estimated for a source
    from the categories read so far."""

    def __init__(
        self,
        drawings: Dataset | Source,
        split: str | None,
        strict: bool,
        report: ReadReport | None,
    ) -> None:
        if split is not None and not isinstance(drawings, Dataset):
            raise InputError("a source has no splits, only a data set has; leave out split")
        self.n_expected = 0
        self._drawings = drawings
        self._splits = SPLITS if split is None else (split,)
        self._strict = strict
        self._report = report

    def batches(self) -> Iterator[DrawingBatch]:
        if isinstance(self._drawings, Dataset):
            splits = self._drawings.manifest["splits"]
            self.n_expected = sum(splits[name]["n_drawings"] for name in self._splits)
            for name in self._splits:
                yield self._drawings.split(name)
            return
        categories = self._drawings.categories()
        n_read = 0
        for number, category in enumerate(categories, start=1):
            for batch in self._drawings.read(category, strict=self._strict, report=self._report):
                n_read += len(batch)
                yield batch
            self.n_expected = n_read * len(categories) // number
