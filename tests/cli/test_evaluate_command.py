from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner, Result
from sketches import SKETCH_CATEGORIES, write_source

from garabato.cli import main
from garabato.dataset import Dataset, prepare
from garabato.encoder import Encoder
from garabato.models import create_model
from garabato.render import RenderSpec


@pytest.fixture(scope="module")
def data(sketch_source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("evaluate") / "data"
    return prepare(sketch_source, out, categories="all", n_train=12, n_test=4, sheets=False).path


@pytest.fixture(scope="module")
def run(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run's folder with a small untrained network."""
    folder = tmp_path_factory.mktemp("run")
    categories = Dataset.open(data).categories
    torch.manual_seed(0)
    model = create_model("skfast", n_categories=len(categories), image_size_px=32)
    Encoder(model, spec=RenderSpec(size_px=32), categories=categories).save(
        folder / "encoder.safetensors"
    )
    steps = [
        {"kind": "step", "step": s, "loss": 1 / s, "accuracy": s / 9, "learning_rate": 0.1}
        for s in (1, 2, 3)
    ]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(s) + "\n" for s in steps))
    return folder


def evaluate(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["evaluate", *map(str, arguments)])


def test_json_prints_only_one_document_on_stdout(data: Path, run: Path) -> None:
    result = evaluate("--model", run, "--data", data, "--json")
    assert result.exit_code == 0, result.stderr
    found = json.loads(result.stdout)
    assert found["n_drawings"] == 40
    assert found["n_categories"] == 10
    assert found["model"]["name"] == "skfast"
    assert 0 <= found["top1"] <= found["top5"] <= 1
    assert 0 < found["map"] < 1
    assert 0 < found["map_gallery"] < 1
    assert found["unreadable"] == 0
    assert found["seconds"] > 0
    assert len(found["per_category"]) == 10


def test_a_run_and_its_encoder_file_give_the_same_figures(data: Path, run: Path) -> None:
    first = json.loads(evaluate("--model", run, "--data", data, "--json").stdout)
    file = run / "encoder.safetensors"
    second = json.loads(evaluate("--model", file, "--data", data, "--json").stdout)
    assert first | {"seconds": 0} == second | {"seconds": 0}


def test_without_json_the_figures_are_printed_as_text(data: Path, run: Path) -> None:
    result = evaluate("--model", run, "--data", data)
    assert result.exit_code == 0, result.stderr
    for text in ("40 drawings of 10 categories", "top-1", "mAP, in the gallery", "±", "hardest"):
        assert text in result.stdout


def test_a_report_of_a_run_has_its_learning_curves(data: Path, run: Path, tmp_path: Path) -> None:
    report = tmp_path / "made" / "report"
    result = evaluate("--model", run, "--data", data, "--report", report, "--json")
    assert result.exit_code == 0, result.stderr
    document = json.loads(result.stdout)
    assert json.loads((report / "evaluation.json").read_text()) == document
    assert (report / "learning_curves.png").exists()
    assert str(report / "report.html") in result.stderr


def test_every_drawing_of_a_source_is_measured(run: Path, tmp_path: Path) -> None:
    write_source(tmp_path, [SKETCH_CATEGORIES[0], SKETCH_CATEGORIES[13]], per_category=6, seed=2)
    with open(tmp_path / f"{SKETCH_CATEGORIES[0]}.ndjson", "a") as file:
        file.write('{"drawing": \n')
    result = evaluate("--model", run, "--source", tmp_path, "--json")
    assert result.exit_code == 0, result.stderr
    found = json.loads(result.stdout)
    assert found["n_drawings"] == 12
    assert found["unknown_categories"] == {SKETCH_CATEGORIES[13]: 6}
    assert found["unreadable"] == 1
    assert found["map_gallery"] is None
    assert "line 7" in result.stderr
    strict = evaluate("--model", run, "--source", tmp_path, "--strict")
    assert strict.exit_code == 1
    assert "line 7" in strict.stderr


def test_the_training_split_is_measured_without_a_gallery(data: Path, run: Path) -> None:
    arguments = ("--model", run, "--data", data, "--split", "train", "--json")
    found = json.loads(evaluate(*arguments).stdout)
    assert found["n_drawings"] == 120
    assert found["map_gallery"] is None
    found = json.loads(evaluate(*arguments, "--gallery-split", "test").stdout)
    assert found["n_gallery"] == 40


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        ((), 2, "either --data or --source"),
        (("--data", "{data}", "--source", "{data}"), 2, "either --data or --source"),
        (("--source", "{data}", "--gallery-split", "train"), 2, "a source has no splits"),
        (("--data", "{data}", "--category-from", "name"), 2, "--category-from needs --source"),
        (("--data", "{data}/nowhere"), 1, "holds no data set"),
        (("--data", "{data}", "--report", "{data}"), 1, "not empty and holds no report"),
        (("--source", "{data}/nowhere"), 1, "does not exist"),
        (("--data", "{data}", "--gallery-split", "test"), 1, "both the 'test' split"),
    ],
)
def test_invalid_arguments_are_errors(
    data: Path, run: Path, arguments: tuple[str, ...], status: int, message: str
) -> None:
    filled = [a.replace("{data}", str(data)) for a in arguments]
    result = evaluate("--model", run, *filled)
    assert result.exit_code == status
    assert message in result.stderr
    assert "Traceback" not in result.output


def test_a_missing_encoder_is_an_error(data: Path, tmp_path: Path) -> None:
    result = evaluate("--model", tmp_path / "none.safetensors", "--data", data)
    assert result.exit_code == 1
    assert "there is no encoder at" in result.stderr
