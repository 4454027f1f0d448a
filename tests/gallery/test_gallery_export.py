"""Writing what a gallery holds into a folder, one file a category."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sketches import sketch

from garabato.drawing import Details, DrawingBatch
from garabato.errors import InputError, StorageError
from garabato.formats import read_drawings
from garabato.gallery.export import export_drawings
from garabato.gallery.records import Stored


def piece(*categories: str) -> Stored:
    """A drawing of each category."""
    drawings = [
        sketch("zigzag", number).replace(category=category)
        for number, category in enumerate(categories)
    ]
    n = len(drawings)
    return Stored(DrawingBatch.from_drawings(drawings), np.zeros((n, 2), np.float32))


def categories_by_file(folder: Path) -> dict[str, set[str | None]]:
    """File -> what its lines say they are."""
    return {
        file.name: {drawing.category for drawing in read_drawings(file)}
        for file in folder.iterdir()
    }


def test_categories_with_the_same_file_name_get_separate_files(tmp_path):
    categories = ["a/b", "a:b", "a_b"]
    assert export_drawings([piece(*categories), piece(*categories)], tmp_path / "out") == 6
    found = categories_by_file(tmp_path / "out")
    assert found.pop("a_b.ndjson") == {"a_b"}
    assert sorted(map(list, found.values())) == [["a/b"], ["a:b"]]
    assert all(name.startswith("a_b-") for name in found)


def test_categories_too_long_for_a_file_name_get_separate_files(tmp_path):
    categories = ["猫" * 90, "猫" * 91, "ee" + "猫" * 90]  # cut between and within characters
    export_drawings([piece(*categories)], tmp_path / "out")
    found = categories_by_file(tmp_path / "out")
    assert sorted(map(list, found.values())) == sorted([category] for category in categories)


@pytest.mark.parametrize("name", ["all.csv", "all.ndjson.gz", "all.svg"])
def test_a_format_that_is_not_written_does_not_become_a_folder(tmp_path, name):
    with pytest.raises(InputError, match=r"name it \.ndjson or \.parquet, or a folder"):
        export_drawings([piece("cat")], tmp_path / name)
    assert not (tmp_path / name).exists()
    assert export_drawings([piece("cat")], tmp_path / "v1.2") == 1


@pytest.mark.parametrize("name", ["all.ndjson", "all.parquet", "folder"])
def test_drawings_traced_from_pictures_are_written_as_such(tmp_path, name):
    drawn = piece("cat", "dog")
    drawings = drawn.drawings.replace(traced=[None, True])
    export_drawings([Stored(drawings, drawn.embeddings)], tmp_path / name)
    files = [tmp_path / name] if "." in name else sorted((tmp_path / name).iterdir())
    found = {one.category: one.traced for file in files for one in read_drawings(file)}
    assert found == {"cat": None, "dog": True}


def test_a_parquet_file_keeps_tags_titles_links_and_original_files(tmp_path):
    star, plain = piece("cat", "dog").drawings
    svg = b'<svg xmlns="http://www.w3.org/2000/svg"><path d="M0 0h9"/></svg>'
    details = Details("Star", ("a", "b"), "https://example.org", "x/star.svg", original=svg)
    drawings = DrawingBatch.from_drawings([star.replace(details=details), plain])
    export_drawings([Stored(drawings, np.zeros((2, 2), np.float32))], tmp_path / "all.parquet")
    back = list(read_drawings(tmp_path / "all.parquet"))
    assert [drawing.details for drawing in back] == [details, None]
    table = pq.read_table(tmp_path / "all.parquet")
    strokes = pa.large_list(table.schema.field("strokes").type.value_type)
    large = {"strokes": strokes, "title": pa.large_string(), "tags": pa.large_list(pa.string())}
    fields = [field.with_type(large.get(field.name, field.type)) for field in table.schema]
    pq.write_table(table.cast(pa.schema(fields)), tmp_path / "polars.parquet")
    again = list(read_drawings(tmp_path / "polars.parquet"))
    assert [drawing.details for drawing in again] == [details, None]


def die_while_exporting(target: Path) -> None:
    def pieces() -> Iterator[Stored]:
        yield piece("cat")
        os.kill(os.getpid(), signal.SIGKILL)

    export_drawings(pieces(), target)


def test_files_of_a_killed_export_are_removed_by_the_next(tmp_path):
    target = tmp_path / "out"
    dying = multiprocessing.get_context("forkserver").Process(
        target=die_while_exporting, args=(target,)
    )
    dying.start()
    dying.join()
    assert len(os.listdir(tmp_path)) == 1
    assert export_drawings([piece("cat")], target) == 1
    assert os.listdir(tmp_path) == ["out"]


def test_a_folder_that_appears_while_exporting_is_not_replaced(tmp_path):
    target = tmp_path / "out"

    def pieces() -> Iterator[Stored]:
        yield piece("cat")
        target.mkdir()
        (target / "mine").touch()

    with pytest.raises(StorageError, match="it exists; give a new folder"):
        export_drawings(pieces(), target)
    assert os.listdir(target) == ["mine"]
    assert os.listdir(tmp_path) == ["out"]
