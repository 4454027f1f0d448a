"""Storing, listing and deleting drawings over HTTP."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from running import Running
from sketches import sketch

from garabato.drawing import Drawing
from garabato.encoder import Encoder
from garabato.gallery import open_gallery
from garabato.service.settings import Settings


def test_an_added_drawing_is_found_at_once_and_gone_when_deleted(service: Running) -> None:
    new = sketch("lollipop", 1).to_lists()
    added = service.post("/v1/drawings", {"drawing": new, "category": "lollipop", "tags": ["mine"]})
    assert added.status == 201
    (key_id,) = added.json["key_ids"]
    hit = service.post("/v1/search", {"drawing": new, "k": 1}).json["hits"][0]
    assert (hit["key_id"], hit["category"], hit["tags"]) == (key_id, "lollipop", ["mine"])
    assert service.get(f"/v1/drawings/{key_id}").json["drawing"] == new
    counts = service.get("/v1/categories").json["categories"]
    assert {"category": "lollipop", "n_drawings": 1} in counts
    tagged = {"drawing": new, "where": {"tags": ["mine"]}}
    assert len(service.post("/v1/search", tagged).json["hits"]) == 1

    assert service.ask("DELETE", f"/v1/drawings/{key_id}").status == 204
    assert service.get(f"/v1/drawings/{key_id}").status == 404
    assert service.ask("DELETE", f"/v1/drawings/{key_id}").status == 404
    assert service.post("/v1/search", tagged).json["hits"] == []
    assert "lollipop" not in str(service.get("/v1/categories").json["categories"])


def test_every_response_with_a_drawing_has_its_tags(service: Running) -> None:
    tagged = {"drawing": sketch("stairs", 8).to_lists(), "key_id": "t1", "tags": ["mine", "new"]}
    plain = {"drawing": sketch("stairs", 9).to_lists(), "key_id": "t2"}
    both = [document | {"category": "tagged"} for document in (tagged, plain)]
    service.post("/v1/drawings", {"drawings": both})
    assert [service.get(f"/v1/drawings/{key_id}").json for key_id in ("t1", "t2")] == both
    assert service.get("/v1/drawings?category=tagged").json["drawings"] == both
    page = service.get("/v1/categories/tagged").json
    assert sorted(page["typical"], key=lambda document: document["key_id"]) == both
    gone = service.post("/v1/drawings/delete", {"key_ids": ["t1", "t2"]})
    assert gone.json == {"n_deleted": 2}


def test_the_same_strokes_are_stored_once(service: Running) -> None:
    body = {"drawing": [[[0, 500, 1000.5], [0, 700, 20]]], "category": "line"}
    first = service.post("/v1/drawings", body).json["key_ids"]
    assert service.post("/v1/drawings", body).json["key_ids"] == first
    assert service.ask("DELETE", f"/v1/drawings/{first[0]}").status == 204


def test_a_drawing_replaces_the_one_with_its_key_id(service: Running) -> None:
    first, second = (sketch("envelope", n).to_lists() for n in (1, 2))
    body = {"key_id": "mine", "category": "envelope", "country": "IS", "tags": ["old"]}
    assert service.post("/v1/drawings", body | {"drawing": first}).json == {"key_ids": ["mine"]}
    twice = [
        {"drawing": second, "key_id": "mine", "tags": ["new"]},
        {"drawing": first, "key_id": "other", "tags": ["new"]},
        {"drawing": first, "key_id": "mine", "tags": ["old"]},
        {"drawing": second, "key_id": "mine", "country": "FO", "tags": ["new"]},
    ]
    added = service.post("/v1/drawings", {"drawings": twice})
    assert added.json == {"key_ids": ["mine", "other", "mine", "mine"]}
    stored = service.get("/v1/drawings/mine").json
    assert (stored["drawing"], stored["category"], stored["country"]) == (second, None, "FO")
    query = {"drawing": second, "where": {"tags": ["old"], "key_id": ["mine", "other"]}}
    assert service.post("/v1/search", query).json["hits"] == []
    listed = service.get("/v1/drawings?country=FO").json["drawings"]
    assert [document["key_id"] for document in listed] == ["mine"]
    assert "IS" not in service.get("/v1/categories").json["countries"]
    gone = service.post("/v1/drawings/delete", {"key_ids": ["mine", "other", "nobody"]})
    assert gone.json == {"n_deleted": 2}


def test_drawings_deleted_by_filter_are_gone_everywhere(service: Running) -> None:
    listed = [
        {"drawing": sketch("stairs", n).to_lists(), "category": "stairs", "timestamp": f"2030-0{n}"}
        for n in range(1, 6)
    ]
    key_ids = service.post("/v1/drawings", {"drawings": listed}).json["key_ids"]
    where = {"timestamp": {"after": "2030-02", "before": "2030-05"}}
    assert service.post("/v1/drawings/delete", {"where": where}).json == {"n_deleted": 3}
    left = service.get("/v1/drawings?category=stairs").json["drawings"]
    assert {document["key_id"] for document in left} == {key_ids[0], key_ids[4]}
    counts = service.get("/v1/categories").json["categories"]
    assert {"category": "stairs", "n_drawings": 2} in counts
    assert service.post("/v1/drawings/delete", {"where": where}).json == {"n_deleted": 0}
    rest = {"where": {"category": ["stairs"]}}
    assert service.post("/v1/drawings/delete", rest).json == {"n_deleted": 2}


def test_a_list_of_drawings_is_stored_with_the_metadata_of_each(service: Running) -> None:
    new = [sketch("stairs", n).to_lists() for n in range(3)]
    listed = [
        {"drawing": new[0], "category": "stairs"},
        {"drawing": new[1], "category": "zigzag", "tags": ["a"]},
        {"drawing": new[2]},
    ]
    key_ids = service.post("/v1/drawings", {"drawings": listed}).json["key_ids"]
    stored = [service.get(f"/v1/drawings/{key_id}").json for key_id in key_ids]
    assert [document["drawing"] for document in stored] == new
    assert [document["category"] for document in stored] == ["stairs", "zigzag", None]
    for key_id in key_ids:
        service.ask("DELETE", f"/v1/drawings/{key_id}")


def test_all_pages_together_have_all_drawings_that_pass(
    service: Running, drawings: list[Drawing]
) -> None:
    category = drawings[0].category
    seen: list[str] = []
    after = ""
    while True:
        page = service.get(f"/v1/drawings?category={category}&limit=5{after}").json
        assert len(page["drawings"]) <= 5
        seen += [document["key_id"] for document in page["drawings"]]
        if page["next"] is None:
            break
        after = f"&after={page['next']}"
    assert seen == sorted(d.key_id for d in drawings if d.category == category)
    of_country = service.get("/v1/drawings?country=DE&limit=500").json["drawings"]
    assert {d["key_id"] for d in of_country} == {d.key_id for d in drawings if d.country == "DE"}


def test_lists_are_filtered_by_tags_of_which_one_is_enough(
    make_gallery: Callable[[], str], shipped_encoder: Encoder
) -> None:
    uri = make_gallery()
    before = sketch("stairs", 5).replace(key_id="before")
    open_gallery(uri, encoder=shipped_encoder).add([before], tags=["a", "b"])
    with Running(Settings(gallery=uri)) as running:
        running.wait_until("/readyz")
        running.wait_until("/v1/categories")
        new = {"drawing": sketch("stairs", 6).to_lists(), "key_id": "new", "tags": ["c"]}
        running.post("/v1/drawings", new)

        def listed(query: str) -> list[str]:
            found = running.get(f"/v1/drawings?{query}").json["drawings"]
            return [document["key_id"] for document in found]

        assert listed("tags=b") == ["before"]
        assert listed("tags=a&tags=c") == ["before", "new"]
        assert listed("tags=c&category=stairs") == []
        assert listed("tags=nobody") == []


def test_drawings_written_by_another_process_are_found(
    make_gallery: Callable[[], str], shipped_encoder: Encoder, monkeypatch
) -> None:
    uri = make_gallery()
    new = sketch("hourglass", 4)
    with Running(Settings(gallery=uri)) as running:
        running.wait_until("/readyz")
        running.wait_until("/v1/categories")
        open_gallery(uri, encoder=shipped_encoder).add([new])
        query = {"drawing": new.to_lists(), "k": 1}
        assert running.post("/v1/search", query).json["hits"][0]["key_id"] == new.key_id
        running.wait_until("/v1/categories/hourglass")


def test_stored_drawings_survive_a_restart(make_gallery: Callable[[], str], tmp_path: Path) -> None:
    uri = make_gallery()
    new = sketch("envelope", 4).to_lists()
    with Running(Settings(gallery=uri)) as running:
        running.wait_until("/readyz")
        (key_id,) = running.post("/v1/drawings", {"drawing": new}).json["key_ids"]
    with Running(Settings(gallery=uri)) as running:
        running.wait_until("/readyz")
        assert running.get(f"/v1/drawings/{key_id}").json["drawing"] == new


def test_adding_to_a_gallery_whose_folder_was_deleted_is_a_problem_not_a_crash(
    make_gallery: Callable[[], str],
) -> None:
    uri = make_gallery()
    with Running(Settings(gallery=uri)) as running:
        running.wait_until("/readyz")
        shutil.rmtree(uri)
        answer = running.post("/v1/drawings", {"drawing": sketch("stairs", 1).to_lists()})
        assert answer.status == 503
        assert "the gallery cannot be used now" in answer.json["detail"]
