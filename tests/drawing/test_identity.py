"""Content ids: the identity of drawings without a key_id."""

from __future__ import annotations

import numpy as np
import pytest

from garabato.dataset.selection import first_candidates
from garabato.drawing import Drawing, DrawingBatch
from garabato.drawing.arrow import from_table
from garabato.gallery.stroke_codec import pack

DOT = np.zeros((3, 4), np.uint8)
DOT[1, 2] = 255


@pytest.mark.parametrize(
    ("drawing", "content_id"),
    [
        (Drawing([([1, 2], [3, 4])]), "content-716d72885626768f39e3f3fe"),
        (Drawing([([1, 2, 9], [3, 4, 200]), ([5], [6])]), "content-c035ce79ea1e543575695aaf"),
        (Drawing([(list(range(300)), [0] * 300)]), "content-97c7f5124fda16e065ea2b43"),
        (Drawing([([i % 256], [0]) for i in range(300)]), "content-4df428e4057be34b2ab5bcea"),
        (Drawing([([0.5, 1000], [-3, 7])]), "content-12b1bc891ecec5d53388cea6"),
        (Drawing(), "content-4d6285423fea3d91b784ce67"),
        (Drawing(bitmap=DOT), "content-38e4f50372aacb32cac0a6a8"),
    ],
)
def test_content_ids_equal_those_stored_in_galleries(drawing, content_id):
    assert DrawingBatch.from_drawings([drawing]).content_ids() == [content_id]


def test_a_content_id_depends_on_neither_metadata_nor_the_batch():
    one = Drawing([([1, 2], [3, 4])])
    same = one.replace(category="x", key_id="7")
    other = Drawing([([1, 2], [3, 5])])
    ids = DrawingBatch.from_drawings([other, one, same]).content_ids()
    assert ids[1] == ids[2] != ids[0]
    assert DrawingBatch.from_drawings([one]).content_ids() == ids[1:2]


def test_only_drawings_without_a_key_id_get_their_content_id():
    batch = DrawingBatch.from_drawings(
        [Drawing([([1], [2])], key_id="a"), Drawing([([3], [4])]), Drawing([([5], [6])], key_id="")]
    )
    ids = batch.content_ids()
    assert list(batch.with_key_ids().key_ids) == ["a", ids[1], ids[2]]
    assert DrawingBatch.from_drawings([]).with_key_ids().key_ids == []


def test_prepared_and_indexed_drawings_get_the_same_content_id():
    batch = DrawingBatch.from_drawings([Drawing([([0.5, 1000], [-3, 7])], category="x")])
    prepared = from_table(first_candidates([batch], "x", 1, seed=0).table)
    assert list(prepared.key_ids) == list(batch.with_key_ids().key_ids)


def test_drawings_with_a_point_or_an_inked_pixel_have_ink():
    strokes = DrawingBatch.from_drawings([Drawing([([1], [2])]), Drawing(), Drawing([([], [])])])
    assert strokes.has_ink.tolist() == [True, False, False]
    bitmaps = DrawingBatch.from_drawings([Drawing(bitmap=DOT), Drawing(bitmap=0 * DOT)])
    assert bitmaps.has_ink.tolist() == [True, False]


def test_the_hashed_bytes_are_the_packed_drawing():
    import hashlib

    drawing = Drawing([([1, 2, 9], [3, 4, 200])])
    packed = hashlib.blake2b(pack(drawing), digest_size=12).hexdigest()
    assert DrawingBatch.from_drawings([drawing]).content_ids() == [f"content-{packed}"]
