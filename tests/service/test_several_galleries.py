"""One service with two galleries: requests choose by name."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from networks import make_encoder
from running import Running
from sketches import make_drawings, sketch

import garabato
from garabato.cli import main
from garabato.drawing import Drawing
from garabato.encoder import Encoder
from garabato.gallery import open_gallery
from garabato.service.settings import Settings

SHAPES = ("envelope", "lollipop")


@pytest.fixture(scope="module")
def both(
    tmp_path_factory: pytest.TempPathFactory, shipped_encoder: Encoder, drawings: list[Drawing]
) -> Iterator[Running]:
    """The gallery of sketches, and one of ten shapes."""
    folder = tmp_path_factory.mktemp("several")
    open_gallery(folder / "sketches.gallery", encoder=shipped_encoder).add(drawings)
    shapes = make_drawings(SHAPES, per_category=5, seed=4)
    open_gallery(folder / "other", encoder=shipped_encoder).add(shapes)
    given = (str(folder / "sketches.gallery"), f"shapes={folder / 'other'}")
    with Running(Settings(gallery=given, writes_per_minute=1_000_000)) as running:
        running.wait_until("/readyz")
        yield running


def test_the_galleries_are_listed_in_order(both: Running) -> None:
    assert both.get("/v1/galleries").json == {
        "galleries": [{"name": "sketches", "n_drawings": 72}, {"name": "shapes", "n_drawings": 10}]
    }
    assert garabato.Client(both.url).galleries() == {"sketches": 72, "shapes": 10}


def test_a_search_is_in_the_gallery_it_names(both: Running, drawings: list[Drawing]) -> None:
    query = {"drawing": drawings[0].to_lists(), "k": 30}
    first = both.post("/v1/search", query).json["hits"]
    assert first == both.post("/v1/search?gallery=sketches", query).json["hits"]
    shapes = both.post("/v1/search?gallery=shapes", query).json["hits"]
    assert {hit["category"] for hit in shapes} == set(SHAPES)
    assert len(shapes) == 10
    counts = both.get("/v1/categories?gallery=shapes").json["categories"]
    assert counts == [{"category": name, "n_drawings": 5} for name in SHAPES]
    assert both.get("/v1/categories/lollipop?gallery=shapes").json["n_drawings"] == 5
    assert both.get("/v1/categories/lollipop").status == 404


def test_each_gallery_has_its_own_drawings_hidden_list_and_reports(both: Running) -> None:
    shapes = garabato.Client(both.url, gallery="shapes")
    sketches = garabato.Client(both.url)
    key_id = next(shapes.drawings(where={"category": "lollipop"})).key_id
    (mine,) = shapes.add([sketch("lollipop", 99).replace(key_id="mine")])
    assert shapes.get(mine).key_id == "mine"
    assert sketches.get(mine) is None
    shapes.hide(key_id)
    assert both.get("/v1/hidden").json["hidden"] == []
    assert [one["key_id"] for one in both.get("/v1/hidden?gallery=shapes").json["hidden"]] == [
        key_id
    ]
    shapes.restore(key_id)
    assert both.post(f"/v1/drawings/{key_id}/report").status == 404
    assert both.post(f"/v1/drawings/{key_id}/report?gallery=shapes").status == 204
    assert both.get("/v1/reported").json["reported"] == []
    metrics = both.get("/metrics").body.decode()
    assert 'garabato_gallery_drawings{gallery="shapes"} 11.0' in metrics
    assert 'garabato_reported_drawings{gallery="shapes"} 1.0' in metrics
    assert both.ask("DELETE", f"/v1/drawings/{key_id}/report?gallery=shapes").status == 204
    assert shapes.delete("mine") == 1


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/drawings"),
        ("GET", "/v1/categories"),
        ("GET", "/v1/map/state"),
        ("GET", "/v1/hidden"),
        ("POST", "/v1/search"),
        ("DELETE", "/v1/drawings/5"),
    ],
)
def test_an_unknown_gallery_is_a_404_that_lists_the_names(
    both: Running, method: str, path: str
) -> None:
    answer = both.ask(method, f"{path}?gallery=icons")
    assert answer.status == 404
    assert answer.json["detail"] == "there is no gallery 'icons'; there are: sketches, shapes"


def test_classify_refuses_the_parameter_gallery(both: Running) -> None:
    answer = both.post("/v1/classify?gallery=shapes", {"drawing": [[[0, 1], [0, 1]]]})
    assert answer.status == 422
    assert garabato.Client(both.url, gallery="shapes").classify(sketch("lollipop", 1), k=1)


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ("my/icons.gallery", ["icons"]),
        ("a=b/c,d=http://host:19530/e", ["a", "d"]),
        ("/with=sign/x", ["x"]),
        ("http://host:19530/drawings", ["drawings"]),
        ("/one, two/three", ["three"]),
        (("a=b", "c"), ["a", "c"]),
        (None, []),
    ],
)
def test_a_gallery_without_a_name_is_named_after_its_folder(
    given: object, names: list[str]
) -> None:
    assert list(Settings(gallery=given).galleries) == names


def test_two_galleries_of_one_name_are_refused() -> None:
    with pytest.raises(garabato.InputError, match=r"named 'x', a/x and b/x; .* x-2=b/x"):
        Settings(gallery=("a/x", "b/x")).check()
    with pytest.raises(garabato.InputError, match="'my icons'"):
        garabato.serve({"my icons": "a"})


def test_the_error_for_galleries_of_different_encoders_names_both(
    tmp_path: Path, gallery_uri: str, shipped_encoder: Encoder, drawings: list[Drawing]
) -> None:
    other = make_encoder("skfast")
    open_gallery(tmp_path / "other", encoder=other).add(drawings[:2])
    options = ["--gallery", gallery_uri, "--gallery", f"new={tmp_path / 'other'}"]
    done = CliRunner().invoke(main, ["serve", *options])
    assert done.exit_code == 1
    assert f"drawings by {shipped_encoder.fingerprint}" in done.output
    assert f"new by {other.fingerprint}" in done.output
