"""Simplified ndjson -> a gallery on disk, on one core: parse, render, embed and write as one chain.

Beside `garabato.index`, what people write themselves with the same encoder: json.loads a line,
`Encoder.embed` of one drawing or of 256, and a LanceDB table of all rows. The ways take turns over
the same files. Rates are by processor time, so that other programs matter little.
"""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import harness
from inference import one_core

from garabato.encoder import Encoder

REPEATS, N_FILES = 3, 12


@harness.on_one_core()
@one_core()
def run(context: harness.Context) -> list[harness.Row]:
    """Drawings a CPU second of each way."""
    import garabato

    source = context.work / "source"
    source.mkdir()
    files = sorted(context.source.glob("*.ndjson"))
    for file in files[:: max(1, len(files) // N_FILES)]:
        (source / file.name).symlink_to(file)
    encoder = garabato.load_encoder()
    by_hand = "json.loads, Encoder.embed and LanceDB"
    ways: dict[str, Callable[[Path], int]] = {
        "garabato.index": partial(_index, encoder, source),
        f"{by_hand}, one drawing at a time": partial(_by_hand, encoder, source, 1),
        f"{by_hand}, 256 at a time": partial(_by_hand, encoder, source, 256),
    }
    rates: dict[str, list[float]] = {name: [] for name in ways}
    for repeat in range(REPEATS + 1):
        for name, way in ways.items():
            started = time.process_time()
            n = way(context.work / f"{repeat} {name}")
            if repeat:  # the first compiles kernels
                rates[name].append(n / (time.process_time() - started))
    rows = [harness.Row("drawings", "", [n])]
    for name, rate in rates.items():
        target = 4_000 if name == "garabato.index" else None
        rows.append(harness.Row(name, "drawings/CPU s", rate, target, at_least=True))
    return rows


def _index(encoder: Encoder, source: Path, target: Path) -> int:
    import garabato
    from garabato.sources import FolderSource

    gallery = garabato.open_gallery(target, encoder=encoder)
    return garabato.index(FolderSource(source), gallery, encoder).n_new


def _by_hand(encoder: Encoder, source: Path, n_at_once: int, target: Path) -> int:
    import lancedb

    from garabato import Drawing

    rows: list[dict[str, Any]] = []
    read = _lines(source)
    while some := list(itertools.islice(read, n_at_once)):
        vectors = encoder.embed([Drawing(one["drawing"]) for one in some])
        rows += [
            {
                "key_id": one["key_id"],
                "category": one["word"],
                "drawing": json.dumps(one["drawing"]),
                "vector": vector,
            }
            for one, vector in zip(some, vectors, strict=True)
        ]
    lancedb.connect(target).create_table("drawings", rows)
    return len(rows)


def _lines(source: Path) -> Iterator[dict[str, Any]]:
    for file in sorted(source.iterdir()):
        with file.open() as lines:
            yield from map(json.loads, lines)


BENCHMARK = harness.Benchmark(
    "bulk_index",
    f"every drawing of {N_FILES} of the source's simplified ndjson files, one core",
    "a script with the same encoder, and LanceDB",
    run,
)

if __name__ == "__main__":
    harness.main(BENCHMARK)
