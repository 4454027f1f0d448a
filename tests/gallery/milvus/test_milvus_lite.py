"""Galleries on the server of milvus-lite 3, which is maintained; the other tests use Milvus 2.3.5.

It keeps no description of a collection and calls an empty one loaded before it has an index.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from milvus_server import free_ports
from pixel_encoder import PixelEncoder
from sketches import make_drawings

from garabato.errors import EncoderMismatchError, GalleryError
from garabato.gallery import open_gallery

pytest.importorskip("milvus_lite")
pytest.importorskip("pymilvus")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server with an empty store."""
    folder = tmp_path_factory.mktemp("milvus-lite")
    (port,) = free_ports(1)
    command = [sys.executable, "-m", "milvus_lite", "server", "--host", "127.0.0.1"]
    command += ["--port", str(port), "--data-dir", str(folder / "data")]
    with open(folder / "log", "wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        _wait_until_it_listens(port, process, folder / "log")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(30)


def _wait_until_it_listens(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=5).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise RuntimeError(f"milvus-lite did not start: {log.read_text()[-2000:]}")


def test_a_gallery_is_created_filled_searched_and_reopened(server: str) -> None:
    uri = f"{server}/drawings"
    drawings = make_drawings(["circle", "house"], 8, seed=0)
    gallery = open_gallery(uri, encoder=PixelEncoder())
    assert gallery.add(drawings, tags=["mine"]).n_new == 16
    assert gallery.add(drawings[:2]).n_replaced == 2

    again = open_gallery(uri, encoder=PixelEncoder(), must_exist=True)
    assert again.count(by="category") == {"circle": 8, "house": 8}
    best, *others = again.search(drawings[-1], k=5, where={"category": ["house"]})
    assert (best.key_id, round(best.score, 4)) == (drawings[-1].key_id, 1.0)
    assert {hit.category for hit in others} == {"house"}
    (stored,) = again.get([str(drawings[3].key_id)])
    assert stored.to_lists() == drawings[3].to_lists()

    again.hide([str(drawings[-1].key_id)])
    assert again.search(drawings[-1], k=1)[0].key_id != drawings[-1].key_id
    assert again.delete([str(drawings[0].key_id)]) == 1
    assert len(again) == 14


def test_another_encoder_is_refused(server: str) -> None:
    uri = f"{server}/of_one_encoder"
    open_gallery(uri, encoder=PixelEncoder())
    with pytest.raises(EncoderMismatchError, match="was filled by encoder"):
        open_gallery(uri, encoder=PixelEncoder(line_width=0.2))


def test_opening_a_missing_gallery_is_an_error(server: str) -> None:
    with pytest.raises(GalleryError, match="there is no gallery at"):
        open_gallery(f"{server}/nothing", must_exist=True)
