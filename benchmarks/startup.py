"""How long a person waits for `garabato --help`."""

from __future__ import annotations

import subprocess
import time

import frame

REPEATS = 10


def run(context: frame.Context) -> list[frame.Row]:
    """Wall time of new processes, after one that warms the disk cache."""
    samples = []
    for _ in range(REPEATS + 1):
        started = time.perf_counter()
        subprocess.run([frame.GARABATO, "--help"], check=True, stdout=subprocess.DEVNULL)
        samples.append(time.perf_counter() - started)
    return [frame.Row("garabato --help", "s", samples[1:], reach=0.3)]


BENCHMARK = frame.Benchmark("startup", "no data", "", run)

if __name__ == "__main__":
    frame.main(BENCHMARK)
