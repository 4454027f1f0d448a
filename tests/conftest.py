"""Fixtures that every test may use."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from milvus_server import TOKEN, MilvusServer
from pixel_encoder import PixelEncoder
from sketches import SKETCH_CATEGORIES, make_drawings, write_source

from garabato.drawing import Drawing

# Networks in tests are tiny, and two threads that wait for each other on a busy machine are many
# times slower than one. Set before PyTorch is imported, and passed on to commands that tests start.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# A shell starts programs in the background with Ctrl-C ignored; some tests send it.
signal.signal(signal.SIGINT, signal.default_int_handler)

# A busy machine takes any time for an example; what a test checks does not depend on it. Every run
# has the same examples, so that none fails by chance: --hypothesis-profile=explore tries others.
settings.register_profile("explore", deadline=None)
settings.register_profile("garabato", deadline=None, derandomize=True)
settings.load_profile("garabato")

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
ROOT = Path(__file__).resolve().parent.parent


#: Fixtures that start something large: a Milvus server, a browser, a Ray cluster.
SLOW_FIXTURES = {"milvus", "milvus_uri", "browser", "cluster"}


@pytest.hookimpl(tryfirst=True)  # before -m chooses
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of a server, a browser or a cluster are slow, whatever they test."""
    for item in items:
        parameters = getattr(getattr(item, "callspec", None), "params", {})
        names = {value for value in parameters.values() if isinstance(value, str)}
        if (names | set(getattr(item, "fixturenames", ()))) & SLOW_FIXTURES:
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def quickdraw() -> Path:
    """The folder of real drawings (simplified/, raw/, numpy_bitmap/); skips where it is not."""
    given = os.environ.get("GARABATO_QUICKDRAW")
    folder = Path(given) if given else ROOT.parent / "shared" / "quickdraw"
    if not (folder / "simplified").is_dir():
        pytest.skip(
            f"no real drawings at {folder}: set GARABATO_QUICKDRAW to a folder that holds "
            "simplified/<category>.ndjson, raw/ and numpy_bitmap/"
        )
    return folder


@pytest.fixture(scope="session")
def sketch_source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder like Google's `simplified`: ten categories of forty sketches. Read only."""
    folder = tmp_path_factory.mktemp("sketches")
    return write_source(folder, SKETCH_CATEGORIES[:10], per_category=40, seed=0)


@pytest.fixture(scope="session")
def encoder() -> PixelEncoder:
    """An encoder without a network: the pixels are the embedding."""
    return PixelEncoder()


@pytest.fixture(scope="session")
def drawings() -> list[Drawing]:
    """Ten categories of twenty sketches, all with their own key_id."""
    return make_drawings(SKETCH_CATEGORIES[:10], per_category=20, seed=7)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium: the one of GARABATO_CHROMIUM, of the system, or Playwright's own; else skips.

    A module's own, since its driver keeps an event loop in this thread until it ends.
    """
    playwright_api = pytest.importorskip(
        "playwright.sync_api", reason="pages are tested with: pip install playwright"
    )
    found = os.environ.get("GARABATO_CHROMIUM") or next(
        filter(None, map(shutil.which, BROWSERS)), None
    )
    with playwright_api.sync_playwright() as playwright:
        if found is None and not Path(playwright.chromium.executable_path).exists():
            pytest.skip(
                "no Chromium: apt-get install chromium, or playwright install chromium, "
                "or set GARABATO_CHROMIUM to one"
            )
        browser = playwright.chromium.launch(executable_path=found)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def milvus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MilvusServer]:
    """A Milvus server, its token in the environment; skips where the `milvus` wheel is not."""
    for module, package in (("pymilvus", "garabato[milvus]"), ("milvus", "milvus==2.3.5")):
        pytest.importorskip(module, reason=f"no Milvus server here: pip install '{package}'")
    folder = tmp_path_factory.mktemp("milvus")
    server = MilvusServer(folder)
    server.start()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GARABATO_MILVUS_TOKEN", TOKEN)
        yield server
    server.kill()
    shutil.rmtree(folder, ignore_errors=True)


_numbers = itertools.count()


@pytest.fixture
def milvus_uri(milvus: MilvusServer) -> Iterator[str]:
    """An address on a Milvus server where there is no gallery yet."""
    from pymilvus import MilvusClient

    collection = f"test_{next(_numbers)}"
    yield f"http://127.0.0.1:{milvus.port}/{collection}"
    client = MilvusClient(f"http://127.0.0.1:{milvus.port}", token=TOKEN)
    if client.has_collection(collection):
        client.drop_collection(collection)
