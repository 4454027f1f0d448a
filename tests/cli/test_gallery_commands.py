"""garabato gallery tune, duplicates, odd, export to Parquet, and tags, as typed."""

from __future__ import annotations

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest
from sketches import SKETCH_CATEGORIES, make_drawings, simplified_line, sketch, write_source
from typed import read_json, run

from garabato.analysis.duplicates import find_duplicates
from garabato.gallery import open_gallery
from garabato.gallery.lance import limits


@pytest.fixture
def planted(tmp_path, encoder):
    """A gallery with one drawing twice and one under the wrong category."""
    gallery = open_gallery(tmp_path / "g", encoder=encoder)
    drawings = make_drawings(["circle", "star", "ladder"], per_category=30, seed=1)
    drawings.append(drawings[5].replace(key_id="twin"))
    drawings.append(sketch("ladder", 999).replace(key_id="wrong", category="circle"))
    gallery.add(drawings)
    return gallery, drawings


def test_duplicates_are_listed_and_drawn(planted, tmp_path):
    gallery, drawings = planted
    picture = tmp_path / "pairs.png"
    arguments = ("gallery", "duplicates", "--gallery", gallery.uri, "--above", 0.9999)
    document = read_json(run(*arguments, "--picture", picture, "--json"))
    assert document["n_pairs"] == 1
    (pair,) = document["pairs"]
    assert {pair["key_id"], pair["other_key_id"]} == {"twin", drawings[5].key_id}
    assert pair["score"] == pytest.approx(1, abs=1e-3)
    assert pair["category"] == pair["other_category"] == "circle"
    image = cv2.imread(str(picture))
    assert image.shape[1] > 2 * 112
    assert len(np.unique(image)) > 10
    done = run(*arguments)
    assert "  twin (circle)" in done.stdout
    assert "1 pair with a similarity of 0.9999 or more" in done.stdout
    nothing = run(*arguments, "--category", "star", "--picture", picture)
    assert "0 pairs" in nothing.stdout
    assert f"look at {picture}" in nothing.stderr


def test_only_the_first_n_are_shown_but_all_are_counted(planted):
    gallery, _ = planted
    arguments = ("gallery", "duplicates", "--gallery", gallery.uri, "--above", -1, "-n", 3)
    document = read_json(run(*arguments, "--json"))
    assert len(document["pairs"]) == 3
    n_pairs = len(find_duplicates(gallery, above=-1))
    assert document["n_pairs"] == n_pairs > 3
    summary = f"{n_pairs:,} pairs with a similarity of -1.0 or more; 3 of them listed"
    assert f"{summary} (-n {n_pairs} lists all)" in run(*arguments).stdout


def test_odd_drawings_are_listed_and_drawn_with_their_neighbours(planted, tmp_path):
    gallery, _ = planted
    picture = tmp_path / "odd.png"
    arguments = ("gallery", "odd", "--gallery", gallery.uri, "-k", 8)
    document = read_json(run(*arguments, "--picture", picture, "--json"))
    oddest = document["odd"][0]
    assert (oddest["key_id"], oddest["category"], oddest["looks_like"]) == (
        "wrong",
        "circle",
        "ladder",
    )
    assert oddest["agreement"] == 0
    assert len(oddest["neighbours"]) == 8
    assert document["n_odd"] == len(document["odd"])
    assert f"{gallery.uri}: {document['n_odd']} odd drawing" in run(*arguments).stdout
    image = cv2.imread(str(picture))
    assert image.shape[1] > 7 * 112
    listed = "wrong: labelled circle, but most of its neighbours are ladder (0% are circle)"
    assert listed in run(*arguments).stdout
    alone = run(*arguments, "--category", "circle")
    assert "0 odd drawings" in alone.stdout
    assert "all have the same category" in alone.stderr


@pytest.mark.parametrize("command", ["odd", "duplicates", "export"])
def test_a_misspelt_category_gets_a_hint(planted, tmp_path, command):
    gallery, _ = planted
    out = [tmp_path / "out.ndjson"] if command == "export" else []
    done = run("gallery", command, "--gallery", gallery.uri, "--category", "Ladders", *out)
    assert "has no drawing of category 'Ladders'; did you mean 'ladder'?" in done.stderr


def test_tuning_prints_what_it_tried_and_kept(tmp_path, encoder, monkeypatch):
    monkeypatch.setattr(limits, "EXACT_UP_TO", 100)
    gallery = open_gallery(tmp_path / "g", encoder=encoder)
    gallery.add(make_drawings(SKETCH_CATEGORIES[:10], per_category=60, seed=1))
    arguments = ("gallery", "tune", "--gallery", gallery.uri, "--recall", 0.95, "--queries", 20)
    document = read_json(run(*arguments, "--json"))
    assert document["exact"] is False
    assert document["tried"][-1]["recall"] >= 0.95
    assert f"recall@10 {document['tried'][-1]['recall']:.3f}" in document["mode"]
    done = run(*arguments)
    assert done.stdout.splitlines()[-1].startswith(f"{gallery.uri}: approximate, index")
    assert run(*arguments[:4], "--recall", 2).exit_code == 1


def test_tuning_an_exact_gallery_prints_that_it_is_exact(planted):
    gallery, _ = planted
    document = read_json(run("gallery", "tune", "--gallery", gallery.uri, "--json"))
    assert (document["exact"], document["tried"]) == (True, [])
    said = run("gallery", "tune", "--gallery", gallery.uri).stdout
    assert "there is nothing to tune: exact" in said


