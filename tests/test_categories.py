from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from garabato.categories import CATEGORIES, choose_categories
from garabato.errors import CategoryError, InputError


def test_there_are_345_different_sorted_names():
    assert len(set(CATEGORIES)) == 345
    assert list(CATEGORIES) == sorted(CATEGORIES)


def test_the_names_are_those_of_the_files(quickdraw: Path):
    files = (quickdraw / "simplified").glob("*.ndjson")
    assert sorted(file.stem for file in files) == list(CATEGORIES)


def test_a_number_is_drawn_by_seed_and_sorted():
    chosen = choose_categories(CATEGORIES, 100, seed=0)
    assert len(set(chosen)) == 100
    assert chosen == sorted(chosen)
    assert chosen == choose_categories(list(reversed(CATEGORIES)), 100, seed=0)
    assert chosen != choose_categories(CATEGORIES, 100, seed=1)
    for number in (1, 2, np.int64(2)):
        assert len(choose_categories(["cat", "dog"], number, seed=0)) == number


def test_a_seed_chooses_the_same_categories_in_every_version():
    chosen = choose_categories(CATEGORIES, 4, seed=0)
    assert chosen == ["frying pan", "hurricane", "lighter", "shovel"]


def test_fewer_categories_of_a_seed_are_among_the_more():
    assert set(choose_categories(CATEGORIES, 10, seed=3)) < set(
        choose_categories(CATEGORIES, 50, seed=3)
    )


def test_every_category_is_as_likely_to_be_chosen():
    draws = [choose_categories(CATEGORIES[:10], 5, seed=seed) for seed in range(400)]
    times = [sum(name in chosen for chosen in draws) for name in CATEGORIES[:10]]
    # Binomial(400, 1/2): 10 is the standard deviation.
    assert min(times) > 150
    assert max(times) < 250


def test_all_and_named_categories_are_sorted_and_each_there_once():
    assert choose_categories(["b", "a"], "all", seed=0) == ["a", "b"]
    assert choose_categories([*"fedcba"], [*"fbcadf"], seed=0) == [*"abcdf"]


def test_names_may_have_commas():
    names = ["Paris", "Paris, France", "France", "cat"]
    assert choose_categories(names, ["Paris, France"], seed=0) == ["Paris, France"]
    assert choose_categories(names, ["Paris,cat"], seed=0) == ["Paris", "cat"]
    with pytest.raises(CategoryError, match="no category 'catt'; did you mean 'cat'"):
        choose_categories(names, ["Paris, catt"], seed=0)


@pytest.mark.parametrize(
    ("available", "shown"),
    [("abcdefghij", "a, b, c, d, e, f, g, h, i, j"), ("abcdefghijk", "11 others")],
)
def test_a_name_like_none_of_a_few_gets_all_of_them(available, shown):
    with pytest.raises(CategoryError, match=rf"no category 'xyzzy'; it has {shown}$"):
        choose_categories([*available], ["xyzzy"], seed=0)


def test_unknown_names_are_all_told_with_the_nearest_known():
    with pytest.raises(CategoryError, match=r"'catt'; did you mean 'cat'\?.*'xyzzy'"):
        choose_categories(["cat", "dog"], ["catt", "xyzzy", "dog"], seed=0)


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        (3, "the source has only 2 categories, not 3; choose fewer, or 'all'"),
        (0, "at least 1, not 0"),
        (-1, "at least 1, not -1"),
        ([], "categories is empty"),
        (["", " , "], "categories is empty"),
        ("cat", "a number, 'all' or a list of names, not 'cat'"),
    ],
)
def test_an_impossible_choice_is_an_error(wanted, message):
    with pytest.raises(InputError, match=message):
        choose_categories(["cat", "dog"], wanted, seed=0)
