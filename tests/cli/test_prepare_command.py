"""garabato prepare, as typed."""

from __future__ import annotations

from functools import partial

import pytest
import typed
from sketches import SKETCH_CATEGORIES, make_drawings, write_source
from typed import read_json

from garabato.dataset import Dataset
from garabato.formats import write_drawings

run = partial(typed.run, "prepare")


def test_it_writes_a_data_set_and_says_what_to_look_at(sketch_source, tmp_path):
    out = tmp_path / "data"
    done = run(
        *("--source", sketch_source, "--out", out),
        *("--categories", 4, "--train", 30, "--test", 10),
    )
    assert done.exit_code == 0, done.output
    assert done.stdout == (
        f"{out}: 4 categories, 120 training drawings, 40 test drawings\n"
        f"look at {out}/sheets/_all.png\n"
    )
    assert len(Dataset.open(out).split("train")) == 120


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("star,house", ["house", "star"]),
        (" house , star,", ["house", "star"]),
        ("all", sorted(SKETCH_CATEGORIES[:10])),
    ],
)
def test_categories_are_a_list_or_all(sketch_source, tmp_path, given, expected):
    out = tmp_path / "data"
    sizes = ("--train", 5, "--test", 2, "--no-sheets", "--json")
    done = run("--source", sketch_source, "--out", out, "--categories", given, *sizes)
    manifest = read_json(done)
    assert manifest == Dataset.open(out).manifest
    assert manifest["categories"] == expected
    assert not (out / "sheets").exists()


def test_categories_come_from_the_names_of_files_on_request(tmp_path):
    folder = tmp_path / "flat"
    folder.mkdir()
    for number, drawing in enumerate(make_drawings(["star"], 2, seed=0), start=1):
        write_drawings(folder / f"lamp-{number}.svg", [drawing])
    sizes = ("--categories", "all", "--train", 1, "--test", 1, "--no-sheets", "--json")
    out = tmp_path / "data"
    done = run("--source", folder, "--out", out, "--category-from", "name", *sizes)
    assert read_json(done)["categories"] == ["lamp"]


def test_unreadable_lines_are_reported_on_stderr(tmp_path):
    source = write_source(tmp_path / "source", ["star"], 12, seed=0)
    with open(source / "star.ndjson", "a") as file:
        file.write("[not json]\n")
    sizes = ("--categories", "all", "--train", 5, "--test", 2)
    done = run("--source", source, "--out", tmp_path / "data", *sizes)
    assert done.exit_code == 0
    assert "1 unreadable" in done.stderr
    assert "star.ndjson, line 13" in done.stderr
    strict = run("--source", source, "--out", tmp_path / "strict", *sizes, "--strict")
    assert strict.exit_code == 1
    assert "star.ndjson, line 13" in strict.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--categories", "hause"], "error: the source has no category 'hause'; did you mean"),
        (["--categories", "11"], "error: the source has only 10 categories, not 11"),
        (["--categories", "2"], "2 of 2 categories have fewer than 1,050 usable drawings"),
        (["--train", "0"], "error: n_train must be a whole number of at least 1"),
    ],
)
def test_errors_are_one_line_and_status_1(sketch_source, tmp_path, options, message):
    done = run("--source", sketch_source, "--out", tmp_path / "data", *options)
    assert done.exit_code == 1
    assert message in done.stderr.replace("\n", " ")
    assert not (tmp_path / "data").exists()


def test_categories_with_too_few_drawings_are_accepted_if_allowed(sketch_source, tmp_path):
    out = tmp_path / "data"
    done = run("--source", sketch_source, "--out", out, "--categories", 2, "--allow-short")
    assert done.exit_code == 0
    # 40 * 50 / 1050 = 1.9
    assert Dataset.open(out).counts.popitem()[1] == {"train": 38, "test": 2}


def test_a_missing_source_is_an_error(tmp_path):
    done = run("--source", tmp_path / "nowhere", "--out", tmp_path / "data")
    assert done.exit_code == 1
    assert f"{tmp_path / 'nowhere'} does not exist" in done.stderr.replace("\n", "")
