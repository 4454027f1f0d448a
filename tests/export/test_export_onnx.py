from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from networks import CATEGORIES, KINDS, make_encoder
from sketches import SKETCH_CATEGORIES, make_drawings

from garabato.drawing import DrawingBatch
from garabato.encoder import Encoder, load_encoder
from garabato.encoder.onnx_runtime import OnnxRuntime
from garabato.errors import EncoderError, EncoderMismatchError, InputError
from garabato.export import export_onnx
from garabato.gallery import open_gallery
from garabato.models import create_model
from garabato.render import RenderSpec, render_batch

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

SKETCHES = DrawingBatch.from_drawings(make_drawings(SKETCH_CATEGORIES[:10], 4, seed=1))


def assert_same_answers(one: Encoder, other: Encoder, drawings: DrawingBatch) -> None:
    """Within 1e-4: logits, probabilities, embeddings of length 1."""
    images = render_batch(drawings, one.spec)
    for a, b in zip(one.runtime.run(images), other.runtime.run(images), strict=True):
        scale = np.linalg.norm(a, axis=1, keepdims=True) if a.shape[1] != len(one.categories) else 1
        np.testing.assert_allclose(a / scale, b, atol=1e-4)
    expected, found = one.predict(drawings), other.predict(drawings)
    np.testing.assert_allclose(found.embeddings, expected.embeddings, atol=1e-4)
    np.testing.assert_allclose(found.probabilities, expected.probabilities, atol=1e-4)


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[Encoder, Path]:
    """A small encoder and its ONNX form."""
    encoder = make_encoder("skfast")
    path = tmp_path_factory.mktemp("onnx") / "encoder.onnx"
    export_onnx(encoder, path)
    return encoder, path


@pytest.mark.parametrize(("name", "style"), KINDS)
def test_every_model_predicts_the_same_in_onnx_form(name, style, tmp_path):
    encoder = make_encoder(name, style)
    export_onnx(encoder, tmp_path / "encoder.onnx")
    loaded = load_encoder(tmp_path / "encoder.onnx")
    assert isinstance(loaded.runtime, OnnxRuntime)
    assert_same_answers(encoder, loaded, SKETCHES)


def test_the_shipped_encoder_predicts_the_same_on_real_drawings(quickdraw, tmp_path):
    from garabato.formats import read_drawings

    files = sorted((quickdraw / "simplified").glob("*.ndjson"))[::15]
    drawings = [next(iter(read_drawings(file))) for file in files]
    encoder = load_encoder(runtime="pytorch", precision="float32")
    export_onnx(encoder, tmp_path / "encoder.onnx")
    assert_same_answers(
        encoder, load_encoder(tmp_path / "encoder.onnx"), DrawingBatch.from_drawings(drawings)
    )


def test_one_drawing_and_many_go_through_the_same_file(exported):
    loaded = load_encoder(exported[1])
    together = loaded.embed(SKETCHES)
    alone = np.concatenate([loaded.embed(drawing) for drawing in SKETCHES])
    np.testing.assert_allclose(alone, together, atol=1e-5)


def test_the_file_carries_all_an_encoder_knows(exported):
    encoder, path = exported
    loaded = load_encoder(path)
    assert loaded.description() == encoder.description()
    assert loaded.spec == encoder.spec
    assert loaded.categories == CATEGORIES
    assert (loaded.temperature, loaded.unsure_below, loaded.unsure_precision) == (1.3, 0.4, 0.9)
    assert loaded.fingerprint == encoder.fingerprint
    assert loaded.embedding_dim == encoder.embedding_dim
    assert loaded.n_parameters == encoder.n_parameters
    assert loaded.device == "cpu"


def test_other_programs_find_the_metadata_as_json(exported):
    model = onnx.load(exported[1])
    onnx.checker.check_model(model)
    (entry,) = [e for e in model.metadata_props if e.key == "garabato.encoder"]
    header = json.loads(entry.value)
    assert header["categories"] == CATEGORIES
    assert header["render"]["size_px"] == 32
    assert [i.name for i in model.graph.input] == ["images"]
    assert [o.name for o in model.graph.output] == ["logits", "embeddings"]


def test_weights_are_kept_in_half_precision(exported):
    encoder, path = exported
    assert path.stat().st_size < 2.2 * encoder.n_parameters + 20_000


