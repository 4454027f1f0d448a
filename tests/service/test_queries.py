"""Asking what a drawing is and what is like it."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from running import Running

from garabato.drawing import Drawing, DrawingBatch
from garabato.encoder import Encoder
from garabato.formats import write_drawings
from garabato.gallery import open_gallery
from garabato.render import RenderSpec, render_batch
from garabato.service.settings import Settings


def test_classify_says_what_the_encoder_says(
    service: Running, shipped_encoder: Encoder, drawings: list[Drawing]
) -> None:
    answer = service.post("/v1/classify", {"drawing": drawings[0].to_lists(), "k": 3})
    assert answer.status == 200
    expected = shipped_encoder.classify(drawings[0], k=3)
    assert [p["category"] for p in answer.json["predictions"]] == [p.category for p in expected]
    for given, wanted in zip(answer.json["predictions"], expected, strict=True):
        assert given["probability"] == pytest.approx(wanted.probability, abs=1e-4)
    threshold = shipped_encoder.unsure_below or 0.5
    assert answer.json["unsure"] is (expected[0].probability < threshold)
    assert answer.json["took_ms"] > 0


def test_search_finds_what_the_gallery_finds(
    service: Running, shipped_encoder: Encoder, gallery_uri: str, drawings: list[Drawing]
) -> None:
    query = drawings[5].replace(key_id=None)
    hits = service.post("/v1/search", {"drawing": query.to_lists(), "k": 7}).json["hits"]
    expected = open_gallery(gallery_uri, encoder=shipped_encoder).search(query, k=7)
    assert [hit["key_id"] for hit in hits] == [hit.key_id for hit in expected]
    assert hits[0]["key_id"] == drawings[5].key_id
    assert hits[0]["score"] == pytest.approx(1.0, abs=1e-3)
    assert hits[0]["drawing"] == drawings[5].to_lists()
    assert hits[0]["country"] == drawings[5].country


def test_strokes_traced_from_a_picture_are_classified_without_their_order(
    service: Running, shipped_encoder: Encoder, drawings: list[Drawing]
) -> None:
    body = {"drawing": drawings[0].to_lists(), "traced": True, "k": 1}
    (given,) = service.post("/v1/classify", body).json["predictions"]
    (expected,) = shipped_encoder.classify(drawings[0].replace(traced=True), k=1)
    (drawn,) = shipped_encoder.classify(drawings[0], k=1)
    assert given["probability"] == pytest.approx(expected.probability, abs=1e-4)
    assert abs(expected.probability - drawn.probability) > 1e-3


def test_one_request_searches_and_classifies(service: Running, drawings: list[Drawing]) -> None:
    body = {"drawing": drawings[0].to_lists(), "k": 1, "predictions": 2}
    answer = service.post("/v1/search", body).json
    alone = service.post("/v1/classify", {"drawing": body["drawing"], "k": 2}).json
    assert answer["predictions"] == [
        {"category": p["category"], "probability": pytest.approx(p["probability"], abs=1e-4)}
        for p in alone["predictions"]
    ]
    assert answer["unsure"] == alone["unsure"]


def test_a_stored_drawing_used_as_query_is_not_among_its_hits(
    service: Running, drawings: list[Drawing]
) -> None:
    hits = service.post("/v1/search", {"key_id": drawings[0].key_id, "k": 100}).json["hits"]
    assert len(hits) == len(drawings) - 1
    assert drawings[0].key_id not in {hit["key_id"] for hit in hits}


def test_every_hit_passes_the_filters(service: Running, drawings: list[Drawing]) -> None:
    where = {"category": [drawings[0].category], "recognized": True}
    body = {"drawing": drawings[-1].to_lists(), "k": 100, "where": where}
    hits = service.post("/v1/search", body).json["hits"]
    wanted = {d.key_id for d in drawings if d.category == drawings[0].category and d.recognized}
    assert {hit["key_id"] for hit in hits} == wanted


@pytest.mark.parametrize("suffix", [".ndjson", ".svg", ".bin", ".npz", ".png", ".jpg", ".npy"])
def test_a_file_of_any_format_is_a_query(
    service: Running, drawings: list[Drawing], tmp_path: Path, suffix: str
) -> None:
    content = file_with(drawings[0], tmp_path, suffix)
    fields = {"file": ("../../etc/passwd", content), "k": "3"}
    answer = service.ask("POST", "/v1/search", fields=fields)
    assert answer.status == 200, answer.body
    assert len(answer.json["hits"]) == 3
    assert answer.json["drawing"], "what was understood as strokes"
    is_picture = suffix in (".png", ".jpg", ".npy")
    assert answer.json.get("traced", False) is is_picture
    if suffix != ".npy":  # pictures this small are not searched by their strokes alone
        body = {"drawing": answer.json["drawing"], "traced": is_picture, "k": 3}
        again = service.post("/v1/search", body).json
        found = [hit["key_id"] for hit in answer.json["hits"]]
        assert [hit["key_id"] for hit in again["hits"]] == found
    if suffix in (".ndjson", ".svg", ".bin"):  # strokes, not pixels: the drawing itself
        assert answer.json["hits"][0]["key_id"] == drawings[0].key_id


def test_the_form_takes_the_other_fields_as_json(
    service: Running, drawings: list[Drawing], tmp_path: Path
) -> None:
    where = {"category": [drawings[0].category]}
    fields = {
        "file": ("q", file_with(drawings[-1], tmp_path, ".ndjson")),
        "where": json.dumps(where),
        "predictions": "1",
    }
    answer = service.ask("POST", "/v1/search", fields=fields).json
    assert {hit["category"] for hit in answer["hits"]} == {drawings[0].category}
    assert len(answer["predictions"]) == 1
    refused = service.ask("POST", "/v1/search", fields=fields | {"traced": "true"})
    assert (refused.status, refused.json["errors"][0]["field"]) == (422, "traced")


def test_concurrent_requests_get_the_same_results_as_single_ones(
    service: Running, drawings: list[Drawing]
) -> None:
    bodies = [{"drawing": d.to_lists(), "k": 3} for d in drawings[:24]]
    alone = [service.post("/v1/search", body).json["hits"] for body in bodies]
    with ThreadPoolExecutor(24) as threads:
        together = list(threads.map(lambda body: service.post("/v1/search", body).json, bodies))
    for one, other in zip(alone, together, strict=True):
        assert one[0]["key_id"] == other["hits"][0]["key_id"]
        assert [h["score"] for h in one] == pytest.approx(
            [h["score"] for h in other["hits"]], abs=1e-3
        )
    text = service.get("/metrics").body.decode()
    (count,) = [x for x in text.splitlines() if x.startswith("garabato_batch_size_count")]
    (total,) = [x for x in text.splitlines() if x.startswith("garabato_batch_size_sum")]
    assert float(total.split()[1]) > float(count.split()[1]), "no two were ever encoded together"


def file_with(drawing: Drawing, folder: Path, suffix: str) -> bytes:
    """The bytes of a file of that format which holds the drawing."""
    file = folder / f"drawing{suffix}"
    spec = RenderSpec(size_px=28 if suffix == ".npy" else 200, line_width=0.05)
    image = render_batch(DrawingBatch.from_drawings([drawing]), spec)[0]
    if suffix in (".png", ".jpg"):
        Image.fromarray(255 - image).save(file)
    elif suffix == ".npy":
        np.save(file, image.reshape(1, -1))
    else:
        write_drawings(file, [drawing])
    return file.read_bytes()


def test_a_gallery_with_categories_of_its_own_speaks_first(
    shipped_encoder: Encoder, drawings: list[Drawing], tmp_path: Path
) -> None:
    uri = str(tmp_path / "symbols.gallery")
    own = [d.replace(category=f"{d.category} symbol") for d in drawings]
    open_gallery(uri, encoder=shipped_encoder).add(own)
    query = drawings[5].replace(key_id=None)
    with Running(Settings(gallery=uri)) as running:
        running.wait_until("/readyz")
        body = {"drawing": query.to_lists(), "k": 1, "predictions": 1}
        found = running.post("/v1/search", body).json
        known = [{"drawing": d.to_lists(), "category": d.category} for d in drawings]
        for number, one in enumerate(known):
            one["key_id"] = f"known/{number}"
        assert running.post("/v1/drawings", {"drawings": known}).status == 201
        later = running.post("/v1/search", body).json
    assert found["headline"] == "gallery"
    assert found["votes"][0]["category"] == f"{drawings[5].category} symbol"
    assert sum(vote["share"] for vote in found["votes"]) == pytest.approx(1, abs=1e-4)
    assert found["votes_unsure"] is (found["votes"][0]["share"] < 0.5)
    assert len(found["hits"]) == 1, "more drawings vote than are asked for"
    assert found["predictions"]
    assert later["headline"] == "encoder", "half of the drawings now have a known category"
    assert "votes" not in later


def test_a_gallery_of_the_encoders_categories_leaves_the_headline_to_it(
    service: Running, drawings: list[Drawing]
) -> None:
    found = service.post("/v1/search", {"drawing": drawings[0].to_lists()}).json
    assert found["headline"] == "encoder"
    assert "votes" not in found
