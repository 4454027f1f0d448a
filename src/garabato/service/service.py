"""What all routes share while the service runs: the encoder, the galleries, threads."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Query, Request

from garabato.encoder import Encoder
from garabato.gallery import Gallery
from garabato.service.http.access import Access
from garabato.service.http.problems import ProblemError
from garabato.service.jobs.batching import Batcher, SearchBatcher
from garabato.service.jobs.file_process import Limits
from garabato.service.jobs.file_reader import FileReader
from garabato.service.metrics import Metrics
from garabato.service.served_gallery import ServedGallery
from garabato.service.settings import Settings
from garabato.service.state import BackgroundProgress, TaughtCategories, state_folder

T = TypeVar("T")

#: Threads that search and write JSON; searching releases the GIL most of the time.
N_SEARCH_THREADS = 4


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
            lambda: self.encoder,
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
            raise ProblemError(404, f"there is no gallery {name!r}; there are: {', '.join(names)}")
        return served

    async def searching(self, work: Callable[..., T], *arguments: Any) -> T:
        """Run a quick read in a thread."""
        return await asyncio.get_running_loop().run_in_executor(self._searching, work, *arguments)

    async def writing(self, work: Callable[..., T], *arguments: Any) -> T:
        """Run a change in a thread, one at a time."""
        return await asyncio.get_running_loop().run_in_executor(self._writing, work, *arguments)

    async def slowly(self, work: Callable[..., T], *arguments: Any) -> T:
        """Run work that takes seconds, in a thread of its own."""
        return await asyncio.get_running_loop().run_in_executor(self._slow, work, *arguments)

    def shut_down(self) -> None:
        """Finish changes under way; drop everything else."""
        for served in self._galleries.values():
            served.map.stop()
        self.progress.stop()
        self.files.stop()
        self._writing.shutdown(wait=True)
        for threads in (self._searching, self._slow):
            threads.shutdown(wait=False, cancel_futures=True)


async def _service(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


#: Parameter of a route that takes the service.
CurrentService = Annotated[Service, Depends(_service)]
#: Query parameter of every route that works on a gallery.
GalleryName = Annotated[
    str | None, Query(description="The gallery, one of `/v1/galleries`. The first by default.")
]


async def _served(service: CurrentService, gallery: GalleryName = None) -> ServedGallery:
    return service.gallery(gallery)


#: Parameter of a route that works on the gallery that the request names.
CurrentGallery = Annotated[ServedGallery, Depends(_served)]
