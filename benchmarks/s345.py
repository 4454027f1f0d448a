"""S345: all categories, 200 training and 25 test drawings each, the shipped encoder's recipe."""

from __future__ import annotations

import harness
from standard_sets import codes_and_unsure, measured

MINUTES = 60


def run(context: harness.Context) -> list[harness.Row]:
    """The rows that were asked for."""
    prepare = ["--categories", "all", "--train", "200", "--test", "25", "--allow-short"]
    train = ["--preset", "shipped", "--minutes", str(MINUTES)]
    found = measured("s345", context.source, [*prepare, "--seed", "0"], train)
    partial = found["partial_top1"]
    beside = "doodleNet, 50,000 drawings per category: 73.0 / 93.5%"
    return [
        harness.Row("S345 test top-1", "%", [found["top1"]], 0.72, at_least=True, note=beside),
        harness.Row("S345 test top-5", "%", [found["top5"]], 0.91, at_least=True),
        harness.Row("S345 mAP, test against test", "", [found["map"]], 0.52, at_least=True),
        harness.Row("S345 mAP, test against the training gallery", "", [found["map_gallery"]]),
        harness.Row("S345 top-1 at 25% of the ink", "%", [partial["25"]]),
        harness.Row("S345 top-1 at 50% of the ink", "%", [partial["50"]], 0.45, at_least=True),
        harness.Row("S345 top-1 at 75% of the ink", "%", [partial["75"]]),
        harness.Row("S345 top-1 at 100% of the ink", "%", [partial["100"]]),
        *codes_and_unsure("S345", [found]),
        harness.Row("S345 training", "min", [found["minutes"]]),
    ]


BENCHMARK = harness.Benchmark(
    "s345",
    "345 categories x (200 training + 25 test) drawings, seed 0; preset shipped",
    "",
    run,
    quick=False,
)

if __name__ == "__main__":
    harness.main(BENCHMARK)
