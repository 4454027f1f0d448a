"""Fixtures for gallery tests."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest
from milvus_server import TOKEN, MilvusServer
from pixel_encoder import PixelEncoder
from sketches import SKETCH_CATEGORIES, make_drawings

from garabato.drawing import Drawing


@pytest.fixture(scope="session")
def encoder() -> PixelEncoder:
    return PixelEncoder()


@pytest.fixture(scope="session")
def drawings() -> list[Drawing]:
    """Ten categories of twenty sketches, all with their own key_id."""
    return make_drawings(SKETCH_CATEGORIES[:10], per_category=20, seed=7)


_numbers = itertools.count()


@pytest.fixture
def milvus_uri(milvus: MilvusServer) -> Iterator[str]:
    """An address on a Milvus server where there is no gallery yet."""
    from pymilvus import MilvusClient

    collection = f"test_{next(_numbers)}"
    yield f"http://127.0.0.1:{milvus.port}/{collection}"
    client = MilvusClient(f"http://127.0.0.1:{milvus.port}", token=TOKEN)
    if client.has_collection(collection):
        client.drop_collection(collection)
