"""Whatever a gallery stores can be shown, hidden, restored, searched for and deleted over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, urlencode

import pytest
from running import Running

from garabato.encoder import Encoder
from garabato.gallery import open_gallery
from garabato.service.settings import Settings

NAMES = {
    "long": "x" * 3_000,
    "line break": "two\nlines",
    "line break at the end": "end\n",
    "carriage return": "a\r\nb",
    "slashes": "a/b/c.svg",
    "leading slash": "/srv/a.svg",
    "report": "a/report",
    "hide": "a/hide",
    "original": "a/original",
    "delete": "delete/hide",
    "quotes": 'it\'s "5" %41 ?x=1#y',
    "control": "a\x00\x01\x7fb",
    "letters": "garabato \u00e1\u4e00\U0001f600",
}


@pytest.fixture(scope="module")
def odd(
    tmp_path_factory: pytest.TempPathFactory, shipped_encoder: Encoder, drawings: list
) -> Iterator[Running]:
    """A service whose drawings and categories have the names above."""
    uri = str(Path(tmp_path_factory.mktemp("odd")) / "odd.gallery")
    named = [
        drawing.replace(key_id=name, category=name, country=name)
        for name, drawing in zip(NAMES.values(), drawings, strict=False)
    ]
    open_gallery(uri, encoder=shipped_encoder).add([*named, drawings[-1]])
    with Running(Settings(gallery=uri, writes_per_minute=1_000_000)) as running:
        running.wait_until("/readyz")
        yield running


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_a_drawing_is_shown_hidden_restored_and_searched_for(odd: Running, name: str) -> None:
    address = f"/v1/drawings/{quote(name, safe='')}"
    shown = odd.get(address)
    assert (shown.status, shown.json["key_id"]) == (200, name)
    assert odd.post(f"{address}/report", {"reason": "test"}).status == 204
    assert odd.post(f"{address}/hide").status == 204
    assert odd.get(address).status == 404
    assert [one["key_id"] for one in odd.get("/v1/hidden").json["hidden"]] == [name]
    assert odd.post(f"{address}/restore").status == 204
    assert odd.post("/v1/search", {"key_id": name, "k": 3}).status == 200
    query = {"key_id": "leave nothing out"} | odd.get(address).json
    where = {"key_id": [name], "category": [name], "country": [name]}
    hits = odd.post("/v1/search", {"drawing": query["drawing"], "where": where}).json["hits"]
    assert [hit["key_id"] for hit in hits] == [name]


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_a_category_has_a_page_and_a_list(odd: Running, name: str) -> None:
    page = odd.get(f"/v1/categories/{quote(name, safe='')}")
    assert (page.status, page.json["category"]) == (200, name)
    listed = odd.get(f"/v1/drawings?{urlencode({'category': name})}")
    assert [one["key_id"] for one in listed.json["drawings"]] == [name]


def test_paging_through_a_list_handles_every_key_id(odd: Running) -> None:
    names, after = [], None
    while True:
        given = {"limit": 1} if after is None else {"limit": 1, "after": after}
        page = odd.get(f"/v1/drawings?{urlencode(given)}").json
        names += [one["key_id"] for one in page["drawings"]]
        after = page["next"]
        if after is None:
            break
    assert set(NAMES.values()) < set(names)
    assert len(names) == len(NAMES) + 1


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_a_drawing_is_deleted(odd: Running, name: str) -> None:
    if name.endswith("/report"):  # this address dismisses the reports of the drawing "a"
        deleted = odd.post("/v1/drawings/delete", {"key_ids": [name]})
        assert deleted.json == {"n_deleted": 1}
    else:
        address = f"/v1/drawings/{quote(name, safe='')}"
        assert odd.ask("DELETE", address).status == 204
        assert odd.ask("DELETE", address).status == 404
