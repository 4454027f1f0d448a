"""The state that all routes share: the encoder, the gallery, reports, threads."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Request

from garabato.drawing import FloatArray
from garabato.encoder import Encoder, Prediction
from garabato.gallery import Gallery, Hit, StoredDrawing
from garabato.gallery.explore import N_VOTERS, has_own_categories
from garabato.gallery.names import search_with_names
from garabato.service.http.access import Access
from garabato.service.http.problems import ProblemError
from garabato.service.jobs.batching import Batcher
from garabato.service.jobs.file_process import Limits
from garabato.service.jobs.file_reader import FileReader
from garabato.service.metrics import Metrics
from garabato.service.settings import Settings
from garabato.service.state.folder import state_folder
from garabato.service.state.progress import Progress
from garabato.service.state.reports import Reports

T = TypeVar("T")

#: Threads that search and write JSON; searching releases the GIL most of the time.
N_SEARCH_THREADS = 4
#: Counting a gallery that takes longer is not repeated with every request.
_SLOW_COUNT_S = 0.5


class Service:
    """State that all routes share. `jobs.startup` sets `encoder` and `gallery` when loaded."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.metrics = Metrics()
        self.access = Access(settings)
        self.progress = Progress("loading the encoder")
        #: Called with the reason if the service can never be ready.
        self.start_failed: Callable[[str], None] = lambda reason: None
        #: Column -> when it was counted, how long that took if long, the counts.
        self._counts: dict[str, tuple[float, float, dict[Any, int]]] = {}
        #: Whether searches are headed by the gallery's vote; decided when categories are counted.
        self.has_own_categories = False
        self._encoder: Encoder | None = None
        self._gallery: Gallery | None = None
        self._reports: Reports | None = None
        self.batcher = Batcher(
            lambda: self.encoder,
            self.metrics,
            batch_size=settings.batch_size,
            window_ms=settings.batch_window_ms,
            max_waiting=settings.max_waiting,
        )
        self.files = FileReader(
            Limits(settings.max_pixels, settings.max_strokes, settings.max_points)
        )
        self._searching = ThreadPoolExecutor(N_SEARCH_THREADS, thread_name_prefix="garabato-search")
        self._writing = ThreadPoolExecutor(1, thread_name_prefix="garabato-write")
        self._slow = ThreadPoolExecutor(2, thread_name_prefix="garabato-slow")

    def set_encoder(self, encoder: Encoder) -> None:
        """Start answering classify requests."""
        self._encoder = encoder

    def set_gallery(self, gallery: Gallery) -> None:
        """Start answering search requests."""
        self._reports = Reports(state_folder(gallery.uri) / "reported.json")
        self._gallery = gallery

    @property
    def encoder(self) -> Encoder:
        """Raises ProblemError 503 until it is loaded."""
        if self._encoder is None:
            raise self.progress.stage.to_problem()
        return self._encoder

    @property
    def gallery(self) -> Gallery:
        """Raises ProblemError 503 until it is open, and filled if it is the starter gallery."""
        if self._gallery is None:
            raise self.progress.stage.to_problem()
        return self._gallery

    @property
    def reports(self) -> Reports:
        """The reported drawings."""
        if self._reports is None:
            raise self.progress.stage.to_problem()
        return self._reports

    def count_by(self, column: str) -> dict[Any, int]:
        """`gallery.count(by=column)`, reused for ten times as long as it took. Blocks."""
        counted_at, took_s, counts = self._counts.get(column, (0.0, 0.0, {}))
        started = time.monotonic()
        if started - counted_at >= 10 * took_s:
            counts = self.gallery.count(by=column)
            ended = time.monotonic()
            took_s = ended - started if ended - started > _SLOW_COUNT_S else 0.0
            self._counts[column] = (ended, took_s, counts)
            if column == "category":
                self.has_own_categories = has_own_categories(counts, self.encoder.categories)
        return counts

    def drawings_changed(self) -> None:
        """Update counts and metrics after drawings were stored, deleted or hidden. Blocks."""
        self.count_by("category")
        self.metrics.drawings.set(self.gallery.count())
        self.metrics.hidden.set(len(self.gallery.hidden()))

    async def searching(self, work: Callable[..., T], *arguments: Any) -> T:
        """Run a quick read in a thread."""
        return await asyncio.get_running_loop().run_in_executor(self._searching, work, *arguments)

    async def writing(self, work: Callable[..., T], *arguments: Any) -> T:
        """Run a change in a thread, one at a time."""
        return await asyncio.get_running_loop().run_in_executor(self._writing, work, *arguments)

    async def slowly(self, work: Callable[..., T], *arguments: Any) -> T:
        """Run work of seconds in a thread that nothing else needs."""
        return await asyncio.get_running_loop().run_in_executor(self._slow, work, *arguments)

    def search(
        self,
        embedding: FloatArray,
        k: int,
        where: Mapping[str, Any] | None,
        *,
        predictions: Sequence[Prediction] = (),
        but: str | None = None,
    ) -> list[Hit]:
        """The k nearest drawings, or enough to vote, without the drawing `but`. Blocks.

        In a gallery with categories of its own, drawings named as `predictions` say come first.
        """
        started = time.perf_counter()
        if self.has_own_categories:
            k = max(k, N_VOTERS)
        n = k + (but is not None)
        if self.has_own_categories and predictions:
            hits = search_with_names(self.gallery, embedding, predictions, n, where=where)
        else:
            hits = self.gallery.search(embedding, n, where=where)
        self.metrics.search_seconds.observe(time.perf_counter() - started)
        return [hit for hit in hits if hit.key_id != but][:k]

    def stored(self, key_ids: Sequence[str]) -> list[StoredDrawing]:
        """The stored drawings with these key_ids, in that order. Blocks."""
        limit = max(1, len(key_ids))
        found = {
            str(stored.drawing.key_id): stored
            for stored in self.gallery.list(where={"key_id": list(key_ids)}, limit=limit)
        }
        return [found[key_id] for key_id in key_ids if key_id in found]

    def stored_one(self, key_id: str) -> StoredDrawing:
        """One drawing. Raises ProblemError 404 if it is not stored or is hidden. Blocks."""
        found = self.stored([key_id])
        if not found:
            raise ProblemError(404, f"there is no drawing with the key_id {key_id!r}")
        return found[0]

    def shut_down(self) -> None:
        """Finish changes under way; drop everything else."""
        self.progress.stop()
        self.files.stop()
        self._writing.shutdown(wait=True)
        for threads in (self._searching, self._slow):
            threads.shutdown(wait=False, cancel_futures=True)


def _service(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


#: Parameter of a route that takes the service.
CurrentService = Annotated[Service, Depends(_service)]
