"""Titles, links and original files over HTTP, text filters, and `among`."""

from __future__ import annotations

import base64

import pytest
from running import Running

from garabato.client import Client
from garabato.drawing import Drawing
from garabato.encoder import Encoder
from garabato.errors import InputError

HOSTILE = (
    b'<svg xmlns="http://www.w3.org/2000/svg" onload="evil()"><script>evil()</script>'
    b'<image href="https://evil.example/a.png"/><path d="M0 0h9"/></svg>'
)


@pytest.fixture
def icon(drawings: list[Drawing]) -> Drawing:
    return drawings[0].replace(
        key_id="set/cloud-off",
        category="cloud off",
        title="Cloud <off>",
        tags=("weather",),
        link="https://example.org/cloud",
        source_path="cloud-off.svg",
        original=HOSTILE,
    )


def test_scripts_in_an_original_do_not_run(service: Running, icon: Drawing) -> None:
    client = Client(service.url)
    assert client.add([icon]) == ["set/cloud-off"]
    answer = service.get("/v1/drawings/set%2Fcloud-off/original")
    assert answer.status == 200
    known = {"if-none-match": answer.headers["etag"]}
    assert service.get("/v1/drawings/set%2Fcloud-off/original", headers=known).status == 304
    assert answer.headers["content-type"] == "image/svg+xml"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in answer.headers["content-security-policy"]
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    content, media_type = client.original("set/cloud-off")
    assert media_type == "image/svg+xml"
    assert b"evil" not in content
    assert b'd="M0 0h9"' in content
    (hit,) = client.search(icon, k=1, where={"text": "CLOUD off"})
    assert (hit.title, hit.link, hit.source_path) == (
        "Cloud <off>",
        "https://example.org/cloud",
        "cloud-off.svg",
    )
    assert (hit.tags, hit.original_type) == (("weather",), "image/svg+xml")
    listed = service.get("/v1/drawings?text=weath").json["drawings"]
    assert [one["key_id"] for one in listed] == ["set/cloud-off"]
    client.hide("set/cloud-off")
    assert client.original("set/cloud-off") is None
    client.delete(["set/cloud-off"])


def test_a_hit_that_is_added_again_keeps_its_original(service: Running, icon: Drawing) -> None:
    client = Client(service.url)
    client.add([icon])
    stored = client.original("set/cloud-off")
    (hit,) = client.search(icon, k=1, where={"text": "cloud off"})
    with pytest.raises(InputError, match="of type Hit, not Drawing; pass its attribute `drawing`"):
        client.add([hit])
    client.add([hit.drawing.replace(category="weather")])
    assert client.get("set/cloud-off").category == "weather"
    assert client.original("set/cloud-off") == stored
    client.delete(["set/cloud-off"])


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("link", "javascript:evil()"),
        ("original", "no base64!"),
        ("original", base64.b64encode(b"plain text").decode()),
        ("original", base64.b64encode(b"<html/>").decode()),
        ("original", base64.b64encode(b"<svg>" + b" " * 2**16).decode()),
    ],
)
def test_a_bad_link_or_original_is_refused_by_name(
    service: Running, drawings: list[Drawing], field: str, value: str
) -> None:
    answer = service.post("/v1/drawings", {"drawing": drawings[0].to_lists(), field: value})
    assert answer.status == 422
    assert field in answer.json["errors"][0]["field"]


def test_among_chooses_from_these_categories_only(
    service: Running, shipped_encoder: Encoder, drawings: list[Drawing]
) -> None:
    body = {"drawing": drawings[0].to_lists(), "among": ["car", "fish"]}
    given = service.post("/v1/classify", body).json["predictions"]
    expected = shipped_encoder.classify(drawings[0], among=["car", "fish"])
    assert [p["category"] for p in given] == [p.category for p in expected]
    assert sum(p["probability"] for p in given) == pytest.approx(1, abs=1e-5)
    answer = service.post("/v1/classify", body | {"among": ["car", "fsh"]})
    assert answer.status == 422
    assert "did you mean 'fish'" in answer.json["detail"]
    assert Client(service.url).classify(drawings[0], among=["fish"])[0].probability == 1
