"""The pictures of a data set."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from garabato.dataset import prepare
from garabato.render.contact_sheets import Cell, draw_sheet


@pytest.fixture(scope="module")
def dataset(sketch_source, tmp_path_factory):
    out = tmp_path_factory.mktemp("sheets") / "data"
    return prepare(sketch_source, out, categories=3, n_train=20, n_test=5)


def picture(path):
    return cv2.imread(str(path))[..., ::-1]


def test_there_is_a_sheet_a_category_and_one_of_the_whole(dataset):
    found = {file.stem for file in (dataset.path / "sheets").iterdir()}
    assert found == {"_all", *dataset.categories}


def test_the_sheet_of_a_category_shows_its_training_drawings(dataset):
    name = dataset.categories[1]
    cells = [Cell(drawing) for drawing in dataset.split("train") if drawing.category == name]
    expected = draw_sheet(
        [cells[:12], cells[12:]], title=f"{name}\n20 training drawings, 5 test drawings"
    )
    found = picture(dataset.path / "sheets" / f"{name}.png")
    np.testing.assert_array_equal(found, expected)


def test_the_sheet_of_the_whole_shows_the_first_drawing_of_every_category(dataset):
    train = dataset.split("train")
    cells = [Cell(train[20 * i], name) for i, name in enumerate(dataset.categories)]
    title = "3 categories\n60 training drawings, 15 test drawings · one drawing of each category"
    found = picture(dataset.path / "sheets" / "_all.png")
    np.testing.assert_array_equal(found, draw_sheet([cells], title=title))
