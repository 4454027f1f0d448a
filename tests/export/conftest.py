"""An exported page of sketches, on a static host: for the tests of pages and of the npm package."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from exported_page import CATEGORIES, ORIGINAL, PER_CATEGORY
from sketches import make_drawings, sketch

from garabato import Encoder, export_web, load_encoder, open_gallery
from garabato.errors import SourceError
from garabato.gallery import Gallery


@pytest.fixture(scope="session")
def web_encoder() -> Encoder:
    """The encoder that ships, with a category of five drawings."""
    encoder = load_encoder(precision="float32")
    return encoder.with_categories({"spiral": make_drawings(["spiral"], 5, seed=4)})


@pytest.fixture(scope="session")
def web_gallery(web_encoder: Encoder, tmp_path_factory: pytest.TempPathFactory) -> Gallery:
    gallery = open_gallery(tmp_path_factory.mktemp("web") / "gallery", encoder=web_encoder)
    drawings = make_drawings(CATEGORIES, PER_CATEGORY, seed=3)
    first = drawings[0].replace(
        title="A warning", tags=("sign", "road"), link="https://example.org/", original=ORIGINAL
    )
    peruvian = [drawing.replace(country="PE") for drawing in (first, *drawings[1:6])]
    gallery.add([*peruvian, *drawings[6:], sketch("star", 1).replace(key_id="the only star")])
    return gallery


@pytest.fixture(scope="session")
def exported(
    web_encoder: Encoder, web_gallery: Gallery, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The folder that `export_web` wrote."""
    pytest.importorskip("onnxruntime")
    folder = tmp_path_factory.mktemp("page") / "site"
    try:
        export_web(web_encoder, folder, gallery=web_gallery)
    except SourceError as error:
        pytest.skip(f"ONNX Runtime for browsers is out of reach: {error}")
    return folder


class _Host(SimpleHTTPRequestHandler):
    """A static host that lets pages of other origins read its files."""

    def end_headers(self) -> None:
        self.send_header("Access-Control-Allow-Origin", "*")
        super().end_headers()

    def log_message(self, *arguments: Any) -> None:
        """Nothing."""


@pytest.fixture(scope="session")
def host(exported: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, int]]:
    """A static host: its folder, where `page` is the exported page, and its port."""
    folder = tmp_path_factory.mktemp("host")
    (folder / "page").symlink_to(exported)
    handler = partial(_Host, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield folder, server.server_port
        server.shutdown()


@pytest.fixture(scope="session")
def address(host: tuple[Path, int]) -> str:
    return f"http://127.0.0.1:{host[1]}/page/"
