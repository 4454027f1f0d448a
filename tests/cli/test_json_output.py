"""The JSON of the commands has the fields that docs/json.md lists, and no others."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sketches import simplified_line, sketch, write_source
from typed import read_json, run

import garabato

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "json.md").read_text()
#: What some hits have and those of sketches lack.
ONLY_OF_OTHERS = {"title", "link", "source_path", "original_type", "traced", "tags", "bitmap"}


def listed(command: str) -> set[str]:
    """The fields that the page lists for a command."""
    (row,) = re.findall(rf"^\| `{command}` \|(.*)\|$", PAGE, flags=re.MULTILINE)
    return {name for name in re.findall(r"`([^`]+)`", row) if not name.startswith("--")}


def names_in(document: Any) -> Iterator[str]:
    """The names of all fields, at any depth."""
    if isinstance(document, dict):
        yield from document
    for value in document.values() if isinstance(document, dict) else document:
        if isinstance(value, dict | list):
            yield from names_in(value)


def check(command: str, *documents: dict[str, Any]) -> None:
    for document in documents:
        assert document.keys() <= listed(command), command
    assert listed(command) - ONLY_OF_OTHERS <= {*names_in([*documents])}, command


@pytest.fixture
def query(tmp_path: Path) -> Path:
    path = tmp_path / "query.ndjson"
    path.write_text(simplified_line(sketch("star", 0)) + "\n")
    return path


def test_classify_and_search(model: Path, filled: Path, query: Path, tmp_path: Path) -> None:
    classify = ("classify", "--model", model, "--json", query)
    partly = run(*classify, tmp_path / "none.svg")
    check("classify", json.loads(partly.stdout), read_json(run(*classify, "--gallery", filled)))
    two = tmp_path / "two.ndjson"
    two.write_text(2 * query.read_text())
    own = tmp_path / "own.gallery"
    encoder = garabato.load_encoder(model)
    garabato.open_gallery(own, encoder=encoder).add(
        [sketch("star", 1).replace(category="mine", title="star")]
    )
    search = ("search", "--model", model, "--json", "--gallery")
    check(
        "search",
        read_json(run(*search, filled, query, "--unlike", query)),
        read_json(run(*search, filled, query, "--by-category", 2)),
        read_json(run(*search, own, query)),
        read_json(run(*search[:1], *search[3:], filled, "--text", "star")),
        read_json(run(*search, filled, two)),
    )


def test_index_and_evaluate_and_inspect(model: Path, tmp_path: Path) -> None:
    source = write_source(tmp_path / "s", ["circle", "star"], per_category=4, seed=0)
    uri = tmp_path / "g"
    index = ("index", "--model", model, "--source", source, "--gallery", uri, "--json")
    check("index", read_json(run(*index)))
    check("inspect", read_json(run("inspect", source, "--json")))
    check("evaluate", read_json(run("evaluate", "--model", model, "--source", source, "--json")))
    out = tmp_path / "data"
    prepare = ("prepare", "--source", source, "--out", out, "--train", 2, "--test", 1, "--json")
    prepared = read_json(run(*prepare, "--categories", "all"))
    assert prepared == json.loads((out / "dataset.json").read_text())
    records = tmp_path / "records"
    written = read_json(run("export", "tfrecord", "--data", out, "--out", records, "--json"))
    assert written == json.loads((records / "dataset.json").read_text())


def test_galleries(model: Path, tmp_path: Path) -> None:
    uri = tmp_path / "g"
    gallery = garabato.open_gallery(uri, encoder=garabato.load_encoder(model))
    stars = [sketch("star", number) for number in range(8)]
    twin = stars[0].replace(key_id="twin", category="circle")
    gallery.add([*stars, twin])
    for command, *arguments in (
        ("info",),
        ("copy", uri, tmp_path / "copy"),
        ("duplicates",),
        ("odd", "-k", 4),
        ("export", tmp_path / "out.ndjson"),
        ("delete", "--key-id", "twin"),
        ("compact",),
    ):
        given = () if command == "copy" else ("--gallery", uri)
        document = read_json(run("gallery", command, *given, *arguments, "--json"))
        check(f"gallery {command}", document)


def test_added_categories(query: Path, model: Path, tmp_path: Path) -> None:
    own = ("--model", model, "--categories", tmp_path / "own.json", "--json")
    added = read_json(run("categories", "add", "mine", query, *own))
    kept = read_json(run("categories", "list", *own))
    removed = read_json(run("categories", "remove", "mine", *own))
    check("categories", added, kept, removed)
