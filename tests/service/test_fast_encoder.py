"""The service runs trained encoders by ONNX Runtime, written in that form once."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
from networks import make_encoder
from sketches import sketch

from garabato.encoder import load_encoder
from garabato.encoder.onnx_runtime import OnnxRuntime
from garabato.encoder.torch_runtime import TorchRuntime
from garabato.service.jobs.startup import load_fast_encoder

DRAWINGS = [sketch("circle", 0), sketch("star", 1)]


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "garabato" / "encoders"


@pytest.fixture
def trained(tmp_path: Path) -> Path:
    """An encoder file as training writes it."""
    make_encoder("skfast").save(tmp_path / "encoder.safetensors")
    return tmp_path / "encoder.safetensors"


def test_the_onnx_form_predicts_the_same_as_pytorch(cache, trained):
    fast, slow = load_fast_encoder(trained), load_encoder(trained, precision="float32")
    assert isinstance(fast.runtime, OnnxRuntime)
    assert fast.fingerprint == slow.fingerprint
    a, b = fast.predict(DRAWINGS), slow.predict(DRAWINGS)
    np.testing.assert_allclose(a.probabilities, b.probabilities, atol=1e-4)
    np.testing.assert_allclose(a.embeddings, b.embeddings, atol=1e-4)


def test_from_the_second_time_on_pytorch_is_not_imported(cache, trained):
    load_fast_encoder(trained)
    code = (
        "import sys; from garabato.service.jobs.startup import load_fast_encoder; "
        "load_fast_encoder(sys.argv[1]); print('torch' in sys.modules)"
    )
    command = [sys.executable, "-c", code, str(trained)]
    answer = subprocess.run(command, check=True, capture_output=True)
    assert answer.stdout.strip() == b"False"


def test_a_damaged_cached_encoder_is_exported_again(cache, trained):
    load_fast_encoder(trained)
    (kept,) = cache.iterdir()
    whole = kept.read_bytes()
    kept.write_bytes(whole[:1000])
    load_fast_encoder(trained)
    assert kept.read_bytes() == whole


def test_the_encoder_that_ships_needs_no_cache(cache):
    assert isinstance(load_fast_encoder().runtime, OnnxRuntime)
    assert not cache.exists()


def test_pytorch_runs_it_where_the_cache_cannot_be_written(tmp_path, trained, monkeypatch):
    (tmp_path / "garabato").write_text("no folder")
    (tmp_path / f"garabato-{os.getuid()}").write_text("no folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert isinstance(load_fast_encoder(trained).runtime, TorchRuntime)
