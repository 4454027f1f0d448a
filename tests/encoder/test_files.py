"""Encoder files are not taken on trust: what is damaged in them is named."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from networks import make_encoder
from safetensors import safe_open
from safetensors.torch import save_file

from garabato.encoder import FORMAT, load_encoder
from garabato.encoder.binary_codes import BinaryCoder
from garabato.errors import EncoderError, InputError

no_headers = pytest.mark.parametrize(
    ("header", "says"),
    [
        ("{'version': 1", "its header is not JSON"),
        ("", "its header is not JSON"),
        ('["version", 1]', "its header is not a JSON object"),
        # Read as JSON, but not what an encoder says.
        ('{"version": 1, "render": {}, "categories": ["cat"], "codes": [1]}', ""),
        ('{"version": 1, "render": {}, "categories": ["cat"], "codes": {"x": {}}}', ""),
    ],
)


@no_headers
def test_a_file_of_weights_with_a_damaged_header_is_reported(tmp_path: Path, header, says) -> None:
    path = tmp_path / "encoder.safetensors"
    save_file({"weight": torch.zeros(3)}, path, {FORMAT: header})
    with pytest.raises(EncoderError, match=rf"encoder\.safetensors is damaged: {says}"):
        load_encoder(path)


@no_headers
def test_an_onnx_file_with_a_damaged_header_is_reported(tmp_path: Path, header, says) -> None:
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


def rewritten_onnx(tmp_path: Path, *, network=None, **changes) -> Path:
    """An encoder in ONNX form, without its checksum, with other header fields or weights."""
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    from garabato.export import export_onnx

    path = tmp_path / "encoder.onnx"
    export_onnx(make_encoder("skfast"), path)
    model = onnx.load(path)
    (entry,) = model.metadata_props
    header = json.loads(entry.value)
    del header["sha256"]
    entry.value = json.dumps(header | changes)
    if network is not None:
        network(model)
    onnx.save(model, path)
    return path


def set_nan_in_onnx(model) -> None:
    from onnx import numpy_helper

    (directions,) = (one for one in model.graph.initializer if one.name == "model.directions")
    values = numpy_helper.to_array(directions).copy()
    values[0, 0] = float("nan")
    directions.CopyFrom(numpy_helper.from_array(values, directions.name))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"temperature": 0}, r"temperature must be a number in 0\.001\.\.1000, not 0"),
        ({"categories": ["cat", "cat", "a", "b", "c"]}, "the category 'cat' is listed twice"),
        ({"categories": ["cat", "\t"]}, r"categories must be names, not '\\t'"),
        ({"categories": ["cat", "dog"]}, "its header says 2 categories, but its network has 5"),
        ({"embedding_dim": 7}, "its header says 7 numbers in an embedding, but its .* 128"),
        ({"render": {"size_px": 40}}, r"its network cannot run on images of shape \(40, 40\)"),
        ({"network": set_nan_in_onnx}, "its network computes NaN or infinity"),
        ({"sha256": ""}, "its checksum does not match"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_an_onnx_file_that_is_no_encoder_is_refused(tmp_path, changes, says) -> None:
    path = rewritten_onnx(tmp_path, **changes)
    with pytest.raises(EncoderError, match=rf"encoder\.onnx is damaged: .*{says}"):
        load_encoder(path)


def test_an_onnx_file_without_a_checksum_opens_as_before(tmp_path) -> None:
    encoder = load_encoder(rewritten_onnx(tmp_path))
    assert encoder.fingerprint == make_encoder("skfast").fingerprint


CODER = BinaryCoder(np.ones((7, 64), np.float32), np.zeros(64, np.float32))


def rewritten(tmp_path: Path, *, weights=None, **changes) -> Path:
    """An encoder file with other header fields, or with its weights changed in place."""
    path = tmp_path / "encoder.safetensors"
    make_encoder("skfast").save(path)
    with safe_open(path, framework="pt") as reader:
        header = json.loads(reader.metadata()[FORMAT])
        state = {name: reader.get_tensor(name) for name in reader.keys()}  # noqa: SIM118
    if weights is not None:
        weights(state)
    del header["sha256"]
    save_file(state, path, {FORMAT: json.dumps(header | changes)})
    return path


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("temperature", 0, r"temperature must be a number in 0\.001\.\.1000, not 0"),
        ("temperature", -1.0, "temperature must be a number in"),
        ("temperature", "hot", "temperature must be a number in .*, not 'hot'"),
        ("temperature", float("nan"), "temperature must be a number in .*, not nan"),
        ("temperature", 10**400, "temperature must be a number in"),
        ("temperature", 1e-60, "temperature must be a number in"),
        ("temperature", True, "temperature must be a number in"),
        ("categories", ["cat", "cat", "a", "b", "c"], "the category 'cat' is listed twice"),
        ("categories", ["cat", 7, "a", "b", "c"], "categories must be names, not 7"),
        ("categories", ["cat", "", "a", "b", "c"], "categories must be names, not ''"),
        ("categories", "catdo", "categories must be a list of names"),
        ("categories", [], "categories must be a list of names"),
        ("categories", ["cat"], "size mismatch"),
        ("unsure_below", "0.5", "unsure_below must be a number"),
        ("unsure_precision", -1, "unsure_precision must be a number of at least 0"),
        ("unknown_below", True, "unknown_below must be a number of at least 0"),
        ("options", {"focus": "much"}, "its network cannot run on images of shape"),
        ("options", {"focus": 1e39}, "its network computes NaN"),
        ("codes", {"128": CODER.to_dict()}, r"for 128 bits of 128 numbers .*, not \(7, 64\)"),
    ],
)
def test_invalid_header_fields_are_refused(tmp_path, field, value, says) -> None:
    path = rewritten(tmp_path, **{field: value})
    with pytest.raises(EncoderError, match=rf"(?s)encoder\.safetensors is damaged: .*{says}"):
        load_encoder(path)


def set_nan(state) -> None:
    state["stem.0.weight"][0, 0, 0, 0] = torch.nan


def to_integers(state) -> None:
    state["directions"] = state["directions"].to(torch.int8)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (set_nan, r"stem\.0\.weight contains NaN or infinity"),
        (to_integers, r"directions must be floating point, not torch\.int8"),
        (lambda state: state.pop("directions"), "directions"),
    ],
    ids=["nan", "integers", "missing"],
)
def test_invalid_weights_are_refused(tmp_path, change, says) -> None:
    path = rewritten(tmp_path, weights=change)
    with pytest.raises(EncoderError, match=rf"(?s)encoder\.safetensors is damaged: .*{says}"):
        load_encoder(path)


def test_an_encoder_that_could_not_be_loaded_is_not_saved(tmp_path) -> None:
    encoder = make_encoder("skfast")
    with torch.no_grad():
        encoder.as_pytorch().model.directions[0, 0] = torch.nan
    with pytest.raises(EncoderError, match="cannot save this encoder: directions contains NaN"):
        encoder.save(tmp_path / "encoder.safetensors")
    assert list(tmp_path.iterdir()) == []


def test_a_flipped_bit_in_an_onnx_file_is_found(tmp_path) -> None:
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    from garabato.export import export_onnx

    path = tmp_path / "encoder.onnx"
    export_onnx(make_encoder("skfast"), path)
    content = path.read_bytes()
    largest = max((one.raw_data for one in onnx.load(path).graph.initializer), key=len)
    temperature = content.index(b'"temperature": ') + len('"temperature": ')
    for place in (content.index(largest) + len(largest) // 2, temperature):
        damaged = bytearray(content)
        damaged[place] ^= 2
        path.write_bytes(damaged)
        with pytest.raises(EncoderError, match="is damaged: its checksum does not match"):
            load_encoder(path)


@pytest.mark.parametrize("back", [1, 1000, 20_000])
def test_a_flipped_bit_in_the_weights_is_found(tmp_path, back) -> None:
    path = tmp_path / "encoder.safetensors"
    make_encoder("skfast").save(path)
    content = bytearray(path.read_bytes())
    content[-back] ^= 1
    path.write_bytes(content)
    with pytest.raises(EncoderError, match="is damaged: its checksum does not match"):
        load_encoder(path)


def test_a_flipped_bit_in_the_header_is_found(tmp_path) -> None:
    path = tmp_path / "encoder.safetensors"
    make_encoder("skfast").save(path)
    content = bytearray(path.read_bytes())
    content[content.index(b"temperature") + len(b'temperature\\": ')] ^= 1  # another digit
    path.write_bytes(content)
    with pytest.raises(EncoderError, match="is damaged: its checksum does not match"):
        load_encoder(path)


def test_a_file_without_a_checksum_opens_as_before(tmp_path) -> None:
    encoder = load_encoder(rewritten(tmp_path))
    assert encoder.fingerprint == make_encoder("skfast").fingerprint


def test_shipped_is_the_encoder_that_ships() -> None:
    assert load_encoder("shipped").fingerprint == load_encoder().fingerprint


def test_pytorch_cannot_run_an_onnx_file(tmp_path) -> None:
    (tmp_path / "encoder.onnx").write_bytes(b"")
    with pytest.raises(EncoderError, match=r"PyTorch cannot run .*encoder\.onnx"):
        load_encoder(tmp_path / "encoder.onnx", runtime="pytorch")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"device": "gpu"}, "device must be auto, cpu, cuda, cuda:1 ..., not 'gpu'"),
        ({"device": "cuda:99"}, "cannot use device 'cuda:99'"),
        ({"runtime": "torch"}, "runtime must be one of auto, pytorch, not 'torch'; did you mean"),
        ({"precision": "half"}, "precision must be one of auto, float32, not 'half'"),
    ],
)
def test_a_wrong_argument_is_not_taken_for_a_damaged_file(options, says) -> None:
    with pytest.raises(InputError, match=says):
        load_encoder(**options)


def test_a_misspelt_shipped_encoder_gets_a_suggestion() -> None:
    with pytest.raises(EncoderError, match="no encoder at shiped; did you mean 'shipped'"):
        load_encoder("shiped")
