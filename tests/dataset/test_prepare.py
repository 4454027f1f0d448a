"""From a folder of drawings to a data set."""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from sketches import make_drawings, simplified_line, write_source

from garabato.dataset import Dataset, prepare
from garabato.dataset.selection import digests_of
from garabato.errors import (
    CategoryError,
    DatasetError,
    FormatError,
    InputError,
    SourceError,
)
from garabato.formats import ReadReport


def files_of(folder: Path) -> dict[str, bytes]:
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in folder.rglob("*")
        if file.is_file()
    }


@pytest.fixture(scope="module")
def five(sketch_source, tmp_path_factory):
    out = tmp_path_factory.mktemp("five") / "data"
    return prepare(sketch_source, out, categories=5, n_train=30, n_test=10)


def test_both_splits_hold_the_drawings_of_every_category_with_their_metadata(five):
    assert len(five.categories) == 5
    assert five.counts == {name: {"train": 30, "test": 10} for name in five.categories}
    originals = {d.key_id: d for d in make_drawings(five.categories, 40, seed=0)}
    seen = set()
    for split, n in (("train", 30), ("test", 10)):
        batch = five.split(split)
        labels = five.labels(split)
        assert labels.dtype == np.int64
        assert np.bincount(labels).tolist() == [n] * 5
        for drawing, label in zip(batch, labels, strict=True):
            assert drawing.category == five.categories[label]
            original = originals[drawing.key_id]
            assert drawing.metadata == original.metadata
            assert drawing.to_lists() == original.to_lists()
            seen.add(drawing.key_id)
    assert len(seen) == 200


def test_the_same_seed_and_source_give_the_same_bytes(sketch_source, five, tmp_path):
    again = prepare(
        sketch_source,
        tmp_path / "again",
        categories=np.int64(5),
        n_train=np.int64(30),
        n_test=np.int32(10),
        seed=np.int64(0),
    )
    assert files_of(again.path) == files_of(five.path)
    names = {"dataset.json", "train.parquet", "test.parquet", "sheets/_all.png"}
    assert names < set(files_of(five.path))


def test_each_category_gets_a_contact_sheet_whatever_its_name(tmp_path):
    names = ["a/b", "a_b", "x" * 300, "nul\0"]
    lines = [
        {"category": name, "drawing": [[[0, 9], [10 * number + n, 0]]]}
        for number, name in enumerate(names)
        for n in range(2)
    ]
    (tmp_path / "source").mkdir()
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (tmp_path / "source" / "all.jsonl").write_text(text)
    prepared = prepare(
        tmp_path / "source", tmp_path / "data", categories="all", n_train=1, n_test=1
    )
    assert prepared.categories == sorted(names)
    sheets = {file.name for file in (tmp_path / "data" / "sheets").iterdir()}
    assert len(sheets) == 5
    assert {"_all.png", "a_b.png"} < sheets


def test_another_seed_gives_other_categories_and_drawings(sketch_source, five, tmp_path):
    other = prepare(sketch_source, tmp_path / "a", categories=5, n_train=30, n_test=10, seed=1)
    assert other.categories != five.categories
    same_names = prepare(
        sketch_source, tmp_path / "b", categories=five.categories, n_train=30, n_test=10, seed=1
    )
    assert set(same_names.split("test").key_ids) != set(five.split("test").key_ids)


def test_the_drawings_of_a_category_do_not_depend_on_other_categories(
    sketch_source, five, tmp_path
):
    name = five.categories[2]
    alone = prepare(sketch_source, tmp_path / "a", categories=[name], n_train=30, n_test=10)
    for split in ("train", "test"):
        rows = np.flatnonzero(five.labels(split) == 2)
        assert alone.split(split).key_ids == five.split(split).take(rows).key_ids


def test_the_manifest_describes_the_source_without_local_paths(sketch_source, five):
    text = (five.path / "dataset.json").read_text()
    assert str(sketch_source.parent) not in text
    manifest = json.loads(text)
    assert manifest == five.manifest
    assert manifest["source"]["folder"] == sketch_source.name
    assert [file["category"] for file in manifest["source"]["files"]] == five.categories
    file = manifest["source"]["files"][0]
    assert file["bytes"] == (sketch_source / file["name"]).stat().st_size
    assert manifest["seed"] == 0
    assert manifest["kind"] == "strokes"
    assert manifest["splits"]["train"]["n_drawings"] == 150
    about = {"train": 30, "test": 10, "read": 40, "empty": 0, "unrecognized": 0, "repeated": 0}
    assert manifest["counts"] == dict.fromkeys(five.categories, about)


def test_unreadable_lines_are_skipped_counted_and_reported(tmp_path, caplog):
    source = write_source(tmp_path / "source", ["star", "house"], 12, seed=0)
    with open(source / "star.ndjson", "a") as file:
        file.write('{"drawing": [[[1, 2], [3]]]}\nnot json\n')
    report = ReadReport()
    dataset = prepare(
        source, tmp_path / "data", categories="all", n_train=10, n_test=2, report=report
    )
    assert dataset.counts["star"] == {"train": 10, "test": 2}
    unreadable = dataset.manifest["unreadable"]
    assert (unreadable["n_read"], unreadable["n_unreadable"]) == (24, 2)
    places = [place for p in unreadable["problems"].values() for place in p["places"]]
    assert any(place.startswith("star.ndjson, line 13") for place in places)
    assert report.n_unreadable == 2
    assert not caplog.records
    with caplog.at_level(logging.WARNING):
        prepare(source, tmp_path / "data", categories="all", n_train=10, n_test=2)
    assert "star.ndjson, line 13" in caplog.text


