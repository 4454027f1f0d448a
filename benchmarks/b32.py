"""B32: 32 categories of Google's 28x28 bitmaps, 1,000 training and 50 test drawings each."""

from __future__ import annotations

import harness
from standard_sets import codes_and_unsure, measured

MINUTES = 15


def run(context: harness.Context) -> list[harness.Row]:
    """The rows that were asked for."""
    source = context.source.parent / "numpy_bitmap"
    prepare = ["--categories", "all", "--train", "1000", "--test", "50", "--seed", "0"]
    train = ["--preset", "skfast", "--minutes", str(MINUTES)]
    found = measured("b32", source, prepare, train)
    return [
        harness.Row("B32 test top-1", "%", [found["top1"]], 0.93, at_least=True),
        harness.Row("B32 mAP, test against test", "", [found["map"]], 0.88, at_least=True),
        harness.Row("B32 mAP, test against the training gallery", "", [found["map_gallery"]]),
        *codes_and_unsure("B32", [found]),
        harness.Row("B32 training", "min", [found["minutes"]]),
    ]


BENCHMARK = harness.Benchmark(
    "b32",
    "the 32 categories of 28x28 bitmaps beside the simplified drawings (numpy_bitmap), 1,000 "
    "training + 50 test each, seed 0; preset skfast",
    "",
    run,
    quick=False,
)

if __name__ == "__main__":
    harness.main(BENCHMARK)
