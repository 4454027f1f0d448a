"""How long commands take from start to end, and how much disk space the installation takes.

Times are given twice: by the clock, and as processor time, which depends less on other programs.

python benchmarks/startup.py                  # a gallery of 20,000 drawings
GARABATO_BENCH_GALLERY=100000 python benchmarks/startup.py
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterable, Iterator
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

import harness
import numpy as np
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import garabato

REPEATS = 5
N_DRAWINGS = int(os.environ.get("GARABATO_BENCH_GALLERY", "20000"))
_CHUNK = 16_384
_QUERY = '{"word": "circle", "drawing": [[[100, 200, 100, 0, 100], [0, 100, 200, 100, 0]]]}\n'


def run(context: harness.Context) -> list[harness.Row]:
    """New processes, after one that warms the disk cache, and the size of installations."""
    query, gallery = context.work / "query.ndjson", context.work / "gallery"
    query.write_text(_QUERY)
    fill(gallery, query)
    rows = [
        *timed("import garabato", None, sys.executable, "-c", "import garabato"),
        *timed("garabato --help", 0.3, harness.GARABATO, "--help"),
        *timed("garabato classify", 0.8, harness.GARABATO, "classify", query),
        *timed(
            f"garabato search, {N_DRAWINGS:,} drawings",
            1.2,
            *(harness.GARABATO, "search", "--gallery", gallery, query),
        ),
    ]
    for extra, target in (("", 700), ("serve", None), ("train", None)):
        name = f"garabato[{extra}]" if extra else "garabato"
        size_mb = sum(sizes_mb(name).values())
        rows.append(harness.Row(f"installed: {name}", "MB", [size_mb], target))
    return rows


def timed(what: str, target: float | None, *command: Any) -> Iterator[harness.Row]:
    """Seconds of each of `REPEATS` processes, by the clock and of processor time."""
    walls_s, processor_s = [], []
    for _ in range(REPEATS + 1):
        before_s, started_s = _children_s(), time.perf_counter()
        subprocess.run(list(map(str, command)), check=True, stdout=subprocess.DEVNULL)
        walls_s.append(time.perf_counter() - started_s)
        processor_s.append(_children_s() - before_s)
    yield harness.Row(what, "s", walls_s[1:], target)
    yield harness.Row(f"{what}: processor time", "s", processor_s[1:])


def _children_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def sizes_mb(requirement: str) -> dict[str, float]:
    """Megabytes of a distribution in this environment and of all it requires, by name."""
    found: dict[str, float] = {}
    seen = set()
    waiting = [(canonicalize_name(Requirement(requirement).name), "")]
    waiting += [(waiting[0][0], extra) for extra in Requirement(requirement).extras]
    while waiting:
        name, extra = waiting.pop()
        if (name, extra) in seen:
            continue
        seen.add((name, extra))
        paths: Iterable[Path]
        if name == "garabato":  # the metadata of a checkout may be of an earlier version
            paths = (harness.ROOT / "src/garabato").rglob("*")
            project = tomllib.loads((harness.ROOT / "pyproject.toml").read_text())["project"]
            required = project["optional-dependencies"][extra] if extra else project["dependencies"]
        else:
            try:
                about = distribution(name)
            except PackageNotFoundError:
                sys.exit(f"{name} is not installed; pip install '{requirement}'")
            paths = [Path(str(file.locate())) for file in about.files or ()]
            required = about.requires or ()
        found[name] = sum(path.stat().st_size for path in paths if path.is_file()) / 1e6
        for line in required:
            needed = Requirement(line)
            if needed.marker is None or needed.marker.evaluate({"extra": extra}):
                key = canonicalize_name(needed.name)
                waiting += [(key, ""), *((key, more) for more in needed.extras)]
    return found


def fill(folder: Path, query: Path) -> None:
    """A gallery of one drawing under many names, with random embeddings."""
    encoder = garabato.load_encoder()
    gallery = garabato.open_gallery(folder, encoder=encoder)
    (drawing,) = garabato.read_drawings(query)
    random = np.random.default_rng(0)
    for start in range(0, N_DRAWINGS, _CHUNK):
        n = min(_CHUNK, N_DRAWINGS - start)
        embeddings = random.standard_normal((n, encoder.embedding_dim)).astype(np.float32)
        embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
        named = [drawing.replace(key_id=str(start + i)) for i in range(n)]
        gallery.add(named, embeddings=embeddings)


BENCHMARK = harness.Benchmark("startup", "no data", "", run)

if __name__ == "__main__":
    harness.main(BENCHMARK)
