"""How time and memory grow with the number of drawings in a gallery.

Each size is measured in its own process, on one core, for at most three hours of processor time;
steps that don't fit are left out. Finished sizes are kept in results/growth/, and the next run
measures the missing ones: to measure a size again, delete its file. To measure ten million
drawings, run `python benchmarks/growth.py --size 10000000`.

The first embeddings are real, the others are made from them (see vectors.py). docs/growth.md shows
the results.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import harness
import numpy as np
import vectors

SIZES = (10_000, 100_000, 1_000_000)
#: Processor time for a size; after that the process ends.
LIMIT_S = 10_800
#: Duplicates and odd ones of a million drawings: processor time and memory at most.
CLEANED, CLEANED_S, CLEANED_MIB = 1_000_000, 600, 4_096
N_QUERIES, K = 300, 10
#: Real drawings of each file. Of 345 files they are 10,350.
PER_FILE = 30
#: The share of the drawings that is deleted, and the share that the filter keeps.
DELETED, KEPT = 0.1, 0.01


def measure(size: int, source: Path, part: Path) -> None:
    """Measure one size in this process, and write `part` after every step."""
    from gallery_readers import WideFiller

    from garabato.analysis.duplicates import find_duplicates
    from garabato.analysis.map import map_gallery
    from garabato.analysis.odd import find_odd
    from garabato.gallery import open_gallery

    os.nice(15)
    Path("/proc/self/oom_score_adj").write_text("1000")  # if memory runs out, this process ends
    drawings = vectors.load(source, per_file=PER_FILE)
    queries = vectors.queries(drawings, N_QUERIES)
    record: dict[str, Any] = {"size": size, "n_real": min(size, len(drawings))}
    record |= {"machine": harness.machine(), "steps": {}, "finished": False}
    step = partial(_measured, record, part)
    with tempfile.TemporaryDirectory(prefix="garabato-growth-") as folder:
        gallery = open_gallery(Path(folder) / "g", encoder=WideFiller())
        seconds = np.zeros(2)
        for batch, embeddings in drawings.chunks(size):
            batch = batch.replace(countries=_countries(batch.key_ids))
            add = partial(gallery.add, batch, embeddings=embeddings)
            seconds += step("index", add, before=seconds)
        step("compact", lambda: gallery.compact(keep_versions_s=0))
        step("duplicates", lambda: len(find_duplicates(gallery)))
        step("odd ones", lambda: len(find_odd(gallery)))
        step("load", gallery.warm)
        gallery.search(queries[0], K, where={"country": "AA"})  # lists the drawings that pass
        step("search", partial(_search, gallery, queries, None))
        step("search with a filter", partial(_search, gallery, queries, {"country": "AA"}))
        step("search_many", lambda: gallery.search_many(queries, K))
        doomed = [f"{row:016d}" for row in range(0, size, round(1 / DELETED))]
        step("delete", lambda: gallery.delete(doomed))
        step("compact after deleting", lambda: gallery.compact(keep_versions_s=0))
        step("map", lambda: len(map_gallery(gallery).key_ids))
    record["finished"] = True
    _write(part, record)


def _countries(key_ids: list[str | None]) -> list[str]:
    """AA for KEPT of the drawings, ZZ for the others."""
    every = round(1 / KEPT)
    return ["AA" if int(key_id or 0) % every == 0 else "ZZ" for key_id in key_ids]


def _search(gallery: Any, queries: np.ndarray, where: Any) -> list[float]:
    """Milliseconds of processor time of each query."""
    times = []
    for query in queries:
        started = time.process_time()
        gallery.search(query, K, where=where)
        times.append(1000 * (time.process_time() - started))
    return times


def _measured(
    record: dict[str, Any],
    part: Path,
    name: str,
    work: Callable[[], Any],
    before: np.ndarray | None = None,
) -> np.ndarray:
    """Run a step and record it: seconds of processor and clock (to those `before`), the most
    memory, the load, and what the step returns if that is numbers."""
    Path("/proc/self/clear_refs").write_text("5")  # the most memory counts from here
    clock, processor = time.perf_counter(), time.process_time()
    result = work()
    took = np.array([time.process_time() - processor, time.perf_counter() - clock])
    total = took if before is None else before + took
    status = Path("/proc/self/status").read_text().splitlines()
    peak = next(int(line.split()[1]) for line in status if line.startswith("VmHWM:"))
    held = record["steps"].get(name, {}).get("memory_mib", 0)
    record["steps"][name] = {
        "cpu_s": float(total[0]),
        "clock_s": float(total[1]),
        "memory_mib": max(peak / 1024, held),
        "load": os.getloadavg()[0],
    }
    if isinstance(result, list) and isinstance(result[0], float):
        p50, p99 = np.quantile(result, [0.5, 0.99])
        record["steps"][name] |= {"p50_ms": float(p50), "p99_ms": float(p99)}
    elif isinstance(result, int):
        record["steps"][name]["n"] = result
    _write(part, record)
    return took


def _write(part: Path, record: dict[str, Any]) -> None:
    part.parent.mkdir(exist_ok=True, parents=True)
    unfinished = part.with_suffix(".unfinished")
    unfinished.write_text(json.dumps(record, indent=1) + "\n")
    unfinished.replace(part)


def run(context: harness.Context, sizes: tuple[int, ...], results: Path) -> list[harness.Row]:
    """Measure the missing sizes, then gather all."""
    vectors.load(context.source, per_file=PER_FILE)  # embeds, which no size is to wait for
    for size in sizes:
        part = results / "growth" / f"{size}.json"
        if part.exists():
            continue
        print(f"growth: {size:,} drawings", file=sys.stderr, flush=True)
        command = [sys.executable, __file__, "--source", str(context.source)]
        command += ["--measure", str(part), "--size", str(size)]
        process = subprocess.Popen(command, env=os.environ | {"OMP_NUM_THREADS": "1"})
        code = _wait(process)
        if not part.exists():
            raise RuntimeError(f"measuring {size:,} drawings failed with exit code {code}")
    rows = []
    for part in sorted((results / "growth").glob("*.json"), key=lambda file: int(file.stem)):
        record = json.loads(part.read_text())
        of = f"{record['size']:,} drawings"
        for name, step in record["steps"].items():
            note = f"{step['clock_s']:.3g} s by the clock, load {step['load']:.1f}"
            has_goal = record["size"] == CLEANED and name in ("duplicates", "odd ones")
            goals = (CLEANED_S, CLEANED_MIB) if has_goal else (None, None)
            if "p50_ms" in step:
                for p in ("p50", "p99"):
                    rows.append(harness.Row(f"{name}, {p}, {of}", "CPU ms", [step[f"{p}_ms"]]))
            else:
                took = [step["cpu_s"]]
                rows.append(harness.Row(f"{name}, {of}", "CPU s", took, goals[0], note=note))
            held = [step["memory_mib"]]
            rows.append(harness.Row(f"{name}, memory, {of}", "MiB", held, goals[1]))
    return rows


def _wait(process: subprocess.Popen[bytes]) -> int:
    """The exit code of a process, which is ended after LIMIT_S seconds of processor time.

    RLIMIT_CPU would end it as well, but Linux then counts processor time in ticks of 4 ms.
    """
    while (code := process.poll()) is None:
        time.sleep(1)
        fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
        if sum(map(int, fields[11:13])) > LIMIT_S * os.sysconf("SC_CLK_TCK"):
            process.kill()
    return code


def benchmark(sizes: tuple[int, ...] = SIZES, results: Path = harness.RESULTS) -> harness.Benchmark:
    """All sizes, those measured before included."""
    return harness.Benchmark(
        "growth",
        f"the first {PER_FILE} drawings of each file, embedded by the encoder that ships, then "
        f"made ones, {vectors.RECIPE}",
        f"smaller galleries; one core at low priority, at most {LIMIT_S // 3_600} CPU hours a size",
        partial(run, sizes=sizes, results=results),
        quick=False,
    )


if __name__ == "__main__":
    parser = harness.argument_parser(__doc__)
    parser.add_argument("--size", type=int, action="append", help="instead of the usual sizes")
    parser.add_argument("--measure", type=Path, metavar="PART", help="one size, in this process")
    given = parser.parse_args()
    source = harness.checked_source(given.source)
    if given.measure is not None:
        measure(given.size[0], source, given.measure)
    else:
        chosen = benchmark(tuple(given.size or SIZES), given.results)
        harness.show([harness.measure(chosen, source, given.results)])