def test_a_gallery_takes_the_onnx_form_of_the_encoder_that_filled_it(exported, tmp_path):
    encoder, path = exported
    gallery = open_gallery(str(tmp_path / "g"), encoder=encoder)
    gallery.add(SKETCHES)
    reopened = open_gallery(str(tmp_path / "g"), encoder=load_encoder(path))
    hits = reopened.search(SKETCHES[7], k=1)
    assert hits[0].score == pytest.approx(1, abs=1e-4)
    other = make_encoder("skfast", "order")
    with pytest.raises(EncoderMismatchError):
        open_gallery(str(tmp_path / "g"), encoder=other)


def test_an_encoder_in_onnx_form_is_not_saved_and_keeps_its_bits(exported, tmp_path):
    loaded = load_encoder(exported[1])
    with pytest.raises(EncoderError, match=r"load the \.safetensors file"):
        loaded.save(tmp_path / "encoder.safetensors")
    with pytest.raises(EncoderError, match=r"load the \.safetensors file"):
        export_onnx(loaded, tmp_path / "again.onnx", bits=8, calibration=SKETCHES)


def test_an_encoder_in_onnx_form_is_copied_with_its_present_header(exported, tmp_path):
    loaded = load_encoder(exported[1])
    export_onnx(loaded, tmp_path / "copy.onnx")
    assert (tmp_path / "copy.onnx").read_bytes() == exported[1].read_bytes()
    loaded.unsure_below = 0.25
    export_onnx(loaded, tmp_path / "changed.onnx")
    changed = load_encoder(tmp_path / "changed.onnx")
    assert changed.unsure_below == 0.25
    assert_same_answers(loaded, changed, SKETCHES)


def test_eight_bits_keep_the_fingerprint_only_if_the_embeddings_agree(
    exported, tmp_path, monkeypatch, caplog
):
    encoder, _ = exported
    path = tmp_path / "quantized.onnx"
    monkeypatch.setattr("garabato.export.onnx._SAME_EMBEDDINGS", 0.5)
    export_onnx(encoder, path, bits=8, calibration=SKETCHES)
    assert not caplog.records  # ONNX Runtime's advice about pre-processing
    loaded = load_encoder(path)
    assert loaded.runtime.bits == 8
    assert loaded.fingerprint == encoder.fingerprint
    assert "QLinearConv" in {node.op_type for node in onnx.load(path).graph.node}
    cosines = (loaded.embed(SKETCHES) * encoder.embed(SKETCHES)).sum(axis=1)
    assert cosines.mean() > 0.9
    monkeypatch.setattr("garabato.export.onnx._SAME_EMBEDDINGS", 1.01)
    export_onnx(encoder, path, bits=8, calibration=SKETCHES)
    assert len(load_encoder(path).fingerprint) == len(encoder.fingerprint)
    assert load_encoder(path).fingerprint != encoder.fingerprint


@pytest.fixture(scope="module")
def eight_bits(tmp_path_factory: pytest.TempPathFactory) -> onnx.GraphProto:
    """The shipped network, quantized."""
    encoder = load_encoder(runtime="pytorch", precision="float32")
    path = tmp_path_factory.mktemp("eight_bits") / "encoder.onnx"
    export_onnx(encoder, path, bits=8, calibration=SKETCHES)
    return onnx.load(path).graph


def test_eight_bits_leave_only_the_first_convolution_of_strokes_in_float32(eight_bits):
    nodes = eight_bits.node
    convolutions = [node.name for node in nodes if node.op_type == "Conv"]
    branches = [name.removeprefix("/model/").split("/")[0] for name in convolutions]
    assert branches == ["strokes"]
    producers = {name: node for node in nodes for name in node.output}
    assert "AveragePool" not in {node.op_type for node in nodes}
    for node in nodes:
        if node.op_type == "Relu":  # ReLUs of residual blocks are part of 8-bit nodes
            assert producers[node.input[0]].op_type in ("Conv", "BatchNormalization")


def test_eight_bit_sums_need_no_rounding_of_their_terms(eight_bits):
    """A term is multiplied by its scale over that of the sum: 8 significant bits at most."""
    values = {one.name: onnx.numpy_helper.to_array(one) for one in eight_bits.initializer}
    sums = [node for node in eight_bits.node if node.op_type == "QLinearAdd"]
    assert len(sums) > 8
    for node in sums:
        for scale in node.input[1], node.input[4]:
            fraction, _ = np.frexp(values[scale] / values[node.input[6]])
            assert fraction * 256 == int(fraction * 256)


