"""S345 and B32: prepared, trained and evaluated through the command line, each kept in runs/.

Finished steps are not repeated, so that long trainings can be interrupted; to measure again, remove
the folder.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import harness

RUNS = harness.ROOT / "runs"


def measured(name: str, source: Path, prepare: list[str], train: list[str]) -> dict[str, Any]:
    """What `evaluate` says of a training, with the `minutes` it took."""
    folder = RUNS / name
    data, run, report = folder / "data", folder / "run", folder / "report"
    folder.mkdir(parents=True, exist_ok=True)
    if not data.exists():
        garabato("prepare", "--source", source, "--out", data, *prepare)
    if not (run / "encoder.safetensors").exists():
        resume = ["--resume"] if (run / "checkpoint.pt").exists() else train
        garabato("train", "--data", data, "--out", run, *resume)
    if not (report / "evaluation.json").exists():
        garabato("evaluate", "--model", run, "--data", data, "--report", report)
    lines = (run / "metrics.jsonl").read_text().splitlines()
    minutes = json.loads(lines[-1])["seconds"] / 60
    found: dict[str, Any] = json.loads((report / "evaluation.json").read_text())
    return found | {"minutes": minutes}


def codes_and_unsure(name: str, evaluations: list[dict[str, Any]]) -> list[harness.Row]:
    """What the binary codes lose and how far the probabilities can be trusted, a sample each."""
    unsure = [found["unsure"] for found in evaluations]
    return [
        harness.Row(
            f"{name} mAP lost by 128-bit codes",
            "",
            [found["map"] - found["map_128_bit"] for found in evaluations],
            target=0.03,
        ),
        harness.Row(
            f"{name} expected calibration error",
            "",
            [found["ece"] for found in evaluations],
            target=0.03,
        ),
        harness.Row(f"{name} answered, not unsure", "%", [one["coverage"] for one in unsure]),
        harness.Row(
            f"{name} right of the answered",
            "%",
            [one["precision"] for one in unsure],
            note=f"the probability was chosen for {100 * unsure[0]['chosen_for']:.0f}% on "
            "drawings kept out",
        ),
    ]


def garabato(*arguments: object) -> None:
    """Run a command; what it prints is for the terminal."""
    subprocess.run([harness.GARABATO, *map(str, arguments)], check=True)
