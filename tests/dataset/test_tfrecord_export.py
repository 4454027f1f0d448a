"""Data sets as TFRecords and back."""

from __future__ import annotations

import json
import os
import shutil

import cv2
import numpy as np
import pytest
from sketches import make_drawings

from garabato.dataset import Dataset, export_tfrecord, prepare
from garabato.dataset.tfrecord import (
    decode_example,
    encode_example,
    read_records,
    write_record,
)
from garabato.errors import DatasetError, InputError
from garabato.formats import write_drawings
from garabato.render import RenderSpec, render, render_batch

SMALL = RenderSpec(size_px=16)


@pytest.fixture(scope="module")
def prepared(sketch_source, tmp_path_factory):
    out = tmp_path_factory.mktemp("prepared") / "data"
    return prepare(sketch_source, out, categories=3, n_train=10, n_test=5, sheets=False)


@pytest.fixture(scope="module")
def exported(prepared, tmp_path_factory):
    return export_tfrecord(prepared, tmp_path_factory.mktemp("exported") / "a", spec=SMALL)


def assert_same(found: Dataset, expected: Dataset) -> None:
    assert found.categories == expected.categories
    assert found.counts == expected.counts
    for name in ("train", "test"):
        np.testing.assert_array_equal(found.labels(name), expected.labels(name))
        a, b = found.split(name), expected.split(name)
        for column in ("points", "stroke_starts", "drawing_starts"):
            np.testing.assert_array_equal(getattr(a, column), getattr(b, column))
            assert getattr(a, column).dtype == getattr(b, column).dtype
        for column in ("key_ids", "categories", "countries", "recognized", "timestamps", "traced"):
            assert getattr(a, column) == getattr(b, column)


def test_an_export_is_read_back_as_the_same_data_set(prepared, exported):
    assert_same(exported, prepared)
    assert sorted(os.listdir(exported.path)) == [
        "dataset.json",
        "mean_image.npy",
        "mean_image.png",
        "test.tfrecords",
        "train.tfrecords",
    ]


def test_records_hold_image_label_category_and_key_in_shuffled_order(prepared, exported):
    train = prepared.split("train")
    images = render_batch(train, SMALL)
    rows = []
    for record in read_records(exported.path / "train.tfrecords"):
        features = decode_example(record)
        (row,) = features["row"]
        rows.append(row)
        image = cv2.imdecode(np.frombuffer(features["image"], np.uint8), cv2.IMREAD_UNCHANGED)
        np.testing.assert_array_equal(image, images[row])
        assert features["key_id"].decode() == train.key_ids[row]
        assert prepared.categories[features["label"][0]] == features["category"].decode()
        assert set(features) <= set(exported.manifest["features"])
    assert sorted(rows) == list(range(30))
    assert rows != sorted(rows)


