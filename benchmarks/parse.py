"""Simplified ndjson and .bin -> drawings, on one core: garabato beside plain Python.

ndjson: json.loads a line and numpy.array a stroke. .bin: field by field with struct.unpack, as the
parser published with the data set does. All run in this process, in turn, over the same bytes, on
one and the same core; the rates are by CPU time, so that other programs matter little.
"""

from __future__ import annotations

import json
import os
import struct
import time
from collections.abc import Callable
from itertools import chain
from pathlib import Path

import harness

REPEATS = 7
N_FILES = 60


def run(context: harness.Context) -> list[harness.Row]:
    """Drawings a CPU second of each way, and the ratios, repeat by repeat."""
    from garabato.formats import read_drawings, write_drawings

    files = sorted(context.source.glob("*.ndjson"))
    files = files[:: max(1, len(files) // N_FILES)]
    ndjson, binary = context.work / "all.ndjson", context.work / "all.bin"
    ndjson.write_bytes(b"".join(file.read_bytes() for file in files))
    write_drawings(binary, chain.from_iterable(read_drawings(file) for file in files))
    affinity = os.sched_getaffinity(0) if hasattr(os, "sched_setaffinity") else None
    if affinity:
        os.sched_setaffinity(0, {max(affinity)})
    try:
        return [
            *compared("simplified ndjson", ndjson, by_json, "json.loads, numpy.array a stroke", 3),
            *compared(".bin", binary, by_struct, "struct.unpack a field", 10, is_lazy=True),
        ]
    finally:
        if affinity:
            os.sched_setaffinity(0, affinity)


def compared(
    name: str,
    path: Path,
    their_way: Callable[[Path], int],
    note: str,
    target: float,
    *,
    is_lazy: bool = False,
) -> list[harness.Row]:
    """Our ways and theirs over one file; a third of ours where batches make texts only later."""
    ways = [their_way, in_batches, one_by_one, *([in_batches_with_texts] if is_lazy else [])]
    for way in ways:
        way(path)  # compile the kernels, warm the caches
    rates: list[list[float]] = [[] for _ in ways]
    for _ in range(REPEATS):
        for measured, way in zip(rates, ways, strict=True):
            measured.append(rate(way, path))
    theirs, batches, drawings, *with_texts = rates
    unit = "drawings/s"

    def over_theirs(ours: list[float]) -> list[float]:
        return [a / b for a, b in zip(ours, theirs, strict=True)]

    later = "; key_ids and timestamps are made later, when looked at" if is_lazy else ""
    rows = [
        harness.Row(f"{name} -> batches, one core", unit, batches, note=f"read_batches{later}"),
        harness.Row(f"{name} -> Drawings one by one", unit, drawings, note="read_drawings"),
        harness.Row("the same in plain Python", unit, theirs, note=note),
        harness.Row(
            "batches over plain Python", "times", over_theirs(batches), target=target, at_least=True
        ),
        harness.Row("one by one over plain Python", "times", over_theirs(drawings)),
    ]
    for ours in with_texts:
        rows += [
            harness.Row(
                f"{name} -> batches and texts, one core",
                unit,
                ours,
                note="read_batches, key_ids, timestamps",
            ),
            harness.Row("batches and texts over plain Python", "times", over_theirs(ours)),
        ]
    return rows


def rate(way: Callable[[Path], int], path: Path) -> float:
    """Drawings over the CPU seconds that `way` took for them."""
    started = time.process_time()
    n = way(path)
    return n / (time.process_time() - started)


def in_batches(path: Path) -> int:
    """The number of drawings read."""
    from garabato.formats import read_batches

    return sum(len(batch) for batch in read_batches(path, strict=True))


def in_batches_with_texts(path: Path) -> int:
    """The number of drawings read, every key_id and timestamp made too."""
    from garabato.formats import read_batches

    n = 0
    for batch in read_batches(path, strict=True):
        n += len(list(zip(batch.key_ids, batch.timestamps, strict=True)))
    return n


def one_by_one(path: Path) -> int:
    """The number of drawings read."""
    from garabato.formats import read_drawings

    return sum(1 for _ in read_drawings(path, strict=True))


def by_json(path: Path) -> int:
    """The number of drawings read."""
    import numpy as np

    n = 0
    with open(path) as lines:
        for line in lines:
            document = json.loads(line)
            document["drawing"] = [np.array(stroke, np.float32) for stroke in document["drawing"]]
            n += 1
    return n


def by_struct(path: Path) -> int:
    """The number of drawings read."""
    n = 0
    with open(path, "rb") as file:
        while True:
            try:
                (key_id,) = struct.unpack("<Q", file.read(8))
                (country,) = struct.unpack("<2s", file.read(2))
                (recognized,) = struct.unpack("<b", file.read(1))
                (timestamp,) = struct.unpack("<I", file.read(4))
                (n_strokes,) = struct.unpack("<H", file.read(2))
                strokes = []
                for _ in range(n_strokes):
                    (n_points,) = struct.unpack("<H", file.read(2))
                    xs = struct.unpack(f"<{n_points}B", file.read(n_points))
                    ys = struct.unpack(f"<{n_points}B", file.read(n_points))
                    strokes.append((xs, ys))
            except struct.error:
                return n
            _ = {
                "key_id": key_id,
                "country_code": country,
                "recognized": recognized,
                "timestamp": timestamp,
                "image": strokes,
            }
            n += 1


BENCHMARK = harness.Benchmark(
    "parse",
    f"every drawing of {N_FILES} of the source's simplified ndjson files, and the same as .bin",
    "plain Python, in turn, in the same process on the same core",
    run,
)

if __name__ == "__main__":
    harness.main(BENCHMARK)
