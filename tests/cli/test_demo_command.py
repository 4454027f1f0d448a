"""The demo, small: sketches, seconds of training, everything else for real."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import pytest
from bucket_server import BucketServer, serving, simplified_file
from click.testing import CliRunner, Result
from sketches import make_drawings

from garabato.categories import CATEGORIES, choose_categories
from garabato.cli import main

pytestmark = pytest.mark.slow


def run_demo(source: Path, out: Path, *more: str) -> Result:
    size = ["--categories", "4", "--minutes", "0.05"]
    return CliRunner().invoke(
        main, ["demo", "--source", str(source), "--out", str(out), *size, *more]
    )


@pytest.fixture(scope="module")
def finished(sketch_source: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    """A finished demo: its folder, and what it said."""
    out = tmp_path_factory.mktemp("demo") / "demo"
    result = run_demo(sketch_source, out)
    assert result.exit_code == 0, result.output
    return out, result


def test_the_demo_prints_its_results_and_the_published_ones(
    finished: tuple[Path, Result],
) -> None:
    out, result = finished
    found = json.loads((out / "results.json").read_text())
    assert "73.3%" in result.stdout
    assert f"{100 * found['top1']:.1f}%" in result.stdout
    measured = json.loads((out / "report" / "evaluation.json").read_text())
    assert [found[name] for name in ("top1", "map")] == [measured["top1"], measured["map"]]
    assert found["n_categories"] == 4
    assert found["seconds"] >= found["train_seconds"] > 0
    assert any(note.startswith("the network saw only") for note in found["notes"])
    printed = " ".join(result.stderr.split())
    assert [printed.count(f"note: {note}") for note in found["notes"]] == [1] * len(found["notes"])


def test_the_files_named_by_the_demo_exist(finished: tuple[Path, Result]) -> None:
    out, result = finished
    named = [word for word in result.stdout.split() if word.startswith(str(out))]
    assert len(named) >= 5
    for path in named:
        assert Path(path).exists(), path
    picture = cv2.imread(str(out / "search" / "hits.png"))
    assert picture.shape[1] > 500
    assert (out / "report" / "report.html").stat().st_size > 1000


def test_the_commands_suggested_by_the_demo_work(
    finished: tuple[Path, Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    _, result = finished
    typed = [line.split()[1:] for line in result.stdout.splitlines() if "  garabato " in line]
    assert len(typed) == 3
    for arguments in typed:
        again = CliRunner().invoke(main, arguments)
        assert again.exit_code == 0, again.output


def test_a_finished_demo_prints_its_results_again_without_work(
    finished: tuple[Path, Result], sketch_source: Path
) -> None:
    out, first = finished
    before = (out / "run" / "encoder.safetensors").stat()
    again = run_demo(sketch_source, out)
    assert again.exit_code == 0
    assert again.stderr.count("done before") == 5
    assert again.stdout == first.stdout
    assert (out / "run" / "encoder.safetensors").stat().st_mtime_ns == before.st_mtime_ns


def test_a_demo_on_drawings_of_the_bucket_fetches_them_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = choose_categories(CATEGORIES, 2, seed=0)
    with serving(BucketServer()) as bucket:
        for name, shown in zip(chosen, ("circle", "star"), strict=True):
            drawings = make_drawings([shown], 80, seed=0)
            bucket.add(f"/full/simplified/{name}.ndjson", simplified_file(drawings))
        bucket.add("/full/simplified/cat.ndjson", b"{}")
        monkeypatch.setenv("GARABATO_BUCKET", bucket.url)
        monkeypatch.delenv("GARABATO_SOURCE", raising=False)
        monkeypatch.chdir(tmp_path)
        small = ["--categories", "2", "--minutes", "0.02"]
        result = CliRunner().invoke(main, ["demo", "--out", "demo", *small])
    assert result.exit_code == 0, result.output
    assert "a random sample from Google's bucket" in result.stderr
    assert json.loads(Path("demo/data/dataset.json").read_text())["categories"] == chosen
    again = CliRunner().invoke(main, ["demo", "--out", "demo", *small])  # the bucket is gone
    assert again.exit_code == 0, again.output
    assert again.stderr.count("done before") == 6


def test_a_source_without_drawings_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    result = run_demo(tmp_path / "empty", tmp_path / "demo")
    assert result.exit_code == 1
    assert str(tmp_path / "empty") in result.stderr
