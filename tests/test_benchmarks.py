"""The benchmarks run and are written up; what they measure is not tested here."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from garabato.drawing import Drawing, DrawingBatch

ROOT = Path(__file__).resolve().parent.parent


def run(script: str, *arguments: object) -> str:
    command = [sys.executable, str(ROOT / script), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.fixture(scope="module")
def results(sketch_source: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Where a benchmark left its result, and the table it printed."""
    folder = tmp_path_factory.mktemp("results")
    options = ("--source", sketch_source, "--results", folder)
    return folder, run("benchmarks/parse_render.py", *options)


def test_all_benchmarks_and_tools_can_be_imported() -> None:
    names = [
        path.stem for folder in ("benchmarks", "tools") for path in (ROOT / folder).glob("*.py")
    ]
    names.remove("check_tensorflow")  # runs in an environment of its own
    imports = f"import sys; sys.path += ['benchmarks', 'tools']; import {', '.join(names)}"
    subprocess.run([sys.executable, "-c", imports], cwd=ROOT, check=True)


def test_a_benchmark_keeps_its_samples_and_says_data_machine_and_comparison(
    results: tuple[Path, str],
) -> None:
    kept = json.loads((results[0] / "parse_render.json").read_text())
    assert kept["machine"]["cores"] >= 1
    assert "simplified ndjson" in kept["data"]
    assert "reference project" in kept["compared_with"]
    assert kept["rows"]
    for row in kept["rows"]:
        assert row["min"] <= row["median"] <= row["max"]
        assert len(row["samples"]) == 5
        assert min(row["samples"]) > 0


def test_a_benchmark_prints_a_table_with_what_it_should_reach(results: tuple[Path, str]) -> None:
    assert "speed-up" in results[1]
    assert ">= 10 times" in results[1]


def test_one_command_runs_every_benchmark() -> None:
    scripts = [path for path in (ROOT / "benchmarks").glob("*.py") if path.name != "harness.py"]
    benchmarks = {path.stem for path in scripts if "harness.Benchmark(" in path.read_text()}
    assert len(benchmarks) > 15
    together = (ROOT / "benchmarks" / "run.py").read_text()
    assert {
        name
        for name in benchmarks
        if f"{name}.BENCHMARK," not in together and f"{name}.benchmark(" not in together
    } == set()


def test_sets_of_vectors_are_made_from_any_number_of_drawings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))  # type: ignore[no-untyped-call]
    import vectors

    categories = ["one"] + ["three"] * 3 + ["forty"] * 40
    batch = DrawingBatch.from_drawings(
        [Drawing([[[0, n], [9, 0]]], category=name) for n, name in enumerate(categories)]
    )
    embeddings = np.random.default_rng(0).standard_normal((44, 8)).astype(np.float32)
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    drawings = vectors.Drawings(batch, embeddings)
    near = drawings.neighbours()
    assert set(near[0]) == {0}
    assert set(near[1]) == {2, 3}
    closest = set(4 + np.argsort(-(embeddings[4:] @ embeddings[9]))[1:17])
    assert set(near[9]) == closest
    made = np.concatenate([vectors for _, vectors in drawings.chunks(60)])
    assert np.array_equal(made[:44], embeddings)
    assert np.linalg.norm(made, axis=1) == pytest.approx(1, abs=1e-5)
    others, queries = drawings.held_out(5)
    both = np.concatenate([others.embeddings, queries])
    assert (len(others), sorted(both[:, 0])) == (39, sorted(embeddings[:, 0]))
    pixels = drawings.as_pixels()
    assert pixels.embeddings.shape == (44, 784)
    assert np.linalg.norm(pixels.embeddings, axis=1) == pytest.approx(1, abs=1e-5)


def test_the_results_page_has_every_figure(results: tuple[Path, str], tmp_path: Path) -> None:
    folder, _ = results
    run("tools/write_results.py", folder, tmp_path / "results.md")
    page = (tmp_path / "results.md").read_text()
    kept = json.loads((folder / "parse_render.json").read_text())
    for row in kept["rows"]:
        (line,) = [line for line in page.splitlines() if line.startswith(f"| {row['what']} |")]
        assert row["unit"] in line
    assert "python benchmarks/parse_render.py" in page
