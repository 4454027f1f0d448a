"""garabato inspect, as typed."""

from __future__ import annotations

from functools import partial

import typed
from sketches import make_drawings, write_source
from typed import read_json

from garabato.formats import write_drawings

run = partial(typed.run, "inspect")


def test_it_prints_the_counts_and_writes_the_page(sketch_source, tmp_path):
    page = tmp_path / "page.html"
    done = run(sketch_source, "--html", page)
    assert done.exit_code == 0, done.output
    assert "drawings     400 in 10 categories" in done.stdout
    assert "identical    none" in done.stdout
    assert f"look at {page}" in done.stderr
    row = next(line for line in done.stdout.splitlines() if line.startswith("smiley face"))
    assert row.split()[2] == "40"
    assert "<!doctype html>" in page.read_text()


def test_groups_of_copies_across_categories_are_counted(tmp_path):
    (drawing,) = make_drawings(["star"], 1, seed=0)
    for category in ("star", "sun"):
        write_drawings(tmp_path / f"{category}.ndjson", [drawing.replace(key_id=category)])
    page = tmp_path / "page.html"
    done = run(tmp_path, "--html", page)
    assert "2 drawings in 1 group; groups across categories: 1\n" in done.stdout
    text = " ".join(page.read_text().split())
    assert "2 drawings in 1 group; groups across categories: 1. Drawings are identical" in text


def test_json_is_one_document(sketch_source):
    done = run(sketch_source, "--json")
    document = read_json(done)
    assert document["n_drawings"] == 400
    assert document["categories"]["star"]["n"] == 40


def test_unreadable_lines_are_reported_on_stderr(tmp_path):
    source = write_source(tmp_path / "source", ["star"], 3, seed=0)
    with open(source / "star.ndjson", "a") as file:
        file.write("nonsense\n")
    done = run(source)
    assert done.exit_code == 0
    assert "star.ndjson, line 4" in done.stderr
    assert "unreadable   1" in done.stdout


def test_the_counts_stand_beside_a_long_name(tmp_path):
    for name in ("star", "long name " * 12):
        (tmp_path / name).mkdir()
        write_drawings(tmp_path / name / "1.svg", make_drawings(["star"], 1, seed=0))
    rows = [line.split() for line in run(tmp_path).stdout.splitlines()]
    (star,) = [row for row in rows if row[:1] == ["star"]]
    (long,) = [row for row in rows if row[:2] == ["long", "name"] and len(row) > 8]
    assert star[1:] == long[-8:]
    assert sum(row.count("long") for row in rows) == 12


def test_a_missing_folder_is_an_error(tmp_path):
    done = run(tmp_path / "nowhere")
    assert done.exit_code == 1
    assert "does not exist" in done.stderr


def test_icons_in_one_folder_are_named_after_their_files_if_asked_for(tmp_path):
    for name in ("lamp-1", "lamp-2", "chair"):
        write_drawings(tmp_path / f"{name}.svg", make_drawings(["star"], 1, seed=0))
    done = run(tmp_path, "--category-from", "name", "--json")
    assert done.exit_code == 0, done.output
    assert {k: v["n"] for k, v in read_json(done)["categories"].items()} == {
        "chair": 1,
        "lamp": 2,
    }
