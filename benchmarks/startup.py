"""How long a person waits for a command: whole processes, from their start to their end.

python benchmarks/startup.py                  # a gallery of 20,000 drawings
GARABATO_BENCH_GALLERY=100000 python benchmarks/startup.py
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import harness
import numpy as np

import garabato

REPEATS = 10
N_DRAWINGS = int(os.environ.get("GARABATO_BENCH_GALLERY", "20000"))
_CHUNK = 16_384
_QUERY = '{"word": "circle", "drawing": [[[100, 200, 100, 0, 100], [0, 100, 200, 100, 0]]]}\n'


def run(context: harness.Context) -> list[harness.Row]:
    """Wall time of new processes, after one that warms the disk cache."""
    query, gallery = context.work / "query.ndjson", context.work / "gallery"
    query.write_text(_QUERY)
    fill(gallery, query)
    search = (harness.GARABATO, "search", "--gallery", gallery, query)
    return [
        harness.Row("import garabato", "s", timed(sys.executable, "-c", "import garabato")),
        harness.Row("garabato --help", "s", timed(harness.GARABATO, "--help"), target=0.3),
        harness.Row("garabato classify", "s", timed(harness.GARABATO, "classify", query), 0.8),
        harness.Row(f"garabato search, {N_DRAWINGS:,} drawings", "s", timed(*search), 1.2),
    ]


def timed(*command: Any) -> list[float]:
    """Seconds of each of `REPEATS` processes."""
    samples = []
    for _ in range(REPEATS + 1):
        started = time.perf_counter()
        subprocess.run(list(map(str, command)), check=True, stdout=subprocess.DEVNULL)
        samples.append(time.perf_counter() - started)
    return samples[1:]


def fill(folder: Path, query: Path) -> None:
    """A gallery of one drawing under many names, with random embeddings."""
    encoder = garabato.load_encoder()
    gallery = garabato.open_gallery(folder, encoder=encoder)
    (drawing,) = garabato.read_drawings(query)
    random = np.random.default_rng(0)
    for start in range(0, N_DRAWINGS, _CHUNK):
        n = min(_CHUNK, N_DRAWINGS - start)
        embeddings = random.standard_normal((n, encoder.embedding_dim)).astype(np.float32)
        embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
        named = [drawing.replace(key_id=str(start + i)) for i in range(n)]
        gallery.add(named, embeddings=embeddings)


BENCHMARK = harness.Benchmark("startup", "no data", "", run)

if __name__ == "__main__":
    harness.main(BENCHMARK)
