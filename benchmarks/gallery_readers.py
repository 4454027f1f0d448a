"""Eight processes search a gallery while one changes it: no error, nothing stale, nothing torn.

The writer replaces ten drawings, the beacons, in one transaction, giving them a new number, and
publishes the number once the change is acknowledged. A reader notes the published number and then
searches for the beacons. It must find all ten with the same number, which must not be lower than
the one it noted. In between, the writer adds, deletes and compacts.
"""

from __future__ import annotations

import multiprocessing
import os
import time
import traceback
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import harness
import numpy as np
from gallery_kills import Filler

# The process that forks does nothing else, which is what LanceDB warns to see to.
os.environ.setdefault("PYTHONWARNINGS", "ignore:lancedb fork support is experimental")

N_READERS = 8
SECONDS = 120
N_DRAWINGS = 20_000
N_BEACONS = 10
N_ADDED = 200
DIM = 128


class WideFiller(Filler):
    """Stands for an encoder of DIM-d embeddings."""

    embedding_dim = DIM


@dataclass
class Seen:
    """What a reader or the writer went through."""

    times_ms: list[float] = field(default_factory=list)
    n_stale: int = 0
    n_torn: int = 0
    n_compactions: int = 0
    errors: list[str] = field(default_factory=list)


def beacon() -> np.ndarray:
    """(DIM,) float32: the direction in which the beacons lie, and nothing else."""
    direction = np.zeros(DIM, np.float32)
    direction[0] = 1
    return direction


def others(n: int, seed: int) -> np.ndarray:
    """(n, DIM) float32: embeddings away from the beacon."""
    rows = np.random.default_rng(seed).standard_normal((n, DIM), np.float32)
    rows[:, 0] = -np.abs(rows[:, 0])
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def drawings(names: list[str]) -> list[Any]:
    """One drawing a key_id."""
    from garabato.drawing import Drawing

    drawing = Drawing([[[0, 90, 255], [0, 30, 255]]], category="any")
    return [drawing.replace(key_id=name) for name in names]


def write(uri: str, acknowledged: Any, stop: Any, ready: Any, results: Any) -> None:
    """The writer: a new number of beacons, then something else, until told to stop."""
    from garabato.gallery import open_gallery

    seen = Seen()
    try:
        gallery = open_gallery(uri, encoder=WideFiller())
        near = beacon() + 0.01 * others(N_BEACONS, seed=1)
        names = [f"beacon-{i}" for i in range(N_BEACONS)]
        number = 0
        ready.release()
        while not stop.is_set():
            number += 1
            started = time.perf_counter()
            gallery.add(drawings(names), embeddings=near, tags=[str(number)])
            acknowledged.value = number
            seen.times_ms.append(1000 * (time.perf_counter() - started))
            added = [f"{number}-{i}" for i in range(N_ADDED)]
            gallery.add(drawings(added), embeddings=others(N_ADDED, number))
            if number > 3:
                gallery.delete([f"{number - 3}-{i}" for i in range(N_ADDED)])
            if number % 10 == 0:
                gallery.compact()
                seen.n_compactions += 1
    except Exception:
        seen.errors.append(traceback.format_exc())
    results.put(seen)


def read(uri: str, acknowledged: Any, stop: Any, ready: Any, results: Any) -> None:
    """A reader: searches for the beacons until told to stop."""
    from garabato.gallery import open_gallery

    seen = Seen()
    try:
        gallery = open_gallery(uri)
        gallery.search(beacon(), k=1)
        ready.release()
        while not stop.is_set():
            at_least = acknowledged.value
            started = time.perf_counter()
            hits = gallery.search(beacon(), k=N_BEACONS)
            seen.times_ms.append(1000 * (time.perf_counter() - started))
            if at_least == 0:
                continue
            numbers = {int(tag) for hit in hits for tag in hit.tags}
            if len(numbers) != 1 or len({hit.key_id for hit in hits}) != N_BEACONS:
                seen.n_torn += 1
            elif numbers.pop() < at_least:
                seen.n_stale += 1
    except Exception:
        seen.errors.append(traceback.format_exc())
    results.put(seen)


def read_while_writing(folder: Path, n_readers: int, seconds: float) -> tuple[Seen, list[Seen]]:
    """What the writer and the readers went through."""
    from garabato.gallery import open_gallery

    uri = str(folder / "readers.gallery")
    gallery = open_gallery(uri, encoder=WideFiller())
    names = [f"base-{i}" for i in range(N_DRAWINGS)]
    gallery.add(drawings(names), embeddings=others(N_DRAWINGS, seed=0))
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(["lancedb", "garabato.gallery.lance.gallery", __name__])
    acknowledged, stop, ready = processes.Value("q", 0), processes.Event(), processes.Semaphore(0)
    of_readers, of_writer = processes.SimpleQueue(), processes.SimpleQueue()
    shared = (uri, acknowledged, stop, ready)
    readers = [processes.Process(target=read, args=(*shared, of_readers)) for _ in range(n_readers)]
    writer = processes.Process(target=write, args=(*shared, of_writer))
    for started in (readers, [writer]):
        for process in started:
            process.start()
        for _ in started:
            if not ready.acquire(timeout=300):
                raise TimeoutError("a process did not start within 300 s")
    time.sleep(seconds)
    stop.set()
    seen = [of_readers.get() for _ in readers]
    wrote = of_writer.get()
    for process in (*readers, writer):
        process.join()
    return wrote, seen


def run(context: harness.Context) -> list[harness.Row]:
    """Errors, stale and torn results (none is the goal), and how much was read and written."""
    wrote, readers = read_while_writing(context.work, N_READERS, SECONDS)
    errors = [error for seen in (wrote, *readers) for error in seen.errors]
    for error in errors:
        print(error, flush=True)
    times_ms = [t for seen in readers for t in seen.times_ms]
    compactions = f"and as many adds of {N_ADDED} and deletes; {wrote.n_compactions} compactions"
    return [
        harness.Row("searches", "searches", [len(times_ms)], note=f"{SECONDS} s"),
        harness.Row("acknowledged replacements", "writes", [len(wrote.times_ms)], note=compactions),
        harness.Row("errors", "errors", [len(errors)], target=0),
        harness.Row("stale results", "results", [sum(s.n_stale for s in readers)], target=0),
        harness.Row("torn results", "results", [sum(s.n_torn for s in readers)], target=0),
        harness.Row("search during the writes, median", "ms", [float(np.median(times_ms))]),
        harness.Row(
            "search during the writes, 99th percentile", "ms", [float(np.quantile(times_ms, 0.99))]
        ),
        harness.Row("write during the searches, median", "ms", [float(np.median(wrote.times_ms))]),
    ]


BENCHMARK = harness.Benchmark(
    "gallery_readers",
    f"{N_DRAWINGS:,} drawings, {DIM}-d embeddings; {N_READERS} readers, 1 writer, {SECONDS} s, "
    "all on this machine's cores",
    "",
    run,
    quick=False,
)

if __name__ == "__main__":
    harness.main(BENCHMARK)
