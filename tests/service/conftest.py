"""A gallery of sketches and a service that serves it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from running import Running
from sketches import SKETCH_CATEGORIES, make_drawings

from garabato.drawing import Drawing
from garabato.encoder import Encoder, load_encoder
from garabato.gallery import open_gallery
from garabato.service.settings import Settings

CATEGORIES = SKETCH_CATEGORIES[:6]


@pytest.fixture(scope="session")
def shipped_encoder() -> Encoder:
    return load_encoder()


@pytest.fixture(scope="session")
def drawings() -> list[Drawing]:
    """Six categories of twelve sketches."""
    return make_drawings(CATEGORIES, per_category=12, seed=3)


@pytest.fixture
def make_gallery(
    tmp_path: Path, shipped_encoder: Encoder, drawings: list[Drawing]
) -> Callable[[], str]:
    """Makes a gallery with `drawings`."""

    def make() -> str:
        uri = str(tmp_path / "drawings.gallery")
        open_gallery(uri, encoder=shipped_encoder).add(drawings)
        return uri

    return make


@pytest.fixture(scope="session")
def gallery_uri(
    tmp_path_factory: pytest.TempPathFactory, shipped_encoder: Encoder, drawings: list[Drawing]
) -> str:
    """The gallery behind `service`; tests leave its first drawings in it."""
    uri = str(tmp_path_factory.mktemp("service") / "drawings.gallery")
    open_gallery(uri, encoder=shipped_encoder).add(drawings)
    return uri


@pytest.fixture(scope="session")
def service(gallery_uri: str) -> Iterator[Running]:
    """One service for all tests that leave it as it was."""
    with Running(Settings(gallery=gallery_uri, writes_per_minute=1_000_000)) as running:
        running.wait_until("/readyz")
        running.wait_until("/v1/categories")
        yield running
