"""The page on growth, from made-up records."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def record(size: int, steps: dict[str, dict[str, float]], *, finished: bool = True) -> str:
    about = {"clock_s": 8.0, "memory_mib": 512.0, "load": 2.0}
    whole = {name: about | step for name, step in steps.items()}
    return json.dumps({"size": size, "steps": whole, "finished": finished})


def written(folder: Path) -> str:
    docs = folder / "docs"
    docs.mkdir()
    subprocess.run(
        [sys.executable, str(ROOT / "tools" / "write_growth.py"), str(folder), str(docs)],
        check=True,
    )
    assert (docs / "pictures" / "growth.svg").read_text().startswith("<?xml")
    return (docs / "growth.md").read_text()


def test_the_page_extrapolates_with_the_measured_power_and_names_what_was_not_reached(tmp_path):
    """Index: 2 s, 20 s at ten times the size: proportional, 10,000 s (2.8 h) for fifty million.
    Duplicates: 1 s, 100 s: power 2, which is a bend."""
    small = {
        "index": {"cpu_s": 2},
        "search": {"cpu_s": 1, "p50_ms": 0.5, "p99_ms": 4},
        "duplicates": {"cpu_s": 1, "n": 3},
        "map": {"cpu_s": 9},
    }
    large = {
        "index": {"cpu_s": 20},
        "search": {"cpu_s": 1, "p50_ms": 0.5, "p99_ms": 6},
        "duplicates": {"cpu_s": 100, "n": 40},
    }
    (tmp_path / "10000.json").write_text(record(10_000, small))
    (tmp_path / "100000.json").write_text(record(100_000, large, finished=False))
    page = written(tmp_path)
    assert "| step | 10,000 | 100,000 |" in page
    assert "| search | 0.5 ms, p99 4 ms; 512 MiB; clock 8 s at load 2 |" in page
    assert "| index | 1.00 | 2.8 h |" in page
    assert "| duplicates | 2.00 |" in page
    assert "Steeper than proportional: duplicates (2.00)." in page
    assert "| map | 9 s; 512 MiB; clock 8 s at load 2 | not reached |" in page
    assert "100,000 drawings did not finish in three hours: map." in page
