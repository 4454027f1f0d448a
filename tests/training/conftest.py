from __future__ import annotations

from pathlib import Path

import pytest

from garabato.dataset import Dataset, prepare


@pytest.fixture(scope="session")
def dataset(sketch_source: Path, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Ten categories, thirty training and ten test sketches of each."""
    out = tmp_path_factory.mktemp("training") / "data"
    return prepare(sketch_source, out, categories="all", n_train=30, n_test=10, sheets=False)
