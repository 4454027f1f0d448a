"""The random order of a category's drawings."""

from __future__ import annotations

import numpy as np
import pytest
from sketches import make_drawings

from garabato.dataset.selection import digests_of, first_candidates
from garabato.drawing import Drawing, DrawingBatch
from garabato.drawing.arrow import from_table
from garabato.errors import SourceError


def candidates(drawings, n_kept=1000, *, batch=7, seed=0, category="star", **options):
    drawings = list(drawings)
    batches = [
        DrawingBatch.from_drawings(drawings[i : i + batch]) for i in range(0, len(drawings), batch)
    ]
    return first_candidates(batches, category, n_kept, seed=seed, **options)


def key_ids(found):
    return found.table["key_id"].to_pylist()


@pytest.fixture(scope="module")
def stars():
    return make_drawings(["star"], 60, seed=0)


def test_the_order_depends_on_the_drawings_and_not_on_their_order_or_batches(stars):
    expected = key_ids(candidates(stars))
    assert sorted(expected) == sorted(drawing.key_id for drawing in stars)
    assert expected != [drawing.key_id for drawing in stars]
    assert key_ids(candidates(reversed(stars), batch=60)) == expected


def test_another_seed_or_category_gives_another_order(stars):
    orders = [
        key_ids(candidates(stars)),
        key_ids(candidates(stars, seed=1)),
        key_ids(candidates(stars, category="snowflake")),
    ]
    assert len({tuple(order) for order in orders}) == 3
    assert len({frozenset(order) for order in orders}) == 1


def test_keeping_a_few_gives_the_first_of_the_whole_order(stars):
    whole = candidates(stars)
    part = candidates(stars, 3, batch=2)
    assert key_ids(part) == key_ids(whole)[:3]
    assert part.digests == whole.digests[:3]
    assert part.n_distinct == whole.n_distinct == 60


def test_repeated_and_empty_drawings_are_left_out_and_counted(stars):
    again = stars[3].replace(key_id="1")  # the same strokes
    same_key = stars[7].replace(key_id=stars[8].key_id)  # another drawing, a key_id met before
    found = candidates([*stars[:7], stars[8], again, same_key, Drawing([], key_id="2")])
    assert found.counts == {"read": 11, "empty": 1, "unrecognized": 0, "repeated": 2}
    assert found.n_distinct == 8
    assert "1" not in key_ids(found)


def test_drawings_that_differ_only_in_scale_off_the_grid_are_the_same(stars):
    star = stars[0]
    larger = Drawing([2.5 * stroke - 40 for stroke in star.strokes], key_id="larger")
    assert candidates([star, larger]).counts["repeated"] == 1


def test_the_same_points_in_other_strokes_are_another_drawing():
    one = Drawing([[[0, 1, 2, 255], [0, 5, 9, 9]]])
    two = Drawing([[[0, 1], [0, 5]], [[2, 255], [9, 9]]])
    found = candidates([one, two])
    assert found.n_distinct == 2


def test_recognized_only_leaves_out_other_drawings(stars):
    mixed = [
        stars[0].replace(recognized=True),
        stars[1].replace(recognized=False),
        stars[2].replace(recognized=None),
    ]
    found = candidates(mixed, recognized_only=True)
    assert key_ids(found) == [stars[0].key_id]
    assert found.counts["unrecognized"] == 2


def test_a_drawing_without_a_key_id_gets_its_content_id_whatever_its_category(stars):
    nameless = [drawing.replace(key_id=None) for drawing in stars]
    found = key_ids(candidates(nameless))
    assert len(set(found)) == 60
    assert sorted(found) == sorted(DrawingBatch.from_drawings(nameless).content_ids())
    assert found == key_ids(candidates(reversed(nameless)))
    elsewhere = candidates(nameless, category="snowflake")
    assert sorted(key_ids(elsewhere)) == sorted(found)


def test_bitmaps_are_told_apart_by_their_pixels():
    rng = np.random.default_rng(0)
    bitmaps = rng.integers(0, 256, (4, 28, 28), np.uint8)
    bitmaps[2] = bitmaps[0]
    bitmaps[3] = 0
    found = candidates(Drawing(bitmap=bitmap) for bitmap in bitmaps)
    assert found.kind == "28x28 bitmaps"
    assert found.counts == {"read": 4, "empty": 1, "unrecognized": 0, "repeated": 1}
    kept = from_table(found.table)
    assert digests_of(kept) == found.digests


def test_strokes_and_bitmaps_of_one_category_are_not_mixed(stars):
    picture = Drawing(bitmap=np.eye(28, dtype=np.uint8))
    batches = [DrawingBatch.from_drawings([d]) for d in (stars[0], picture)]
    with pytest.raises(SourceError, match="'star' comes as 28x28 bitmaps and as strokes"):
        first_candidates(batches, "star", 5, seed=0)


def test_a_category_without_a_drawing_has_no_candidates():
    found = first_candidates([], "star", 5, seed=0)
    assert found.n_distinct == 0
    assert found.table.num_rows == 0
