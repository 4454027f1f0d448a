from __future__ import annotations

import base64
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from networks import make_encoder
from sketches import make_drawings

from garabato.encoder import load_encoder
from garabato.errors import EncoderError, InputError, SourceError
from garabato.export import export_hub, push_to_hub

huggingface_hub = pytest.importorskip("huggingface_hub")
DRAWINGS = make_drawings(["star", "house"], 3, seed=0)
FILES = {
    "README.md",
    "config.json",
    "preprocessor_config.json",
    "model.safetensors",
    "onnx/model.onnx",
}
COMMIT = "0123456789" * 4


@pytest.fixture(scope="module")
def encoder():
    return make_encoder("skfast")


@pytest.fixture(scope="module")
def exported(encoder, tmp_path_factory):
    folder = tmp_path_factory.mktemp("hub")
    export_hub(encoder, folder, name="a/b", results={"accuracy": 0.5})
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
            url = f"{self._address}/a/b/commit/{COMMIT}"
            self._json({"success": True, "commitOid": COMMIT, "commitUrl": url})
        else:
            self.send_error(404)

    @property
    def _address(self):
        return f"http://127.0.0.1:{self.server.server_port}"

    def _serve(self, *, with_body):
        path = self.path.partition("?")[0]
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


def test_both_forms_of_the_encoder_load_from_the_folder(encoder, exported):
    expected = encoder.predict(DRAWINGS).probabilities
    for name in ("model.safetensors", "onnx/model.onnx"):
        loaded = load_encoder(exported / name, precision="float32")
        np.testing.assert_allclose(loaded.predict(DRAWINGS).probabilities, expected, atol=1e-4)
        assert loaded.fingerprint == encoder.fingerprint


def test_the_hub_understands_the_card(exported):
    card = huggingface_hub.ModelCard.load(exported / "README.md")
    assert card.data.license == "mit"
    assert card.data.library_name == "garabato"
    assert card.data.pipeline_tag == "image-classification"
    assert card.data.model_name == "a/b"
    (result,) = card.data.eval_results
    assert (result.metric_type, result.metric_value) == ("accuracy", 0.5)
    assert card.content.index("## What it can't do") < card.content.index("## Measures")


def test_a_folder_with_other_files_is_not_written_to(encoder, tmp_path):
    (tmp_path / "thesis.tex").write_text("")
    with pytest.raises(InputError, match=r"holds thesis\.tex"):
        export_hub(encoder, tmp_path)


def test_an_encoder_is_uploaded_and_loaded_from_the_hub(encoder, hub):
    url = push_to_hub(encoder, "a/b", token="hf_test")
    assert url.endswith(COMMIT)
    assert {name for name in hub if name != ".gitattributes"} == FILES
    expected = encoder.predict(DRAWINGS).probabilities
    for runtime in ("auto", "pytorch"):
        loaded = load_encoder("hf://a/b", runtime=runtime, precision="float32")
        np.testing.assert_allclose(loaded.predict(DRAWINGS).probabilities, expected, atol=1e-4)


def test_what_is_not_on_the_hub_is_named(encoder, hub):
    with pytest.raises(EncoderError, match=r"cannot download onnx/model\.onnx of hf://a/b"):
        load_encoder("hf://a/b")
    with pytest.raises(EncoderError, match="not an address such as"):
        load_encoder("hf://only-a-name")
    with pytest.raises(SourceError, match="cannot upload to c/d"):
        push_to_hub(encoder, "c/d", token="hf_test")
