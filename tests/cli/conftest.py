"""Fixtures of several commands: an encoder file and a gallery filled with it."""

from __future__ import annotations

import pytest
import torch
from sketches import SKETCH_CATEGORIES
from typed import run

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


@pytest.fixture(scope="session")
def filled(model, sketch_source, tmp_path_factory):
    """A gallery of ten categories of forty sketches. Read only."""
    uri = tmp_path_factory.mktemp("filled") / "my.gallery"
    done = run("index", "--model", model, "--source", sketch_source, "--gallery", uri)
    assert done.exit_code == 0, done.output
    assert done.stdout == f"{uri}: 400 drawings (400 new, 0 already there, 0 empty and skipped)\n"
    return uri
