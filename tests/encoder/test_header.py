"""Encoder files whose weights can be read but whose header cannot."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from networks import make_encoder
from safetensors.torch import save_file

from garabato.encoder import FORMAT, load_encoder
from garabato.errors import EncoderError

no_headers = pytest.mark.parametrize(
    ("header", "says"),
    [
        ("{'version': 1", "its header is no JSON"),
        ("", "its header is no JSON"),
        ('["version", 1]', "its header is no JSON object"),
        # Read as JSON, but not what an encoder says.
        ('{"version": 1, "render": {}, "categories": ["cat"], "codes": [1]}', ""),
        ('{"version": 1, "render": {}, "categories": ["cat"], "codes": {"x": {}}}', ""),
    ],
)


@no_headers
def test_a_file_of_weights_with_a_damaged_header_is_said(tmp_path: Path, header, says) -> None:
    path = tmp_path / "encoder.safetensors"
    save_file({"weight": torch.zeros(3)}, path, {FORMAT: header})
    with pytest.raises(EncoderError, match=rf"encoder\.safetensors is damaged: {says}"):
        load_encoder(path)


@no_headers
def test_an_onnx_file_with_a_damaged_header_is_said(tmp_path: Path, header, says) -> None:
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    from garabato.export import export_onnx

    path = tmp_path / "encoder.onnx"
    export_onnx(make_encoder("skfast"), path)
    model = onnx.load(path)
    (entry,) = (entry for entry in model.metadata_props if entry.key == FORMAT)
    entry.value = header
    onnx.save(model, path)
    with pytest.raises(EncoderError, match=rf"encoder\.onnx is damaged: {says}"):
        load_encoder(path)
