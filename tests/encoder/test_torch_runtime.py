from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from networks import KINDS, make_encoder
from sketches import SKETCH_CATEGORIES, make_drawings

from garabato.drawing import DrawingBatch
from garabato.encoder import torch_runtime
from garabato.encoder.encoder import Runtime
from garabato.encoder.torch_runtime import TorchRuntime, cpu_has_bfloat16
from garabato.models import as_input, model_names
from garabato.render import render_batch

CPU_INFO = Path("/proc/cpuinfo")
DRAWINGS = DrawingBatch.from_drawings(make_drawings(SKETCH_CATEGORIES[:10], 5, seed=0))


@pytest.mark.parametrize(("name", "style"), KINDS)
def test_predictions_are_those_of_the_network(name, style):
    encoder = make_encoder(name, style)
    images = render_batch(DRAWINGS, encoder.spec)
    with torch.inference_mode():
        logits, embeddings = encoder.runtime.model(as_input(images, torch.device("cpu")))
    fast_logits, fast_embeddings = encoder.runtime.run(images)
    np.testing.assert_allclose(fast_logits, logits.numpy(), atol=1e-4, rtol=1e-4)
    np.testing.assert_allclose(fast_embeddings, embeddings.numpy(), atol=1e-4, rtol=1e-4)


def test_running_a_network_does_not_change_its_weights():
    encoder = make_encoder("skfast")
    before = encoder.runtime.fingerprint(encoder.spec)
    encoder.embed(DRAWINGS)
    assert encoder.runtime.fingerprint(encoder.spec) == before


@pytest.mark.slow
def test_in_float32_an_embedding_does_not_depend_on_the_batch():
    encoder = make_encoder("skfast")
    together = encoder.embed(DRAWINGS)
    alone = np.concatenate([encoder.embed(drawing) for drawing in DRAWINGS])
    np.testing.assert_allclose(together, alone, atol=1e-5)


@pytest.mark.parametrize("name", model_names())
def test_bfloat16_moves_embeddings_by_less_than_one_percent(name, monkeypatch):
    monkeypatch.setattr(torch_runtime, "cpu_has_bfloat16", lambda: True)  # slow, but runs
    exact, quick = make_encoder(name), make_encoder(name, precision="auto")
    cosines = (exact.embed(DRAWINGS) * quick.embed(DRAWINGS)).sum(axis=1)
    assert (cosines > 0.9999).all()
    assert not np.array_equal(exact.embed(DRAWINGS), quick.embed(DRAWINGS))
    query = DRAWINGS[3]
    np.testing.assert_array_equal(exact.embed(query), quick.embed(query))  # one image stays exact


@pytest.mark.skipif(not CPU_INFO.exists(), reason="this system does not list the CPU's features")
def test_pytorch_still_tells_whether_the_cpu_has_bfloat16():
    assert cpu_has_bfloat16() == ("avx512_bf16" in CPU_INFO.read_text().split())


def test_it_is_a_runtime():
    runtime = make_encoder("skfast").runtime
    assert isinstance(runtime, TorchRuntime)
    assert isinstance(runtime, Runtime)
    assert runtime.device == "cpu"


@pytest.mark.slow
def test_several_threads_may_share_a_new_encoder() -> None:
    expected = make_encoder("skfast").embed(DRAWINGS)
    with ThreadPoolExecutor(4) as threads:
        for _ in range(5):
            encoder = make_encoder("skfast")
            answers = threads.map(lambda _, asked=encoder: asked.embed(DRAWINGS), range(4))
            assert all(np.array_equal(answer, expected) for answer in answers)
