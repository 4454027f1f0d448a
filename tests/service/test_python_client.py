"""garabato.Client against a real service."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from running import Running
from sketches import sketch

import garabato
from garabato.drawing import Drawing, DrawingBatch
from garabato.formats import write_drawings
from garabato.service.settings import Settings


@pytest.fixture(scope="module")
def client(service: Running) -> garabato.Client:
    return garabato.Client(service.url)


def test_an_address_without_a_scheme_gets_a_suggestion() -> None:
    with pytest.raises(garabato.InputError, match=r"write http://localhost:8765$"):
        garabato.Client("localhost:8765/")


def test_it_classifies_and_searches_drawings_and_files(
    client: garabato.Client, drawings: list[Drawing], tmp_path: Path
) -> None:
    query = drawings[3]
    file = tmp_path / "query.ndjson"
    write_drawings(file, [query])
    assert client.classify(file, k=2) == client.classify(query, k=2)
    hits = client.search(query, k=1)
    assert hits._repr_html_().count("<svg") == 1
    (hit,) = hits
    assert (hit.key_id, hit.category, hit.country) == (query.key_id, query.category, query.country)
    assert hit.drawing.to_lists() == query.to_lists()
    assert client.search(file, k=1)[0].key_id == query.key_id
    where = {"category": [drawings[-1].category]}
    assert {hit.category for hit in client.search(query, where=where)} == set(where["category"])
    assert query.key_id not in {hit.key_id for hit in client.search_like(query.key_id, k=5)}


def test_predictions_are_those_of_the_encoder(client: garabato.Client) -> None:
    """Also whether they are unsure or unknown: strokes of nothing, a star, a star among others."""
    encoder = garabato.load_encoder()
    rng = np.random.default_rng(0)
    nothing = Drawing([[list(rng.uniform(0, 255, 40)) for _ in "xy"] for _ in range(6)])
    star = sketch("star", 1)
    seen = set()
    for drawing, among in ((nothing, None), (star, None), (star, ["cat", "dog", "camel"])):
        local = encoder.classify(drawing, k=2, among=among)
        found = client.classify(drawing, k=2, among=among)
        assert [p.category for p in found] == [p.category for p in local]
        assert found[0].probability == pytest.approx(local[0].probability, abs=1e-4)
        assert (found.unsure, found.unknown) == (local.unsure, local.unknown)
        seen.add((found.unsure, found.unknown))
    assert len(seen) > 1, seen


def test_it_stores_lists_hides_and_deletes(
    client: garabato.Client, drawings: list[Drawing]
) -> None:
    new = sketch("lollipop", 9)
    (key_id,) = client.add([new], tags=["mine"])
    assert client.get(key_id).to_lists() == new.to_lists()
    assert client.categories()["lollipop"] == 1
    assert [d.key_id for d in client.drawings(where={"category": "lollipop"})] == [key_id]
    assert len(list(client.drawings())) == len(drawings) + 1
    assert [d.key_id for d in client.drawings(where={"text": "LOLLI"})] == [key_id]
    client.hide(key_id, reason="a test")
    client.hide(iter([str(drawings[0].key_id)]))
    assert client.get(key_id) is client.get("never stored") is None
    assert client.original(str(drawings[1].key_id)) is None
    hidden = client.hidden()
    assert [(one.key_id, one.reason) for one in hidden] == [
        (key_id, "a test"),
        (drawings[0].key_id, None),
    ]
    assert client.restore(["never hidden", *(one.key_id for one in hidden)]) == 2
    assert client.hidden() == []
    assert client.restore(key_id) == 0
    assert client.delete(key_id) == 1


def test_a_gallery_that_does_not_exist_is_not_taken_for_a_missing_drawing(
    service: Running,
) -> None:
    with pytest.raises(garabato.ServiceError, match="there is no gallery 'none'"):
        garabato.Client(service.url, gallery="none").get("1")


def test_added_drawings_keep_their_metadata(client: garabato.Client) -> None:
    new = [
        sketch("lollipop", n).replace(
            key_id=f"mine {n}",
            country="IS",
            recognized=n == 1,
            timestamp=f"2017-03-0{n} 10:00:00 UTC",
        )
        for n in (1, 2, 3)
    ]
    assert client.add(iter(new), tags=["kept"]) == ["mine 1", "mine 2", "mine 3"]
    stored = list(client.drawings(where={"country": "IS"}))
    assert [d.key_id for d in client.drawings(where={"tags": "kept"})] == [
        "mine 1",
        "mine 2",
        "mine 3",
    ]
    assert [d.metadata for d in stored] == [d.replace(tags=("kept",)).metadata for d in new]
    assert [drawing.to_lists() for drawing in stored] == [drawing.to_lists() for drawing in new]
    (hit,) = client.search(
        new[0], where={"timestamp": {"after": "2017-03-02", "before": "2017-03-03"}, "tags": "kept"}
    )
    assert (hit.key_id, hit.timestamp, hit.tags) == ("mine 2", new[1].timestamp, ("kept",))
    assert client.delete(where={"country": "IS", "recognized": False}) == 2
    assert client.delete(["mine 1", "mine 2"]) == 1
    assert client.delete("mine 1") == 0


@pytest.mark.parametrize(
    "where",
    [
        {"category": ["star", "camel"]},
        {"country": "US", "recognized": False},
        {"recognized": True},
        {"timestamp": {"after": "2017-03-10"}},
        {"timestamp": {"after": "2017-03-05", "before": "2017-03-20"}, "category": "star"},
        {"key_id": ["listed 1", "listed 3", "none"]},
        {"tags": ("red", "none")},
        {"tags": []},
        {"text": "sta"},
    ],
)
def test_drawings_are_listed_by_the_conditions_of_galleries(
    client: garabato.Client, gallery_uri: str, where: dict[str, Any]
) -> None:
    named = [sketch("star", n).replace(key_id=f"listed {n}", category="star") for n in range(4)]
    new = [one.replace(timestamp=f"2017-03-0{n + 1}") for n, one in enumerate(named)]
    client.add(new[:2], tags="red")
    client.add(new[2].replace(country="US", recognized=False))
    client.add(DrawingBatch.from_drawings(new[3:]))
    expected = garabato.open_gallery(gallery_uri).list(where=where, limit=1000)
    assert bool(expected) == (where != {"tags": []})
    assert [d.key_id for d in client.drawings(where=where)] == [d.key_id for d in expected]
    assert client.delete(f"listed {n}" for n in range(4)) == 4


def test_what_is_not_a_drawing_is_named_before_a_request() -> None:
    client = garabato.Client("http://127.0.0.1:9")
    with pytest.raises(garabato.InputError, match="drawing 2 is of type str, not Drawing"):
        client.add([sketch("star", 0), "star.svg"])  # type: ignore[list-item]
    with pytest.raises(garabato.InputError, match="drawing 1 is of type int, not Drawing"):
        client.teach("star", [5])  # type: ignore[list-item]
    with pytest.raises(garabato.InputError, match="expected drawings, not NoneType"):
        client.add(None)  # type: ignore[arg-type]
    with pytest.raises(garabato.InputError, match="a tag must be text, not 5"):
        client.add(sketch("star", 0), tags=[5])  # type: ignore[list-item]
    with pytest.raises(garabato.InputError, match="a tag must be text, not None"):
        client.add(sketch("star", 0), tags=None)  # type: ignore[arg-type]


def test_key_ids_may_be_paths_of_files(client: garabato.Client) -> None:
    for key_id in ("star/1.svg", ".hidden/a b", "report", "a/hide"):
        new = sketch("lollipop", 4).replace(key_id=key_id)
        assert client.add([new]) == [key_id]
        assert client.get(key_id).key_id == key_id
        client.hide(key_id)
        client.restore(key_id)
        assert client.delete(key_id) == 1


def test_more_drawings_than_one_request_takes_are_sent_in_several(client: garabato.Client) -> None:
    many = (sketch("zigzag", n).replace(key_id=f"z{n:03}") for n in range(501))
    key_ids = client.add(many, tags=["many"])
    assert key_ids == [f"z{n:03}" for n in range(501)]
    assert client.delete(key_ids[:500]) == 500
    assert client.delete(key_ids) == 1


def test_a_bitmap_is_a_query_and_is_stored_as_strokes(client: garabato.Client) -> None:
    bitmap = np.zeros((32, 40), np.uint8)
    bitmap[3:30, 7:9] = 200
    bitmap[28:30, 7:36] = 200
    corner = Drawing(bitmap=bitmap, key_id="corner", category="corner")
    assert client.add([corner]) == ["corner"]
    assert client.get("corner").bitmap is None
    hit = client.search(corner, k=1)[0]
    assert (hit.key_id, hit.category) == ("corner", "corner")
    assert hit.score > 0.9
    assert client.classify(corner, k=1)[0].category == "square"
    assert client.delete("corner") == 1


def test_the_client_waits_when_the_rate_of_changes_is_limited(gallery_uri: str) -> None:
    with Running(Settings(gallery=gallery_uri, writes_per_minute=60)) as running:
        running.wait_until("/readyz")
        asked = iter(lambda: running.ask("DELETE", "/v1/drawings/none").status, 429)
        assert set(asked) == {404}
        assert garabato.Client(running.url).delete("none") == 0


def test_drawings_whose_key_ids_hold_slashes_are_reached(
    client: garabato.Client, gallery_uri: str
) -> None:
    key_ids = ["mine/cat 1.png", "mine/cat/report"]
    drawings = [sketch("zigzag", n).replace(key_id=key) for n, key in enumerate(key_ids)]
    garabato.open_gallery(gallery_uri, encoder=garabato.load_encoder()).add(drawings)
    for key_id, drawing in zip(key_ids, drawings, strict=True):
        assert client.get(key_id).to_lists() == drawing.to_lists()
        client.hide(key_id)
        assert client.get(key_id) is None
        client.restore(key_id)
        assert client.delete(key_id) == 1


def test_a_drawing_whose_key_id_ends_in_original_is_no_original_file(
    client: garabato.Client, gallery_uri: str
) -> None:
    drawing = sketch("zigzag", 1).replace(key_id="mine/original")
    garabato.open_gallery(gallery_uri, encoder=garabato.load_encoder()).add([drawing])
    assert client.get("mine/original").to_lists() == drawing.to_lists()
    assert client.original("mine") is None
    assert client.delete("mine/original") == 1


def test_as_many_names_with_accents_are_listed_as_without(client: garabato.Client) -> None:
    """Each has two forms in Unicode; the service looks for both."""
    where = {"category": [f"caf\u00e9 {n}" for n in range(500)]}
    new = sketch("star", 1).replace(key_id="accents", category="cafe\u0301 7")
    client.add(new)
    assert [d.key_id for d in client.drawings(where=where)] == ["accents"]
    assert [hit.key_id for hit in client.search(new, where=where)] == ["accents"]
    assert client.delete(where=where) == 1


def test_a_filter_that_fits_in_no_address_is_refused_before_a_request() -> None:
    where = {"key_id": ["\u00e9" * 100 + str(n) for n in range(200)]}
    with pytest.raises(garabato.InputError, match="list fewer values at a time"):
        list(garabato.Client("http://127.0.0.1:9").drawings(where=where))


def test_delete_without_a_condition_is_refused_before_a_request(client: garabato.Client) -> None:
    for given in ({}, {"where": {}}, {"key_ids": ["5"], "where": {"category": "cat"}}):
        with pytest.raises(garabato.InputError, match="give the drawings to delete"):
            client.delete(**given)


def test_get_refuses_a_list_of_key_ids() -> None:
    client = garabato.Client("http://127.0.0.1:9")
    with pytest.raises(garabato.InputError, match=r"a key_id must be text, not \['k'\]"):
        client.get(["k"])  # type: ignore[arg-type]


def test_a_missing_file_is_named_before_a_request(tmp_path: Path) -> None:
    with pytest.raises(garabato.InputError, match=r"cannot read .*/no\.svg: No such file"):
        garabato.Client("http://127.0.0.1:1").classify(tmp_path / "no.svg")


def test_errors_have_the_message_of_the_server(client: garabato.Client) -> None:
    with pytest.raises(garabato.ServiceError, match=r"k: .*greater") as wrong:
        client.classify(Drawing([[[0, 1], [0, 1]]]), k=0)
    assert wrong.value.problem["errors"][0]["field"] == "k"


def test_an_unreachable_service_is_an_error_with_its_address() -> None:
    message = r"no response from http://127\.0\.0\.1:9: .* Is it running"
    with pytest.raises(garabato.ServiceError, match=message):
        garabato.Client("http://127.0.0.1:9", timeout_s=1).categories()


def test_the_client_loads_no_torch() -> None:
    code = "import sys, garabato; garabato.Client('http://x'); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