def test_strict_stops_at_the_first_unreadable_line_and_writes_nothing(tmp_path):
    source = write_source(tmp_path / "source", ["star"], 12, seed=0)
    with open(source / "star.ndjson", "a") as file:
        file.write("not json\n")
    with pytest.raises(FormatError, match=r"star\.ndjson, line 13"):
        prepare(source, tmp_path / "data", categories=1, n_train=5, n_test=2, strict=True)
    assert os.listdir(tmp_path) == ["source"]


def test_short_categories_are_listed_and_nothing_is_written(sketch_source, tmp_path):
    with pytest.raises(SourceError, match=r"3 of 3 categories have fewer than 45 .* has 40"):
        prepare(sketch_source, tmp_path / "data", categories=3, n_train=40, n_test=5)
    assert os.listdir(tmp_path) == []


def test_with_allow_short_three_drawings_are_split_into_two_and_one(tmp_path):
    source = write_source(tmp_path / "source", ["star"], 3, seed=0)
    write_source(source, ["house"], 40, seed=0)
    dataset = prepare(
        source, tmp_path / "data", categories="all", n_train=30, n_test=10, allow_short=True
    )
    assert dataset.counts == {
        "house": {"train": 30, "test": 10},
        "star": {"train": 2, "test": 1},
    }


def test_the_test_split_may_be_empty(sketch_source, tmp_path):
    dataset = prepare(sketch_source, tmp_path / "data", categories=2, n_train=5, n_test=0)
    assert len(dataset.split("test")) == 0
    assert dataset.labels("test").shape == (0,)
    assert len(dataset.split("train")) == 10


def test_an_unknown_category_is_reported_with_the_nearest(sketch_source, tmp_path):
    with pytest.raises(CategoryError, match="'hause'; did you mean 'house'"):
        prepare(sketch_source, tmp_path / "data", categories=["hause", "star"])


def test_a_data_set_is_no_source(five, tmp_path):
    with pytest.raises(InputError, match="this Dataset is not a source of drawings; open one with"):
        prepare(five, tmp_path / "data")


def test_invalid_sizes_are_refused(sketch_source, tmp_path):
    for n_train, n_test, problem in (
        (0, 5, "n_train must be a whole number of at least 1, not 0"),
        ("4", 5, "n_train must be a whole number of at least 1, not '4'"),
        (4, -1, "n_test must be a whole number of at least 0, not -1"),
        (4, 2.5, "n_test must be a whole number of at least 0, not 2.5"),
    ):
        with pytest.raises(InputError, match=problem):
            prepare(sketch_source, tmp_path / "data", n_train=n_train, n_test=n_test)


def test_recognized_only_leaves_out_other_drawings(tmp_path, sketch_source):
    dataset = prepare(
        sketch_source,
        tmp_path / "data",
        categories=["star"],
        n_train=20,
        n_test=5,
        recognized_only=True,
    )
    assert set(dataset.split("train").recognized + dataset.split("test").recognized) == {True}
    recognized = [d.recognized for d in make_drawings(["star"], 40, seed=0)]
    assert dataset.manifest["counts"]["star"]["unrecognized"] == recognized.count(False)


def test_bitmaps_become_a_data_set_too(tmp_path):
    rng = np.random.default_rng(0)
    source = tmp_path / "source"
    source.mkdir()
    bitmaps = {name: rng.integers(0, 256, (12, 784), np.uint8) for name in ("cat", "dog")}
    for name, rows in bitmaps.items():
        np.save(source / f"{name}.npy", rows)
    dataset = prepare(source, tmp_path / "data", categories="all", n_train=8, n_test=4)
    assert dataset.manifest["kind"] == "bitmaps"
    assert dataset.manifest["bitmap_shape_px"] == [28, 28]
    train, test = dataset.split("train"), dataset.split("test")
    assert train.bitmaps.shape == (16, 28, 28)
    both = np.concatenate([train.bitmaps, test.bitmaps]).reshape(24, 784)
    expected = np.concatenate(list(bitmaps.values()))
    assert sorted(both.tolist()) == sorted(expected.tolist())


def test_one_data_set_holds_one_kind_of_drawing(tmp_path):
    source = write_source(tmp_path / "source", ["star"], 12, seed=0)
    np.save(source / "cat.npy", np.eye(20, 784, dtype=np.uint8))
    with pytest.raises(SourceError, match="cat is 28x28 bitmaps, star is strokes; choose one"):
        prepare(source, tmp_path / "data", categories="all", n_train=5, n_test=2)


