"""Encoding drawings of several requests together."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
from sketches import sketch

from garabato.drawing import Drawing
from garabato.encoder import Output
from garabato.service.http.problems import ProblemError
from garabato.service.jobs.batching import Batcher, Encoded
from garabato.service.metrics import Metrics


class Counting:
    """Encodes a drawing as its number of strokes; breaks on those of three strokes."""

    def __init__(self) -> None:
        self.batches: list[int] = []

    def predict(self, drawings: list[Drawing]) -> Output:
        self.batches.append(len(drawings))
        n_strokes = [len(drawing.strokes) for drawing in drawings]
        if 3 in n_strokes:
            raise ValueError("three strokes")
        column = np.array(n_strokes, np.float32)[:, None]
        return Output(column, column)


def batcher_of(encoder: Counting, **options: float) -> Batcher:
    settings = {"batch_size": 8, "window_ms": 5.0, "max_waiting": 100} | options
    return Batcher(lambda: encoder, Metrics(), **settings)  # type: ignore[arg-type]


def drawing_of(n_strokes: int) -> Drawing:
    return Drawing([[[0, n], [0, 9]] for n in range(n_strokes)])


def run(batcher: Batcher, drawings: list[Drawing]) -> list[Encoded | BaseException]:
    async def ask() -> list[Encoded | BaseException]:
        batcher.start()
        asked = (batcher.encode(drawing) for drawing in drawings)
        answers = await asyncio.gather(*asked, return_exceptions=True)
        await batcher.stop()
        return answers

    return asyncio.run(ask())


def test_every_request_gets_the_result_of_its_own_drawing() -> None:
    encoder = Counting()
    answers = run(batcher_of(encoder), [drawing_of(n) for n in (1, 2, 4, 5) * 5])
    assert [float(answer.embedding[0]) for answer in answers] == [1, 2, 4, 5] * 5
    assert max(encoder.batches) <= 8
    assert len(encoder.batches) < 20, "each was encoded alone"


def test_a_drawing_that_cannot_be_encoded_does_not_affect_others() -> None:
    answers = run(batcher_of(Counting()), [drawing_of(n) for n in (1, 3, 2)])
    assert isinstance(answers[1], ValueError)
    assert [float(answers[n].embedding[0]) for n in (0, 2)] == [1, 2]


def test_queries_beyond_the_limit_are_refused_at_once() -> None:
    answers = run(batcher_of(Counting(), max_waiting=2), [drawing_of(1)] * 5)
    refused = [answer for answer in answers if isinstance(answer, ProblemError)]
    assert [(problem.status, problem.headers) for problem in refused] == [
        (503, {"retry-after": "1"})
    ] * 3


def test_drawings_of_disconnected_clients_are_not_encoded() -> None:
    encoder = Counting()
    batcher = batcher_of(encoder)

    async def ask() -> None:
        batcher.start()
        gone = asyncio.create_task(batcher.encode(sketch("line", 1)))
        await asyncio.sleep(0)
        gone.cancel()
        await batcher.encode(sketch("line", 2))
        await batcher.stop()

    asyncio.run(ask())
    assert sum(encoder.batches) == 1


@pytest.mark.parametrize("n", [1, 9])
def test_a_batch_is_at_most_batch_size(n: int) -> None:
    encoder = Counting()
    run(batcher_of(encoder, batch_size=n), [drawing_of(1)] * 20)
    assert max(encoder.batches) <= n
