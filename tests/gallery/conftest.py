"""Fixtures for gallery tests."""

from __future__ import annotations

import pytest
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
