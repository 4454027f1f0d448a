"""How long `garabato prepare` takes for 100 categories."""

from __future__ import annotations

import subprocess
import time

import harness

REPEATS = 3


def run(context: harness.Context) -> list[harness.Row]:
    """Wall time of the whole command, contact sheets included."""
    samples = []
    for repeat in range(REPEATS):
        out = context.work / f"data{repeat}"
        command = [harness.GARABATO, "prepare", "--source", context.source, "--out", out]
        sizes = ["--categories", "100", "--train", "200", "--test", "25", "--allow-short"]
        started = time.perf_counter()
        subprocess.run([*command, *sizes], check=True, capture_output=True)
        samples.append(time.perf_counter() - started)
    return [harness.Row("prepare 100 categories x (200 + 25)", "s", samples, target=15)]


BENCHMARK = harness.Benchmark("prepare", "100 random categories of the source, seed 0", "", run)

if __name__ == "__main__":
    harness.main(BENCHMARK)
