"""How long a person waits for `garabato --help`."""

from __future__ import annotations

import subprocess
import time

import harness

REPEATS = 10


def run(context: harness.Context) -> list[harness.Row]:
    """Wall time of new processes, after one that warms the disk cache."""
    samples = []
    for _ in range(REPEATS + 1):
        started = time.perf_counter()
        subprocess.run([harness.GARABATO, "--help"], check=True, stdout=subprocess.DEVNULL)
        samples.append(time.perf_counter() - started)
    return [harness.Row("garabato --help", "s", samples[1:], target=0.3)]


BENCHMARK = harness.Benchmark("startup", "no data", "", run)

if __name__ == "__main__":
    harness.main(BENCHMARK)