def test_eight_bits_read_pixels_as_they_are(eight_bits):
    """Pixels / 255, which the network starts with, become the same integers again."""
    values = {one.name: onnx.numpy_helper.to_array(one) for one in eight_bits.initializer}
    first = next(node for node in eight_bits.node if node.op_type == "QLinearConv")
    assert values[first.input[1]] == np.float32(1 / 255)
    assert values[first.input[2]] == 0


def test_eight_bits_store_each_matrix_once_and_in_half_precision(eight_bits):
    matrices = [one for one in eight_bits.initializer if len(one.dims) == 2]
    model = load_encoder(runtime="pytorch").as_pytorch().model
    expected = [tuple(w.shape) for w in model.parameters() if w.ndim == 2]
    assert sorted(tuple(one.dims) for one in matrices) == sorted(expected)
    assert {one.data_type for one in matrices} == {onnx.TensorProto.FLOAT16}


@pytest.mark.parametrize(("image_size", "n_left"), [(32, 0), (40, 1), (36, 2)])
def test_average_pooling_is_folded_into_the_next_convolution_if_it_fits(
    image_size, n_left, tmp_path
):
    """Sides 32: 16, 8, 4; 40: 20, 10, then 5 is odd; 36: 18, then 9 and 5 are odd."""
    import onnxruntime

    from garabato.export.onnx import _exported, _folded

    spec = RenderSpec(size_px=image_size)
    model = create_model("skfast", n_categories=5, image_size_px=image_size, widths=(8, 8, 8, 8))
    exact = tmp_path / "exact.onnx"
    onnx.save(_exported(Encoder(model, spec=spec, categories=list("abcde"))), exact)
    folded = _folded(exact)
    onnx.checker.check_model(folded)
    assert [node.op_type for node in folded.graph.node].count("AveragePool") == n_left
    images = {"images": render_batch(SKETCHES, spec)}
    expected = onnxruntime.InferenceSession(exact).run(None, images)
    found = onnxruntime.InferenceSession(folded.SerializeToString()).run(None, images)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


def test_eight_bits_without_drawings_are_refused(exported, tmp_path):
    with pytest.raises(InputError, match="bits=8 needs calibration drawings"):
        export_onnx(exported[0], tmp_path / "encoder.onnx", bits=8)


@pytest.mark.parametrize("kept", [0, 4, 1000, 20_000])
def test_a_truncated_file_is_reported(exported, tmp_path, kept):
    path = tmp_path / "cut.onnx"
    path.write_bytes(exported[1].read_bytes()[:kept])
    with pytest.raises(EncoderError, match=r"cut\.onnx is .*garabato export onnx"):
        load_encoder(path)


def test_another_projects_onnx_file_is_reported(exported, tmp_path):
    model = onnx.load(exported[1])
    del model.metadata_props[:]
    onnx.save(model, tmp_path / "other.onnx")
    with pytest.raises(EncoderError, match="not an encoder of garabato"):
        load_encoder(tmp_path / "other.onnx")


def without_pytorch(*arguments: object) -> subprocess.CompletedProcess[str]:
    """`garabato ARGUMENTS` where PyTorch is not installed."""
    code = "import sys; sys.modules['torch'] = None; from garabato.cli import main; main()"
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.mark.slow
def test_onnx_files_need_no_pytorch_and_other_files_say_that_they_do(
    exported, sketch_source, tmp_path
):
    encoder, path = exported
    gallery = tmp_path / "g"
    done = without_pytorch(
        *("index", "--model", path, "--source", sketch_source, "--gallery", gallery)
    )
    assert done.returncode == 0, done.stderr
    query = tmp_path / "query.svg"
    query.write_text('<svg xmlns="http://www.w3.org/2000/svg"><path d="M0 0L9 9L9 0"/></svg>')
    done = without_pytorch("search", query, "--model", path, "--gallery", gallery, "--json")
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)["hits"]) == 10
    encoder.save(tmp_path / "encoder.safetensors")
    done = without_pytorch("classify", query, "--model", tmp_path / "encoder.safetensors")
    assert done.returncode == 1
    assert "pip install 'garabato[train]'" in done.stderr
    assert "garabato export onnx" in done.stderr
    imported = "import sys; sys.modules['torch'] = None; import garabato.service.app"
    subprocess.run([sys.executable, "-c", imported], check=True)
