"""garabato search with several drawings, variety and groups; kNN votes beside classify."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest
from sketches import make_drawings, simplified_line, sketch
from typed import read_json, run

from garabato.encoder import load_encoder
from garabato.formats import read_drawings
from garabato.gallery import open_gallery
from garabato.gallery.explore import category_votes
from garabato.render.contact_sheets import FRAMES


@pytest.fixture
def ask(tmp_path, model, filled):
    """Run search with files of sketches: ask("star 0", "--unlike", "house 3")."""

    def file_of(text):
        name, _, number = text.rpartition(" ")
        path = tmp_path / f"{name}-{number}.ndjson"
        path.write_text(simplified_line(sketch(name, int(number))))
        return path

    def search(*arguments):
        given = [file_of(a) if str(a).rpartition(" ")[1] else a for a in arguments]
        return run("search", "--model", model, "--gallery", filled, *given)

    return search


def test_a_piped_table_does_not_break_long_key_ids(tmp_path, model):
    key_id = "a-" * 60
    gallery = open_gallery(tmp_path / "long.gallery", encoder=load_encoder(model))
    gallery.add([sketch("star", 0).replace(key_id=key_id)])
    command = [sys.executable, "-m", "garabato", "search", "--gallery", gallery.uri]
    without_width = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    done = subprocess.run(
        [*command, "--text", "star"], env=without_width, capture_output=True, text=True, check=True
    )
    assert key_id in done.stdout


def test_several_drawings_make_one_query_and_are_left_out_of_the_hits(ask, model, filled):
    document = read_json(
        ask("star 0", "--like", "star 1", "--unlike", "house 2", "-k", 5, "--json")
    )
    assert len(document["hits"]) == 5
    given = {sketch("star", 0).key_id, sketch("star", 1).key_id, sketch("house", 2).key_id}
    assert not given & {hit["key_id"] for hit in document["hits"]}
    assert [one["category"] for one in document["query"]["like"]] == ["star", "star"]
    assert [one["category"] for one in document["query"]["unlike"]] == ["house"]
    encoder = load_encoder(model)
    embeddings = encoder.embed([sketch("star", 0), sketch("star", 1), sketch("house", 2)])
    towards = embeddings[:2].mean(axis=0) - 0.5 * embeddings[2]
    expected = [
        h.key_id for h in open_gallery(filled).search(towards, k=8) if h.key_id not in given
    ]
    assert [hit["key_id"] for hit in document["hits"]] == expected[:5]


def test_drawings_similar_to_unlike_ones_move_down(ask):
    def mean_place(*options):
        hits = read_json(ask("star 0", *options, "-k", 400, "--json"))["hits"]
        return np.mean([i for i, hit in enumerate(hits) if hit["category"] == "circle"])

    assert mean_place("--unlike", "circle 7") > mean_place()


def test_diverse_hits_differ_from_the_nearest(ask):
    nearest = [hit["key_id"] for hit in read_json(ask("star 0", "-k", 8, "--json"))["hits"]]
    document = read_json(ask("star 0", "-k", 8, "--diverse", "--json"))
    diverse = [hit["key_id"] for hit in document["hits"]]
    assert len(diverse) == 8
    assert diverse[0] == nearest[0]
    assert set(diverse) != set(nearest)
    combined = ask("star 0", "--unlike", "house 2", "-k", 8, "--diverse", "--json")
    assert sketch("star", 0).key_id not in {hit["key_id"] for hit in read_json(combined)["hits"]}


def test_groups_are_shown_and_drawn(ask, tmp_path):
    picture = tmp_path / "groups.png"
    done = ask("star 0", "-k", 3, "--by-category", 2, "--picture", picture)
    assert done.exit_code == 0, done.output
    assert "star" in done.stdout
    assert cv2.imread(str(picture)).shape[0] > 3 * 112
    assert ask("star 0", "--diverse", "--by-category", 2).exit_code == 2


def test_a_picture_is_a_png_file(ask, tmp_path):
    done = ask("star 0", "--picture", tmp_path / "hits.jpg")
    assert done.exit_code == 2
    assert "must end in .png" in " ".join(done.stderr.split())


def test_a_picture_may_go_to_a_pipe(ask, tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with ThreadPoolExecutor() as other:
        drawn = other.submit(pipe.read_bytes)
        assert ask("star 0", "-k", 2, "--picture", pipe).exit_code == 0
        assert drawn.result(timeout=60).startswith(b"\x89PNG")
    assert not (tmp_path / "hits.jpg").exists()


def test_the_picture_of_a_combined_query_shows_all_its_drawings(ask, tmp_path):
    picture = tmp_path / "combined.png"
    done = ask("star 0", "--like", "star 1", "--unlike", "house 2", "-k", 2, "--picture", picture)
    assert done.exit_code == 0, done.output
    assert "star-0.ndjson, drawing 1 + star-1.ndjson, drawing 1 - house-2.ndjson" in done.stdout
    assert cv2.imread(str(picture)).shape[1] > 5 * 112


def test_the_nearest_drawings_vote_beside_the_classifier(model, filled, tmp_path):
    path = tmp_path / "two.ndjson"
    path.write_text("\n".join(simplified_line(sketch(name, 0)) for name in ("star", "house")))
    arguments = ("classify", "--model", model, path, "-k", 3)
    document = read_json(run(*arguments, "--gallery", filled, "--json"))
    gallery = open_gallery(filled, encoder=load_encoder(model))
    for result, drawing in zip(document["queries"], read_drawings(path), strict=True):
        votes = result["votes"]
        expected = category_votes(gallery.search(drawing, k=20))[:3]
        assert [v["category"] for v in votes] == [v.category for v in expected]
        assert [v["share"] for v in votes] == pytest.approx([v.share for v in expected], abs=1e-3)
        guess = result["predictions"][0]["category"]
        assert result["agrees"] is (guess == votes[0]["category"])
    assert "votes" not in read_json(run(*arguments, "--json"))["queries"][0]
    table = run(*arguments, "--gallery", filled).stdout
    assert "gallery's vote" in table
    missing = run(*arguments, "--gallery", tmp_path / "none")
    assert "there is no gallery at" in missing.stderr


def test_a_filter_that_nothing_passes_is_reported_instead_of_a_table(ask):
    done = ask("star 0", "--category", "circel", "--tag", "none")
    assert done.exit_code == 0
    assert done.stdout == ""
    assert "passes the filter" in done.stderr
    assert "did you mean 'circle'?" in done.stderr


@pytest.mark.parametrize(
    ("category", "filters", "judged"),
    [
        ("star", [], True),
        ("my own", [], False),
        ("star", ["--category", "house"], False),
        ("star", ["--category", "house", "--category", "star"], True),
        ("star", ["--tag", "none such"], False),
    ],
)
def test_hits_are_marked_right_or_wrong_only_if_some_can_be_right(
    model, filled, tmp_path, category, filters, judged
):
    query, picture = tmp_path / "query.ndjson", tmp_path / "hits.png"
    query.write_text(simplified_line(sketch("star", 0).replace(category=category)))
    arguments = ("--by-category", 2, "-k", 4, "--picture", picture, query, *filters)
    assert run("search", "--model", model, "--gallery", filled, *arguments).exit_code == 0
    page = cv2.cvtColor(cv2.imread(str(picture)), cv2.COLOR_BGR2RGB)
    marks = [(page == FRAMES[frame]).all(axis=-1).any() for frame in ("right", "wrong")]
    assert any(marks) is judged


@pytest.fixture(scope="module")
def symbols(model, tmp_path_factory):
    """(model file, gallery whose categories the encoder does not know)."""
    uri = tmp_path_factory.mktemp("symbols") / "g"
    names = {"star": "resistor", "house": "diode"}
    drawings = [d.replace(category=names[d.category]) for d in make_drawings(names, 5, seed=1)]
    open_gallery(uri, encoder=load_encoder(model)).add(drawings)
    return model, uri


def test_a_gallery_with_its_own_categories_shows_its_vote_above_the_hits(symbols, tmp_path):
    model, uri = symbols
    query = tmp_path / "query.ndjson"
    query.write_text(simplified_line(sketch("star", 0)))
    arguments = ("search", "--model", model, "--gallery", uri, query, "-k", 2)
    document = read_json(run(*arguments, "--json"))
    gallery = open_gallery(uri, encoder=load_encoder(model))
    (drawing,) = read_drawings(query)
    expected = category_votes(gallery.search(drawing, k=20))
    assert document["headline"] == "gallery"
    assert [v["category"] for v in document["votes"]] == [v.category for v in expected]
    assert document["votes_unsure"] is (expected[0].share < 0.5)
    assert len(document["hits"]) == 2
    table = run(*arguments).stdout
    assert f"looks like {expected[0].category} ({expected[0].share:.0%} of the votes)" in table


def test_a_gallery_of_the_encoders_categories_does_not_vote_in_a_search(ask):
    document = read_json(ask("star 0", "-k", 2, "--json"))
    assert document["headline"] == "encoder"
    assert "votes" not in document
    assert "of the votes" not in ask("star 0", "-k", 2).stdout


def test_words_alone_list_the_drawings_that_have_them(filled):
    document = read_json(run("search", "--gallery", filled, "--text", "Sta", "-k", 100, "--json"))
    names = {drawing["category"] for drawing in document["drawings"]}
    expected = open_gallery(filled).list(limit=100, where={"text": "sta"})
    assert "star" in names
    assert all(name.startswith("sta") for name in names)
    assert document["drawings"] == [stored.to_dict() for stored in expected]
    assert document["n_found"] == len(expected)
    table = run("search", "--gallery", filled, "--text", "star", "-k", 3)
    assert table.exit_code == 0
    *rows, summary = table.stdout.splitlines()
    assert "\n".join(rows).count("star") == 3
    n = open_gallery(filled).count(where={"text": "star"})
    assert summary == f"{filled}: {n} drawings; 3 of them listed (-k {n} lists all)"


def test_tables_show_names_whole_and_unchanged(model, tmp_path):
    key_id = f"[b]:star:/{'x' * 90}"
    drawing = sketch("star", 1).replace(key_id=key_id, category="[red]:cat:", title="[b]:sun:")
    uri, query = tmp_path / "g", tmp_path / "q.ndjson"
    open_gallery(uri, encoder=load_encoder(model)).add([drawing])
    query.write_text(simplified_line(sketch("star", 0)))
    for question in (("--model", model, query), ("--text", "sun")):
        shown = run("search", "--gallery", uri, *question).stdout
        rows = [line.split("│") for line in shown.splitlines() if line.startswith("│")]
        assert "[red]:cat:" in shown
        assert "".join(row[-2].strip() for row in rows) == key_id
        assert ("[b]:sun:" in shown) is ("sun" in question)


def test_words_that_no_drawing_has_are_reported(filled):
    search = ("search", "--gallery", filled, "--text", "zeppelin")
    done = run(*search)
    assert done.exit_code == 0
    assert "no drawing in" in done.stderr
    assert read_json(run(*search, "--json"))["drawings"] == []


@pytest.mark.parametrize("arguments", [(), ("--text", "star", "--diverse")])
def test_without_a_query_only_words_can_be_searched(filled, arguments):
    done = run("search", "--gallery", filled, *arguments)
    assert done.exit_code == 2
    assert "QUERY" in done.stderr
