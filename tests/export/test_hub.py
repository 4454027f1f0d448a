from __future__ import annotations

import base64
import json
import socket
import threading
import time
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import resources

import numpy as np
import pytest
from networks import make_encoder
from sketches import make_drawings

from garabato.drawing import DrawingBatch
from garabato.encoder import load_encoder
from garabato.encoder.onnx_runtime import OnnxRuntime
from garabato.encoder.torch_runtime import TorchRuntime
from garabato.errors import EncoderError, InputError, SourceError
from garabato.export import export_hub, push_to_hub
from garabato.render import render_batch

onnxruntime = pytest.importorskip("onnxruntime")
huggingface_hub = pytest.importorskip("huggingface_hub")
DRAWINGS = make_drawings(["star", "house"], 3, seed=0)
FILES = {
    "README.md",
    "config.json",
    "preprocessor_config.json",
    "model.safetensors",
    "onnx/model.onnx",
    "onnx/pictures.onnx",
}
COMMIT = "0123456789" * 4


@pytest.fixture(scope="module")
def encoder():
    return make_encoder("skfast")


@pytest.fixture(scope="module")
def exported(encoder, tmp_path_factory):
    folder, run = tmp_path_factory.mktemp("hub"), tmp_path_factory.mktemp("run")
    (run / "config.toml").write_text('model = "skfast"\n')
    (run / "metrics.jsonl").write_text('{"step": 1200, "seconds": 90.0}\n')
    export_hub(encoder, folder, name="a/b", results={"accuracy": np.float32(0.5)}, run=run)
    return folder


