"""Which drawings are for training and which for testing."""

from __future__ import annotations

import pytest
from sketches import make_drawings

from garabato.dataset.selection import Sizes, first_candidates, split_categories
from garabato.drawing import DrawingBatch
from garabato.errors import SourceError


class Pools:
    """Categories with their drawings; splits some of them."""

    def __init__(self, **drawings):
        self.drawings = drawings
        self.re_read = []

    def read(self, name, n_kept):
        batch = DrawingBatch.from_drawings(self.drawings[name])
        return first_candidates([batch], name, n_kept, seed=0)

    def read_more(self, name, n_kept):
        self.re_read.append(name)
        return self.read(name, n_kept)

    def split(self, names, sizes, n_kept=1000):
        found = {name: self.read(name, n_kept) for name in names}
        splits = split_categories(found, sizes, read_more=self.read_more)
        return {
            name: (split.train["key_id"].to_pylist(), split.test["key_id"].to_pylist())
            for name, split in splits.items()
        }


STARS = make_drawings(["star"], 40, seed=0)
HOUSES = make_drawings(["house"], 40, seed=0)
LINES = make_drawings(["line"], 3, seed=0)


def test_sizes_shrink_in_proportion_and_keep_a_drawing_on_each_side():
    sizes = Sizes(1000, 50)
    assert sizes.of(1050) == sizes
    assert sizes.of(9999) == sizes
    # 241 * 50 / 1050 = 11.5
    assert (sizes.of(241).n_train, sizes.of(241).n_test) == (230, 11)
    assert (sizes.of(3).n_train, sizes.of(3).n_test) == (2, 1)
    assert (sizes.of(1).n_train, sizes.of(1).n_test) == (1, 0)
    assert (sizes.of(0).n_train, sizes.of(0).n_test) == (0, 0)
    assert (Sizes(10, 0).of(4).n_train, Sizes(10, 0).of(4).n_test) == (4, 0)
    assert (Sizes(1, 3).of(2).n_train, Sizes(1, 3).of(2).n_test) == (1, 1)


def test_a_category_is_split_into_disjoint_parts_of_the_given_sizes():
    splits = Pools(star=STARS).split(["star"], Sizes(20, 5))
    train, test = splits["star"]
    assert (len(train), len(test)) == (20, 5)
    assert len({*train, *test}) == 25


def test_a_split_does_not_depend_on_other_categories():
    pools = Pools(star=STARS, house=HOUSES)
    alone = pools.split(["star"], Sizes(20, 5))
    together = pools.split(["house", "star"], Sizes(20, 5))
    assert together["star"] == alone["star"]


def test_test_drawings_of_one_category_are_not_training_drawings_of_another():
    pools = Pools(star=STARS)
    _, test = pools.split(["star"], Sizes(20, 5))["star"]
    by_key = {drawing.key_id: drawing for drawing in STARS}
    # Houses that are the very stars tested with, under other key_ids, and one by its key_id.
    twins = [by_key[key].replace(key_id=f"twin {key}") for key in test]
    namesake = HOUSES[0].replace(key_id=test[0])
    pools.drawings["house"] = [*twins, namesake, *HOUSES[1:]]
    splits = pools.split(["house", "star"], Sizes(30, 2))
    house_train, house_test = splits["house"]
    assert len(house_train) == 30
    assert splits["star"][1] == test[:2]
    tested = set(splits["star"][1])
    assert not {f"twin {key}" for key in tested} & set(house_train)
    assert not tested & set(house_train)
    # and the other way round: houses tested with are not among the stars trained with
    assert not {key.removeprefix("twin ") for key in house_test} & set(splits["star"][0])


def test_if_there_are_too_few_spare_candidates_the_category_is_read_again():
    pools = Pools(star=STARS, house=HOUSES)
    pools.drawings["copies"] = [d.replace(key_id=f"c{d.key_id}") for d in STARS]
    splits = pools.split(["copies", "star"], Sizes(10, 10), n_kept=20)
    assert pools.re_read
    tested = {key.removeprefix("c") for _, test in splits.values() for key in test}
    trained = {key.removeprefix("c") for train, _ in splits.values() for key in train}
    assert all(len(train) == 10 and len(test) == 10 for train, test in splits.values())
    assert not tested & trained


def test_the_error_lists_the_short_categories_with_their_counts_and_the_fix():
    pools = Pools(star=STARS, house=HOUSES[:30], line=LINES)
    with pytest.raises(SourceError) as caught:
        pools.split(["house", "line", "star"], Sizes(30, 10))
    assert str(caught.value) == (
        "2 of 3 categories have fewer than 40 usable drawings (30 to train with and 10 to test "
        "with): line has 3, house has 30. Choose fewer drawings (--train 2 --test 1 suits all "
        "categories), leave these categories out, or accept what they have (--allow-short)"
    )


@pytest.mark.parametrize("allow_short", [False, True])
def test_a_category_too_small_for_both_splits_has_to_be_left_out(allow_short):
    pools = Pools(star=STARS, line=LINES[:1])
    with pytest.raises(SourceError, match=r"^line has 1: too few .*; leave these categories out$"):
        pools.split(["line", "star"], Sizes(30, 10, allow_short))


def test_the_error_about_one_short_category_is_in_the_singular():
    pools = Pools(star=STARS, line=LINES)
    with pytest.raises(SourceError, match="1 of 2 categories has fewer than 40 usable drawings"):
        pools.split(["line", "star"], Sizes(30, 10))


def test_the_error_names_the_ten_smallest_of_many_short_categories():
    pools = Pools(
        **{f"house{n:02}": make_drawings(["house"], 30 - n, seed=n + 1) for n in range(13)}
    )
    with pytest.raises(SourceError, match=r"house12 has 18, .*, house03 has 27 and 3 more\. "):
        pools.split(sorted(pools.drawings), Sizes(30, 10))


def test_with_allow_short_small_categories_are_split_in_the_same_proportion():
    pools = Pools(house=HOUSES[:20], star=STARS)
    splits = pools.split(["house", "star"], Sizes(30, 10, allow_short=True))
    assert [len(part) for part in splits["house"]] == [15, 5]
    assert [len(part) for part in splits["star"]] == [30, 10]


def test_a_category_with_one_drawing_is_never_enough():
    pools = Pools(house=HOUSES[:1], star=STARS)
    with pytest.raises(SourceError, match="house has 1: too few for one drawing per split"):
        pools.split(["house", "star"], Sizes(30, 10, allow_short=True))
