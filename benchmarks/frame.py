"""What all benchmarks share: how one is declared, measured, shown and kept.

A benchmark is one script here that makes a `Benchmark`; `run.py` runs them all, and each runs
alone too: `python benchmarks/startup.py`. Results are kept as results/<name>.json beside it.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

from garabato.host.machine import n_cores, processor

ROOT = Path(__file__).resolve().parent.parent
RESULTS = Path(__file__).resolve().parent / "results"
DEFAULT_SOURCE = ROOT.parent / "shared" / "quickdraw" / "simplified"

GARABATO = Path(sys.executable).parent / "garabato"


@dataclass(frozen=True, slots=True)
class Context:
    """`source`: a folder of simplified ndjson files. `work`: an empty folder to write in."""

    source: Path
    work: Path


@dataclass(frozen=True, slots=True)
class Row:
    """One figure, a sample a repeat; its median should be `reach` (`at_least` or at most)."""

    what: str
    unit: str
    samples: Sequence[float]
    reach: float | None = None
    at_least: bool = False
    note: str = ""

    @property
    def reached(self) -> bool | None:
        """Whether the median is where it should be; None where nothing is asked."""
        if self.reach is None:
            return None
        value = median(self.samples)
        return value >= self.reach if self.at_least else value <= self.reach


@dataclass(frozen=True, slots=True)
class Benchmark:
    """One script: `quick` ones run with `make bench`, all with `make bench-all`.

    `command`: what to type after `python benchmarks/` where that is not `<name>.py`.
    """

    name: str
    data: str
    compared_with: str
    run: Callable[[Context], list[Row]]
    quick: bool = True
    command: str = ""


def machine() -> dict[str, Any]:
    """What the figures depend on."""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    return {
        "cpu": processor(),
        "cores": n_cores(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "load_before": load,
    }


def measure(benchmark: Benchmark, source: Path, results: Path) -> dict[str, Any]:
    """Run a benchmark, keep its result file in `results`, return what it holds."""
    before = machine()
    started = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="garabato-bench-") as work:
        rows = benchmark.run(Context(source, Path(work)))
    result = {
        "name": benchmark.name,
        "command": benchmark.command or f"{benchmark.name}.py",
        "data": benchmark.data,
        "compared_with": benchmark.compared_with,
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": before,
        "seconds": round(time.perf_counter() - started, 1),
        "rows": [
            asdict(row)
            | {
                "samples": [float(f"{sample:.6g}") for sample in row.samples],
                "min": min(row.samples),
                "median": median(row.samples),
                "max": max(row.samples),
                "reached": row.reached,
            }
            for row in rows
        ],
    }
    results.mkdir(exist_ok=True)
    unfinished = results / f".{benchmark.name}.json"
    unfinished.write_text(json.dumps(result, indent=1) + "\n")
    unfinished.replace(results / f"{benchmark.name}.json")
    return result


def show(results: Sequence[dict[str, Any]]) -> None:
    """One table of all results on stdout."""
    about = machine()
    table = Table(
        title=f"garabato on {about['cpu']}, {about['cores']} cores, Python {about['python']}",
        caption="measured: median (min to max, repeats)",
        show_lines=True,
    )
    table.add_column("what", ratio=3)
    table.add_column("measured", justify="right", ratio=3)
    table.add_column("reach", justify="right", ratio=1)
    table.add_column("compared with", ratio=3)
    for result in results:
        for number, row in enumerate(result["rows"]):
            value = _text(row["median"], row["unit"])
            if len(row["samples"]) > 1:
                spread = f"{_text(row['min'])} to {_text(row['max'])}, {len(row['samples'])}"
                value += f" ({spread})"
            colour = {None: "default", True: "green", False: "red"}[row["reached"]]
            sign = ">=" if row["at_least"] else "<="
            reach = "" if row["reach"] is None else f"{sign} {_text(row['reach'], row['unit'])}"
            about_it = row["note"] or ("" if number else result["compared_with"])
            table.add_row(row["what"], f"[{colour}]{value}[/]", reach, about_it)
    Console(width=max(100, Console().width), highlight=False).print(table)


def _text(value: float, unit: str = "") -> str:
    if unit == "%":
        return f"{100 * value:.1f} %"
    digits = f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return f"{digits} {unit}".strip()


def main(*benchmarks: Benchmark) -> None:
    """The command line of a benchmark script, or of several together."""
    parser = argparse.ArgumentParser(description=" ".join(b.name for b in benchmarks))
    parser.add_argument("--source", type=Path, default=DEFAULT_SOURCE)
    parser.add_argument("--results", type=Path, default=RESULTS, help="where to keep them")
    parser.add_argument("--all", action="store_true", help="the slow ones too")
    given = parser.parse_args()
    if not any(given.source.glob("*.ndjson")):
        sys.exit(
            f"no drawings in {given.source}: give a folder of Google's simplified "
            "<category>.ndjson files with --source DIR (make bench SOURCE=DIR)"
        )
    chosen = [b for b in benchmarks if b.quick or given.all or len(benchmarks) == 1]
    results = []
    for benchmark in chosen:
        print(f"{benchmark.name}: {benchmark.data} ...", file=sys.stderr, flush=True)
        results.append(measure(benchmark, given.source.resolve(), given.results))
    show(results)
    print(f"kept in {given.results}", file=sys.stderr)
