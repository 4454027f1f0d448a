"""Filling a gallery: in order, each drawing once, embedding while storing, resumable."""

from __future__ import annotations

import threading

import pytest
from pixel_encoder import PixelEncoder

from garabato.drawing import Drawing, DrawingBatch
from garabato.gallery import open_gallery
from garabato.ingest import bulk_load as filling
from garabato.ingest.bulk_load import fill


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch):
    monkeypatch.setattr(filling, "PIECE", 20)
    monkeypatch.setattr(filling, "STEP", 8)


@pytest.fixture
def gallery(tmp_path, encoder):
    return open_gallery(tmp_path / "g", encoder=encoder)


def batches_of(drawings: list[Drawing], n: int) -> list[DrawingBatch]:
    return [
        DrawingBatch.from_drawings(drawings[first : first + n])
        for first in range(0, len(drawings), n)
    ]


def test_everything_is_stored_in_order_and_progress_reaches_the_end(gallery, encoder, drawings):
    told: list[int] = []
    filled = fill(gallery, encoder, batches_of(drawings, 30), tags=["new"], progress=told.append)
    assert (filled.n_new, filled.n_there, filled.n_empty) == (200, 0, 0)
    stored = [key for piece in gallery.scan() for key in piece.drawings.key_ids]
    assert stored == [drawing.key_id for drawing in drawings]
    assert gallery.search(drawings[7], k=1)[0].tags == ("new",)
    assert told == sorted(told)
    assert told[-1] == 200


def test_the_first_drawing_is_kept_if_consecutive_pieces_repeat_a_key_id(
    gallery, encoder, drawings
):
    twice = [*drawings[:20], *[d.replace(key_id=drawings[3].key_id) for d in drawings[20:40]]]
    filled = fill(gallery, encoder, batches_of(twice, 20))
    assert (filled.n_new, filled.n_there) == (20, 20)
    (kept,) = gallery.get([drawings[3].key_id])
    assert kept.to_lists() == drawings[3].to_lists()


def test_the_first_drawing_is_kept_if_a_piece_repeats_a_key_id(gallery, encoder, drawings):
    twice = [drawings[0], drawings[1].replace(key_id=drawings[0].key_id), drawings[2]]
    filled = fill(gallery, encoder, batches_of(twice, 3))
    assert (filled.n_new, filled.n_there) == (2, 1)
    assert gallery.get(drawings[0].key_id).to_lists() == drawings[0].to_lists()


def test_the_next_piece_is_embedded_while_one_is_stored(gallery, drawings, monkeypatch):
    n_embedded = 0
    second_begun = threading.Event()

    class Watched(PixelEncoder):
        def embed(self, batch):
            nonlocal n_embedded
            n_embedded += len(batch)
            if n_embedded > 20:
                second_begun.set()
            return super().embed(batch)

    add = gallery.add
    waited: list[bool] = []

    def add_once_the_next_has_begun(*arguments, **options):
        waited.append(second_begun.wait(timeout=30))
        return add(*arguments, **options)

    monkeypatch.setattr(gallery, "add", add_once_the_next_has_begun)
    fill(gallery, Watched(), batches_of(drawings[:60], 20))
    assert waited[0]
    assert len(gallery) == 60


def test_after_a_failing_encoder_stored_drawings_remain_and_the_bulk_load_resumes(
    gallery, encoder, drawings
):
    class Failing(PixelEncoder):
        def embed(self, batch):
            if drawings[100].key_id in batch.key_ids:
                raise RuntimeError("out of memory")
            return super().embed(batch)

    with pytest.raises(RuntimeError, match="out of memory"):
        fill(gallery, Failing(), batches_of(drawings, 20))
    assert len(gallery) == 100
    filled = fill(gallery, encoder, batches_of(drawings, 20))
    assert (filled.n_new, filled.n_there) == (100, 100)


def test_empty_drawings_are_counted_and_skipped(gallery, encoder, drawings):
    some = [drawings[0], Drawing([]), *drawings[1:30], Drawing([])]
    filled = fill(gallery, encoder, batches_of(some, 8))
    assert (filled.n_new, filled.n_there, filled.n_empty) == (30, 0, 2)
