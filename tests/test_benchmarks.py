"""The benchmarks run and are written up; what they measure is not tested here."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

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
    assert ">= 6 times" in results[1]


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


def test_the_results_page_has_every_figure(results: tuple[Path, str], tmp_path: Path) -> None:
    folder, _ = results
    run("tools/write_results.py", folder, tmp_path / "results.md")
    page = (tmp_path / "results.md").read_text()
    kept = json.loads((folder / "parse_render.json").read_text())
    for row in kept["rows"]:
        (line,) = [line for line in page.splitlines() if line.startswith(f"| {row['what']} |")]
        assert row["unit"] in line
    assert "python benchmarks/parse_render.py" in page
