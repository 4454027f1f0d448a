"""Write docs/reliability.md and docs/fifty_million.md from benchmarks/results/*.json.

A section whose benchmark was not run yet says which command measures it; no figure is typed here.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from write_results import RESULTS, ROOT, section

from garabato.gallery.lance.limits import EXACT_UP_TO, MEMORY_SHARE
from garabato.gallery.milvus.server import Settings

DOCS = ROOT / "docs"
Result = dict[str, Any]

RELIABILITY = """# Reliability of galleries

Written by `make docs` from `benchmarks/results/*.json`; nothing here is typed by hand. What is
promised, and how it is kept:

- `add` and `delete` return when the change is on the disk. A change is one transaction of Lance:
  its files are written first, a new version of the table last, by a rename; every file and folder
  touched is flushed. A reader sees one version or the next, never something between.
- One process writes at a time, by a lock that goes with the process that held it. Readers need
  none.
- What a killed process left half-done belongs to no version. The next compaction removes it.
- A full disk, a quota and lost permission are a `StorageError` that says what to do, and leave the
  last version as it was (tested in `tests/gallery/` with a disk of 3 MiB, a limit on the size of
  files and a user who may not write).
- Versions are kept until they are ten minutes old, for readers in the middle of one.

Twenty of the kills and a few seconds of readers beside a writer run with `make test-all`.
"""

FIFTY_MILLION = """# Fifty million drawings

Written by `make docs` from `benchmarks/results/*.json`; every figure is computed from a measured
one, as the column says, and none was measured at fifty million. Google's whole data set is fifty
million drawings.
"""

N = 50_000_000
CORES = 16
#: The cluster that is computed: cores of its query and index nodes, processes that fill it.
CLUSTER_CORES, CLUSTER_WRITERS = 32, 4
SEGMENT_MIB = 1_024


def reliability(results: dict[str, Result]) -> str:
    """The page on kills, readers and full disks."""
    parts = [RELIABILITY]
    for name in ("gallery_kills", "gallery_readers"):
        parts.append(section(results[name]) if name in results else _not_run(name, f"{name}.py"))
    return "\n".join(parts)


def fifty_million(results: dict[str, Result]) -> str:
    """The page on fifty million drawings, on one machine and on a cluster."""
    million = results.get("gallery_search_1000000")
    if million is None:
        command = "gallery_search.py --size 1000000"
        return FIFTY_MILLION + "\n" + _not_run("gallery_search_1000000", command)
    ten_million = results.get("gallery_search_10000000")
    return "\n".join(
        [
            FIFTY_MILLION,
            one_machine(Measured(million), ten_million),
            CLUSTER,
            cluster_settings(),
            cluster_table(million, results.get("gallery_milvus")),
        ]
    )


def one_machine(million: Measured, ten_million: Result | None) -> str:
    """Disk, memory, build time and latency of a gallery in a folder."""
    disk, writing = million["on disk"], million["bulk add with ready embeddings"]
    embedding, held = million["embedding, one core"], million["bytes held in memory"]
    p50 = million["a search, k = 10, median"]
    loading = million["opening and loading"]
    rows = [
        ("disk", _gib(N * disk), f"{disk:.0f} bytes a drawing"),
        (
            f"rendering and embedding, {CORES} cores",
            _minutes(N / embedding / CORES),
            f"{embedding:,.0f} drawings a second and core, proportional to the cores",
        ),
        (
            "writing, embeddings ready",
            _minutes(N / writing),
            f"{writing:,.0f} drawings a second up to {million.n:,}; one process writes, and what "
            "is searched in memory has no index",
        ),
        (
            "memory of a process that holds all, search exact",
            _gib(N * held),
            f"{held:.0f} bytes a drawing: int8 and float16 embedding, strokes, what is known",
        ),
        (
            f"loading them, {CORES} cores",
            _minutes(N / million.n * loading),
            f"{loading:.1f} s for {million.n:,}, of which most is one core's",
        ),
        (
            "a search among all in memory",
            f"{p50 * N / million.n:.0f} ms at most",
            f"{p50:.1f} ms for {million.n:,}: at most proportional to the drawings, whatever the "
            "cores",
        ),
    ]
    if ten_million is not None:
        rows += _on_disk(Measured(ten_million))
    return "\n".join(
        [
            "## On one machine\n",
            f"From `{million.command}`, measured on {million.cores} cores ({million.cpu}). A "
            f"gallery of up to {EXACT_UP_TO:,} drawings is held in memory if it takes at most "
            f"{MEMORY_SHARE:.0%} of it; larger ones are searched by an index on disk. The rows on "
            "memory say what holding all of them would take.\n",
            "| what | fifty million | computed from |",
            "| --- | ---: | --- |",
            *(f"| {what} | {value} | {how} |" for what, value, how in rows),
            "",
        ]
    )


def _on_disk(ten: Measured) -> list[tuple[str, str, str]]:
    """Rows on the index on disk, from the set that is searched by it."""
    p50, memory = ten["a search, k = 10, median"], ten["memory to search"]
    rows = []
    if "compact" in ten:  # filled in the same run: no gallery kept from another
        took_s = ten.n / ten["bulk add with ready embeddings"] + ten["compact"]
        times = N / ten.n
        rows.append(
            (
                "writing with an index on disk",
                f"{_minutes(took_s * times)} to {_minutes(took_s * times**2)}",
                f"{took_s:,.0f} s for {ten.n:,} on {ten.cores} cores, the last compaction "
                "included: at least proportional, at most as the square, since cells grow with "
                "the drawings",
            )
        )
    return [
        *rows,
        (
            "a search by the index on disk",
            f"{p50 * N / ten.n:.0f} ms at most",
            f"{p50:.1f} ms for {ten.n:,}, cells grow with the drawings at worst",
        ),
        ("memory of that", f"{memory:.1f} GiB", f"measured at {ten.n:,}; it stays on the disk"),
    ]


CLUSTER = """## On a cluster

