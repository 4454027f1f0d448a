"""What the tests of several commands need."""

from __future__ import annotations

import pytest
import torch
from sketches import SKETCH_CATEGORIES

from garabato.encoder import Encoder
from garabato.models import create_model
from garabato.render import RenderSpec


@pytest.fixture(scope="session")
def model(tmp_path_factory):
    """A file with an untrained network: its embeddings are poor, but they are embeddings.

    Without focus: of a network that has learned nothing only the features mean something.
    """
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("model") / "encoder.safetensors"
    categories = SKETCH_CATEGORIES[:10]
    network = create_model("skfast", n_categories=len(categories), image_size_px=32, focus=0.0)
    Encoder(network, spec=RenderSpec(size_px=32), categories=categories).save(path)
    return path
