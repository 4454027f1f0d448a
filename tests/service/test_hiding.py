"""Hidden drawings leave all results at once and stay away."""

from __future__ import annotations

from collections.abc import Callable

from running import Running

from garabato.drawing import Drawing
from garabato.service.settings import Settings


def everywhere(running: Running, drawing: Drawing) -> set[str]:
    """The names of the places where the drawing shows."""
    category = drawing.category
    query = {"drawing": drawing.to_lists(), "k": 20}
    page = running.get(f"/v1/categories/{category}").json
    places = {
        "search": running.post("/v1/search", query).json["hits"],
        "filtered": running.post("/v1/search", query | {"where": {"category": [category]}}).json[
            "hits"
        ],
        "list": running.get("/v1/drawings?limit=500").json["drawings"],
        "typical": page["typical"],
        "odd": page["odd"],
    }
    found = {
        name
        for name, listed in places.items()
        if drawing.key_id in {document["key_id"] for document in listed}
    }
    if running.get(f"/v1/drawings/{drawing.key_id}").status == 200:
        found.add("get")
    if running.post("/v1/search", {"key_id": drawing.key_id}).status == 200:
        found.add("as a query")
    return found


def test_a_hidden_drawing_stays_hidden_over_a_restart_until_it_is_restored(
    make_gallery: Callable[[], str], drawings: list[Drawing]
) -> None:
    uri = make_gallery()
    with Running(Settings(gallery=uri)) as running:
        running.wait_until("/readyz")
        running.wait_until("/v1/categories")
        one, reported = drawings[0], drawings[1]
        page = running.get(f"/v1/categories/{one.category}").json
        one = next(d for d in drawings if d.key_id == page["typical"][0]["key_id"])
        assert everywhere(running, one) >= {"search", "filtered", "list", "typical", "get"}
        path = f"/v1/drawings/{one.key_id}/hide"
        assert running.post(path, {"reason": "inappropriate"}).status == 204
        assert running.ask("POST", path).status == 204, "once more, without a body"
        assert everywhere(running, one) == set()
        hits = running.post("/v1/search", {"drawing": one.to_lists(), "k": 71}).json["hits"]
        assert len(hits) == len(drawings) - 1, "there are as many hits as are asked for"
        counts = running.get("/v1/categories").json["categories"]
        assert {"category": one.category, "n_drawings": 11} in counts
        del reported
    with Running(Settings(gallery=uri)) as running:
        running.wait_until("/readyz")
        running.wait_until("/v1/categories")
        assert everywhere(running, one) == set()
        (listed,) = running.get("/v1/hidden").json["hidden"]
        assert (listed["key_id"], listed["reason"]) == (one.key_id, "inappropriate")
        assert listed["drawing"] == one.to_lists(), "an operator sees what was hidden"
        assert running.post(f"/v1/drawings/{one.key_id}/restore", {}).status == 204
        assert running.post(f"/v1/drawings/{one.key_id}/restore", {}).status == 404
        assert {"search", "filtered", "list", "get"} <= everywhere(running, one)
        assert running.get("/v1/hidden").json["hidden"] == []


def test_only_stored_drawings_can_be_hidden(service: Running) -> None:
    assert service.post("/v1/drawings/nonsense/hide", {}).status == 404
