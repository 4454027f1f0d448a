"""The count of a gallery keeps up with changes that are made while it is taken."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sketches import make_drawings

from garabato.drawing import Drawing
from garabato.gallery import Gallery, open_gallery
from garabato.service.state.census import Census, Entry


@pytest.fixture
def gallery(make_gallery: Callable[[], str], shipped_encoder: Any) -> Gallery:
    return open_gallery(make_gallery(), encoder=shipped_encoder)


@pytest.fixture
def interrupted(monkeypatch: pytest.MonkeyPatch, gallery: Gallery) -> Callable[..., None]:
    """Has something done after the first piece of a gallery was read, in mid-count."""

    def interrupt(change: Callable[[], object]) -> None:
        scan = gallery.scan

        def scan_and_change() -> Iterator[Any]:
            for i, piece in enumerate(scan()):
                yield piece
                if i == 0:
                    change()

        monkeypatch.setattr(gallery, "scan", scan_and_change)

    return interrupt


def test_what_is_added_and_deleted_while_counting_is_counted(
    gallery: Gallery, drawings: list[Drawing], interrupted: Callable[..., None]
) -> None:
    census = Census()
    (new,) = make_drawings(["spiral"], 1, seed=77)
    gone = str(drawings[0].key_id)

    def add_and_delete() -> None:
        gallery.add([new])
        census.added([(str(new.key_id), Entry("spiral", None))])
        gallery.delete([gone])
        census.deleted([gone])

    interrupted(add_and_delete)
    census.count(gallery)
    expected = {str(drawing.key_id) for drawing in [*drawings[1:], new]}
    assert set(census.entries) == expected
    assert census.categories(frozenset())["spiral"] == 1
    assert census.n_in_gallery == len(gallery) == len(expected)


def test_what_another_process_adds_while_counting_is_counted_anew(
    gallery: Gallery, interrupted: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("garabato.service.state.census.RECOUNT_AFTER_S", -1.0)
    census = Census()
    interrupted(lambda: gallery.add(make_drawings(["spiral"], 1, seed=77)))
    census.count(gallery)
    assert census.is_outdated(gallery)
    monkeypatch.undo()
    monkeypatch.setattr("garabato.service.state.census.RECOUNT_AFTER_S", -1.0)
    census.count(gallery)
    assert census.categories(frozenset())["spiral"] == 1
    assert not census.is_outdated(gallery)
