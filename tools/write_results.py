"""Write docs/results.md from what the benchmarks left in benchmarks/results/."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from statistics import mean
from typing import Any

from garabato.evaluation.published import SEED_RESULTS
from garabato.training.reproduce import as_markdown

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"
TARGET = ROOT / "docs" / "results.md"

HEAD = """# Measured results

Written by `make docs` from `benchmarks/results/*.json`, which `make bench` (the quick ones) and
`make bench-all` (the slow ones too, but not ten million drawings) leave behind, or the command that
stands with each; nothing here is typed by hand. A figure is the median of its repeats, with the
smallest and the largest; "reach" is what was asked for.
"""


def page(folder: Path) -> str:
    """The whole page, from the result files in `folder`."""
    results = [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]
    parts = [HEAD]
    by_name = {result["name"]: result for result in results}
    if "s100" in by_name:
        parts.append(beside_the_seed(by_name["s100"]))
    parts += [reproduced(path) for path in sorted(folder.glob("reproduce/*.json"))]
    parts += [section(result) for result in results]
    return "\n".join(parts)


def beside_the_seed(s100: dict[str, Any]) -> str:
    """The published results and ours in one table."""
    ours = {row["what"]: mean(row["samples"]) for row in s100["rows"]}
    n_seeds = len(s100["rows"][0]["samples"])
    lines = [
        "## Beside the project this one grew from\n",
        "| network | training drawings | trained in | test top-1 | mAP |",
        "| --- | --- | ---: | ---: | ---: |",
    ]
    lines += [
        f"| {row.model}, batch {row.batch_size}, {row.steps:,} steps (published) | 100 x 1,000 "
        f"| {row.minutes // 60} h {row.minutes % 60} min, GPU "
        f"| {100 * row.test_top1:.1f} % | {row.map:.3f} |"
        for row in SEED_RESULTS
    ]
    lines.append(
        f"| **skfast (garabato)**, mean of {n_seeds} seeds | 100 x 200 "
        f"| {ours['S100 training']:.1f} min, {s100['machine']['cores']} CPU cores "
        f"| **{100 * ours['S100 test top-1']:.1f} %** "
        f"| **{ours['S100 mAP, test against test']:.3f}** |"
    )
    return "\n".join(lines) + "\n"


def reproduced(path: Path) -> str:
    """The seed's two tables, published beside measured, from `garabato reproduce`."""
    tables = as_markdown(json.loads(path.read_text()))
    return f"## The seed's tables again: {path.stem}\n\n{tables}"


def section(result: dict[str, Any]) -> str:
    """One benchmark: how to run it, on what, and its rows."""
    about = result["machine"]
    command = result.get("command") or f"{result['name']}.py"
    lines = [
        f"## {result['name']}\n",
        f"`python benchmarks/{command}`, {result['when'][:10]}, on {about['cpu']}, "
        f"{about['cores']} cores, {about['system']}, Python {about['python']} (load before: "
        f"{about['load_before']:.1f}). Data: {result['data']}."
        + (f" Compared with: {result['compared_with']}." if result["compared_with"] else "")
        + "\n",
        "| what | measured | smallest to largest | reach | note |",
        "| --- | ---: | ---: | ---: | --- |",
    ]
    for row in result["rows"]:
        spread = f"{text(row['min'], row)} to {text(row['max'], row)} ({len(row['samples'])})"
        sign = ">=" if row["at_least"] else "<="
        reach = "" if row["reach"] is None else f"{sign} {text(row['reach'], row)}"
        missed = " (missed)" if row["reached"] is False else ""
        spread = spread if len(row["samples"]) > 1 else "once"
        lines.append(
            f"| {row['what']} | {text(row['median'], row)} | {spread} | {reach}{missed} "
            f"| {row['note']} |"
        )
    return "\n".join(lines) + "\n"


def text(value: float, row: dict[str, Any]) -> str:
    """A figure with its unit."""
    if row["unit"] == "%":
        return f"{100 * value:.1f} %"
    digits = f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return f"{digits} {row['unit']}".strip()


if __name__ == "__main__":
    folder, target = (Path(sys.argv[1]), Path(sys.argv[2])) if sys.argv[1:] else (RESULTS, TARGET)
    if not any(folder.glob("*.json")):
        sys.exit("there are no results yet; run: make bench")
    target.parent.mkdir(exist_ok=True)
    target.write_text(page(folder))