def test_a_parquet_export_holds_embeddings_and_tags(tmp_path, encoder):
    gallery = open_gallery(tmp_path / "g", encoder=encoder)
    drawings = make_drawings(["circle", "star"], per_category=5, seed=1)
    gallery.add(drawings[:7], tags=["a", "b"])
    unknown = drawings[7].replace(category=None, country=None, recognized=None, timestamp=None)
    gallery.add([unknown])
    out = tmp_path / "all.parquet"
    done = run("gallery", "export", "--gallery", gallery.uri, out, "--json")
    assert read_json(done)["n_drawings"] == 8
    rows = {row["key_id"]: row for row in pq.read_table(out).to_pylist()}
    assert len(rows) == 8
    for drawing, embedding in zip(drawings[:7], encoder.embed(drawings[:7]), strict=True):
        row = rows[drawing.key_id]
        assert [[stroke["x"], stroke["y"]] for stroke in row["strokes"]] == drawing.to_lists()
        assert (row["category"], row["country"]) == (drawing.category, drawing.country)
        assert (row["recognized"], row["timestamp"]) == (drawing.recognized, drawing.timestamp)
        assert row["tags"] == ["a", "b"]
        np.testing.assert_allclose(row["embedding"], embedding, atol=2e-3)
    assert rows[unknown.key_id]["category"] is None
    assert rows[unknown.key_id]["tags"] == []
    done = run("gallery", "export", "--gallery", gallery.uri, out, "--tag", "none such", "--json")
    assert read_json(done)["n_drawings"] == 0
    assert pq.read_table(out).num_rows == 0


def test_tags_given_when_indexing_are_filters_afterwards(model, tmp_path):
    uri = tmp_path / "g"
    for name, tags in (("circle", ("round", "first")), ("star", ("pointed",))):
        source = write_source(tmp_path / name, [name], per_category=6, seed=0)
        arguments = ("index", "--model", model, "--source", source, "--gallery", uri)
        tagged = [word for tag in tags for word in ("--tag", tag)]
        assert read_json(run(*arguments, *tagged, "--json"))["n_new"] == 6
    query = tmp_path / "query.ndjson"
    query.write_text(simplified_line(sketch("circle", 5)))
    search = ("search", "--model", model, "--gallery", uri, query, "--json", "-k", 50, "--tag")
    hits = read_json(run(*search, "first"))["hits"]
    assert [hit["tags"] for hit in hits] == [["round", "first"]] * 6
    assert len(read_json(run(*search, "pointed", "--tag", "round"))["hits"]) == 12
    delete = ("gallery", "delete", "--gallery", uri, "--json", "--tag", "pointed")
    assert read_json(run(*delete)) == {"gallery": str(uri), "n_deleted": 6, "n_drawings": 6}


def test_deleting_by_time_and_recognition(tmp_path, encoder):
    gallery = open_gallery(tmp_path / "g", encoder=encoder)
    drawings = make_drawings(["circle", "star"], per_category=30, seed=1)
    gallery.add(drawings)
    passing = [d for d in drawings if d.recognized and "2017-03-10" <= d.timestamp < "2017-03-20"]
    assert 0 < len(passing) < 60
    delete = ("gallery", "delete", "--gallery", gallery.uri, "--json", "--recognized")
    bounds = ("--after", "2017-03-10", "--before", "2017-03-20")
    assert read_json(run(*delete, *bounds))["n_deleted"] == len(passing)


@pytest.mark.parametrize("command", ["tune", "duplicates", "odd"])
def test_a_missing_gallery_is_reported(command, tmp_path):
    done = run("gallery", command, "--gallery", tmp_path / "none")
    assert done.exit_code == 1
    assert "there is no gallery at" in done.stderr


def test_groups_and_filters_agree_with_a_plain_search(tmp_path, model):
    source = write_source(tmp_path / "s", SKETCH_CATEGORIES[:6], per_category=12, seed=0)
    uri = tmp_path / "g"
    run("index", "--model", model, "--source", source, "--gallery", uri)
    query = tmp_path / "query.ndjson"
    query.write_text(simplified_line(sketch("circle", 7)))
    search = ("search", "--model", model, "--gallery", uri, query, "--json")
    everything = read_json(run(*search, "-k", 72))["hits"]
    document = read_json(run(*search, "-k", 4, "--by-category", 2))
    order = list(dict.fromkeys(hit["category"] for hit in everything))[:4]
    assert [group["category"] for group in document["groups"]] == order
    for group in document["groups"]:
        best = [hit["key_id"] for hit in everything if hit["category"] == group["category"]]
        assert [hit["key_id"] for hit in group["hits"]] == best[:2]


def test_a_deletion_without_matches_suggests_a_category(planted):
    gallery, _ = planted
    done = run("gallery", "delete", "--gallery", gallery.uri, "--category", "Ladders")
    assert done.exit_code == 0
    assert "0 drawings deleted" in done.stdout
    assert "has no drawing of category 'Ladders'; did you mean 'ladder'?" in done.stderr
    done = run("gallery", "delete", "--gallery", gallery.uri, "--key-id", "twin")
    assert "1 drawing deleted" in done.stdout
    assert done.stderr == ""
