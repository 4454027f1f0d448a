"""Micro-batching: drawings of concurrent requests go through the network together.

Encoding runs in a thread of its own, off the event loop. While one batch is encoded, the next one
fills up: the busier the service, the larger the batches, and a single query never waits.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from garabato.drawing import Drawing, FloatArray
from garabato.encoder import Encoder
from garabato.service.http.problems import ProblemError
from garabato.service.metrics import Metrics

_log = logging.getLogger("garabato.service")


@dataclass(frozen=True, slots=True, eq=False)
class Encoded:
    """One drawing's probabilities (C,) and embedding (D,) of length 1, and the encoder used.

    The encoder can change while a query waits: categories are taught and removed.
    """

    encoder: Encoder
    probabilities: FloatArray
    embedding: FloatArray


class Batcher:
    """Encodes one drawing a call, in batches. Belongs to one event loop.

    If more than `max_waiting` wait, further ones get a 503 problem. A busy service waits up to
    `window_ms` for a batch to fill.
    """

    def __init__(
        self,
        encoder: Callable[[], Encoder],
        metrics: Metrics,
        *,
        batch_size: int,
        window_ms: float,
        max_waiting: int,
    ) -> None:
        self._encoder = encoder
        self._metrics = metrics
        self._batch_size = batch_size
        self._window_s = window_ms / 1000
        self._max_waiting = max_waiting
        self._waiting: deque[tuple[Drawing, asyncio.Future[Encoded]]] = deque()
        self._arrived = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="garabato-encode")
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start encoding."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Stop encoding."""
        if self._task is not None:
            self._task.cancel()
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def encode(self, drawing: Drawing) -> Encoded:
        """Encode one drawing that is not empty. Raises ProblemError 503 if too many wait."""
        if len(self._waiting) >= self._max_waiting:
            raise ProblemError(
                503, "too many queries are waiting; try again in a second", retry_after_s=1
            )
        future: asyncio.Future[Encoded] = asyncio.get_running_loop().create_future()
        self._waiting.append((drawing, future))
        self._metrics.waiting.set(len(self._waiting))
        self._arrived.set()
        return await future

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        was_busy = False
        while True:
            await self._arrived.wait()
            if was_busy and len(self._waiting) < self._batch_size:
                await asyncio.sleep(self._window_s)
            batch = self._take()
            if batch:
                drawings = [drawing for drawing, _ in batch]
                results = await loop.run_in_executor(self._thread, self._encode, drawings)
                for (_, future), result in zip(batch, results, strict=True):
                    if future.done():  # the request timed out or its client went away
                        continue
                    if isinstance(result, Encoded):
                        future.set_result(result)
                    else:
                        future.set_exception(result)
            was_busy = len(batch) > 1 or bool(self._waiting)
            if not self._waiting:
                self._arrived.clear()

    def _take(self) -> list[tuple[Drawing, asyncio.Future[Encoded]]]:
        batch: list[tuple[Drawing, asyncio.Future[Encoded]]] = []
        while self._waiting and len(batch) < self._batch_size:
            drawing, future = self._waiting.popleft()
            if not future.done():
                batch.append((drawing, future))
        self._metrics.waiting.set(len(self._waiting))
        return batch

    def _encode(self, drawings: Sequence[Drawing]) -> list[Encoded | Exception]:
        """In the thread. If a batch fails, each drawing is tried alone: one may be the cause."""
        started = time.perf_counter()
        try:
            encoder = self._encoder()
            output = encoder.predict(drawings)
        except Exception as error:
            if len(drawings) > 1:
                return [result for drawing in drawings for result in self._encode([drawing])]
            _log.exception("a drawing could not be encoded")
            return [error]
        self._metrics.batch_size.observe(len(drawings))
        self._metrics.encode_seconds.observe(time.perf_counter() - started)
        return [
            Encoded(encoder, probabilities, embedding)
            for probabilities, embedding in zip(
                output.probabilities, output.embeddings, strict=True
            )
        ]
