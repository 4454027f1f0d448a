"""The service itself: the encoder, the gallery and what is kept beside it."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, Any, NamedTuple, TypeVar

from fastapi import Depends, Request

from garabato.drawing import Drawing, FloatArray
from garabato.encoder import Encoder
from garabato.gallery import Gallery, Hit
from garabato.service.http.access import Access
from garabato.service.http.problems import ProblemError
from garabato.service.jobs.batching import Batcher
from garabato.service.metrics import Metrics
from garabato.service.settings import Settings
from garabato.service.state.census import Census
from garabato.service.state.hidden import HiddenDrawings
from garabato.service.state.key_id_lists import state_folder
from garabato.service.state.progress import Progress
from garabato.service.state.reports import Reports

T = TypeVar("T")

#: Threads that search and write JSON; searching gives up Python's lock most of the time.
N_SEARCH_THREADS = 4


class TaggedDrawing(NamedTuple):
    """A stored drawing and its tags."""

    drawing: Drawing
    tags: tuple[str, ...]


class Service:
    """State that all routes share. `jobs.startup` sets `encoder` and `gallery` when loaded."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.metrics = Metrics()
        self.access = Access(settings)
        self.progress = Progress("loading the encoder")
        self.census = Census()
        self.counting = Progress("counting the gallery")
        self._recounting = threading.Lock()
        self._encoder: Encoder | None = None
        self._gallery: Gallery | None = None
        self._hidden: HiddenDrawings | None = None
        self._reports: Reports | None = None
        self.batcher = Batcher(
            lambda: self.encoder,
            self.metrics,
            batch_size=settings.batch_size,
            window_ms=settings.batch_window_ms,
            max_waiting=settings.max_waiting,
        )
        self._searching = ThreadPoolExecutor(N_SEARCH_THREADS, thread_name_prefix="garabato-search")
        self._writing = ThreadPoolExecutor(1, thread_name_prefix="garabato-write")
        self._slow = ThreadPoolExecutor(2, thread_name_prefix="garabato-slow")

    def set_encoder(self, encoder: Encoder) -> None:
        """From now on drawings can be classified."""
        self._encoder = encoder

    def set_gallery(self, gallery: Gallery) -> None:
        """From now on drawings can be found."""
        kept = state_folder(gallery.uri)
        self._hidden = HiddenDrawings(kept / "hidden.json")
        self._reports = Reports(kept / "reported.json")
        self._gallery = gallery

    @property
    def encoder(self) -> Encoder:
        """Raises ProblemError 503 until it is loaded."""
        if self._encoder is None:
            raise self.progress.stage.to_problem()
        return self._encoder

    @property
    def gallery(self) -> Gallery:
        """Raises ProblemError 503 until it is open, and filled where it is the starter gallery."""
        if self._gallery is None:
            raise self.progress.stage.to_problem()
        return self._gallery

    @property
    def hidden(self) -> HiddenDrawings:
        """The drawings that are not shown."""
        if self._hidden is None:
            raise self.progress.stage.to_problem()
        return self._hidden

    @property
    def reports(self) -> Reports:
        """The drawings an operator should look at."""
        if self._reports is None:
            raise self.progress.stage.to_problem()
        return self._reports

    @property
    def counted(self) -> Census:
        """The census. Raises ProblemError 503 until it was taken once."""
        for progress in (self.progress, self.counting):
            if not progress.is_ready:
                raise progress.stage.to_problem()
        return self.census

    def recount_if_needed(self) -> None:
        """Count the gallery again, in the background, where another process changed it."""
        if self.counting.is_ready and not self._recounting.locked():
            self._slow.submit(self._recount)

    def _recount(self) -> None:
        if self._recounting.acquire(blocking=False):
            try:
                if self.census.is_outdated(self.gallery):
                    self.census.count(self.gallery)
            finally:
                self._recounting.release()

    async def searching(self, work: Callable[..., T], *arguments: Any) -> T:
        """Do quick reading work off the event loop."""
        return await asyncio.get_running_loop().run_in_executor(self._searching, work, *arguments)

    async def writing(self, work: Callable[..., T], *arguments: Any) -> T:
        """Do work that changes something, one after the other, off the event loop."""
        return await asyncio.get_running_loop().run_in_executor(self._writing, work, *arguments)

    async def slowly(self, work: Callable[..., T], *arguments: Any) -> T:
        """Do work of seconds where it holds up nobody else."""
        return await asyncio.get_running_loop().run_in_executor(self._slow, work, *arguments)

    def search(
        self, embedding: FloatArray, k: int, where: Mapping[str, Any] | None, but: str | None = None
    ) -> list[Hit]:
        """The k nearest that are not hidden, nor `but`. Blocks."""
        started = time.perf_counter()
        hidden = self.hidden.key_ids
        if but is not None:
            hidden = hidden | {but}
        n_asked = k + min(len(hidden), k)
        while True:
            found = self.gallery.search(embedding, n_asked, where=where)
            shown = [hit for hit in found if hit.key_id not in hidden]
            if len(shown) >= k or len(found) < n_asked:
                break
            n_asked *= 2
        self.metrics.search_seconds.observe(time.perf_counter() - started)
        return shown[:k]

    def stored(self, key_ids: Sequence[str]) -> list[TaggedDrawing]:
        """The drawings with these key_ids that are there and not hidden, in that order. Blocks."""
        hidden = self.hidden.key_ids
        shown = [key_id for key_id in key_ids if key_id not in hidden]
        found = {
            str(drawing.key_id): TaggedDrawing(drawing, tags)
            # not `get`, whose drawings come without their tags
            for piece in self.gallery.scan(where={"key_id": shown})
            for drawing, tags in zip(piece.drawings, piece.tags, strict=True)
        }
        return [found[key_id] for key_id in shown if key_id in found]

    def stored_one(self, key_id: str) -> TaggedDrawing:
        """One drawing; ProblemError 404 where it is not there or hidden. Blocks."""
        found = self.stored([key_id])
        if not found:
            raise ProblemError(404, f"there is no drawing with the key_id {key_id!r}")
        return found[0]

    def shut_down(self) -> None:
        """Wait for what is being written; drop the rest."""
        self.progress.stop()
        self.counting.stop()
        self._writing.shutdown(wait=True)
        for threads in (self._searching, self._slow):
            threads.shutdown(wait=False, cancel_futures=True)


def _service(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


#: Parameter of a route that takes the service.
CurrentService = Annotated[Service, Depends(_service)]
