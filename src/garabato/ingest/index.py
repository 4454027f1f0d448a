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
    if split is not None and not isinstance(drawings, Dataset):
        raise InputError("a source has no splits, only a data set has; leave out split")
    n_expected = 0

    def batches() -> Iterator[DrawingBatch]:
        nonlocal n_expected
        if isinstance(drawings, Dataset):
            names = SPLITS if split is None else (split,)
            splits = drawings.manifest["splits"]
            n_expected = sum(splits[name]["n_drawings"] for name in names)
            yield from map(drawings.split, names)
            return
        categories = drawings.categories()
        n_read = 0
        for number, category in enumerate(categories, start=1):
            for batch in drawings.read(category, strict=strict, report=report):
                n_read += len(batch)
                yield batch
            n_expected = n_read * len(categories) // number

    def tell(n_done: int) -> None:
        if progress is not None:
            progress(n_done, max(n_done, n_expected))

    workers = RayWorkers if runner == "ray" else OneThread
    return fill(gallery, encoder, batches(), tags=tags, progress=tell, workers=workers)