def test_an_old_data_set_is_replaced_completely(sketch_source, tmp_path):
    out = tmp_path / "data"
    old = prepare(sketch_source, out, categories=3, n_train=5, n_test=2)
    new = prepare(sketch_source, out, categories=2, n_train=5, n_test=2, sheets=False)
    assert not (out / "sheets").exists()
    assert Dataset.open(out).categories == new.categories != old.categories
    assert os.listdir(tmp_path) == ["data"]


def test_a_data_set_of_another_version_is_replaced_too(sketch_source, tmp_path):
    out = tmp_path / "data"
    prepare(sketch_source, out, categories=1, n_train=5, n_test=2)
    manifest = json.loads((out / "dataset.json").read_text())
    (out / "dataset.json").write_text(json.dumps({**manifest, "format_version": 99}))
    prepare(sketch_source, out, categories=1, n_train=5, n_test=2)
    assert len(Dataset.open(out).split("train")) == 5


def test_an_empty_folder_is_filled_and_missing_parents_are_made(sketch_source, tmp_path):
    (tmp_path / "empty").mkdir()
    for out in (tmp_path / "empty", tmp_path / "a" / "b" / "data"):
        prepare(sketch_source, out, categories=1, n_train=5, n_test=2)
        assert len(Dataset.open(out).categories) == 1


def test_other_files_are_never_replaced(sketch_source, tmp_path):
    out = tmp_path / "data"
    out.mkdir()
    (out / "thesis.txt").write_text("dear to me")
    with pytest.raises(DatasetError, match="not a garabato data set and is not replaced; move it"):
        prepare(sketch_source, out, categories=1, n_train=5, n_test=2)
    (out / "thesis.txt").rename(tmp_path / "thesis.txt")
    prepare(sketch_source, out, categories=1, n_train=5, n_test=2)
    (tmp_path / "thesis.txt").rename(out / "thesis.txt")
    with pytest.raises(DatasetError, match=r"holds thesis\.txt, which garabato did not write"):
        prepare(sketch_source, out, categories=1, n_train=5, n_test=2)
    assert (out / "thesis.txt").read_text() == "dear to me"
    with pytest.raises(DatasetError, match="is a file; move it away or give another folder"):
        prepare(sketch_source, out / "thesis.txt", categories=1, n_train=5, n_test=2)


def test_progress_is_told_by_stage_up_to_the_end(sketch_source, tmp_path):
    told = []
    prepare(
        sketch_source,
        tmp_path / "data",
        categories=3,
        n_train=5,
        n_test=2,
        progress=lambda *step: told.append(step),
    )
    assert told == [(stage, n, 3) for stage in ("read", "sheets") for n in range(4)]


def test_lines_of_a_source_in_another_order_give_the_same_drawings(tmp_path):
    drawings = make_drawings(["star"], 30, seed=0)
    sets = []
    for name, given in (("a", drawings), ("b", drawings[::-1])):
        source = tmp_path / name / "source"
        source.mkdir(parents=True)
        (source / "star.ndjson").write_text("\n".join(map(simplified_line, given)))
        sets.append(prepare(source, tmp_path / name / "data", categories=1, n_train=9, n_test=9))
    assert sets[0].split("train").key_ids == sets[1].split("train").key_ids


@pytest.mark.slow
def test_raw_drawings_are_simplified_onto_the_grid(tmp_path):
    t = np.arange(40)
    line = {
        "word": "wave",
        "drawing": [[(300.5 + 9.7 * t).tolist(), (80 * np.sin(t / 4)).tolist(), t.tolist()]],
    }
    source = tmp_path / "source"
    source.mkdir()
    lines = []
    for n in range(4):
        line["key_id"] = str(n)
        line["drawing"][0][1][5] = 33.25 * n
        lines.append(json.dumps(line))
    (source / "wave.ndjson").write_text("\n".join(lines))
    dataset = prepare(source, tmp_path / "data", categories=1, n_train=3, n_test=1)
    points = dataset.split("train").points
    assert points.min() == 0
    assert points.max() == 255


def test_the_files_are_plain_parquet(five):
    schema = pq.read_schema(five.path / "train.parquet")
    assert schema.names[:3] == ["key_id", "category", "split"]
    metadata = pq.read_metadata(five.path / "train.parquet")
    assert metadata.row_group(0).column(0).compression == "ZSTD"


def test_real_drawings_are_split_without_a_drawing_on_both_sides(quickdraw, tmp_path):
    dataset = prepare(
        quickdraw / "simplified",
        tmp_path / "data",
        categories=["circle", "line", "square", "zigzag", "bus"],
        n_train=200,
        n_test=25,
    )
    train, test = dataset.split("train"), dataset.split("test")
    assert (len(train), len(test)) == (1000, 125)
    assert not set(train.key_ids) & set(test.key_ids)
    assert not set(digests_of(train)) & set(digests_of(test))


def test_real_bitmaps_give_a_thousand_and_fifty_a_category(quickdraw, tmp_path):
    names = sorted(file.stem for file in (quickdraw / "numpy_bitmap").glob("*.npy"))[:2]
    dataset = prepare(quickdraw / "numpy_bitmap", tmp_path / "data", categories=names)
    assert dataset.counts == {name: {"train": 1000, "test": 50} for name in names}
