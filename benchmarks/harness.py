"""What all benchmarks share: declaring one, running it, saving its results and printing them.

Each benchmark is a script in this folder that defines a `Benchmark`. `run.py` runs all of them;
`python benchmarks/startup.py` runs one. Results are saved in results/<name>.json.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from garabato.host.machine import n_cores, processor

ROOT = Path(__file__).resolve().parent.parent
RESULTS = Path(__file__).resolve().parent / "results"
GARABATO = Path(sys.executable).parent / "garabato"


@dataclass(frozen=True, slots=True)
class Context:
    """`source`: a folder of simplified ndjson files. `work`: an empty folder to write in."""

    source: Path
    work: Path


@dataclass(frozen=True, slots=True)
class Row:
    """One figure, a sample for each repeat.

    The median should be at most `target`, or at least `target` with `at_least`.
    """

    what: str
    unit: str
    samples: Sequence[float]
    target: float | None = None
    at_least: bool = False
    note: str = ""

    @property
    def reached(self) -> bool | None:
        """Whether the median meets the target; None without a target."""
        if self.target is None:
            return None
        value = median(self.samples)
        return value >= self.target if self.at_least else value <= self.target


@dataclass(frozen=True, slots=True)
class Benchmark:
    """One script. `make bench` runs the quick ones, `make bench-all` all of them.

    `command`: what to type after `python benchmarks/` if that is not `<name>.py`.
    """

    name: str
    data: str
    compared_with: str
    run: Callable[[Context], list[Row]]
    quick: bool = True
    command: str = ""


def say(text: str) -> None:
    """Report progress."""
    print(f"  {text}", file=sys.stderr, flush=True)


def is_installed(name: str, module: str) -> bool:
    """Whether a library that is measured beside garabato is there; if not, says how to install
    it."""
    if importlib.util.find_spec(module) is not None:
        return True
    say(f"without {name}, which is not installed: pip install 'garabato[bench]'")
    return False


@contextmanager
def on_one_core() -> Iterator[None]:
    """This process and its new threads run on one core, where the system can do that."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(cores)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)


def machine() -> dict[str, Any]:
    """The machine and its load: what the figures depend on."""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    return {
        "cpu": processor(),
        "cores": n_cores(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "load_before": load,
    }


def measure(benchmark: Benchmark, source: Path, results: Path) -> dict[str, Any]:
    """Run a benchmark and save its result in `results`; returns the saved result."""
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
    """Print one table of all results."""
    about = machine()
    table = Table(
        title=f"garabato on {about['cpu']}, {about['cores']} cores, Python {about['python']}",
        caption="measured: median (min to max, repeats)",
        show_lines=True,
    )
    table.add_column("what", ratio=3)
    table.add_column("measured", justify="right", ratio=3)
    table.add_column("target", justify="right", ratio=1)
    table.add_column("compared with", ratio=3)
    for result in results:
        for number, row in enumerate(result["rows"]):
            value = _text(row["median"], row["unit"])
            if len(row["samples"]) > 1:
                spread = f"{_text(row['min'])} to {_text(row['max'])}, {len(row['samples'])}"
                value += f" ({spread})"
            colour = {None: "default", True: "green", False: "red"}[row["reached"]]
            sign = ">=" if row["at_least"] else "<="
            target = "" if row["target"] is None else f"{sign} {_text(row['target'], row['unit'])}"
            about_it = row["note"] or ("" if number else result["compared_with"])
            table.add_row(escape(row["what"]), f"[{colour}]{value}[/]", target, about_it)
    Console(width=max(100, Console().width), highlight=False).print(table)


def _text(value: float, unit: str = "") -> str:
    if unit == "%":
        return f"{100 * value:.1f}%"
    digits = f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return f"{digits} {unit}".strip()


def argument_parser(description: str | None) -> argparse.ArgumentParser:
    """A parser with the options that every benchmark takes: --source and --results."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawTextHelpFormatter
    )
    source = os.environ.get("GARABATO_SOURCE")
    parser.add_argument(
        "--source",
        type=Path,
        default=Path(source) if source else None,
        help="a folder of Google's simplified ndjson files (default: $GARABATO_SOURCE)",
    )
    parser.add_argument("--results", type=Path, default=RESULTS, help="where to save the results")
    return parser


def checked_source(source: Path | None) -> Path:
    """The folder given with --source; exits if there are no drawings in it."""
    if source is None or not any(source.glob("*.ndjson")):
        sys.exit(
            f"no drawings in {source}: give a folder of Google's simplified <category>.ndjson "
            "files with --source DIR (make bench SOURCE=DIR)"
        )
    return source.resolve()


def main(*benchmarks: Benchmark) -> None:
    """The command line of a benchmark script, or of several together."""
    parser = argument_parser(" ".join(b.name for b in benchmarks))
    parser.add_argument("--all", action="store_true", help="run the slow ones too")
    given = parser.parse_args()
    source = checked_source(given.source)
    results = []
    for benchmark in benchmarks:
        if benchmark.quick or given.all or len(benchmarks) == 1:
            print(f"{benchmark.name}: {benchmark.data} ...", file=sys.stderr, flush=True)
            results.append(measure(benchmark, source, given.results))
    show(results)
    print(f"saved in {given.results}", file=sys.stderr)
