from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from networks import make_encoder
from sketches import make_drawings, write_source

from garabato import write_drawings
from garabato.cli import main
from garabato.export.web import ExportedPage

pytest.importorskip("onnxruntime")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "encoder.safetensors"
    make_encoder("skfast").save(path)
    return path


def run(*arguments: object, exit_code: int = 0) -> str:
    done = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert done.exit_code == exit_code, done.output
    return done.output


def test_an_exported_encoder_classifies_as_the_one_it_was_made_from(model, tmp_path):
    out, query = tmp_path / "encoder.onnx", tmp_path / "query.ndjson"
    write_drawings(query, make_drawings(["star"], 3, seed=4))
    said = json.loads(run("export", "onnx", "--model", model, "--out", out, "--json"))
    assert said["bytes"] == out.stat().st_size
    answers = [
        json.loads(run("classify", "--model", path, query, "--json")) for path in (model, out)
    ]
    for one, other in zip(*(answer["queries"] for answer in answers), strict=True):
        names = [[p["category"] for p in each["predictions"]] for each in (one, other)]
        assert names[0] == names[1]
    assert "skfast, 5 categories" in run("export", "onnx", "--model", model, "--out", out)


def test_a_file_name_without_the_right_suffix_is_refused(model, tmp_path):
    said = run("export", "onnx", "--model", model, "--out", tmp_path / "encoder.bin", exit_code=2)
    assert "must end in .onnx" in said


def test_a_model_repository_gets_an_8_bit_form_and_names_its_data(model, tmp_path):
    source = write_source(tmp_path / "source", ["star", "house"], 6, seed=0)
    data, folder = tmp_path / "data", tmp_path / "repository"
    run("prepare", "--source", source, "--out", data, "--categories", "all", "--train", 4,
        "--test", 2, "--no-sheets")  # fmt: skip
    said = json.loads(
        run(
            "export",
            "hub",
            folder,
            "--model",
            model,
            "--calibrate",
            data,
            "--dataset",
            "me/mine",
            "--json",
        )
    )
    assert "onnx/model_quantized.onnx" in said["files"]
    assert 'datasets: ["me/mine"]' in (folder / "README.md").read_text()


def test_a_page_goes_to_a_folder_of_its_own(model, tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    said = run("export", "web", tmp_path, "--model", model, exit_code=1)
    assert "is not empty and was not written" in said
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_an_exported_page_comes_with_the_command_that_shows_it(tmp_path, monkeypatch):
    page = ExportedPage(tmp_path / "my page", 7, {"index.html": 1_000_000, "a.js": 500_000})
    monkeypatch.setattr("garabato.export_web", lambda *_, **__: page)
    said = run("export", "web", page.folder).replace("\n", "")
    assert said.startswith(f"{page.folder}: 7 drawings, 1.5 MB in 2 files")
    assert f"python -m http.server --directory '{page.folder}'" in said
