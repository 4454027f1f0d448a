"""The page without a server, in Chromium: what its first load takes, how fast a query is, and how
often its results equal those of garabato itself.

Bytes are those that a static host sends, which compresses all but pictures with gzip; the host
here does so. Nothing is cached. Its own results are those of a gallery of the same drawings.
GARABATO_CHROMIUM names another browser, GARABATO_SITE a page exported before and
GARABATO_SITE_GALLERY the gallery it was made of.

    python benchmarks/web_export.py [--source DIR]
"""

from __future__ import annotations

import gzip
import itertools
import os
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import harness
import numpy as np
from playwright.sync_api import sync_playwright

from garabato import Drawing, export_web, load_encoder, open_gallery, read_drawings
from garabato.gallery import Gallery

N_DRAWINGS, PER_CATEGORY, K = 500, 12, 10
TYPES = {
    ".css": "text/css",
    ".html": "text/html",
    ".js": "text/javascript",
    ".json": "application/json",
    ".mjs": "text/javascript",
    ".svg": "image/svg+xml",
    ".wasm": "application/wasm",
}
READY = """async () => {
  const {readiness} = await import("./static/script/api.js");
  while (!(await readiness()).ready);
  return performance.now();
}"""
ASK = """async (drawings) => {
  const {search} = await import("./static/script/api.js");
  const results = [];
  for (const drawing of drawings) {
    const started = performance.now();
    const {hits, predictions} = await search({drawing, k: 10, predictions: 1});
    const ms = performance.now() - started;
    results.push({ms, category: predictions[0].category, hits: hits.map((hit) => hit.key_id)});
  }
  return results;
}"""


@contextmanager
def static_host(folder: Path) -> Iterator[tuple[str, dict[str, int]]]:
    """Its address, and the bytes of each body it has sent, by path."""
    sent: dict[str, int] = {}

    @cache
    def zipped(path: Path) -> bytes:
        return gzip.compress(path.read_bytes(), 6)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            name = self.path.partition("?")[0].lstrip("/") or "index.html"
            path = folder / name
            if ".." in name or not path.is_file():
                self.send_error(404)
                return
            content = zipped(path)
            sent[name] = sent.get(name, 0) + len(content)
            self.send_response(200)
            self.send_header("Content-Type", TYPES.get(path.suffix, "application/octet-stream"))
            self.send_header("Content-Encoding", "gzip")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *arguments: Any) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/", sent
        server.shutdown()


def exported(context: harness.Context, encoder: Any) -> tuple[Path, Gallery, float | None]:
    """The page, the gallery it shows, and the seconds it took where it is made here."""
    given, gallery_given = (os.environ.get(n) for n in ("GARABATO_SITE", "GARABATO_SITE_GALLERY"))
    if given and gallery_given:
        return Path(given), open_gallery(gallery_given, encoder=encoder), None
    gallery = open_gallery(context.work / "gallery", encoder=encoder)
    for file in sorted(context.source.glob("*.ndjson")):
        gallery.add(itertools.islice(read_drawings(file), PER_CATEGORY))
    started = time.perf_counter()
    export_web(encoder, context.work / "site", gallery=gallery, per_category=PER_CATEGORY)
    return context.work / "site", gallery, time.perf_counter() - started


def queries(source: Path) -> list[Drawing]:
    """Drawings that are not on the page, of all categories."""
    files = sorted(source.glob("*.ndjson"))
    each = -(-N_DRAWINGS // len(files))
    found = [
        drawing
        for file in files
        for drawing in itertools.islice(read_drawings(file), PER_CATEGORY, PER_CATEGORY + each)
    ]
    return [found[i * len(found) // N_DRAWINGS] for i in range(N_DRAWINGS)]


def run(context: harness.Context) -> list[harness.Row]:
    """Bytes and seconds of the first load, ms of a query, agreement."""
    encoder = load_encoder(precision="float32")
    folder, gallery, seconds = exported(context, encoder)
    drawings = queries(context.source)
    chromium = os.environ.get("GARABATO_CHROMIUM") or shutil.which("chromium")
    with (
        static_host(folder) as (address, sent),
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=chromium) as browser,
    ):
        page = browser.new_page()
        page.goto(address)
        ready_s = page.evaluate(READY) / 1000
        first_load = sum(sent.values())
        results = page.evaluate(ASK, [drawing.to_lists() for drawing in drawings])
    output = encoder.predict(drawings)
    best = [encoder.categories[c] for c in output.probabilities.argmax(axis=1)]
    hits = [[hit.key_id for hit in gallery.search(e, K)] for e in output.embeddings]
    same_best = [a["category"] == b for a, b in zip(results, best, strict=True)]
    same_hits = [a["hits"] == h for a, h in zip(results, hits, strict=True)]
    same_set = [set(a["hits"]) == set(h) for a, h in zip(results, hits, strict=True)]
    both = np.logical_and(same_best, same_hits)
    took_ms = [one["ms"] for one in results]
    note = f"{len(gallery):,} drawings; gzip"
    rows = [
        harness.Row("first load", "MB", [first_load / 1e6], 12, note=note),
        harness.Row("until it is ready", "s", [ready_s], note="from the same machine"),
        harness.Row("query, p50", "ms", [float(np.quantile(took_ms, 0.5))], 60),
        harness.Row("query, p95", "ms", [float(np.quantile(took_ms, 0.95))]),
        harness.Row("same best category", "%", [float(np.mean(same_best))], 0.99, at_least=True),
        harness.Row(f"same {K} hits in any order", "%", [float(np.mean(same_set))]),
        harness.Row(f"same {K} hits in the same order", "%", [float(np.mean(same_hits))]),
        harness.Row(
            "same best category, same hits in order", "%", [float(both.mean())], 0.99, at_least=True
        ),
    ]
    if seconds is not None:
        rows.append(harness.Row("garabato export web", "s", [seconds]))
    return rows


BENCHMARK = harness.Benchmark(
    "web_export",
    f"{N_DRAWINGS} drawings, asked in Chromium of a page with {PER_CATEGORY} of each category",
    "garabato itself, with a gallery of the same drawings",
    run,
    quick=False,
)

if __name__ == "__main__":
    harness.main(BENCHMARK)
