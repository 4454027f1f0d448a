"""The pages on reliability and on fifty million drawings are computed from results."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

MEASURED = {
    "drawings": 1_000_000,
    "embedding, one core": 2_000,
    "bulk add with ready embeddings": 50_000,
    "on disk": 400,
    "bytes held in memory": 500,
    "opening and loading": 6,
    "a search, k = 10, median": 4,
    "memory to search": 1.5,
    "compact": 60,
}


def result(name: str, measured: dict[str, float]) -> dict[str, object]:
    rows = [
        {
            "what": what,
            "unit": "",
            "samples": [value],
            "target": None,
            "at_least": False,
            "note": "",
            "min": value,
            "median": value,
            "max": value,
            "reached": None,
        }
        for what, value in measured.items()
    ]
    machine = {"cpu": "Test", "cores": 2, "system": "any", "python": "3", "load_before": 0.0}
    return {
        "name": name,
        "command": f"{name}.py",
        "data": "none",
        "compared_with": "",
        "when": "2026-11-22T00:00:00",
        "machine": machine,
        "rows": rows,
    }


def pages(tmp_path: Path, *results: dict[str, object]) -> tuple[str, str]:
    for one in results:
        (tmp_path / f"{one['name']}.json").write_text(json.dumps(one))
    tool = ROOT / "tools" / "write_gallery_pages.py"
    subprocess.run([sys.executable, str(tool), str(tmp_path), str(tmp_path)], check=True)
    return tuple((tmp_path / f"{name}.md").read_text() for name in ("reliability", "fifty_million"))


def test_fifty_million_is_computed_from_a_million(tmp_path):
    _, page = pages(tmp_path, result("gallery_search_1000000", MEASURED))
    for line in (
        "| disk | 19 GiB | 400 bytes per drawing |",
        "| rendering and embedding, 16 cores | 26 min |",  # 5e7 / 2,000 / 16 s
        "| writing, embeddings ready | 17 min |",
        "| memory of a process that holds everything, exact search | 23 GiB |",
        "| exact search in memory | 200 ms at most |",  # 4 ms * 50
    ):
        assert line in page
    assert "index on disk |" not in page
    ten = {**MEASURED, "drawings": 10_000_000, "compact": 720}
    _, page = pages(tmp_path, result("gallery_search_10000000", ten))
    # 1e7 / rate + 720 s for ten million, 5 to 25 times that for fifty
    assert "| writing with an index on disk | 77 min to 6.4 h |" in page
    assert "Not measured yet: `python benchmarks/gallery_milvus.py`" in page
    kept = {
        name: ten[name] for name in ("drawings", "a search, k = 10, median", "memory to search")
    }
    _, page = pages(tmp_path, result("gallery_search_10000000", kept))
    assert "writing with an index" not in page
    assert "| search by the index on disk | 20 ms at most |" in page  # 4 ms * 5


def test_the_cluster_is_computed_from_a_milvus_server(tmp_path):
    server = {
        "drawings": 100_000,
        "bulk add with ready embeddings": 5_000,
        "compact": 50,
        "a search, k = 10, median": 4,
        "a search, 99th percentile": 9,
        "recall@10": 0.99,
    }
    million = result("gallery_search_1000000", MEASURED)
    _, page = pages(tmp_path, million, result("gallery_milvus", server))
    for line in (
        "| memory: embeddings, float32 | 24 GiB | 128 x 4 bytes per drawing |",
        "| writing by 4 processes | 42 min |",  # 5e7 / 5,000 / 4 s
        "| building the graphs, 32 cores | 26 min |",  # 5e7 / (1e5 / 50 / 2) / 32 s
        "| search, 32 cores | 4 ms |",  # 24 segments, each a core's
    ):
        assert line in page


def test_what_was_not_measured_says_how_to(tmp_path):
    reliability, page = pages(tmp_path, result("gallery_kills", {"kill -9 during a change": 200}))
    assert "| kill -9 during a change | 200 |" in reliability
    assert "Not measured yet: `python benchmarks/gallery_readers.py`" in reliability
    assert "Not measured yet: `python benchmarks/gallery_search.py --size 1000000`" in page
