from __future__ import annotations

import shutil
import threading

import pytest
from sketches import SKETCH_CATEGORIES, make_drawings
from typed import read_json, run

import garabato
from garabato.cli import main
from garabato.formats import write_drawings

NEW = "résistance, 5 Ω"


@pytest.fixture
def own_model(model, tmp_path):
    """The encoder in a folder of its own, so that files beside it are seen by one test only."""
    return shutil.copy(model, tmp_path / "encoder.safetensors")


@pytest.fixture
def examples(tmp_path):
    file = tmp_path / "examples.ndjson"
    write_drawings(file, make_drawings([SKETCH_CATEGORIES[-1]], 5, seed=0))
    return file


def test_a_category_is_added_listed_used_and_removed(own_model, examples):
    added = read_json(run("categories", "add", NEW, examples, "--model", own_model, "--json"))
    assert (added["category"], added["n_drawings"]) == (NEW, 5)
    listed = read_json(run("categories", "list", "--model", own_model, "--json"))
    assert listed["categories"] == [{"category": NEW, "n_drawings": 5}]
    arguments = ("classify", "--model", own_model, examples, "-k", 11, "--json")
    names = {p["category"] for p in read_json(run(*arguments))["queries"][0]["predictions"]}
    assert NEW in names
    among = run("classify", "--model", own_model, examples, "--among", NEW, "--json")
    assert read_json(among)["queries"][0]["predictions"] == [{"category": NEW, "probability": 1.0}]
    removed = read_json(run("categories", "remove", NEW, NEW, "--model", own_model, "--json"))
    assert removed["removed"] == [NEW]
    assert read_json(run("categories", "list", "--model", own_model, "--json"))["categories"] == []


def test_added_categories_can_be_kept_in_a_file_of_any_name(own_model, examples, tmp_path):
    file = tmp_path / "my.json"
    add = ("categories", "add", NEW, examples, "--model", own_model, "--categories", file)
    assert run(*add).exit_code == 0
    arguments = ("classify", "--model", own_model, examples, "--json", "-k", 11)
    without = read_json(run(*arguments))["queries"][0]["predictions"]
    with_new = read_json(run(*arguments, "--categories", file))["queries"][0]["predictions"]
    assert len(with_new) == len(without) + 1


def test_a_file_that_does_not_exist_yet_has_no_categories(own_model, examples, tmp_path):
    assert run("categories", "add", NEW, examples, "--model", own_model).exit_code == 0
    other = ("--model", own_model, "--categories", tmp_path / "new.json")
    assert read_json(run("categories", "list", *other, "--json"))["categories"] == []
    done = run("categories", "remove", NEW, *other)
    assert done.exit_code == 1
    assert f"the category {NEW!r} does not exist" in done.stderr
    assert run("categories", "add", "mine", examples, *other).exit_code == 0
    listed = read_json(run("categories", "list", *other, "--json"))["categories"]
    assert [one["category"] for one in listed] == ["mine"]


def test_the_encoder_is_loaded_once(own_model, examples, monkeypatch):
    assert run("categories", "add", NEW, examples, "--model", own_model).exit_code == 0
    loaded = []
    load = garabato.encoder.files.load_encoder_alone
    for place in (garabato, garabato.encoder.files):
        monkeypatch.setattr(
            place,
            "load_encoder_alone",
            lambda *given, **options: loaded.append(given) or load(*given, **options),
            raising=False,
        )
    assert run("categories", "remove", NEW, "--model", own_model).exit_code == 0
    assert len(loaded) == 1


def test_the_shipped_encoder_needs_a_file_for_added_categories(examples):
    done = run("categories", "add", NEW, examples)
    assert done.exit_code == 1
    assert "--categories my.categories.json" in done.stderr


def test_a_name_that_exists_is_refused_and_the_file_stays(own_model, examples):
    for name in (SKETCH_CATEGORIES[0], NEW):
        run("categories", "add", NEW, examples, "--model", own_model)
        done = run("categories", "add", name, examples, "--model", own_model)
        assert done.exit_code == 1
        assert "already" in done.stderr
    listed = read_json(run("categories", "list", "--model", own_model, "--json"))
    assert len(listed["categories"]) == 1


def test_a_category_in_the_encoder_file_itself_is_not_said_to_be_removed(own_model, examples):
    assert run("categories", "add", NEW, examples, "--model", own_model).exit_code == 0
    garabato.load_encoder(own_model).save(own_model)
    done = run("categories", "remove", NEW, "--model", own_model)
    assert done.exit_code == 1
    assert f"the encoder file itself contains {NEW}" in done.stderr


def test_additions_at_the_same_time_wait_for_each_other(own_model, examples, tmp_path):
    file = tmp_path / "my.json"
    add = ("categories", "add", NEW, examples, "--model", own_model, "--categories", file)
    arguments = [list(map(str, add))]
    other = threading.Thread(target=main.main, args=arguments, kwargs={"standalone_mode": False})
    with garabato.lock_categories(file):
        other.start()
        other.join(3)
        assert other.is_alive()
        encoder = garabato.load_encoder(own_model)
        encoder.with_categories({"mine": make_drawings(["star"], 1, seed=0)}).save_categories(file)
    other.join()
    added = garabato.load_encoder(own_model, categories=file).added_categories
    assert [one.name for one in added] == ["mine", NEW]


def test_a_folder_that_is_missing_is_named(own_model, examples, tmp_path):
    file = tmp_path / "missing" / "my.json"
    done = run("categories", "add", NEW, examples, "--model", own_model, "--categories", file)
    assert done.exit_code == 1
    assert f"there is no folder {file.parent}; create it" in done.stderr
