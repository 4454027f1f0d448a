"""Counts of a served gallery: which changes they see."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import pytest

from garabato.drawing import Drawing
from garabato.encoder import Encoder
from garabato.errors import GalleryError
from garabato.gallery import Gallery, open_gallery
from garabato.service.metrics import Metrics
from garabato.service.service import ServedGallery, Service
from garabato.service.settings import Settings


@pytest.fixture
def gallery(make_gallery: Callable[[], str]) -> Gallery:
    return open_gallery(make_gallery())


@pytest.fixture
def served(gallery: Gallery, shipped_encoder: Encoder) -> ServedGallery:
    """By its clock, every count takes a second, and is reused for ten."""
    seconds: Iterator[int] = count()
    served = ServedGallery(
        "g", gallery, lambda: shipped_encoder, Metrics(), clock=lambda: next(seconds)
    )
    served.update()
    return served


def test_a_slow_count_sees_changes_by_the_service_at_once(
    served: ServedGallery, drawings: list[Drawing]
) -> None:
    before = served.count_by("category")
    first = drawings[0]
    with served.changing() as gallery:
        gallery.delete([str(first.key_id)])
    after = before | {first.category: before[first.category] - 1}
    assert served.count_by("category") == after
    with served.changing() as gallery:
        gallery.hide(str(drawings[1].key_id))
    assert sum(served.count_by("category").values()) == sum(after.values()) - 1
    assert sum(served.count_by("country").values()) == sum(after.values()) - 1


def test_a_slow_count_sees_changes_by_other_processes_after_a_while(
    served: ServedGallery, drawings: list[Drawing]
) -> None:
    before = served.count_by("category")
    open_gallery(served.gallery.uri).delete([str(drawings[0].key_id)])
    assert served.count_by("category") == before
    for _ in range(10):
        after = served.count_by("category")
    assert sum(after.values()) == sum(before.values()) - 1


def test_a_count_that_a_change_overtakes_is_not_reused(
    served: ServedGallery, drawings: list[Drawing], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = served.gallery.count

    def overtaken(**arguments: Any) -> Any:
        counted = real(**arguments)
        monkeypatch.undo()
        with served.changing() as gallery:
            gallery.delete([str(drawings[0].key_id)])
        return counted

    with served.changing():  # so that the next read counts
        pass
    monkeypatch.setattr(served.gallery, "count", overtaken)
    outdated = served.count_by("category")
    assert sum(served.count_by("category").values()) == sum(outdated.values()) - 1


def test_a_change_that_fails_halfway_is_counted(
    served: ServedGallery, drawings: list[Drawing]
) -> None:
    before = served.count_by("category")

    def delete_half() -> None:
        with served.changing() as gallery:
            gallery.delete([str(drawings[0].key_id)])
            raise OSError("the disk is full")

    with pytest.raises(OSError, match="full"):
        delete_half()
    assert sum(served.count_by("category").values()) == sum(before.values()) - 1


def test_the_log_says_why_work_failed_after_its_request_had_ended(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A Milvus server that is away is tried for longer than a request may take."""
    service = Service(Settings())
    begun, ended = threading.Event(), threading.Event()

    def search() -> None:
        begun.set()
        ended.wait(60)
        raise GalleryError("no response from the Milvus server")

    async def ask() -> None:
        job = asyncio.ensure_future(service.searching(search))
        await asyncio.to_thread(begun.wait, 60)
        job.cancel()
        await job

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(ask())
    ended.set()
    deadline = time.monotonic() + 30
    while not caplog.messages and time.monotonic() < deadline:
        time.sleep(0.01)
    assert caplog.messages == ["after its request had ended: no response from the Milvus server"]
    service.shut_down()
