from __future__ import annotations

from pathlib import Path

import pytest

from garabato.categories import CATEGORIES, nearest_category


def test_there_are_345_different_sorted_names():
    assert len(set(CATEGORIES)) == 345
    assert list(CATEGORIES) == sorted(CATEGORIES)


def test_the_names_are_those_of_the_files(quickdraw: Path):
    files = (quickdraw / "simplified").glob("*.ndjson")
    assert sorted(file.stem for file in files) == list(CATEGORIES)


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("catt", "cat"),
        ("CAT", "cat"),
        ("eiffel tower", "The Eiffel Tower"),
        ("alarm_clock", "alarm clock"),
        ("tshirt", "t-shirt"),
        ("qwertzuiop", None),
        ("", None),
    ],
)
def test_the_nearest_name_to_a_misspelt_one(name: str, nearest: str | None):
    assert nearest_category(name) == nearest


def test_the_nearest_is_among_those_given():
    assert nearest_category("dog", ["fog", "cat"]) == "fog"
