"""A service whose gallery is in a Milvus server."""

from __future__ import annotations

from pathlib import Path

import pytest
from running import Running

from garabato.client import Client
from garabato.drawing import Drawing
from garabato.encoder import Encoder
from garabato.gallery import open_gallery
from garabato.service.settings import Settings


def test_a_gallery_in_milvus_is_served_like_one_in_a_folder(
    milvus_uri: str,
    shipped_encoder: Encoder,
    drawings: list[Drawing],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))  # what is hidden is kept there
    first, *rest = drawings[:20]
    open_gallery(milvus_uri, encoder=shipped_encoder).add(rest)
    settings = Settings(gallery=milvus_uri, writes_per_minute=1_000_000)
    with Running(settings) as running:
        running.wait_until("/readyz")
        running.wait_until("/v1/categories")
        client = Client(running.url)
        assert client.add([first], tags=["new"]) == [first.key_id]
        hit = client.search(first, k=1, where={"tags": "new", "country": first.country})[0]
        assert hit.drawing.metadata == first.replace(tags=("new",)).metadata
        assert hit.drawing.to_lists() == first.to_lists()
        listed = {drawing.key_id for drawing in client.drawings()}
        assert listed == {drawing.key_id for drawing in drawings[:20]}
        client.hide(first.key_id)
        assert client.search(first, where={"tags": "new"}) == []
    with Running(settings) as running:
        running.wait_until("/readyz")
        client = Client(running.url)
        assert client.search(first, where={"tags": "new"}) == [], "it is hidden after a restart"
        client.restore(first.key_id)
        assert client.search(first, where={"tags": "new"})[0].key_id == first.key_id
        assert client.delete(where={"category": [d.category for d in drawings[:20]]}) == 20
        assert client.search(first) == []