@pytest.fixture(scope="module")
def shipped(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shipped")
    export_hub(load_encoder(runtime="pytorch"), folder, results={"accuracy": 0.7})
    return folder


class _Hub(BaseHTTPRequestHandler):
    """Speaks as much of the Hub's protocol as downloads and small uploads need."""

    files: dict[str, bytes]

    def do_HEAD(self):
        self._serve(with_body=False)

    def do_GET(self):
        self._serve(with_body=True)

    def do_POST(self):
        content = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/api/repos/create":
            self._json({"url": f"{self._address}/a/b", "name": "a/b", "id": "a/b"})
        elif self.path == "/api/validate-yaml":
            self._json({"warnings": [], "errors": []})
        elif self.path.startswith("/api/models/a/b/preupload/"):
            paths = [one["path"] for one in json.loads(content)["files"]]
            modes = [{"path": p, "uploadMode": "regular", "shouldIgnore": False} for p in paths]
            self._json({"files": modes})
        elif self.path.startswith("/api/models/a/b/commit/"):
            for line in map(json.loads, content.splitlines()):
                if line["key"] == "file":
                    self.files[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
                elif line["key"] == "deletedFile":
                    del self.files[line["value"]["path"]]
            url = f"{self._address}/a/b/commit/{COMMIT}"
            self._json({"success": True, "commitOid": COMMIT, "commitUrl": url})
        else:
            self.send_error(404)

    @property
    def _address(self):
        return f"http://127.0.0.1:{self.server.server_port}"

    def _serve(self, *, with_body):
        path = self.path.partition("?")[0]
        if path == "/api/models/a/b/tree/main":
            about = {"type": "file", "oid": COMMIT}
            self._json([{**about, "path": p, "size": len(c)} for p, c in self.files.items()])
            return
        if path.startswith("/api/models/a/b"):
            self._json({"id": "a/b", "sha": COMMIT, "siblings": []})
            return
        prefix = f"/a/b/resolve/{'main' if '/main/' in path else COMMIT}/"
        content = self.files.get(path.removeprefix(prefix))
        if content is None:
            self.send_response(404)
            self.send_header("X-Error-Code", "EntryNotFound")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(200)
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("ETag", f'"{len(content)}"')
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if with_body:
            self.wfile.write(content)

    def _json(self, document):
        body = json.dumps(document).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """A Hub without files; huggingface_hub caches in an empty folder."""
    handler = type("Hub", (_Hub,), {"files": {}})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    yield handler.files
    server.shutdown()
    server.server_close()


def test_a_repository_has_the_files_that_the_hub_expects(encoder, exported):
    found = {str(f.relative_to(exported)) for f in exported.rglob("*") if f.is_file()}
    assert found == FILES
    config = json.loads((exported / "config.json").read_text())
    assert config["id2label"]["1"] == encoder.categories[1]
    assert config["label2id"][encoder.categories[1]] == 1
    preprocessor = json.loads((exported / "preprocessor_config.json").read_text())
    assert preprocessor["size"] == {"height": 32, "width": 32}


def test_black_on_white_pictures_of_the_images_get_the_same_answers(encoder, exported):
    ink = render_batch(DrawingBatch.from_drawings(DRAWINGS), encoder.spec) / np.float32(255)
    pictures = np.repeat((1 - ink)[:, None], 3, axis=1)
    session = onnxruntime.InferenceSession(exported / "onnx" / "pictures.onnx")
    logits, embeddings = session.run(["logits", "embeddings"], {"pixel_values": pictures})
    odds = np.exp(logits)
    probabilities = odds / odds.sum(axis=1, keepdims=True)
    expected = encoder.predict(DRAWINGS)
    np.testing.assert_allclose(probabilities, expected.probabilities, atol=1e-4)
    np.testing.assert_allclose(embeddings, encoder.embed(DRAWINGS), atol=1e-4)


def test_both_forms_of_the_encoder_load_from_the_folder(encoder, exported):
    expected = encoder.predict(DRAWINGS).probabilities
    for name in ("model.safetensors", "onnx/model.onnx"):
        loaded = load_encoder(exported / name, precision="float32")
        np.testing.assert_allclose(loaded.predict(DRAWINGS).probabilities, expected, atol=1e-4)
        assert loaded.fingerprint == encoder.fingerprint


def test_the_hub_understands_the_card(exported):
    card = huggingface_hub.ModelCard.load(exported / "README.md")
    assert card.data.license is None  # only the owner can choose one
    assert card.data.library_name == "garabato"
    assert card.data.pipeline_tag == "image-classification"
    assert card.data.model_name == "a/b"
    (result,) = card.data.eval_results
    assert (result.metric_type, result.metric_value) == ("accuracy", 0.5)
    assert card.data.datasets is None


def test_an_encoder_in_onnx_form_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(EncoderError, match="an encoder in ONNX form cannot be saved, exported"):
        export_hub(load_encoder(), tmp_path / "repository")
    assert not (tmp_path / "repository").exists()


def test_the_card_states_the_license_that_is_given(encoder, tmp_path):
    export_hub(encoder, tmp_path, license="cc-by-4.0")
    assert huggingface_hub.ModelCard.load(tmp_path / "README.md").data.license == "cc-by-4.0"


def test_the_card_of_the_shipped_encoder_states_its_license(shipped):
    assert huggingface_hub.ModelCard.load(shipped / "README.md").data.license == "mit"


@pytest.mark.parametrize("repository", ["exported", "shipped"])
def test_the_sections_of_the_card_come_in_order(repository, request):
    card = (request.getfixturevalue(repository) / "README.md").read_text()
    parts = ["Classifies hand-drawn", "## Limitations", "## Results", "## Use"]
    parts += ["## Technical details"]
    parts += ["## Training"] if repository == "exported" else ["## Data", "## Training"]
    assert [card.count(part) for part in parts] == [1] * len(parts)
    assert sorted(parts, key=card.index) == parts
    assert "## " not in card.split(parts[-1])[1]


def test_the_card_ends_with_the_settings_of_the_run(exported):
    card = (exported / "README.md").read_text()
    assert card.endswith('1,200 steps in 1.5 minutes, with these settings:\n\n'
                         '```toml\nmodel = "skfast"\n```\n')  # fmt: skip


def test_the_title_and_added_categories_are_shown_as_they_are(encoder, tmp_path):
    name = '@me: "A" <b> [x](y)\n# `z`'
    run = tmp_path / "run"
    run.mkdir()
    (run / "config.toml").write_text('model = "skfast"\n')
    (run / "metrics.jsonl").write_text('{"step": 8, "seconds": 2.9}\n')
    export_hub(
        encoder.with_categories({"yes: *1*": DRAWINGS}),
        tmp_path / "out",
        name=name,
        results={"accuracy": 0.5},
        run=run,
    )
    card = huggingface_hub.ModelCard.load(tmp_path / "out" / "README.md")
    assert card.data.model_name == name
    assert '# @me: "A" \\<b\\> \\[x\\](y) # \\`z\\`\n' in card.text
    assert r"it also predicts yes: \*1\*." in card.text
    assert "8 steps in 3 seconds, with these settings" in card.text
    assert not [line for line in card.text.splitlines() if line != line.rstrip()]


def test_a_run_that_did_not_finish_is_named(encoder, tmp_path):
    with pytest.raises(InputError, match="not the folder of a finished training"):
        export_hub(encoder, tmp_path / "out", run=tmp_path)


def test_the_encoder_that_ships_brings_its_8_bit_form_and_its_data_set(shipped):
    quantized = load_encoder(shipped / "onnx" / "model_quantized.onnx")
    assert quantized.runtime.bits == 8
    assert quantized.runtime.content == load_encoder().runtime.content
    card = huggingface_hub.ModelCard.load(shipped / "README.md")
    assert card.data.datasets == ["google/quickdraw"]
    assert card.data.eval_results[0].dataset_type == "google/quickdraw"


def test_the_card_of_the_shipped_encoder_has_its_scores_unless_others_are_given(tmp_path, shipped):
    export_hub(load_encoder(runtime="pytorch"), tmp_path)
    card = huggingface_hub.ModelCard.load(tmp_path / "README.md")
    found = {one.metric_type: one.metric_value for one in card.data.eval_results}
    scores = (resources.files("garabato") / "pretrained" / "MODEL_CARD.md").read_text()
    assert f"| top-1 | {100 * found['accuracy']:.1f}%" in scores
    assert f"| top-5 | {100 * found['top_5_accuracy']:.1f}%" in scores
    assert f"| mAP, test against test | {found['mean_average_precision']:.3f} |" in scores
    assert f"| accuracy | {found['accuracy']:.3f} |" in card.text
    given = huggingface_hub.ModelCard.load(shipped / "README.md").data.eval_results
    assert [(one.metric_type, one.metric_value) for one in given] == [("accuracy", 0.7)]


def test_another_encoder_gets_its_8_bit_form_from_calibration_drawings(encoder, tmp_path):
    quantized = tmp_path / "onnx" / "model_quantized.onnx"
    calibration = DrawingBatch.from_drawings(DRAWINGS)
    assert quantized in export_hub(encoder, tmp_path, calibration=calibration, datasets=["me/mine"])
    assert load_encoder(quantized).runtime.bits == 8
    card = (tmp_path / "README.md").read_text()
    assert "Trained on me/mine" in card
    assert "onnx/model_quantized.onnx" in card
    export_hub(encoder, tmp_path)  # the earlier 8-bit form does not stay behind
    assert not quantized.exists()
    assert "onnx/model_quantized.onnx" not in (tmp_path / "README.md").read_text()


def test_a_folder_with_other_files_is_not_written_to(encoder, tmp_path):
    (tmp_path / "thesis.tex").write_text("")
    with pytest.raises(InputError, match=r"holds thesis\.tex"):
        export_hub(encoder, tmp_path)


def test_a_readme_that_is_not_of_an_export_is_not_replaced(encoder, tmp_path):
    for name, content in (("README.md", "# My thesis"), ("config.json", '{"model_type": "bert"}')):
        (tmp_path / name).write_text(content)
        with pytest.raises(InputError, match=r"holds .*README\.md"):
            export_hub(encoder, tmp_path)
    assert (tmp_path / "README.md").read_text() == "# My thesis"


def test_an_8_bit_form_of_an_earlier_encoder_does_not_stay_on_the_hub(encoder, hub):
    hub["onnx/model_quantized.onnx"] = hub["notes.txt"] = b"old"
    push_to_hub(encoder, "a/b", token="hf_test")
    assert {name for name in hub if name != ".gitattributes"} == FILES | {"notes.txt"}


def test_an_encoder_is_uploaded_and_loaded_from_the_hub(encoder, hub):
    url = push_to_hub(encoder, "a/b", token="hf_test")
    assert url.endswith(COMMIT)
    assert {name for name in hub if name != ".gitattributes"} == FILES
    card = hub["README.md"].decode()
    assert card.count('"hf://a/b"') == 1
    assert "OWNER/NAME" not in card
    expected = encoder.predict(DRAWINGS).probabilities
    for runtime in ("auto", "pytorch"):
        loaded = load_encoder("hf://a/b", runtime=runtime, precision="float32")
        np.testing.assert_allclose(loaded.predict(DRAWINGS).probabilities, expected, atol=1e-4)


def test_a_folder_with_the_files_of_a_repository_is_loaded(encoder, exported):
    assert isinstance(load_encoder(exported).runtime, OnnxRuntime)
    assert isinstance(load_encoder(exported, runtime="pytorch").runtime, TorchRuntime)
    assert load_encoder(exported).fingerprint == encoder.fingerprint


def test_what_is_not_on_the_hub_is_named(encoder, hub):
    with pytest.raises(EncoderError, match=r"cannot download onnx/model\.onnx of hf://a/b"):
        load_encoder("hf://a/b")
    with pytest.raises(EncoderError, match="not an address such as"):
        load_encoder("hf://only-a-name")
    with pytest.raises(SourceError, match="cannot upload to c/d"):
        push_to_hub(encoder, "c/d", token="hf_test")


def test_without_a_network_loading_and_uploading_say_so_at_once(encoder, hub, monkeypatch):
    hub["onnx/model.onnx"] = b"never read"
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        # bound: nobody else listens there
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{free.getsockname()[1]}")
        started = time.monotonic()
        with pytest.raises(EncoderError, match=r"cannot download onnx/model\.onnx of hf://a/b"):
            load_encoder("hf://a/b")
        with pytest.raises(SourceError, match="cannot upload to a/b"):
            push_to_hub(encoder, "a/b", token="hf_test")
        assert time.monotonic() - started < 15


def test_what_was_loaded_before_is_loaded_without_a_network(encoder, hub, monkeypatch):
    push_to_hub(encoder, "a/b", token="hf_test")
    before = load_encoder("hf://a/b")
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    assert load_encoder("hf://a/b").fingerprint == before.fingerprint
