"""Bulk load: fill a gallery with the drawings of a data set, source or icon set, resumably.

Drawings are stored in order. While one piece is stored, the next is embedded.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from typing import Literal, Protocol, get_args

import numpy as np

from garabato.dataset import Dataset
from garabato.dataset.store import SPLITS
from garabato.drawing import DrawingBatch, FloatArray
from garabato.drawing.batch import regrouped
from garabato.errors import InputError, check_choice, check_opened
from garabato.formats import ReadReport
from garabato.gallery import Embedder, Gallery
from garabato.gallery.embeddings import CountProgress
from garabato.gallery.rows import without_invalid_times
from garabato.host.machine import cache_folder
from garabato.ingest.ray_cluster import RayWorkers
from garabato.sources import Source
from garabato.sources.icons import DEFAULT_ICON_SETS, IconSource
from garabato.sources.source import check_source

Runner = Literal["local", "ray"]

#: Drawings stored at a time. A killed process loses this piece and those being embedded.
PIECE = 2_048
#: Slow drawings, such as photos, are stored after this time, so that there is progress to show.
_PIECE_S = 2.0
#: Drawings embedded at a time; progress is reported after each step.
STEP = 512


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
    progress: CountProgress | None = None,
) -> Filled:
    """Embed `drawings` and store them in `gallery`; drawings it already holds are skipped.

    An interrupted call can therefore be repeated: it continues where it stopped. `split` limits a
    data set to "train" or "test". `runner` "ray" embeds on the Ray cluster of RAY_ADDRESS.
    Unreadable lines of a source are counted in `report`; with `strict` the first one raises
    FormatError. `progress(n_done, n)` is called while it works; for a source, `n` is an estimate
    that improves. Raises whatever `Gallery.add` raises.
    """
    check_opened(gallery=gallery, encoder=encoder)
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

    def report_progress(n_done: int) -> None:
        if progress is not None:
            progress(n_done, max(n_done, n_expected))

    workers = RayWorkers if runner == "ray" else OneThread
    return fill(gallery, encoder, batches(), tags=tags, progress=report_progress, workers=workers)


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
    check_opened(gallery=gallery, encoder=encoder)
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
    check_opened(encoder=encoder)
    name = "-".join(["icons", *dict.fromkeys(sets), encoder.fingerprint])
    return str(cache_folder() / "galleries" / name)


class Workers(Protocol):
    """Embeds batches in the background."""

    @property
    def n_batches_ahead(self) -> int:
        """The number of batches to embed while a piece is stored, so that no worker waits."""

    def submit(self, batch: DrawingBatch) -> Callable[[], FloatArray]:
        """Start embedding a batch; calling the result waits for the embeddings (N, D).

        This call or the result raises whatever the encoder raises.
        """

    def close(self) -> None:
        """Stop; batches that are not embedded yet are dropped."""


class OneThread:
    """Embeds in one background thread of this process."""

    n_batches_ahead = 1

    def __init__(self, encoder: Embedder) -> None:
        self._encoder = encoder
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="garabato-embed")

    def submit(self, batch: DrawingBatch) -> Callable[[], FloatArray]:
        return self._thread.submit(self._encoder.embed, batch).result

    def close(self) -> None:
        self._thread.shutdown(cancel_futures=True)


@dataclass(frozen=True, slots=True)
class Filled:
    """How many drawings were stored, were already there, and were empty and skipped."""

    n_new: int = 0
    n_there: int = 0
    n_empty: int = 0


def fill(
    gallery: Gallery,
    encoder: Embedder,
    batches: Iterable[DrawingBatch],
    *,
    tags: Sequence[str] = (),
    progress: Callable[[int], None] | None = None,
    workers: Callable[[Embedder], Workers] = OneThread,
) -> Filled:
    """Embed and store the drawings of `batches`; key_ids that the gallery holds are skipped.

    An interrupted call can therefore be repeated. Drawings are stored in order, whichever worker
    finishes first. New drawings get `tags`. `progress(n_done)` is called a few times a second.
    Raises whatever `Gallery.add` raises.
    """
    load = _Load(gallery, tuple(tags), progress or (lambda n_done: None))
    with closing(workers(encoder)) as embedding:
        n_ahead = max(1, math.ceil(embedding.n_batches_ahead * STEP / PIECE))
        for piece in regrouped(batches, PIECE, max_s=_PIECE_S):
            load.send(piece, embedding)
            while len(load.sent) > n_ahead:
                load.store()
        while load.sent:
            load.store()
    gallery.settle()
    return Filled(load.n_new, load.n_there, load.n_empty)


class _Load:
    """The pieces in progress: sent to the workers, then stored."""

    def __init__(
        self, gallery: Gallery, tags: tuple[str, ...], progress: Callable[[int], None]
    ) -> None:
        self._gallery = gallery
        self._tags = tags
        self._progress = progress
        self._in_progress: set[str | None] = set()
        #: New drawings and their pending embeddings, one result for each STEP of them.
        self.sent: deque[tuple[DrawingBatch, list[Callable[[], FloatArray]]]] = deque()
        self.n_new = self.n_there = self.n_empty = 0

    def send(self, piece: DrawingBatch, workers: Workers) -> None:
        """Send the drawings that are neither stored nor in progress to the workers."""
        inked = piece.has_ink
        self.n_empty += len(piece) - int(inked.sum())
        piece = piece.take(np.flatnonzero(inked)).with_key_ids()
        wanted = [key for key in piece.key_ids if key is not None and key not in self._in_progress]
        missing = set(self._gallery.missing(wanted))
        first = {key: i for i, key in reversed(list(enumerate(piece.key_ids))) if key in missing}
        rows = np.array(sorted(first.values()), np.int64)
        self.n_there += len(piece) - len(rows)
        steps = [rows[first : first + STEP] for first in range(0, len(rows), STEP)]
        results = [workers.submit(piece.take(step)) for step in steps]
        drawings = without_invalid_times(piece.take(rows))
        self._in_progress.update(drawings.key_ids)
        self.sent.append((drawings, results))

    def store(self) -> None:
        """Wait until the oldest piece in progress is embedded, and store it."""
        drawings, results = self.sent.popleft()
        n_before = self.n_new + self.n_there + self.n_empty
        embedded = []
        for result in results:
            embedded.append(result())
            self._progress(n_before + sum(map(len, embedded)))
        if embedded:
            added = self._gallery.add(
                drawings, embeddings=np.concatenate(embedded), tags=self._tags
            )
            self.n_new += added.n_new + added.n_replaced
            self.n_there += len(drawings) - added.n_new - added.n_replaced
            self._in_progress.difference_update(drawings.key_ids)
        self._progress(self.n_new + self.n_there + self.n_empty)
