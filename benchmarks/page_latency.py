"""The time from the end of a stroke until its results are painted, in Chromium, and the frame rate
of a map of 100,000 drawings.

The service, its gallery and the browser are on this machine. GARABATO_BENCH_GALLERY names a gallery
to use instead of filling one, GARABATO_CHROMIUM another browser.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from typing import Any

import harness
import numpy as np
import serving
from playwright.sync_api import Page, Route, sync_playwright

N_DRAWINGS, N_ON_MAP, N_FRAMES = 30, 100_000, 90
#: Points a second that a mouse gives.
POINT_MS = 8
MEASURE = "stroke finished to results painted"
#: Notes when the browser was told that a stroke is finished, which is before the page hears of it.
NOTE_ENDS = """
window.ends = [];
addEventListener("pointerup", (event) => ends.push(event.timeStamp), true);
"""
#: Times between frames while the map moves, ms.
PAN = """async (n) => {
  const map = document.querySelector(".chart .over");
  const {left, top} = map.getBoundingClientRect();
  const at = (type, i) => map.dispatchEvent(new PointerEvent(type, {
    pointerId: 1, isPrimary: true, clientX: left + 300 + 2 * i, clientY: top + 200 + i}));
  const frame = () => new Promise(requestAnimationFrame);
  map.setPointerCapture = () => {};
  at("pointerdown", 0);
  const took = [];
  let before = await frame();
  for (let i = 1; i <= n; i++) {
    at("pointermove", i % 60);
    const now = await frame();
    took.push(now - before);
    before = now;
  }
  at("pointerup", 0);
  return took;
}"""


def drawings(context: harness.Context, n: int) -> Iterator[list[Any]]:
    """Strokes from the ends of the source's files, one of a category."""
    files = sorted(context.source.glob("*.ndjson"))
    for file in files[:: max(1, len(files) // n)][:n]:
        yield json.loads(file.read_bytes().splitlines()[-1])["drawing"]


def draw(page: Page, strokes: list[Any]) -> None:
    """Draw on the pad as a hand with a mouse does."""
    box = page.locator("#pad").bounding_box()
    assert box is not None
    scale = 0.8 * box["width"] / 255
    for xs, ys in strokes:
        page.mouse.move(box["x"] + 30 + scale * xs[0], box["y"] + 30 + scale * ys[0])
        page.mouse.down()
        for x, y in zip(xs[1:], ys[1:], strict=True):
            page.mouse.move(box["x"] + 30 + scale * x, box["y"] + 30 + scale * y, steps=3)
            page.wait_for_timeout(POINT_MS)
        page.mouse.up()
    page.wait_for_selector("#found[aria-busy=false] .hit")
    page.wait_for_timeout(100)


def waits(page: Page) -> list[float]:
    """Milliseconds from the end of each stroke whose results were painted until they were."""
    found = page.evaluate(
        f"[ends, performance.getEntriesByName('{MEASURE}').map((e) => [e.startTime, e.duration])]"
    )
    ends = np.array(found[0])
    took = []
    for started, duration in found[1]:
        end = ends[ends <= started].max()
        took.append(float(started + duration - end))
    return took


def a_map(route: Route) -> None:
    """N_ON_MAP drawings in 345 heaps: what is measured is the painting, not where they lie."""
    rng = np.random.default_rng(0)
    category = rng.integers(345, size=N_ON_MAP)
    middles = rng.uniform(5_000, 60_000, (345, 2))
    places = (middles[category] + rng.normal(0, 1_500, (N_ON_MAP, 2))).clip(0, 65_535).astype(int)
    route.fulfill(
        json={
            "n": N_ON_MAP,
            "categories": [f"category {i}" for i in range(345)],
            "category": category.tolist(),
            "x": places[:, 0].tolist(),
            "y": places[:, 1].tolist(),
            "key_id": [str(i) for i in range(N_ON_MAP)],
        }
    )


def run(context: harness.Context) -> list[harness.Row]:
    """Draw with the mouse, then move the map."""
    uri = serving.gallery_of(context)
    found = os.environ.get("GARABATO_CHROMIUM") or shutil.which("chromium")
    log = context.work / "log"
    with serving.running(uri, log) as server, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found)
        page = browser.new_page(viewport={"width": 1280, "height": 860})
        page.add_init_script(NOTE_ENDS)
        page.route("**/v1/map/state", lambda route: route.fulfill(json={"ready": True}))
        page.route("**/v1/map", a_map)
        page.goto(f"http://127.0.0.1:{server.port}/")
        page.wait_for_selector("#welcome .hit")
        for strokes in drawings(context, N_DRAWINGS):
            draw(page, strokes)
            page.locator("#clear").click()
        took = waits(page)
        page.evaluate("location.hash = '#/explore'")
        page.wait_for_selector(".chart .progress", state="hidden", timeout=60_000)
        page.wait_for_timeout(500)
        frames = page.evaluate(PAN, N_FRAMES)
        browser.close()
    note = f"{len(took)} strokes"
    return [
        harness.Row(f"{MEASURE}, p50", "ms", [float(np.median(took))], target=25, note=note),
        harness.Row(
            f"{MEASURE}, p95", "ms", [float(np.percentile(took, 95))], target=120, note=note
        ),
        harness.Row(f"frame of a map of {N_ON_MAP:,}, p50", "ms", [float(np.median(frames))]),
        harness.Row(
            f"frame of a map of {N_ON_MAP:,}, p95", "ms", [float(np.percentile(frames, 95))]
        ),
    ]


BENCHMARK = harness.Benchmark(
    "page_latency",
    f"{serving.N_DRAWINGS:,} drawings served, {N_DRAWINGS} drawn with the mouse in Chromium",
    "",
    run,
    quick=False,
)

if __name__ == "__main__":
    harness.main(BENCHMARK)
