"""A small HTTP server with Range support that has what Google's bucket has, and its bad days.

It serves drawings of the seeded generator (or any bytes) under the bucket's paths. Faults are
given per path, each for a number of requests; what was asked is in `requests`.
"""

from __future__ import annotations

import base64
import hashlib
import itertools
import re
import struct
import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import google_crc32c
import numpy as np
from sketches import make_drawings, simplified_line

from garabato.drawing import Drawing
from garabato.formats import write_drawings


@dataclass(frozen=True)
class Asked:
    """One request."""

    method: str
    path: str
    headers: dict[str, str]
    at_s: float


@dataclass
class Fault:
    """What goes wrong with a request; it is used up after `times`."""

    times: int = 1
    status: int | None = None
    retry_after: str | None = None
    #: The connection is closed after so many bytes of the body.
    drop_after: int | None = None
    #: Nothing is sent for so long.
    silent_s: float = 0.0
    methods: tuple[str, ...] = ("GET",)


@dataclass
class BucketServer:
    """Files by path ("/full/simplified/cat.ndjson") and how they are served."""

    files: dict[str, bytes] = field(default_factory=dict)
    faults: dict[str, list[Fault]] = field(default_factory=lambda: defaultdict(list))
    requests: list[Asked] = field(default_factory=list)
    has_ranges: bool = True
    has_etags: bool = True
    #: Hashes that are told: "md5", "crc32c".
    hashes: tuple[str, ...] = ("crc32c", "md5")
    wrong_hashes: int = 0
    bytes_per_s: float | None = None
    sent_bytes: int = 0
    url: str = ""

    def add(self, path: str, content: bytes) -> bytes:
        self.files[path] = content
        return content

    def fail(self, path: str, **fault: Any) -> None:
        self.faults[path].append(Fault(**fault))

    def asked(self, method: str, path: str = "") -> list[Asked]:
        return [a for a in self.requests if a.method == method and (not path or a.path == path)]

    def etag(self, path: str) -> str:
        return f'"{hashlib.sha1(self.files[path]).hexdigest()}"'

    def take_fault(self, method: str, path: str) -> Fault | None:
        for fault in self.faults[path] + self.faults["*"]:
            if fault.times > 0 and method in fault.methods:
                fault.times -= 1
                return fault
        return None

    def hash_headers(self, content: bytes) -> Iterator[str]:
        values = {
            "crc32c": google_crc32c.value(content).to_bytes(4, "big"),
            "md5": hashlib.md5(content).digest(),
        }
        for name in self.hashes:
            value = values[name]
            if self.wrong_hashes > 0:
                value = bytes(byte ^ 255 for byte in value)
            yield f"{name}={base64.b64encode(value).decode()}"


@contextmanager
def serving(server: BucketServer) -> Iterator[BucketServer]:
    """Serve on a free port of this machine while the block runs; `server.url` is the address."""
    http = ThreadingHTTPServer(("127.0.0.1", 0), _handler_of(server))
    http.daemon_threads = True
    server.url = f"http://127.0.0.1:{http.server_address[1]}"
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        http.shutdown()
        http.server_close()
        thread.join()


def _handler_of(server: BucketServer) -> type[BaseHTTPRequestHandler]:
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._answer()

        def do_HEAD(self) -> None:
            self._answer()

        def _answer(self) -> None:
            path = unquote(urlsplit(self.path).path)
            with lock:
                headers = {name.lower(): value for name, value in self.headers.items()}
                server.requests.append(Asked(self.command, path, headers, time.monotonic()))
                fault = server.take_fault(self.command, path)
            if fault:
                time.sleep(fault.silent_s)
            if fault and fault.status:
                extra = {"Retry-After": fault.retry_after} if fault.retry_after else {}
                self._send(fault.status, b"", extra)
            elif path not in server.files:
                self._send(404, b"<Error><Code>NoSuchKey</Code></Error>", {})
            elif server.has_etags and headers.get("if-match", server.etag(path)) != server.etag(
                path
            ):
                self._send(412, b"", {})
            else:
                self._send_file(path, headers.get("range"), fault)

        def _send_file(self, path: str, wanted: str | None, fault: Fault | None) -> None:
            content = server.files[path]
            status, extra = 200, {}
            if server.has_etags:
                extra["ETag"] = server.etag(path)
            first, last = 0, len(content) - 1
            if wanted and server.has_ranges:
                found = re.fullmatch(r"bytes=(\d+)-(\d*)", wanted)
                assert found, wanted
                first = int(found[1])
                last = min(last, int(found[2] or last))
                if first > last:
                    return self._send(416, b"", {"Content-Range": f"bytes */{len(content)}"})
                status = 206
                extra["Content-Range"] = f"bytes {first}-{last}/{len(content)}"
            return self._send(status, content[first : last + 1], extra, content, fault)

        def _send(
            self,
            status: int,
            body: bytes,
            extra: dict[str, str],
            whole: bytes | None = None,
            fault: Fault | None = None,
        ) -> None:
            self.send_response(status)
            for name, value in extra.items():
                self.send_header(name, value)
            if whole is not None:
                for text in server.hash_headers(whole):
                    self.send_header("x-goog-hash", text)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command == "HEAD":
                return
            if fault and fault.drop_after is not None:
                body = body[: fault.drop_after]
                self.close_connection = True
            try:
                for at in range(0, len(body), 16384):
                    self.wfile.write(body[at : at + 16384])
                    with lock:
                        server.sent_bytes += len(body[at : at + 16384])
                    if server.bytes_per_s:
                        time.sleep(16384 / server.bytes_per_s)
            except OSError:  # the client has enough
                self.close_connection = True

        def log_message(self, format: str, *args: Any) -> None:
            pass

    return Handler


def simplified_file(drawings: Iterable[Drawing]) -> bytes:
    return b"".join(simplified_line(drawing).encode() + b"\n" for drawing in drawings)


def raw_file(drawings: Iterable[Drawing]) -> bytes:
    """The drawings as a device might have sent them: shifted, with times."""
    lines = []
    for drawing in drawings:
        strokes = [
            [(xs + 100.5).tolist(), (ys + 20.25).tolist(), list(range(0, 16 * len(xs), 16))]
            for xs, ys in drawing.strokes
        ]
        line = simplified_line(drawing)
        lines.append(line[: line.index('"drawing":')] + f'"drawing":{strokes}}}\n')
    return "".join(lines).encode()


def binary_file(drawings: Iterable[Drawing], folder: Path) -> bytes:
    path = folder / "drawings.bin"
    write_drawings(path, drawings)
    return path.read_bytes()


def bitmap_file(n: int, seed: int) -> bytes:
    """`n` different bitmaps as Google's `.npy` has them."""
    rng = np.random.default_rng(seed)
    rows = (rng.random((n, 784)) < 0.1).astype(np.uint8) * 255
    header = b"{'descr': '|u1', 'fortran_order': False, 'shape': (%d, 784), }" % n
    header += b" " * (-(len(header) + 11) % 16) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + rows.tobytes()


def serve_sketches(
    server: BucketServer, categories: Iterable[str], per_category: int, folder: Path
) -> None:
    """Put sketches of these categories under all four of the bucket's paths."""
    for category, seed in zip(categories, itertools.count()):
        drawings = make_drawings([category], per_category, seed=0)
        server.add(f"/full/simplified/{category}.ndjson", simplified_file(drawings))
        server.add(f"/full/raw/{category}.ndjson", raw_file(drawings))
        server.add(f"/full/binary/{category}.bin", binary_file(drawings, folder))
        server.add(f"/full/numpy_bitmap/{category}.npy", bitmap_file(per_category, seed))
