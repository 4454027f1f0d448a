"""The page in a real browser, served by the real service over a gallery of sketches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from page_server import PageServer
from pens import until
from sketches import make_drawings

import garabato
from garabato.analysis.map import Projection
from garabato.service.state import state_folder

playwright_api = pytest.importorskip(
    "playwright.sync_api", reason="the page is tested with: pip install playwright"
)

#: Sketches of these are recognised by the encoder that ships.
CATEGORIES = ("triangle", "zigzag", "star", "house", "ladder", "stairs", "envelope", "hourglass")
PER_CATEGORY = 12
#: Each category has its own corner of the map, where its drawings stand in a row.
CORNER_PX, STEP_PX = 16_000, 900
TIMEOUT_MS = 45_000
playwright_api.expect.set_options(timeout=TIMEOUT_MS)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PageServer]:
    """A server over 96 sketches of eight categories, with a map where each has its corner."""
    folder = tmp_path_factory.mktemp("page")
    drawings = make_drawings(CATEGORIES, PER_CATEGORY, seed=3)
    gallery = garabato.open_gallery(folder / "sketches.gallery", encoder=garabato.load_encoder())
    gallery.add(drawings)
    numbers = np.arange(len(drawings))
    corner, step = numbers // PER_CATEGORY, numbers % PER_CATEGORY
    Projection(
        [str(drawing.key_id) for drawing in drawings],
        (corner % 4 * CORNER_PX + 2_000 + step * STEP_PX).astype(np.uint16),
        (corner // 4 * 2 * CORNER_PX + 12_000).astype(np.uint16),
    ).save(_made(state_folder(gallery.uri)) / "map.parquet")
    server = PageServer(["--gallery", str(folder / "sketches.gallery")], folder / "server.log")
    server.start()
    yield server
    server.stop()


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


NewPage = Callable[..., "playwright_api.Page"]


@pytest.fixture
def new_page(browser: playwright_api.Browser, server: PageServer) -> Iterator[NewPage]:
    """Opens pages, each in a browser profile of its own; nothing may be said on the console."""
    said: list[str] = []
    contexts = []

    def listen(message: playwright_api.ConsoleMessage) -> None:
        if "willReadFrequently" not in message.text:  # the tests read the canvas, not the page
            said.append(f"{message.type}: {message.text}")

    def watch(page: playwright_api.Page) -> None:
        page.on("console", listen)
        page.on("pageerror", lambda error: said.append(str(error)))

    def open_page(fragment: str = "", **options: object) -> playwright_api.Page:
        context = browser.new_context(**{"reduced_motion": "reduce", **options})
        context.set_default_timeout(TIMEOUT_MS)
        context.on("page", watch)
        contexts.append(context)
        page = context.new_page()
        page.goto(server.url + fragment)
        until(page, "document.getElementById('category-names').options.length > 0")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert said == []


@pytest.fixture
def page(new_page: NewPage) -> playwright_api.Page:
    """The page as it opens."""
    return new_page()
