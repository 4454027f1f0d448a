"""A small prepared data set, an encoder for it, and what evaluating it gives."""

from __future__ import annotations

from pathlib import Path

import pytest
from prototype_encoder import PrototypeEncoder

from garabato.dataset import Dataset, prepare
from garabato.evaluation import Evaluation, evaluate


@pytest.fixture(scope="session")
def sketch_dataset(sketch_source: Path, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Ten categories, twenty training and eight test sketches of each."""
    out = tmp_path_factory.mktemp("evaluation") / "data"
    return prepare(sketch_source, out, categories="all", n_train=20, n_test=8, sheets=False)


@pytest.fixture(scope="session")
def prototypes(sketch_dataset: Dataset) -> PrototypeEncoder:
    return PrototypeEncoder(sketch_dataset.split("train"))


@pytest.fixture(scope="session")
def sketch_evaluation(prototypes: PrototypeEncoder, sketch_dataset: Dataset) -> Evaluation:
    return evaluate(prototypes, sketch_dataset)
