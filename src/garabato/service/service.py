"""The state that all routes share: the encoder, the galleries, threads."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Query, Request

from garabato.analysis.category import summarize_category
from garabato.drawing import Drawing, FloatArray
from garabato.encoder import Encoder, Prediction
from garabato.errors import InputError
from garabato.gallery import Gallery, Hit
from garabato.gallery.explore import N_VOTERS, has_own_categories, search_with_names
from garabato.service.http.access import Access
from garabato.service.http.problems import ProblemError
from garabato.service.http.serializers import drawing_document
from garabato.service.jobs.batching import Batcher, SearchBatcher
from garabato.service.jobs.file_process import Limits
from garabato.service.jobs.file_reader import FileReader
from garabato.service.jobs.gallery_map import GalleryMap
from garabato.service.metrics import Metrics
from garabato.service.settings import Settings
from garabato.service.state import BackgroundProgress, Reports, TaughtCategories, state_folder

T = TypeVar("T")

_log = logging.getLogger("garabato.service")
#: Threads that search and write JSON; searching releases the GIL most of the time.
N_SEARCH_THREADS = 4
#: A gallery that takes longer to count is not counted again for every request.
_SLOW_COUNT_S = 0.5
#: Category pages kept in memory; one takes about 20 kB.
_MAX_PAGES = 500


class Service:
    """State that all routes share. `jobs.startup` sets the encoder and adds the galleries."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.metrics = Metrics()
        self.access = Access(settings)
        self.progress = BackgroundProgress("loading the encoder")
        #: Called when the service is about to be ready.
        self.started: Callable[[], None] = lambda: None
        #: Called with the reason if the service can never be ready.
        self.start_failed: Callable[[str], None] = lambda reason: None
        self._encoder: Encoder | None = None
        self._galleries: dict[str, ServedGallery] = {}
        self._taught: TaughtCategories | None = None
        self.batcher = Batcher(
            self._newest_encoder,
            self.metrics,
            batch_size=settings.batch_size,
            window_ms=settings.batch_window_ms,
            max_waiting=settings.max_waiting,
        )
        self.search_batcher = SearchBatcher(self.metrics, max_waiting=settings.max_waiting)
        self.files = FileReader(
            Limits(settings.max_pixels, settings.max_strokes, settings.max_points)
        )
        self._searching = ThreadPoolExecutor(N_SEARCH_THREADS, thread_name_prefix="garabato-search")
        self._writing = ThreadPoolExecutor(1, thread_name_prefix="garabato-write")
        self._slow = ThreadPoolExecutor(2, thread_name_prefix="garabato-slow")

    def set_encoder(self, encoder: Encoder) -> None:
        """Use this encoder from now on. Blocks."""
        self._encoder = encoder
        for served in self._galleries.values():
            served.encoder_changed()

    def add_gallery(self, name: str, gallery: Gallery) -> None:
        """Serve a gallery. Taught categories are stored with the first one. Blocks."""
        if self._taught is None:
            self._taught = TaughtCategories(state_folder(gallery.uri), self.encoder)
            self.set_encoder(self._taught.encoder)
        served = ServedGallery(name, gallery, lambda: self.encoder, self.metrics)
        served.update()
        served.reports_changed()
        self._galleries = {**self._galleries, name: served}

    @property
    def encoder(self) -> Encoder:
        """Raises ProblemError 503 until it is loaded."""
        if self._encoder is None:
            raise self.progress.stage.to_problem()
        return self._encoder

    @property
    def taught(self) -> TaughtCategories:
        """The categories that clients taught. Raises ProblemError 503 until they are read."""
        if self._taught is None:
            raise self.progress.stage.to_problem()
        self._newest_encoder()
        return self._taught

    @property
    def galleries(self) -> list[ServedGallery]:
        """All galleries. Raises ProblemError 503 until the last one is open."""
        if not self.progress.is_ready:
            raise self.progress.stage.to_problem()
        return list(self._galleries.values())

    def gallery(self, name: str | None = None) -> ServedGallery:
        """The gallery of this name, or the first.

        Raises ProblemError 503 until it is open (and filled, if it is the starter gallery), and 404
        for an unknown name.
        """
        served = self._galleries.get(next(iter(self._galleries), "") if name is None else name)
        if served is None:
            names = [served.name for served in self.galleries]
            text = f"there is no gallery {name!r}; there are: {', '.join(names)}"
            raise ProblemError.of_missing(text, "gallery")
        return served

    async def searching(self, work: Callable[..., T], *arguments: Any) -> T:
        """Run a quick read in a thread."""
        return await _in_thread(self._searching, work, *arguments)

    async def writing(self, work: Callable[..., T], *arguments: Any) -> T:
        """Run a change in a thread, one at a time."""
        return await _in_thread(self._writing, work, *arguments)

    async def slowly(self, work: Callable[..., T], *arguments: Any) -> T:
        """Run work that takes seconds, in a thread of its own."""
        return await _in_thread(self._slow, work, *arguments)

    def _newest_encoder(self) -> Encoder:
        """The encoder, with what another service or a command taught meanwhile."""
        if self._taught is not None and self._taught.refresh():
            self.set_encoder(self._taught.encoder)
        return self.encoder

    def shut_down(self) -> None:
        """Finish changes under way; drop everything else."""
        for served in self._galleries.values():
            served.map.stop()
        self.progress.stopped.set()
        self.files.stop()
        self._writing.shutdown(wait=True)
        for threads in (self._searching, self._slow):
            threads.shutdown(wait=False, cancel_futures=True)


