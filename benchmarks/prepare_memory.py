"""Memory of preparing a category file of 300 MB, the size of Google's largest.

The file repeats the source's drawings of one category, each time with another key_id and one point
moved, so that none is left out as a duplicate.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import harness

FILE_BYTES = 300_000_000

MEASURED = """
import json, resource, sys
from garabato.dataset import prepare

prepare(sys.argv[1], sys.argv[2], categories="all", n_train=1000, n_test=50)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # KiB, but on macOS bytes
peak *= 1 if sys.platform == "darwin" else 1024
print(json.dumps({"peak_bytes": peak}))
"""


def run(context: harness.Context) -> list[harness.Row]:
    """Peak memory of a process of its own that prepares 1,000 + 50 drawings of the file."""
    folder = context.work / "source"
    folder.mkdir()
    n_drawings = write_large_file(max(context.source.glob("*.ndjson")), folder)
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, folder, context.work / "data"],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    peak_bytes = json.loads(done.stdout)["peak_bytes"]
    return [
        harness.Row(
            "prepare from one file of 300 MB, peak memory",
            "MiB",
            [peak_bytes / 2**20],
            target=300,
            note=f"{n_drawings:,} drawings, Python and its libraries included",
        )
    ]


def write_large_file(original: Path, folder: Path) -> int:
    """Write the file; returns the number of its drawings."""
    documents = [json.loads(line) for line in original.read_text().splitlines()]
    n_bytes = n_drawings = 0
    with (folder / original.name).open("w") as file:
        while n_bytes < FILE_BYTES:
            document = documents[n_drawings % len(documents)]
            document["key_id"] = str(4_000_000_000_000_000 + n_drawings)
            xs = document["drawing"][0][0]
            xs[n_drawings // len(documents) % len(xs)] ^= 1 + n_drawings // len(documents) % 3
            n_bytes += file.write(json.dumps(document, separators=(",", ":")) + "\n")
            n_drawings += 1
    return n_drawings


BENCHMARK = harness.Benchmark(
    "prepare_memory",
    "the source's last category, repeated with small changes to 300 MB",
    "",
    run,
    quick=False,
)

if __name__ == "__main__":
    harness.main(BENCHMARK)
