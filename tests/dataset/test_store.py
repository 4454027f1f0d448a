"""Opening data sets, and those that are damaged."""

from __future__ import annotations

import json
import os
import shutil

import numpy as np
import pyarrow as pa
import pytest
from sketches import make_drawings

from garabato.dataset import Dataset, prepare
from garabato.dataset.store import read_parquet, write_manifest, write_split
from garabato.drawing import DrawingBatch
from garabato.drawing.arrow import ROW_GROUP, to_table
from garabato.errors import DatasetError


@pytest.fixture(scope="module")
def written(sketch_source, tmp_path_factory):
    out = tmp_path_factory.mktemp("written") / "data"
    prepare(sketch_source, out, categories=3, n_train=10, n_test=5, sheets=False)
    return out


@pytest.fixture
def data(written, tmp_path):
    return shutil.copytree(written, tmp_path / "data")


def change_manifest(data, **values):
    file = data / "dataset.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | values))


def test_a_data_set_as_written_passes_its_checksums(data):
    dataset = Dataset.open(data)
    dataset.verify()
    assert repr(dataset) == f"Dataset('{data}', 3 categories: 30 train, 15 test)"


def test_a_folder_that_is_missing_says_how_to_make_one(tmp_path):
    with pytest.raises(
        DatasetError, match=r"holds no data set .*garabato prepare --source DIR --out '.*/no data'$"
    ):
        Dataset.open(tmp_path / "no data")


def test_no_data_set_is_to_be_made_in_a_folder_of_something_else(tmp_path):
    (tmp_path / "drawings.lance").mkdir()
    with pytest.raises(DatasetError, match=r"garabato prepare --source DIR --out NEW_FOLDER$"):
        Dataset.open(tmp_path)


def test_a_truncated_file_is_reported_with_its_sizes(data):
    file = data / "train.parquet"
    whole = file.read_bytes()
    file.write_bytes(whole[:-100])
    with pytest.raises(
        DatasetError, match=rf"{len(whole) - 100:,} bytes instead of {len(whole):,}:"
    ):
        Dataset.open(data)


def test_a_missing_file_is_reported(data):
    (data / "test.parquet").unlink()
    with pytest.raises(DatasetError, match=r"test\.parquet is missing; prepare the data set again"):
        Dataset.open(data)


def test_a_damaged_file_fails_its_checksum(data):
    file = data / "train.parquet"
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 0xFF
    file.write_bytes(content)
    with pytest.raises(DatasetError, match=r"train\.parquet is damaged"):
        Dataset.open(data).verify()


def test_a_file_that_is_not_parquet_is_reported(data):
    file = data / "train.parquet"
    file.write_bytes(b"x" * file.stat().st_size)
    with pytest.raises(DatasetError, match=r"train\.parquet cannot be read; prepare"):
        Dataset.open(data).split("train")


def test_a_file_of_another_data_set_is_detected(data):
    shutil.copy(data / "test.parquet", data / "train.parquet")
    about = json.loads((data / "dataset.json").read_text())["splits"]
    about["train"]["files"][0]["bytes"] = about["test"]["files"][0]["bytes"]
    change_manifest(data, splits=about)
    with pytest.raises(
        DatasetError, match=r"the train split of .* has 15 drawings, but dataset\.json says 30"
    ):
        Dataset.open(data).split("train")


def test_a_drawing_of_a_category_that_is_not_listed_is_named(data):
    listed = json.loads((data / "dataset.json").read_text())["categories"]
    change_manifest(data, categories=[*listed[:2], "zebra"])
    message = (
        rf"drawing 10 of the test split of .* category '{listed[2]}', which is not in dataset\.json"
    )
    with pytest.raises(DatasetError, match=message):
        Dataset.open(data).labels("test")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is damaged"),
        ("[]", "no JSON object"),
        ("{}", "was not written by garabato"),
        ('{"format": "garabato dataset", "format_version": 1}', "is incomplete"),
        (
            '{"format": "garabato dataset", "format_version": 99, "garabato": "9.1"}',
            r"format version 99, this version of garabato reads 1; .*wrote it \(9\.1\)",
        ),
    ],
)
def test_a_manifest_that_is_damaged_or_of_a_later_version_is_reported(data, text, message):
    (data / "dataset.json").write_text(text)
    with pytest.raises(DatasetError, match=message):
        Dataset.open(data)


def test_an_unknown_split_names_the_known_ones(data):
    with pytest.raises(DatasetError, match="no split 'valid'; the splits are train, test"):
        Dataset.open(data).split("valid")


def test_a_large_split_is_written_in_several_row_groups_and_read_back_in_order(tmp_path):
    few = DrawingBatch.from_drawings(make_drawings(["star", "house"], 100, seed=0))
    rows = np.random.default_rng(0).integers(0, 200, 2 * ROW_GROUP + 5)
    tables = [to_table(few.take(part)) for part in np.array_split(rows, 7)]
    written = write_split(tmp_path, "train", tables)
    assert written["n_drawings"] == len(rows)
    groups = pa.parquet.read_metadata(tmp_path / "train.parquet").num_row_groups
    assert groups > 1
    found = read_parquet([tmp_path / "train.parquet"])
    assert found.key_ids == few.take(rows).key_ids
    np.testing.assert_array_equal(found.points, few.take(rows).points)


def test_a_data_set_becomes_a_data_frame(written):
    dataset = Dataset.open(written)
    frame = dataset.to_pandas()
    assert frame.columns[:4].tolist() == ["key_id", "category", "split", "country"]
    assert frame["split"].value_counts().to_dict() == {"train": 30, "test": 15}
    test = dataset.to_pandas("test")
    assert test["key_id"].tolist() == list(dataset.split("test").key_ids)
    found = DrawingBatch.from_arrow(pa.Table.from_pandas(test))
    np.testing.assert_array_equal(found.points, dataset.split("test").points)


def test_a_manifest_names_files_whose_names_are_not_utf8(tmp_path):
    name = os.fsdecode(b"caf\xe9.ndjson")
    write_manifest(tmp_path, {"sources": [name]})
    assert json.loads((tmp_path / "dataset.json").read_text())["sources"] == [name]
