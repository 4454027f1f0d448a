from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sketches import make_drawings

from garabato.errors import CategoryError, FormatError, SourceError
from garabato.formats import ReadReport, write_drawings
from garabato.sources import open_source


def test_the_categories_are_the_names_of_the_files(sketch_source):
    categories = open_source(sketch_source).categories()
    assert list(categories) == sorted(file.stem for file in sketch_source.iterdir())
    assert all(files == [sketch_source / f"{name}.ndjson"] for name, files in categories.items())


def test_a_category_is_read_with_its_name_set(sketch_source, tmp_path):
    (batch,) = open_source(sketch_source).read("circle")
    assert len(batch) == 40
    assert set(batch.categories) == {"circle"}
    np.save(tmp_path / "circle.npy", np.zeros((2, 784), np.uint8))
    (batch,) = open_source(tmp_path).read("circle")
    assert batch.categories == ["circle", "circle"]
    assert batch.key_ids == ["circle-0", "circle-1"]


def test_a_misspelt_category_gets_the_nearest_suggested(sketch_source):
    with pytest.raises(CategoryError, match="no category 'circel'; did you mean 'circle'"):
        list(open_source(sketch_source).read("circel"))


def test_gzipped_files_belong_to_their_category(tmp_path):
    import gzip

    write_drawings(tmp_path / "star.ndjson", make_drawings(["star"], 2, seed=0))
    data = (tmp_path / "star.ndjson").read_bytes()
    (tmp_path / "house.ndjson.gz").write_bytes(gzip.compress(data))
    assert list(open_source(tmp_path).categories()) == ["house", "star"]


def test_a_folder_without_drawings_is_named_with_what_was_expected(tmp_path):
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(SourceError, match=rf"{tmp_path} holds no drawings; files as cat\.ndjson"):
        open_source(tmp_path)


def test_a_folder_above_the_right_one_points_to_it(sketch_source):
    with pytest.raises(SourceError, match=f"its folders .*{sketch_source.name}.* hold some"):
        open_source(sketch_source.parent)


def test_what_is_no_folder_is_named(tmp_path):
    with pytest.raises(SourceError, match="none does not exist"):
        open_source(tmp_path / "none")


def test_a_file_that_cannot_be_read_is_counted_and_the_others_go_on(tmp_path):
    write_drawings(tmp_path / "star.ndjson", make_drawings(["star"], 2, seed=0))
    (tmp_path / "star.ndjson.gz").write_bytes(b"")
    report = ReadReport()
    assert sum(map(len, open_source(tmp_path).read("star", report=report))) == 2
    assert report.n_unreadable == 1
    assert "the file is empty" in report.lines()[0]
    with pytest.raises(FormatError, match="the file is empty"):
        list(open_source(tmp_path).read("star", strict=True))


def test_unreadable_lines_are_counted_once(tmp_path):
    (tmp_path / "cat.ndjson").write_text("garbage\n")
    report = ReadReport()
    assert list(open_source(tmp_path).read("cat", report=report)) == []
    assert report.n_unreadable == 1


def test_the_real_folder_holds_all_categories(quickdraw: Path):
    from garabato.categories import CATEGORIES

    assert tuple(open_source(quickdraw / "simplified").categories()) == CATEGORIES