class ServedGallery:
    """An open gallery under the name by which requests choose it. All methods block."""

    def __init__(
        self,
        name: str,
        gallery: Gallery,
        encoder: Callable[[], Encoder],
        metrics: Metrics,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self.gallery = gallery
        self.reports = Reports(state_folder(gallery.uri))
        self._page = lru_cache(_MAX_PAGES)(self._make_page)
        self.map = GalleryMap(gallery)
        #: Whether searches are headed by the gallery's vote; decided when categories are counted.
        self.has_own_categories = False
        #: Whether several searches at once take less time than one after the other.
        self.is_exact = gallery.info().exact
        self._encoder = encoder
        self._metrics = metrics
        self._clock = clock
        self._n_changes = 0
        self._counts: dict[str, _Count] = {}

    def count_by(self, column: str) -> dict[Any, int]:
        """`gallery.count(by=column)`. A count that took long is reused for ten times as long.

        Changes made by this service are always seen; those of other processes may be seen later.
        """
        last = self._counts.get(column)
        n_changes, started_s = self._n_changes, self._clock()
        if (
            last is not None
            and last.n_changes == n_changes
            and started_s - last.ended_s < 10 * last.took_s
        ):
            return last.counts
        counts = self.gallery.count(by=column)
        ended_s = self._clock()
        took_s = ended_s - started_s if ended_s - started_s > _SLOW_COUNT_S else 0.0
        self._counts[column] = _Count(ended_s, took_s, n_changes, counts)
        if column == "category":
            self.encoder_changed()
        return counts

    def encoder_changed(self) -> None:
        """Decide again whether the gallery has categories of its own."""
        counts = self._counts["category"].counts
        self.has_own_categories = has_own_categories(counts, self._encoder().categories)

    @contextmanager
    def changing(self) -> Iterator[Gallery]:
        """The gallery, for storing, deleting or hiding drawings; then update counts and metrics."""
        try:
            yield self.gallery
        finally:  # an error may have left a part of the change
            self._n_changes += 1
        self.update()

    def update(self) -> None:
        """Update the metrics, and the counts of categories unless counting them takes long: the
        next `count_by` does it then."""
        last = self._counts.get("category")
        if last is None or last.took_s == 0:
            self.count_by("category")
        self._metrics.drawings.labels(self.name).set(self.gallery.count())
        self._metrics.hidden.labels(self.name).set(len(self.gallery.hidden()))

    def reports_changed(self) -> None:
        """Update the metric after drawings were reported, or reports dismissed."""
        self._metrics.reported.labels(self.name).set(len(self.reports.all()))

    def drop_reports_of_deleted(self) -> None:
        """Dismiss the reports of drawings that are no longer stored."""
        gone = self.gallery.missing(list(self.reports.all()))
        if gone:
            self.reports.remove(gone)
            self.reports_changed()

    def search(
        self,
        embedding: FloatArray,
        k: int,
        where: Mapping[str, Any] | None,
        *,
        predictions: Sequence[Prediction] = (),
    ) -> list[Hit]:
        """The k nearest drawings, or one more than are needed to vote.

        In a gallery with categories of its own, drawings named as `predictions` say come first.
        """
        started = time.perf_counter()
        if self.has_own_categories:
            k = max(k, N_VOTERS + 1)  # the query itself may be among them, and does not vote
        if self.has_own_categories and predictions:
            hits = search_with_names(self.gallery, embedding, predictions, k, where=where)
        else:
            hits = self.gallery.search(embedding, k, where=where)
        self._metrics.search_seconds.observe(time.perf_counter() - started)
        return hits

    def stored(self, key_id: str) -> Drawing:
        """A drawing. Raises ProblemError 404 if it is not stored or is hidden."""
        found = self.gallery.get(key_id)
        if found is None:
            raise ProblemError.of_missing(f"there is no drawing with the key_id {key_id!r}")
        return found

    def category_page(self, category: str) -> dict[str, Any]:
        """The page of a category, as JSON, cached until the gallery changes.

        Takes a second or two the first time. Raises ProblemError 404 if all its drawings are gone
        or hidden.
        """
        return self._page(category, self.gallery.version())

    def _make_page(self, category: str, _version: Hashable) -> dict[str, Any]:
        try:
            summary = summarize_category(self.gallery, category)
        except InputError:
            text = f"the gallery has no drawing of {category!r}"
            raise ProblemError.of_missing(text, "category") from None
        return {
            "category": category,
            "n_drawings": summary.n_drawings,
            "typical": [drawing_document(drawing) for drawing in summary.typical],
            "odd": [drawing_document(drawing) for drawing in summary.odd],
            "confused_with": summary.confusions(),
        }


async def _in_thread(threads: ThreadPoolExecutor, work: Callable[..., T], *arguments: Any) -> T:
    """The result of `work`. If its request ends before it fails, the error is only logged."""
    future = threads.submit(work, *arguments)
    try:
        return await asyncio.wrap_future(future)
    except asyncio.CancelledError:
        future.add_done_callback(_log_error)
        raise


def _log_error(future: Future[Any]) -> None:
    if not future.cancelled() and (error := future.exception()) is not None:
        _log.error("after its request had ended: %s", error)


async def _service(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


#: Parameter of a route that takes the service.
CurrentService = Annotated[Service, Depends(_service)]
#: Query parameter of every route that works on a gallery.
GalleryName = Annotated[
    str | None, Query(description="The gallery, one of `/v1/galleries`. The first by default.")
]


async def _served(request: Request, gallery: GalleryName = None) -> ServedGallery:
    return (await _service(request)).gallery(gallery)


#: Parameter of a route that works on the gallery that the request names.
CurrentGallery = Annotated[ServedGallery, Depends(_served)]


@dataclass(frozen=True, slots=True)
class _Count:
    """`gallery.count(by=...)`: when it ended, how long it took if that was long (otherwise 0), and
    how many changes this service had made to the gallery when it began."""

    ended_s: float
    took_s: float
    n_changes: int
    counts: dict[Any, int]
