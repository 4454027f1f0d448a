"""Micro-batching: drawings of concurrent requests are encoded together, and searched together.

Both run in threads of their own, off the event loop. While one batch is processed, the next one
fills up: the busier the service, the larger the batches, and a single query never waits.
"""

from __future__ import annotations

import asyncio
import logging
import time
from abc import ABC, abstractmethod
from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np

from garabato.drawing import Drawing, FloatArray
from garabato.encoder import Encoder
from garabato.gallery import Gallery, Hits
from garabato.service.http.problems import ProblemError
from garabato.service.metrics import Metrics

_log = logging.getLogger("garabato.service")
#: Searches that take place together, at most: with more, each takes as long.
SEARCHES_AT_ONCE = 32

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True, slots=True, eq=False)
class Encoded:
    """One drawing's probabilities (C,) and embedding (D,) of length 1, and the encoder used.

    The encoder can change while a query waits: categories are taught and removed.
    """

    encoder: Encoder
    probabilities: FloatArray
    embedding: FloatArray


class _Batches(ABC, Generic[T, R]):
    """Processes one item a call, in batches. Belongs to one event loop.

    If more than `max_waiting` wait, further ones get a 503 problem. A busy service waits up to
    `window_s` for a batch to fill.
    """

    def __init__(self, name: str, *, batch_size: int, window_s: float, max_waiting: int) -> None:
        self._batch_size = batch_size
        self._window_s = window_s
        self._max_waiting = max_waiting
        self._waiting: deque[tuple[T, asyncio.Future[R]]] = deque()
        self._arrived = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"garabato-{name}")
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
        self._thread.shutdown(wait=False, cancel_futures=True)

    @abstractmethod
    def _process(self, items: Sequence[T]) -> list[R | Exception]:
        """In the thread: the result of each item, or its error."""

    def _waiting_changed(self) -> None:
        """Called when an item has come or a batch has been taken."""

    async def _submit(self, item: T) -> R:
        if len(self._waiting) >= self._max_waiting:
            raise ProblemError(
                503, "too many queries are waiting; try again in a second", retry_after_s=1
            )
        future: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        self._waiting_changed()
        self._arrived.set()
        return await future

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        was_busy = False
        while True:
            await self._arrived.wait()
            if was_busy and self._window_s and len(self._waiting) < self._batch_size:
                await asyncio.sleep(self._window_s)
            batch = self._take()
            if batch:
                items = [item for item, _ in batch]
                results = await loop.run_in_executor(self._thread, self._process, items)
                for (_, future), result in zip(batch, results, strict=True):
                    if future.done():  # the request timed out or its client went away
                        continue
                    if isinstance(result, Exception):
                        future.set_exception(result)
                    else:
                        future.set_result(result)
            was_busy = len(batch) > 1 or bool(self._waiting)
            if not self._waiting:
                self._arrived.clear()

    def _take(self) -> list[tuple[T, asyncio.Future[R]]]:
        batch: list[tuple[T, asyncio.Future[R]]] = []
        while self._waiting and len(batch) < self._batch_size:
            item, future = self._waiting.popleft()
            if not future.done():
                batch.append((item, future))
        self._waiting_changed()
        return batch


class Batcher(_Batches[Drawing, Encoded]):
    """Encodes one drawing a call, in batches of up to `batch_size`."""

    def __init__(
        self,
        encoder: Callable[[], Encoder],
        metrics: Metrics,
        *,
        batch_size: int,
        window_ms: float,
        max_waiting: int,
    ) -> None:
        super().__init__(
            "encode", batch_size=batch_size, window_s=window_ms / 1000, max_waiting=max_waiting
        )
        self._encoder = encoder
        self._metrics = metrics

    async def encode(self, drawing: Drawing) -> Encoded:
        """Encode one drawing that is not empty. Raises ProblemError 503 if too many wait."""
        return await self._submit(drawing)

    def _waiting_changed(self) -> None:
        self._metrics.waiting.set(len(self._waiting))

    def _process(self, items: Sequence[Drawing]) -> list[Encoded | Exception]:
        """If a batch fails, each drawing is tried alone: one may be the cause."""
        started = time.perf_counter()
        try:
            encoder = self._encoder()
            output = encoder.predict(items)
        except Exception as error:
            if len(items) > 1:
                return [result for drawing in items for result in self._process([drawing])]
            _log.exception("a drawing could not be encoded")
            return [error]
        self._metrics.batch_size.observe(len(items))
        self._metrics.encode_seconds.observe(time.perf_counter() - started)
        return [
            Encoded(encoder, probabilities, embedding)
            for probabilities, embedding in zip(
                output.probabilities, output.embeddings, strict=True
            )
        ]


@dataclass(frozen=True, slots=True, eq=False)
class _Search:
    gallery: Gallery
    embedding: FloatArray
    k: int
    finish: Callable[[Hits], Any]


class SearchBatcher(_Batches[_Search, Any]):
    """Searches one embedding a call, in batches, which take a fraction of the time."""

    def __init__(self, metrics: Metrics, *, max_waiting: int) -> None:
        super().__init__(
            "search-many", batch_size=SEARCHES_AT_ONCE, window_s=0, max_waiting=max_waiting
        )
        self._metrics = metrics

    async def search(
        self, gallery: Gallery, embedding: FloatArray, k: int, finish: Callable[[Hits], R]
    ) -> R:
        """`finish(gallery.search(embedding, k))`, both in the thread.

        Raises ProblemError 503 if too many wait.
        """
        found: R = await self._submit(_Search(gallery, embedding, k, finish))
        return found

    def _process(self, items: Sequence[_Search]) -> list[Any | Exception]:
        """Searches for as many hits in the same gallery take place together."""
        results: list[Any | Exception] = [None] * len(items)
        alike: dict[tuple[int, int], list[int]] = defaultdict(list)
        for position, item in enumerate(items):
            alike[id(item.gallery), item.k].append(position)
        for positions in alike.values():
            found = self._search_alike([items[position] for position in positions])
            for position, result in zip(positions, found, strict=True):
                results[position] = result
        return results

    def _search_alike(self, searches: Sequence[_Search]) -> list[Any | Exception]:
        started = time.perf_counter()
        embeddings = np.stack([search.embedding for search in searches])
        try:
            found = searches[0].gallery.search_many(embeddings, searches[0].k)
        except Exception as error:
            return [error] * len(searches)
        finally:
            self._metrics.search_seconds.observe(time.perf_counter() - started)
        return [_finish(search, hits) for search, hits in zip(searches, found, strict=True)]


def _finish(search: _Search, hits: Hits) -> Any | Exception:
    try:
        return search.finish(hits)
    except Exception as error:
        return error
