"""Memory of a full mAP: 10,000 queries against a gallery of 1,000,000 embeddings."""

from __future__ import annotations

import json
import subprocess
import sys

import harness

N_QUERIES, N_GALLERY, DIM, N_CATEGORIES = 10_000, 1_000_000, 128, 345

MEASURED = f"""
import json, resource, sys, time
import numpy as np
from garabato.evaluation.metrics import mean_average_precision

random = np.random.default_rng(0)
centres = random.standard_normal(({N_CATEGORIES}, {DIM}), np.float32)

def embeddings(n):
    labels = random.integers(0, {N_CATEGORIES}, n)
    rows = random.standard_normal((n, {DIM}), np.float32)
    rows *= 1.6
    rows += centres[labels]
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows, labels

gallery, gallery_labels = embeddings({N_GALLERY})
queries, query_labels = embeddings({N_QUERIES})
started = time.perf_counter()
value = mean_average_precision(queries, query_labels, gallery, gallery_labels)
seconds = time.perf_counter() - started
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # KiB, but on macOS bytes
peak *= 1 if sys.platform == "darwin" else 1024
print(json.dumps({{"map": value, "seconds": seconds, "peak_bytes": peak}}))
"""


def run(context: harness.Context) -> list[harness.Row]:
    """Peak memory of a process of its own, embeddings included, and the time of the mAP."""
    done = subprocess.run(
        [sys.executable, "-c", MEASURED], check=True, capture_output=True, text=True
    )
    found = json.loads(done.stdout)
    return [
        harness.Row(
            "mAP of 10,000 queries x 1,000,000, peak memory",
            "GiB",
            [found["peak_bytes"] / 2**30],
            target=4,
            note="the embeddings alone: 0.48 GiB",
        ),
        harness.Row("the same, time", "s", [found["seconds"]], note=f"mAP {found['map']:.4f}"),
    ]


BENCHMARK = harness.Benchmark(
    "evaluate_memory",
    f"seeded random embeddings, {DIM} floats, {N_CATEGORIES} categories",
    "",
    run,
    quick=False,
)

if __name__ == "__main__":
    harness.main(BENCHMARK)
