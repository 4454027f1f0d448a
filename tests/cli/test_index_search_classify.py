"""garabato index, search, classify and gallery, as typed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import cv2
import numpy as np
import pytest
import torch
from sketches import SKETCH_CATEGORIES, make_drawings, simplified_line, sketch, write_source
from typed import read_json, run

from garabato.cli import output
from garabato.dataset import prepare
from garabato.encoder import Encoder, load_encoder
from garabato.formats import read_drawings
from garabato.gallery import open_gallery
from garabato.models import create_model
from garabato.render import RenderSpec


@pytest.fixture
def query(tmp_path):
    path = tmp_path / "query.ndjson"
    path.write_text(simplified_line(sketch("star", 0)) + "\n")
    return path


def test_indexing_again_skips_stored_drawings(model, sketch_source, tmp_path):
    uri = tmp_path / "g"
    extra = write_source(tmp_path / "more", ["spiral"], per_category=5, seed=0)
    (extra / "circle.ndjson").write_text((sketch_source / "circle.ndjson").read_text())
    first = run(*("index", "--model", model, "--source", sketch_source, "--gallery", uri, "--json"))
    again = run("index", "--model", model, "--source", extra, "--gallery", uri, "--json")
    assert read_json(first)["n_new"] == 400
    document = read_json(again)
    assert {key: document[key] for key in ("n_drawings", "n_new", "n_there", "n_empty")} == {
        "n_drawings": 405,
        "n_new": 5,
        "n_there": 40,
        "n_empty": 0,
    }


def test_the_environment_names_the_model(model, filled, query, tmp_path, monkeypatch):
    """As in the image, where nothing else runs the encoder that ships."""
    told = run("classify", "--model", model, "--json", query)
    monkeypatch.setenv("GARABATO_MODEL", str(model))
    assert read_json(run("classify", "--json", query)) == read_json(told)
    assert read_json(run("search", "--gallery", filled, "--json", query))
    source = write_source(tmp_path / "s", ["circle"], per_category=4, seed=0)
    done = run("index", "--source", source, "--gallery", tmp_path / "g", "--json")
    assert read_json(done)["n_drawings"] == 4
    assert len(open_gallery(tmp_path / "g", encoder=load_encoder(model))) == 4


def test_a_data_set_is_indexed_whole_or_by_split(model, sketch_source, tmp_path):
    prepare(sketch_source, tmp_path / "data", categories=3, n_train=20, n_test=5, sheets=False)
    arguments = ("index", "--model", model, "--data", tmp_path / "data", "--json", "--gallery")
    assert read_json(run(*arguments, tmp_path / "a"))["n_drawings"] == 75
    assert read_json(run(*arguments, tmp_path / "b", "--split", "test"))["n_drawings"] == 15


def test_unreadable_lines_are_reported_and_counted(model, tmp_path):
    source = write_source(tmp_path / "s", ["circle"], per_category=4, seed=0)
    with open(source / "circle.ndjson", "a") as file:
        file.write('{"drawing": [[[1, 2], [3]]]}\n{"drawing": []}\n')
    arguments = ("index", "--model", model, "--source", source, "--gallery", tmp_path / "g")
    done = run(*arguments, "--json")
    document = read_json(done)
    assert (document["n_new"], document["unreadable"], document["n_empty"]) == (4, 1, 1)
    assert "circle.ndjson, line 5" in done.stderr
    strict = run(*arguments, "--strict")
    assert strict.exit_code == 1
    assert "line 5" in strict.stderr


def test_search_prints_hits_as_json(model, filled, query):
    document = read_json(
        run("search", "--model", model, "--gallery", filled, query, "-k", 7, "--json")
    )
    assert document.keys() == {"hits", "headline", "took_ms"}
    assert document["headline"] == "encoder"  # it knows the gallery's categories
    assert len(document["hits"]) == 7
    best = document["hits"][0]
    star = sketch("star", 0)
    assert (best["key_id"], best["category"]) == (star.key_id, "star")
    assert best["score"] == pytest.approx(1, abs=1e-3)
    assert best["drawing"] == star.to_lists()
    assert (best["country"], best["recognized"]) == (star.country, star.recognized)
    scores = [hit["score"] for hit in document["hits"]]
    assert scores == sorted(scores, reverse=True)


def test_json_has_each_list_of_numbers_on_one_line(capsys):
    output.print_json({"xs": [1, -2.5, 1e-9], "names": ["[\n1, 2\n]"], "none": []})
    assert capsys.readouterr().out == (
        '{\n  "xs": [1, -2.5, 1e-09],\n  "names": [\n    "[\\n1, 2\\n]"\n  ],\n  "none": []\n}\n'
    )


def test_search_takes_filters_and_stdin(model, filled):
    done = run(
        *("search", "--model", model, "--gallery", filled, "-", "--json", "-k", 100),
        *("--category", "circle", "--category", "house", "--country", "DE"),
        stdin=simplified_line(sketch("star", 0)),
    )
    hits = read_json(done)["hits"]
    held = make_drawings(["circle", "house"], 40, seed=0)
    assert {hit["key_id"] for hit in hits} == {d.key_id for d in held if d.country == "DE"}


def test_search_gives_hits_for_each_of_several_drawings(model, filled, tmp_path):
    path = tmp_path / "two.ndjson"
    lines = [simplified_line(sketch(name, 1)) for name in ("star", "house")]
    path.write_text("\n".join(lines))
    document = read_json(run("search", "--model", model, "--gallery", filled, path, "--json"))
    assert [answer["hits"][0]["category"] for answer in document["queries"]] == ["star", "house"]
    assert [answer["query"]["number"] for answer in document["queries"]] == [1, 2]


def test_search_prints_a_table_and_draws_a_picture(model, filled, query, tmp_path):
    picture = tmp_path / "hits.png"
    done = run(
        *("search", "--model", model, "--gallery", filled, query, "-k", 3, "--picture", picture)
    )
    assert done.exit_code == 0, done.output
    assert "1.000" in done.stdout
    assert sketch("star", 0).key_id in done.stdout
    assert f"look at {picture}" in done.stderr
    image = cv2.imread(str(picture))
    assert image.shape[1] > 4 * 112
    assert len(np.unique(image)) > 10


@pytest.mark.parametrize("command", ["search", "info", "delete", "compact", "export"])
def test_a_missing_gallery_is_not_created(command, query, tmp_path):
    uri = tmp_path / "nothing"
    arguments = {
        "search": ("search", query),
        "info": ("gallery", "info"),
        "delete": ("gallery", "delete", "--key-id", "1"),
        "compact": ("gallery", "compact"),
        "export": ("gallery", "export", tmp_path / "out"),
    }[command]
    done = run(*arguments, "--gallery", uri)
    assert done.exit_code == 1
    assert done.stderr.startswith(f"error: there is no gallery at {uri}; fill one: garabato index")
    assert not uri.exists()


def test_another_encoder_is_refused_with_a_suggested_fix(filled, query, tmp_path):
    torch.manual_seed(1)
    other = tmp_path / "other.safetensors"
    network = create_model("skfast", n_categories=2, image_size_px=32)
    Encoder(network, spec=RenderSpec(size_px=32), categories=["a", "b"]).save(other)
    done = run("search", "--model", other, "--gallery", filled, query)
    assert done.exit_code == 1
    assert f"garabato gallery copy {filled} {filled}.new --model shipped" in done.stderr


def test_the_suggested_fix_for_another_encoder_works(model, filled, query, tmp_path):
    new = tmp_path / "new"
    copied = read_json(run("gallery", "copy", filled, new, "--model", model, "--json"))
    assert (copied["n_copied"], copied["n_drawings"]) == (400, 400)
    found = run("search", "--model", model, "--gallery", new, query, "--json")
    assert len(read_json(found)["hits"]) == 10


def test_an_empty_drawing_is_refused_as_a_query(model, filled):
    done = run("search", "--gallery", filled, "--model", model, "-", stdin='{"drawing": []}')
    assert done.exit_code == 1
    assert "stdin, drawing 1: empty" in done.stderr
    assert "draw at least one stroke" in done.stderr


def test_classify_prints_predictions_of_every_drawing(model, query, tmp_path):
    two = tmp_path / "two.ndjson"
    two.write_text("\n".join(simplified_line(sketch("house", n)) for n in range(2)))
    document = read_json(run("classify", "--model", model, query, two, "-k", 3, "--json"))
    assert [q["file"] for q in document["queries"]] == [str(query), str(two), str(two)]
    for answer in document["queries"]:
        probabilities = [p["probability"] for p in answer["predictions"]]
        assert len(probabilities) == 3
        assert probabilities == sorted(probabilities, reverse=True)
        assert {p["category"] for p in answer["predictions"]} <= set(SKETCH_CATEGORIES[:10])
    everything = run("classify", "--model", model, query, "-k", 10, "--json")
    (answer,) = read_json(everything)["queries"]
    assert sum(p["probability"] for p in answer["predictions"]) == pytest.approx(1, abs=1e-4)


def test_files_of_the_same_name_are_shown_with_their_folders(model, tmp_path):
    paths = [tmp_path / folder / "query.ndjson" for folder in "ab"]
    for path in paths:
        path.parent.mkdir()
        path.write_text(simplified_line(sketch("house", 0)))
    done = run("classify", "--model", model, *paths, "-k", 1)
    cells = [line.split("│")[1] for line in done.stdout.splitlines() if line.startswith("│")]
    shown = "".join("".join(cells).split()).replace("(unsure)", "")
    assert shown == "".join(f"{path},drawing1" for path in paths)


def test_option_values_are_used_unchanged(model, tmp_path):
    """A comma belongs to a name: it once made `delete --category "Paris, France"` delete two."""
    uri = tmp_path / "g"
    encoder = load_encoder(model)
    names = ["Paris, France", "Paris", "France", " padded "]
    open_gallery(uri, encoder=encoder).add(
        [
            sketch("circle", number).replace(category=name, key_id=f"{name}!")
            for number, name in enumerate(names)
        ]
    )
    deleted = run("gallery", "delete", "--gallery", uri, "--category", names[0], "--json")
    assert read_json(deleted)["n_deleted"] == 1
    deleted = run("gallery", "delete", "--gallery", uri, "--key-id", " padded !", "--json")
    assert read_json(deleted)["n_deleted"] == 1
    assert set(open_gallery(uri).missing([f"{name}!" for name in names])) == {
        "Paris, France!",
        " padded !",
    }


def test_a_file_name_in_another_encoding_is_printed(model, tmp_path):
    """As JSON, it is the name that Python gives the file."""
    name = os.fsdecode(b"\xff.ndjson")
    (tmp_path / name).write_text(simplified_line(sketch("star", 0)))
    shown = {}
    for arguments in ((), ("--json",)):
        command = [sys.executable, "-m", "garabato", "classify", "--model", str(model), *arguments]
        strict = {**os.environ, "PYTHONIOENCODING": "utf-8:strict"}  # as in a desktop's locale
        done = subprocess.run([*command, name], cwd=tmp_path, env=strict, capture_output=True)
        assert done.returncode == 0
        shown[arguments] = done.stdout.decode()
    assert r"\udcff.ndjson, drawing 1" in shown[()]
    assert json.loads(shown[("--json",)])["queries"][0]["file"] == name


def test_classify_marks_unsure_predictions(model, query, tmp_path):
    encoder = load_encoder(model)
    for threshold, unsure in ((0.0, False), (0.999, True)):
        encoder.unsure_below, encoder.unsure_precision = threshold, 0.9
        file = tmp_path / "encoder.safetensors"
        encoder.save(file)
        (answer,) = read_json(run("classify", "--model", file, query, "--json"))["queries"]
        assert answer["unsure"] is unsure
        assert ("unsure" in run("classify", "--model", file, query).stdout) is unsure


def test_classify_marks_drawings_of_unknown_categories(model, query, tmp_path):
    encoder = load_encoder(model)
    for threshold, unknown in ((0.0, False), (1.1, True)):
        encoder.unknown_below = threshold
        file = tmp_path / "encoder.safetensors"
        encoder.save(file)
        (answer,) = read_json(run("classify", "--model", file, query, "-k", 1, "--json"))["queries"]
        assert answer["unknown"] is unknown
        assert len(answer["predictions"]) == 1
        assert ("(unknown)" in run("classify", "--model", file, query).stdout) is unknown
        among = [f"--among={name}" for name in encoder.categories[:2]]
        (answer,) = read_json(run("classify", "--model", file, *among, query, "--json"))["queries"]
        assert answer["unknown"] is False


def test_classify_prints_a_table(model, query):
    done = run("classify", "--model", model, query, "-k", 2)
    assert done.exit_code == 0, done.output
    assert f"{query.name}, drawing 1" in done.stdout
    assert done.stdout.count("%") == 2


@pytest.mark.parametrize("arguments", [("--json",), ()])
def test_info_delete_and_compact_print_their_results(model, sketch_source, tmp_path, arguments):
    uri = tmp_path / "g"
    run("index", "--model", model, "--source", sketch_source, "--gallery", uri)
    info = run("gallery", "info", "--gallery", uri, *arguments)
    categories = ("--category", "star", "--category", "house")
    delete = run("gallery", "delete", "--gallery", uri, *categories, *arguments)
    compact = run("gallery", "compact", "--gallery", uri, *arguments)
    if arguments:
        assert read_json(info)["n_drawings"] == 400
        assert read_json(delete) == {"gallery": str(uri), "n_deleted": 80, "n_drawings": 320}
        assert read_json(compact)["bytes_after"] > 0
    else:
        assert "n_drawings         400" in info.stdout
        assert "exact" in info.stdout
        assert delete.stdout == f"{uri}: 80 drawings deleted, 320 left\n"
        assert "MiB" in compact.stdout
    assert len(open_gallery(uri)) == 320


@pytest.mark.parametrize(
    "arguments",
    [
        ("index", "--gallery", "g"),
        ("index", "--gallery", "g", "--data", "d", "--source", "s"),
        ("index", "--gallery", "g", "--source", "s", "--split", "test"),
        ("index", "--gallery", "g", "--data", "d", "--keep-originals"),
        ("index", "--gallery", "g", "--data", "d", "--category-from", "name"),
        ("gallery", "delete", "--gallery", "g"),
        ("classify",),
        ("classify", "q", "-k", 0),
        ("search", "q"),
    ],
)
def test_wrong_usage_exits_with_status_2(arguments):
    assert run(*arguments).exit_code == 2


@pytest.mark.slow
def test_an_interrupted_index_resumes_where_it_stopped(model, tmp_path):
    # so many that the process is in the middle of them when it is interrupted
    source = write_source(tmp_path / "s", SKETCH_CATEGORIES[:10], per_category=620, seed=0)
    uri = tmp_path / "g"
    arguments = ["index", "--model", str(model), "--source", str(source), "--gallery", str(uri)]
    process = subprocess.Popen(
        [sys.executable, "-m", "garabato", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    while process.poll() is None:
        versions = uri / "drawings.lance" / "_versions"
        if versions.is_dir() and len(list(versions.glob("*.manifest"))) > 1:
            break
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 130, errors
    assert "run the same command again to continue" in errors
    n_stored = len(open_gallery(uri))
    assert 0 < n_stored < 6_200
    document = read_json(run(*arguments, "--json"))
    assert document["n_there"] == n_stored
    assert document["n_drawings"] == 6_200


def test_real_drawings_are_found_among_their_own(model, quickdraw, tmp_path):
    source = tmp_path / "real"
    source.mkdir()
    for name in ("cat", "bus"):
        lines = (quickdraw / "simplified" / f"{name}.ndjson").read_text().splitlines()[:100]
        (source / f"{name}.ndjson").write_text("\n".join(lines))
    uri = tmp_path / "g"
    run("index", "--model", model, "--source", source, "--gallery", uri)
    for drawing in list(read_drawings(source / "cat.ndjson"))[:5]:
        done = run(
            *("search", "--model", model, "--gallery", uri, "-", "--json", "-k", 1),
            stdin=simplified_line(drawing),
        )
        assert read_json(done)["hits"][0]["key_id"] == drawing.key_id


def test_classify_among_considers_only_the_given_categories(model, query):
    names = [p["category"] for p in predictions(model, query)]
    chosen = names[1:3]
    asked = [word for name in chosen for word in ("--among", name)]
    found = predictions(model, query, *asked)
    assert sorted(p["category"] for p in found) == sorted(chosen)
    assert sum(p["probability"] for p in found) == pytest.approx(1, abs=1e-5)
    done = run("classify", "--model", model, query, "--among", names[0] + "x")
    assert done.exit_code == 1
    assert f"did you mean '{names[0]}'?" in done.stderr


def predictions(model, query, *options):
    done = run("classify", "--model", model, query, "--json", "-k", "99", *options)
    return read_json(done)["queries"][0]["predictions"]


def test_classify_names_unreadable_files_and_classifies_the_others(model, tmp_path):
    good, bad = tmp_path / "good.ndjson", tmp_path / "bad.png"
    good.write_text(simplified_line(sketch("star", 0)) + "\n")
    bad.write_bytes(b"\x89PNG\r\n\x1a\n")
    done = run("classify", "--model", model, bad, good, tmp_path / "none.svg")
    assert done.exit_code == 1
    assert "good.ndjson, drawing 1" in done.stdout
    assert "unreadable: 2 of 3 files" in done.stderr
    assert "a truncated or damaged picture" in done.stderr
    assert "none.svg: there is no such file" in done.stderr.replace("\n", " ")
    told = run("classify", "--model", model, "--json", bad, good)
    assert told.exit_code == 1
    document = json.loads(told.stdout)
    assert [one["file"] for one in document["queries"]] == [str(good)]
    assert len(document["unreadable"]) == 1
    assert "unreadable: 2 of 3 files" in run("classify", "--model", model, bad, bad, good).stderr
    nothing = run("classify", "--model", model, bad, tmp_path / "none.svg")
    assert nothing.exit_code == 1
    assert "there is no such file" in nothing.stderr.replace("\n", " ")
