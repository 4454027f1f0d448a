"""Categories, their pages and the map over HTTP."""

from __future__ import annotations

import gzip
import json
import os
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from running import Running
from sketches import sketch

from garabato.drawing import Drawing
from garabato.encoder import Encoder
from garabato.gallery import open_gallery
from garabato.service.settings import Settings


def test_categories_lists_what_the_gallery_holds_and_the_encoder_knows(
    service: Running, drawings: list[Drawing]
) -> None:
    answer = service.get("/v1/categories").json
    counts = {entry["category"]: entry["n_drawings"] for entry in answer["categories"]}
    assert counts == Counter(drawing.category for drawing in drawings)
    assert answer["countries"] == sorted({drawing.country for drawing in drawings})
    assert len(answer["known"]) == 345


def test_a_category_page_shows_drawings_of_the_category(
    service: Running, drawings: list[Drawing]
) -> None:
    category = drawings[0].category
    page = service.get(f"/v1/categories/{category}").json
    own = {drawing.key_id for drawing in drawings if drawing.category == category}
    assert page["n_drawings"] == len(own)
    assert page["typical"]
    assert {document["key_id"] for document in page["typical"] + page["odd"]} <= own
    assert category not in {entry["category"] for entry in page["confused_with"]}
    assert sum(entry["share"] for entry in page["confused_with"]) <= 1.001


@pytest.mark.parametrize("written", ["candy/lollipop", "candy%2Flollipop"])
def test_a_category_whose_name_holds_a_slash_has_a_page(service: Running, written: str) -> None:
    body = {"drawing": sketch("lollipop", 1).to_lists(), "category": "candy/lollipop"}
    (key_id,) = service.post("/v1/drawings", body).json["key_ids"]
    page = service.get(f"/v1/categories/{written}").json
    assert (page["category"], page["typical"][0]["key_id"]) == ("candy/lollipop", key_id)
    assert service.ask("DELETE", f"/v1/drawings/{key_id}").status == 204


def test_a_map_is_made_again_when_many_drawings_have_come(
    tmp_path: Path, shipped_encoder: Encoder, drawings: list[Drawing]
) -> None:
    uri = str(tmp_path / "drawings.gallery")
    open_gallery(uri, encoder=shipped_encoder)
    with Running(Settings(gallery=uri)) as running:
        running.wait_until("/readyz")
        assert running.wait_until("/v1/map", timeout_s=600).json["n"] == 0
        body = {"drawings": [{"drawing": drawing.to_lists()} for drawing in drawings]}
        assert running.post("/v1/drawings", body).status == 201
        deadline = time.monotonic() + 600
        while running.get("/v1/map").json["n"] != len(drawings):
            assert time.monotonic() < deadline
            time.sleep(0.1)


def test_ctrl_c_does_not_reach_the_process_that_makes_the_map(
    make_gallery: Callable[[], str],
) -> None:
    """It would end with a traceback on the terminal before the service stops it."""
    with Running(Settings(gallery=make_gallery())) as running:
        running.wait_until("/readyz")
        running.get("/v1/map/state")
        gallery_map = running.service.gallery().map
        deadline = time.monotonic() + 60
        while gallery_map._process is None:
            assert time.monotonic() < deadline
            time.sleep(0.001)
        process = gallery_map._process.pid
        assert os.getpgid(process) == process


def test_the_map_is_made_once_and_kept(
    make_gallery: Callable[[], str], drawings: list[Drawing]
) -> None:
    uri = make_gallery()
    with Running(Settings(gallery=uri)) as running:
        running.wait_until("/readyz")
        running.wait_until("/v1/categories")
        first = running.get("/v1/map")
        assert first.status == 503
        assert "stage" in first.json
        made = running.wait_until("/v1/map", timeout_s=600)
        document = made.json
        key_ids = {drawing.key_id: drawing.category for drawing in drawings}
        assert document["n"] == len(key_ids)
        assert set(document["key_id"]) == set(key_ids)
        for name in ("category", "x", "y", "key_id"):
            assert len(document[name]) == document["n"]
        named = [document["categories"][i] for i in document["category"]]
        assert named == [key_ids[key_id] for key_id in document["key_id"]]
        assert min(document["x"] + document["y"]) >= 0
        assert max(document["x"] + document["y"]) <= 65_535
        again = running.get("/v1/map", headers={"if-none-match": made.headers["etag"]})
        assert again.status == 304
        zipped = running.get("/v1/map", headers={"accept-encoding": "gzip"}, decode_content=False)
        assert json.loads(gzip.decompress(zipped.body)) == document
        gone = document["key_id"][0]
        assert running.post(f"/v1/drawings/{gone}/hide", {}).status == 204
        assert gone not in running.get("/v1/map").json["key_id"]
    with Running(Settings(gallery=uri)) as running:
        running.wait_until("/readyz")
        running.wait_until("/v1/categories")
        assert running.get("/v1/map").status == 200, "it was kept"