def test_the_mean_image_is_that_of_the_training_images(prepared, exported):
    mean = np.load(exported.path / "mean_image.npy")
    assert mean.dtype == np.float32
    expected = render_batch(prepared.split("train"), SMALL).mean(axis=0, dtype=np.float64)
    np.testing.assert_allclose(mean, expected, rtol=1e-6)
    picture = cv2.imread(str(exported.path / "mean_image.png"), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(picture, np.rint(mean))


def test_the_description_tells_how_images_were_rendered(exported):
    manifest = json.loads((exported.path / "dataset.json").read_text())
    assert manifest["storage"] == "tfrecord"
    assert RenderSpec.from_dict(manifest["image"]["rendered"]) == SMALL


def test_shards_divide_the_drawings_and_are_read_as_one(prepared, tmp_path):
    sharded = export_tfrecord(prepared, tmp_path / "a", spec=SMALL, n_shards=4)
    assert_same(sharded, prepared)
    names = [f"train-{shard:05d}-of-00004.tfrecords" for shard in range(4)]
    assert [about["name"] for about in sharded.manifest["splits"]["train"]["files"]] == names
    sizes = [len(list(read_records(tmp_path / "a" / name))) for name in names]
    assert sizes == [8, 8, 7, 7]


def test_the_same_data_set_gives_the_same_bytes(prepared, exported, tmp_path):
    again = export_tfrecord(prepared, tmp_path / "a", spec=SMALL)
    for file in exported.path.iterdir():
        assert (again.path / file.name).read_bytes() == file.read_bytes()


def test_an_export_of_an_export_is_the_same(exported, tmp_path):
    again = export_tfrecord(exported, tmp_path / "a", spec=SMALL)
    name = "train.tfrecords"
    assert (again.path / name).read_bytes() == (exported.path / name).read_bytes()


def test_drawings_of_pictures_stay_traced_ones(tmp_path):
    source = tmp_path / "source"
    (source / "star").mkdir(parents=True)
    for number, drawing in enumerate(make_drawings(["star"], 3, seed=0)):
        image = render(drawing, RenderSpec(90))
        cv2.imwrite(str(source / "star" / f"{number}.png"), 255 - image)
    write_drawings(source / "house.ndjson", make_drawings(["house"], 3, seed=0))
    dataset = prepare(source, tmp_path / "data", categories=2, n_train=2, n_test=1)
    assert dataset.split("train").traced == [None, None, True, True]
    assert dataset.split("test").traced == [None, True]
    assert_same(export_tfrecord(dataset, tmp_path / "a", spec=SMALL), dataset)


def test_bitmaps_are_exported_too(tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    bitmaps = np.zeros((8, 28, 28), np.uint8)
    for number, bitmap in enumerate(bitmaps):
        cv2.line(bitmap, (4, 2 + 3 * number), (24, 14), 255, 2)
    np.save(source / "line.npy", bitmaps)
    dataset = prepare(source, tmp_path / "data", categories=1, n_train=5, n_test=3)
    found = export_tfrecord(dataset, tmp_path / "a", spec=SMALL)
    np.testing.assert_array_equal(found.split("train").bitmaps, dataset.split("train").bitmaps)
    assert found.split("test").key_ids == dataset.split("test").key_ids


def test_only_data_sets_are_replaced(prepared, tmp_path):
    out = tmp_path / "a"
    export_tfrecord(prepared, out, spec=SMALL, n_shards=2)
    export_tfrecord(prepared, out, spec=SMALL)
    assert not list(out.glob("*-of-*"))
    (out / "notes.txt").write_text("mine")
    with pytest.raises(DatasetError, match=r"holds notes\.txt, which garabato did not write"):
        export_tfrecord(prepared, out, spec=SMALL)


@pytest.mark.parametrize("n_shards", [0, -1, 31])
def test_an_invalid_number_of_shards_is_refused(prepared, tmp_path, n_shards):
    with pytest.raises(InputError, match=f"the number of shards must be 1 to 30, not {n_shards}"):
        export_tfrecord(prepared, tmp_path / "a", spec=SMALL, n_shards=n_shards)


def test_progress_counts_the_drawings_of_each_split(prepared, tmp_path):
    told = []
    export_tfrecord(prepared, tmp_path / "a", spec=SMALL, progress=lambda *s: told.append(s))
    assert told == [("train", 30, 30), ("test", 15, 15)]


@pytest.fixture
def damaged(exported, tmp_path):
    """A copy of the export, and a way to open it without the check of its sizes."""
    folder = shutil.copytree(exported.path, tmp_path / "damaged")
    return Dataset(folder, exported.manifest), folder / "test.tfrecords"


def test_a_damaged_byte_is_detected_while_reading(damaged):
    dataset, file = damaged
    content = bytearray(file.read_bytes())
    content[200] ^= 1
    file.write_bytes(content)
    with pytest.raises(DatasetError, match=r"test\.tfrecords, byte 0: the record is damaged"):
        dataset.split("test")
    with pytest.raises(DatasetError, match=r"test\.tfrecords is damaged: its checksum"):
        dataset.verify()


def test_a_truncated_file_names_the_byte_where_its_last_record_begins(damaged):
    dataset, file = damaged
    file.write_bytes(file.read_bytes()[:-3])
    with pytest.raises(DatasetError, match=r"test\.tfrecords, byte \d+: the file ends within"):
        dataset.split("test")
    with pytest.raises(DatasetError, match="truncated or changed"):
        Dataset.open(dataset.path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"row": b"1"}, "'row' is missing or not 1 int64"),
        ({"x": [1, 2]}, "'x' is missing or not bytes"),
        ({"x": b"123456789"}, "'x', 'y' and 'stroke_lengths' do not match"),
        ({"stroke_lengths": []}, "do not match"),
        ({"category": None}, "'category' is missing"),
        ({"category": b"\xff"}, "'category' is not UTF-8"),
        ({"country": [7]}, "'country' is not bytes"),
        ({"bitmap": b"1234", "bitmap_shape": [2, 3]}, "'bitmap' and 'bitmap_shape' do not match"),
    ],
)
def test_a_record_that_garabato_did_not_write_is_named(damaged, change, message):
    dataset, file = damaged
    records = list(read_records(file))
    changed = decode_example(records[3]) | change
    kept = {name: value for name, value in changed.items() if value is not None}
    records[3] = encode_example(kept)
    with open(file, "wb") as opened:
        for record in records:
            write_record(opened, record)
    with pytest.raises(DatasetError, match=rf"test\.tfrecords, record 4: .*{message}.*; export"):
        dataset.split("test")
