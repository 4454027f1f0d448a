"""What the benchmarks of the service share: a gallery, a server in its own process, requests."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

import harness

import garabato
from garabato.cli.output import progress
from garabato.ingest.bulk_load import fill

#: Names a gallery to be used instead of one filled from the source, which takes minutes.
GALLERY_VARIABLE = "GARABATO_BENCH_GALLERY"
N_DRAWINGS = 117_000


@dataclass(frozen=True, slots=True)
class Server:
    """A running `garabato serve`."""

    process: subprocess.Popen[bytes]
    port: int

    def memory_mib(self, what: str = "VmRSS") -> float:
        """Resident memory now, or with VmHWM the most there ever was."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith(f"{what}:"):
                return int(line.split()[1]) / 1024
        raise LookupError(what)


def gallery_of(context: harness.Context) -> str:
    """A gallery of N_DRAWINGS of the source (or all it has), embedded by the shipped encoder."""
    given = os.environ.get(GALLERY_VARIABLE)
    if given:
        return given
    uri = str(context.work / "drawings.gallery")
    encoder = garabato.load_encoder()
    source = garabato.open_source(context.source)
    categories = list(source.categories())
    each = -(-N_DRAWINGS // len(categories))
    gallery = garabato.open_gallery(uri, encoder=encoder)

    def batches() -> Iterator[object]:
        for category in categories:
            left = each
            for batch in source.read(category):
                yield batch[:left]
                left -= min(left, len(batch))
                if not left:
                    break

    with progress() as show:
        fill(gallery, encoder, batches(), progress=lambda n: show("index", n, N_DRAWINGS))
    return uri


def queries(context: harness.Context, n: int) -> list[bytes]:
    """Whole HTTP requests: searches with drawings from the ends of the source's files."""
    files = sorted(context.source.glob("*.ndjson"))
    made = []
    for number in range(n):
        lines = files[number % len(files)].read_bytes().splitlines()
        drawing = json.loads(lines[-1 - number // len(files)])["drawing"]
        body = json.dumps({"drawing": drawing, "k": 10, "predictions": 5}).encode()
        head = (
            "POST /v1/search HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
            f"content-length: {len(body)}\r\n\r\n"
        )
        made.append(head.encode() + body)
    return made


@contextmanager
def running(uri: str, log: Path, **settings: object) -> Iterator[Server]:
    """Start `garabato serve`, wait until it is ready, end it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    variables = {f"GARABATO_{name.upper()}": str(value) for name, value in settings.items()}
    command = [str(harness.GARABATO), "serve", "--gallery", uri, "--port", str(port)]
    with open(log, "wb") as file:
        process = subprocess.Popen(command, env=os.environ | variables, stderr=file)
    try:
        for path in ("/readyz", "/v1/categories"):
            wait_for(f"http://127.0.0.1:{port}{path}", process)
        yield Server(process, port)
    finally:
        process.terminate()
        process.wait(30)


def wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    """Return once `url` answers 200."""
    while process.poll() is None:
        try:
            with urlopen(url, timeout=60):
                return
        except OSError:
            time.sleep(0.2)
    raise RuntimeError("the server ended; its log says why")