Fill it with `garabato index --gallery http://HOST:19530/COLLECTION ...`, or move a gallery there
with `garabato gallery copy`. Rendering and embedding take longest: spread them over machines
(`garabato index --runner ray`). Milvus divides the drawings among its query nodes by itself; its
settings are set where the collection is made, in the gallery's address:
"""


def cluster_settings() -> str:
    """The settings to use."""
    ours = Settings()
    return "\n".join(
        [
            "- `http://HOST:19530/COLLECTION?shards=4`: two shards or more for every machine that "
            "fills it at the same time;",
            f"- `m={ours.m}&ef_construction={ours.ef_construction}`, the graph (HNSW) as it is by "
            f"default; `m=16` takes half the links' memory and some recall;",
            f"- `ef={ours.ef}` when searching: more is slower and finds more;",
            f"- segments of {SEGMENT_MIB:,} MiB (`dataCoord.segment.maxSize: {SEGMENT_MIB}` in "
            "milvus.yaml), so that a query node has few graphs to ask.\n",
        ]
    )


def cluster_table(million: Result, milvus: Result | None) -> str:
    """What the nodes of a cluster need together, and how long things take."""
    ours = Settings()
    dim = 128
    graph = 2 * ours.m * 4
    of_strokes = Measured(million)["on disk"] - 2 * dim
    a_drawing = 4 * dim + of_strokes
    rows = [
        ("memory: embeddings, float32", _gib(N * 4 * dim), f"{dim} x 4 bytes a drawing"),
        (
            f"memory: graph, M = {ours.m}",
            _gib(N * graph),
            f"2 x {ours.m} links of 4 bytes at its lowest level",
        ),
        (
            "memory: both, with a quarter to spare",
            _gib(1.25 * N * (4 * dim + graph)),
            "Milvus loads both",
        ),
        (
            "memory: strokes and what is known",
            _gib(N * of_strokes),
            "the folder's bytes a drawing less embeddings",
        ),
        (
            "disk (object storage), one copy",
            _gib(N * (a_drawing + 4 * dim + graph)),
            "embeddings and what is known as written, and the index with its own embeddings",
        ),
    ]
    if milvus is not None:
        rows += _timed(Measured(milvus), N * 4 * dim / (SEGMENT_MIB * 2**20))
    return "\n".join(
        [
            "| all nodes together | fifty million | computed from |",
            "| --- | ---: | --- |",
            *(f"| {what} | {value} | {how} |" for what, value, how in rows),
            "",
            *([] if milvus is not None else [_not_run("gallery_milvus", "gallery_milvus.py")]),
        ]
    )


def _timed(milvus: Measured, n_segments: float) -> list[tuple[str, str, str]]:
    """Rows on time, by `gallery_milvus.py`: one process fills a server on the same machine."""
    rate, index_s = milvus["bulk add with ready embeddings"], milvus["compact"]
    p50, p99 = milvus["a search, k = 10, median"], milvus["a search, 99 of 100"]
    per_core = milvus.n / index_s / milvus.cores
    return [
        (
            f"writing by {CLUSTER_WRITERS} processes",
            _minutes(N / rate / CLUSTER_WRITERS),
            f"{rate:,.0f} drawings a second and process, on a machine shared with the server; "
            "proportional while proxies and shards keep up",
        ),
        (
            f"building the graphs, {CLUSTER_CORES} cores",
            _minutes(N / per_core / CLUSTER_CORES),
            f"{index_s:,.0f} s for {milvus.n:,} on {milvus.cores} cores; segments are built apart",
        ),
        (
            f"a search, {CLUSTER_CORES} cores",
            f"{p50 * max(1, n_segments / CLUSTER_CORES):.0f} ms",
            f"{p50:.1f} ms (99 of 100: {p99:.1f} ms) for {milvus.n:,}, recall@10 "
            f"{milvus['recall@10']:.3f}; {n_segments:.0f} segments, each asked by one core",
        ),
    ]


class Measured:
    """The medians of a result by what was measured."""

    def __init__(self, result: Result) -> None:
        self._medians = {row["what"]: float(row["median"]) for row in result["rows"]}
        self.command = str(result["command"])
        self.cpu = str(result["machine"]["cpu"])
        self.cores = int(result["machine"]["cores"])
        self.n = int(self["drawings"])

    def __contains__(self, what: str) -> bool:
        return what in self._medians

    def __getitem__(self, what: str) -> float:
        return self._medians[what]


def _not_run(name: str, command: str) -> str:
    return f"## {name}\n\nNot measured yet: `python benchmarks/{command}`.\n"


def _gib(n_bytes: float) -> str:
    return f"{n_bytes / 2**30:,.0f} GiB"


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:,.0f} min" if seconds < 7_200 else f"{seconds / 3_600:,.1f} h"


if __name__ == "__main__":
    folder, docs = (Path(sys.argv[1]), Path(sys.argv[2])) if sys.argv[1:] else (RESULTS, DOCS)
    results = {r["name"]: r for r in (json.loads(p.read_text()) for p in folder.glob("*.json"))}
    (docs / "reliability.md").write_text(reliability(results))
    (docs / "fifty_million.md").write_text(fifty_million(results))
