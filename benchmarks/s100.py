"""S100: what `garabato demo` reaches on 100 random categories, for three seeds.

The demos are kept in runs/s100: a seed that is finished is not trained again, so that the half hour
can be interrupted. Remove the folder to measure anew.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import frame

SEEDS = (0, 1, 2)
FOLDER = Path(__file__).resolve().parent.parent / "runs" / "s100"


def run(context: frame.Context) -> list[frame.Row]:
    """The figures that the demo leaves in results.json, a sample a seed."""
    results = []
    for seed in SEEDS:
        out = FOLDER / f"seed{seed}"
        command = [frame.GARABATO, "demo", "--source", context.source, "--out", out]
        subprocess.run([*command, "--seed", str(seed), "--minutes", "10"], check=True)
        results.append(json.loads((out / "results.json").read_text()))

    def over_seeds(name: str, per: float = 1) -> list[float]:
        return [result[name] / per for result in results]

    return [
        frame.Row(
            "S100 test top-1",
            "%",
            over_seeds("top1"),
            reach=0.76,
            at_least=True,
            note="seed project: 74.5 % with 1,000 drawings a category, 3 h 45 min of GPU",
        ),
        frame.Row("S100 test top-5", "%", over_seeds("top5")),
        frame.Row(
            "S100 mAP, test against test",
            "",
            over_seeds("map"),
            reach=0.55,
            at_least=True,
            note="seed project: 0.11 at most",
        ),
        frame.Row("S100 mAP, test against the training gallery", "", over_seeds("map_gallery")),
        frame.Row("S100 training", "min", over_seeds("train_seconds", 60), reach=10.2),
        frame.Row("S100 whole demo", "min", over_seeds("seconds", 60), reach=15),
    ]


BENCHMARK = frame.Benchmark(
    "s100",
    "100 random categories x (200 training + 25 test) drawings, seeds 0, 1 and 2; skfast",
    "the seed project's published table",
    run,
    quick=False,
)

if __name__ == "__main__":
    frame.main(BENCHMARK)
