"""Simplified ndjson -> images, on one core: garabato beside the code of the reference project.

The reference project: json.loads a line, cv2.line a segment (3 px, black on a white 256x256
canvas), cv2.resize by area to 128x128. Garabato: read_batches, then render_batch to 64x64. Both
run in this process, in turn, over the same bytes, on the same core; the rates are by CPU time, so
that other programs on the machine matter little.
"""

from __future__ import annotations

import json
import time
from pathlib import Path

import harness

REPEATS = 5
N_FILES = 40


@harness.on_one_core()
def run(context: harness.Context) -> list[harness.Row]:
    """Drawings a CPU second of either way and their ratio, repeat by repeat."""
    import cv2
    import numba

    cv2.setNumThreads(1)
    numba.set_num_threads(1)
    files = sorted(context.source.glob("*.ndjson"))
    files = files[:: max(1, len(files) // N_FILES)]
    our_way(files[0]), reference_way(files[0])  # compile the kernels, warm the caches
    ours, theirs, ratios = [], [], []
    for _ in range(REPEATS):
        their_rate, our_rate = rate(reference_way, files), rate(our_way, files)
        theirs.append(their_rate)
        ours.append(our_rate)
        ratios.append(our_rate / their_rate)
    unit = "drawings/s"
    return [
        harness.Row("ndjson -> 64x64 images, one core", unit, ours),
        harness.Row(
            "the same, reference project",
            unit,
            theirs,
            note="json.loads, cv2.line, resize",
        ),
        harness.Row(
            "speed-up over the reference",
            "times",
            ratios,
            target=10,
            at_least=True,
        ),
        harness.Row(
            "50,000,000 drawings on 16 cores, extrapolated",
            "min",
            [50_000_000 / (16 * our_rate) / 60 for our_rate in ours],
            target=2,
            note="16 times the rate of one core, reading from disk not counted",
        ),
    ]


def rate(way, files: list[Path]) -> float:
    """Drawings of all files over the CPU seconds of all threads that `way` took for them."""
    started = time.process_time()
    n = sum(way(path) for path in files)
    return n / (time.process_time() - started)


def our_way(path: Path) -> int:
    """The number of drawings read and rendered."""
    from garabato.formats import read_batches
    from garabato.render import RenderSpec, render_batch

    spec = RenderSpec(size_px=64)
    return sum(len(render_batch(batch, spec)) for batch in read_batches(path))


def reference_way(path: Path) -> int:
    """The number of drawings read and rendered."""
    import cv2
    import numpy as np

    images = []
    with open(path) as lines:
        for line in lines:
            canvas = np.full((256, 256), 255, np.uint8)
            for stroke in json.loads(line)["drawing"]:
                xs, ys = stroke[0], stroke[1]
                for i in range(len(xs) - 1):
                    cv2.line(canvas, (xs[i], ys[i]), (xs[i + 1], ys[i + 1]), 0, 3)
            images.append(cv2.resize(canvas, (128, 128), interpolation=cv2.INTER_AREA))
    return len(images)


BENCHMARK = harness.Benchmark(
    "parse_render",
    f"every drawing of {N_FILES} of the source's simplified ndjson files",
    "the reference project's code, in turn, in the same process on the same core",
    run,
)

if __name__ == "__main__":
    harness.main(BENCHMARK)
