"""Index a whole data set, source or icon set: embed its drawings and store them in a gallery."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Literal, get_args

from garabato.dataset import Dataset
from garabato.dataset.store import SPLITS
from garabato.drawing import DrawingBatch
from garabato.errors import InputError, check_choice
from garabato.formats import ReadReport
from garabato.gallery import Embedder, Gallery
from garabato.gallery.embeddings import Progress
from garabato.host.cache import cache_folder
from garabato.ingest.bulk_load import Filled, OneThread, fill
from garabato.ingest.ray_cluster import RayWorkers
from garabato.sources import Source
from garabato.sources.icons import DEFAULT_ICON_SETS, IconSource
from garabato.sources.source import check_source

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
    FormatError. `progress(n_done, n)` is called while it works; for a source, `n` is an estimate
    that improves. Raises whatever `Gallery.add` raises.
    """
    if isinstance(drawings, list | tuple | DrawingBatch):
        raise InputError(
            "index reads a data set or a source; "
            "store drawings that are in memory with gallery.add(drawings)"
        )
    if not isinstance(drawings, Dataset):
        check_source(drawings)
        if split is not None:
            raise InputError("a source has no splits, only a data set has; leave out split")
    elif split not in (None, *SPLITS):
        raise InputError(f"there is no split {split!r}; the splits are {', '.join(SPLITS)}")
    check_choice("runner", runner, get_args(Runner))
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


def index_icons(
    gallery: Gallery,
    encoder: Embedder,
    sets: Sequence[str] = DEFAULT_ICON_SETS,
    *,
    report: ReadReport | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> Filled:
    """Fetch icon sets from npm and store their icons in `gallery`; icons it holds are skipped.

    `sets` are names of `ICON_SETS`. Icons that cannot be read are counted in `report`.
    `progress(stage, n_done, n_total)` is called with the stages "fetch" (sets) and "index" (icons).
    Raises InputError for an unknown set and SourceError if npm cannot fetch one.
    """
    show = progress or (lambda stage, n_done, n_total: None)
    names = list(dict.fromkeys(sets))
    IconSource.check(names)
    for number, name in enumerate(names):
        show("fetch", number, len(names))
        IconSource([name])
    show("fetch", len(names), len(names))
    source = IconSource(names)
    key_ids = source.key_ids()
    missing = set(gallery.missing(key_ids))
    source.leave_out = frozenset(key_ids) - missing
    n_there = len(source.leave_out)
    if not missing:
        return Filled(n_there=n_there)
    filled = index(
        source,
        gallery,
        encoder,
        report=report,
        progress=lambda n_done, _: show("index", n_there + n_done, len(key_ids)),
    )
    return Filled(filled.n_new, filled.n_there + n_there, filled.n_empty)


def icon_gallery_folder(sets: Sequence[str], encoder: Embedder) -> str:
    """A folder in the user's cache for the gallery of these sets and this encoder."""
    name = "-".join(["icons", *dict.fromkeys(sets), encoder.fingerprint])
    return str(cache_folder() / "galleries" / name)
