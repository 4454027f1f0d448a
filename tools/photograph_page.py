"""Take README's pictures of the page: by day, by night, and on a phone with a finger.

    garabato serve --gallery my.gallery &
    python tools/photograph_page.py --source simplified

Needs a Chromium (GARABATO_CHROMIUM, or `chromium` on the path) and Google's simplified files.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import shutil
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from PIL import Image
from playwright.sync_api import Mouse, Page, sync_playwright

PICTURES = Path(__file__).resolve().parent.parent / "docs" / "pictures"
DESK = {"viewport": {"width": 1240, "height": 780}}
PHONE = {
    "viewport": {"width": 390, "height": 844},
    "device_scale_factor": 2,
    "is_mobile": True,
    "has_touch": True,
}
#: Picture -> (what it is seen on, colour scheme, category, line of its file).
SHOTS: dict[str, tuple[dict[str, Any], Literal["light", "dark"], str, int]] = {
    "page.png": (DESK, "light", "owl", 4),
    "page_dark.png": (DESK, "dark", "snail", 37),
    "page_phone.png": (PHONE, "light", "flower", 0),
}


def main() -> None:
    """Take all of SHOTS."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default="http://127.0.0.1:8000/")
    parser.add_argument("--source", type=Path, required=True, help="folder of simplified files")
    given = parser.parse_args()
    browser_file = os.environ.get("GARABATO_CHROMIUM") or shutil.which("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_file)
        for name, (device, scheme, category, line) in SHOTS.items():
            lines = (given.source / f"{category}.ndjson").read_text().splitlines()
            page = browser.new_context(color_scheme=scheme, **device).new_page()
            page.goto(given.url)
            page.wait_for_selector("#welcome .hit")
            hand = Finger(page) if device is PHONE else page.mouse
            draw(page, hand, json.loads(lines[line])["drawing"])
            if device is DESK:
                page.mouse.move(5, 5)
            page.wait_for_selector("#found[aria-busy=false] .hit")
            page.wait_for_timeout(2_000)  # lines that are still being drawn
            picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
            # a third of the bytes; "coverage" keeps the red, which is rare, "kmeans" the paper
            few = picture.quantize(
                256, Image.Quantize.MAXCOVERAGE, kmeans=1, dither=Image.Dither.NONE
            )
            few.save(PICTURES / name, optimize=True)
        browser.close()


class Finger:
    """Moves as Playwright's mouse does; touches as the browser's own driver makes them."""

    def __init__(self, page: Page) -> None:
        self._session = page.context.new_cdp_session(page)
        self._at: tuple[float, float] | None = None
        self._is_down = False

    def move(self, x: float, y: float) -> None:
        """Be there; drawing, where it is down."""
        self._at = (x, y)
        if self._is_down:
            self._touch("touchMove")

    def down(self) -> None:
        """Touch the pad."""
        self._is_down = True
        self._touch("touchStart")

    def up(self) -> None:
        """Leave it."""
        self._is_down, self._at = False, None
        self._touch("touchEnd")

    def _touch(self, kind: str) -> None:
        points = [] if self._at is None else [{"x": self._at[0], "y": self._at[1]}]
        self._session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})


def draw(page: Page, hand: Mouse | Finger, strokes: list[list[list[int]]]) -> None:
    """Draw in the middle of the pad, round as a hand does."""
    box = page.locator("#pad").bounding_box()
    assert box is not None
    points = [np.array(stroke, float).T for stroke in strokes]
    low, high = np.concatenate(points).min(axis=0), np.concatenate(points).max(axis=0)
    scale = 0.76 * box["width"] / (high - low).max()
    middle = np.array([box["x"] + box["width"] / 2, box["y"] + box["height"] / 2])
    for stroke in points:
        places = (rounded(stroke) - (low + high) / 2) * scale + middle
        hand.move(*places[0].tolist())
        hand.down()
        for place in places[1:]:
            hand.move(*place.tolist())
        hand.up()


def rounded(points: npt.NDArray[np.float64], n: int = 6) -> npt.NDArray[np.float64]:
    """(m, 2) points with `n` to every edge on a cardinal spline."""
    if len(points) < 3:
        return points
    ends = np.concatenate([points[:1], points, points[-1:]])
    t = np.linspace(0, 1, n, endpoint=False)[:, None]
    pieces = []
    for a, b, c, d in zip(ends, ends[1:], ends[2:], ends[3:], strict=False):
        along_b, along_c = 0.35 * (c - a), 0.35 * (d - b)
        pieces.append(
            (2 * t**3 - 3 * t**2 + 1) * b + (t**3 - 2 * t**2 + t) * along_b
            + (3 * t**2 - 2 * t**3) * c + (t**3 - t**2) * along_c
        )  # fmt: skip
    return np.concatenate([*pieces, points[-1:]])


if __name__ == "__main__":
    main()
