"""Encoding and searching for several requests together."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import pytest
from pixel_encoder import PixelEncoder
from sketches import SKETCH_CATEGORIES, make_drawings, sketch

from garabato.drawing import Drawing
from garabato.encoder import Output
from garabato.errors import GalleryError
from garabato.gallery import Gallery, open_gallery
from garabato.service.http.problems import ProblemError
from garabato.service.jobs.batching import Batcher, Encoded, SearchBatcher
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


def search(asked: list[tuple[Gallery, np.ndarray, int]]) -> list[list[str] | BaseException]:
    """The key_ids that each request finds, all asked at once."""

    async def ask() -> list[list[str] | BaseException]:
        batcher = SearchBatcher(Metrics(), max_waiting=100)
        batcher.start()
        found = await asyncio.gather(
            *(batcher.search(*one, lambda hits: [hit.key_id for hit in hits]) for one in asked),
            return_exceptions=True,
        )
        await batcher.stop()
        return found

    return asyncio.run(ask())


def test_searches_of_several_requests_find_what_each_would_alone(tmp_path: Path) -> None:
    encoder, drawings = PixelEncoder(), make_drawings(SKETCH_CATEGORIES[:3], 20, seed=0)
    galleries = [open_gallery(tmp_path / name, encoder=encoder) for name in ("a", "b")]
    galleries[0].add(drawings[:40])
    galleries[1].add(drawings[40:])
    embeddings = encoder.embed(drawings)
    asked = [
        (galleries[n % 2], embeddings[n], k) for n, k in zip(range(30), [1, 5, 5] * 10, strict=True)
    ]
    alone = [[hit.key_id for hit in one.search(query, k)] for one, query, k in asked]
    assert search(asked) == alone


def test_a_search_that_fails_does_not_affect_those_in_other_galleries(tmp_path: Path) -> None:
    encoder, drawings = PixelEncoder(), make_drawings(SKETCH_CATEGORIES[:1], 10, seed=0)
    whole, gone = (open_gallery(tmp_path / name, encoder=encoder) for name in ("a", "b"))
    whole.add(drawings)
    (tmp_path / "b").rename(tmp_path / "c")
    query = encoder.embed(drawings[:1])[0]
    found = search([(whole, query, 1), (gone, query, 1), (whole, query, 1)])
    assert found[0] == found[2] == [drawings[0].key_id]
    assert isinstance(found[1], GalleryError)
