"""A model repository gives the same answers with transformers.js, in node, as in Python."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sketches import SKETCH_CATEGORIES, make_drawings

from garabato.encoder import load_encoder
from garabato.export import export_hub
from garabato.formats import read_drawings
from garabato.render import RenderSpec, render

pytest.importorskip("onnx", reason="writing ONNX files needs the extra train")
pytestmark = pytest.mark.slow

PACKAGE = "@huggingface/transformers@4.3.2"
#: What the model card tells people to run, for each picture.
SCRIPT = """
import { AutoModel, AutoProcessor, RawImage, env, softmax } from "@huggingface/transformers";
env.allowRemoteModels = false;
env.localModelPath = "./";
const processor = await AutoProcessor.from_pretrained("repository");
const model = await AutoModel.from_pretrained("repository",
  { dtype: "fp32", model_file_name: "pictures" });
const answers = [];
for (const path of process.argv.slice(2)) {
  const inputs = await processor(await RawImage.read(path));
  const { logits, embeddings } = await model(inputs);
  const probabilities = [...softmax(logits.data)];
  const best = probabilities.indexOf(Math.max(...probabilities));
  answers.push({
    best: model.config.id2label[best], probabilities, embedding: [...embeddings.data],
  });
}
console.log(JSON.stringify(answers));
"""


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Path, dict]]:
    """Pictures of sketches, as the model card describes them, with the answers of node."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("transformers.js needs node and npm")
    folder = tmp_path_factory.mktemp("node")
    # Its scripts only download libraries for NVIDIA GPUs.
    install = ["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", PACKAGE]
    done = subprocess.run(install, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"npm cannot install {PACKAGE}: {done.stderr.strip()[-200:]}")
    encoder = load_encoder(runtime="pytorch")
    export_hub(encoder, folder / "repository")
    spec = RenderSpec(384, line_width=encoder.spec.line_width, margin=encoder.spec.margin)
    pictures = []
    for i, drawing in enumerate(make_drawings(SKETCH_CATEGORIES, 2, seed=0)):
        pictures.append(folder / f"{i}.png")
        Image.fromarray(255 - render(drawing, spec)).save(pictures[-1])
    (folder / "classify.mjs").write_text(SCRIPT)
    done = subprocess.run(
        ["node", "classify.mjs", *map(str, pictures)],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-1500:]
    return list(zip(pictures, json.loads(done.stdout), strict=True))


def test_pictures_get_the_answers_that_python_gives(answers: list[tuple[Path, dict]]) -> None:
    """An embedding is pulled towards likely categories: it agrees where these do."""
    encoder = load_encoder()
    sure, similarities = [], []
    for path, answer in answers:
        (drawing,) = read_drawings(path)
        predictions = encoder.classify(drawing)
        (embedding,) = encoder.embed([drawing])
        similarities.append(embedding @ np.array(answer["embedding"]))
        assert sum(answer["probabilities"]) == pytest.approx(1, abs=1e-4)
        if not predictions.unsure:
            sure.append(similarities[-1])
            assert answer["best"] == predictions[0].category, path
    assert len(sure) >= 10
    assert min(sure) > 0.99
    assert np.mean(similarities) > 0.98
