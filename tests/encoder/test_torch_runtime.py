from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from networks import CATEGORIES, KINDS, make_encoder
from sketches import SKETCH_CATEGORIES, make_drawings
from torch import Tensor, nn

from garabato.drawing import DrawingBatch
from garabato.encoder import Encoder
from garabato.encoder.fast_network import convolutions_fuse
from garabato.encoder.runtime import Runtime
from garabato.encoder.torch_runtime import TorchRuntime
from garabato.models import Model, as_input, model_names
from garabato.render import RenderSpec, render_batch

DRAWINGS = DrawingBatch.from_drawings(make_drawings(SKETCH_CATEGORIES[:10], 5, seed=0))


@pytest.mark.parametrize(("name", "style"), KINDS)
def test_a_network_made_fast_answers_as_it_did(name, style):
    encoder = make_encoder(name, style)
    images = render_batch(DRAWINGS, encoder.spec)
    with torch.inference_mode():
        logits, embeddings = encoder.runtime.model(as_input(images, torch.device("cpu")))
    fast_logits, fast_embeddings = encoder.runtime.run(images)
    np.testing.assert_allclose(fast_logits, logits.numpy(), atol=1e-4, rtol=1e-4)
    np.testing.assert_allclose(fast_embeddings, embeddings.numpy(), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", model_names())
def test_no_batch_normalisation_is_left_but_that_of_features(name):
    fast = make_encoder(name).runtime._exact
    norms = [n for n, m in fast.named_modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    assert norms == (["norm"] if name == "skfast" else [])


def test_the_networks_own_weights_stay_as_they_are():
    encoder = make_encoder("skfast")
    before = encoder.runtime.fingerprint(encoder.spec)
    encoder.embed(DRAWINGS)
    assert encoder.runtime.fingerprint(encoder.spec) == before


@pytest.mark.slow
def test_in_float32_a_drawing_gets_the_same_embedding_in_any_company():
    encoder = make_encoder("skfast")
    together = encoder.embed(DRAWINGS)
    alone = np.concatenate([encoder.embed(drawing) for drawing in DRAWINGS])
    np.testing.assert_allclose(together, alone, atol=1e-5)


@pytest.mark.skipif(
    not convolutions_fuse(torch.bfloat16), reason="this processor has no bfloat16 convolutions"
)
@pytest.mark.parametrize("name", model_names())
def test_bfloat16_moves_embeddings_by_less_than_one_percent(name, monkeypatch):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True)  # slow, but runs
    exact, quick = make_encoder(name), make_encoder(name, precision="auto")
    cosines = (exact.embed(DRAWINGS) * quick.embed(DRAWINGS)).sum(axis=1)
    assert (cosines > 0.9999).all()
    assert not np.array_equal(exact.embed(DRAWINGS), quick.embed(DRAWINGS))
    query = DRAWINGS[3]
    np.testing.assert_array_equal(exact.embed(query), quick.embed(query))  # one image stays exact


class Moody(Model):
    """Its path depends on what it sees, so it cannot be traced."""

    def __init__(self) -> None:
        super().__init__(n_categories=len(CATEGORIES), image_size_px=16, embedding_dim=16)
        self.conv = nn.Conv2d(1, 16, 3)
        self.norm = nn.BatchNorm2d(16)
        self.head = nn.Linear(16, len(CATEGORIES))
        self.name, self.options = "moody", {}

    def forward_features(self, images: Tensor) -> Tensor:
        maps = self.norm(self.conv(images))
        if maps.sum() > 0:
            maps = maps * 2
        return maps.mean(dim=(2, 3))

    def forward_head(self, features: Tensor) -> Tensor:
        return self.head(features)


def test_a_network_that_cannot_be_traced_runs_as_it_is():
    encoder = Encoder(Moody(), spec=RenderSpec(16), categories=CATEGORIES)
    images = render_batch(DRAWINGS, encoder.spec)
    with torch.inference_mode():
        expected, _ = encoder.runtime.model(as_input(images[:4], torch.device("cpu")))
    logits, _ = encoder.runtime.run(images[:4])
    np.testing.assert_allclose(logits, expected.numpy(), atol=1e-5)


def test_it_is_an_engine():
    engine = make_encoder("skfast").runtime
    assert isinstance(engine, TorchRuntime)
    assert isinstance(engine, Runtime)
    assert engine.device == "cpu"


@pytest.mark.slow
def test_a_network_made_ready_disturbs_none_that_runs_in_another_thread() -> None:
    """torch.fx replaces methods of all networks while it traces one."""
    encoder = make_encoder("skfast")
    expected = encoder.embed(DRAWINGS)
    stop = threading.Event()

    def run() -> int:
        n_runs = 0
        while not stop.is_set():
            assert np.array_equal(encoder.embed(DRAWINGS), expected)
            n_runs += 1
        return n_runs

    with ThreadPoolExecutor(3) as threads:
        running = [threads.submit(run) for _ in range(3)]
        try:
            for _ in range(20):
                assert np.array_equal(make_encoder("skfast").embed(DRAWINGS), expected)
        finally:
            stop.set()
    assert all(one.result() > 0 for one in running)


@pytest.mark.slow
def test_several_threads_may_ask_a_new_encoder_first() -> None:
    expected = make_encoder("skfast").embed(DRAWINGS)
    with ThreadPoolExecutor(4) as threads:
        for _ in range(5):
            encoder = make_encoder("skfast")
            answers = threads.map(lambda _, asked=encoder: asked.embed(DRAWINGS), range(4))
            assert all(np.array_equal(answer, expected) for answer in answers)
