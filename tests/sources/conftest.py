"""A local bucket for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from bucket_server import BucketServer, serving


@pytest.fixture
def bucket() -> Iterator[BucketServer]:
    """An empty bucket that is served."""
    with serving(BucketServer()) as server:
        yield server
