"""Whether the service withstands bad requests: fuzzing by its own OpenAPI document, broken forms,
clients that disconnect, 10,000 silent connections. It must stay up, never return a 5xx, and release
the memory afterwards.

GARABATO_BENCH_EXAMPLES sets how many requests each route gets from the fuzzer.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path
from urllib.request import urlopen

import harness
import serving

N_IDLE = 10_000
N_BROKEN = 5_000
N_EXAMPLES = int(os.environ.get("GARABATO_BENCH_EXAMPLES", "500"))
IDLE_TIMEOUT_S = 20


def fuzz(port: int) -> int:
    """Run schemathesis on all routes; how many failures it found."""
    command = [
        str(Path(sys.executable).parent / "schemathesis"), "run",
        f"http://127.0.0.1:{port}/v1/openapi.json",
        "--checks", "not_a_server_error,content_type_conformance,response_schema_conformance",
        "--max-examples", str(N_EXAMPLES), "--seed", "0", "--exclude-path", "/v1/map",
        "--exclude-path", "/readyz", "--suppress-health-check", "all",
        "--request-timeout", "60", "--no-color",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        print(done.stdout[-5_000:], done.stderr[-2_000:])
    return done.returncode


async def broken(port: int, seed: int) -> bytes:
    """Send a form with bytes changed, cut or repeated; the status line of the response, if any."""
    chance = random.Random(seed)
    form = (
        b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n'
        b"Content-Type: image/png\r\n\r\n\x89PNG\r\n\x1a\n" + chance.randbytes(200) + b"\r\n--b\r\n"
        b'Content-Disposition: form-data; name="k"\r\n\r\n3\r\n--b--\r\n'
    )
    body = bytearray(form)
    for _ in range(chance.randrange(1, 8)):
        body[chance.randrange(len(body))] = chance.randrange(256)
    cut = bytes(body[: chance.randrange(1, len(body) + 1)])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = (
        "POST /v1/search HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n"
        f"content-type: multipart/form-data; boundary=b\r\ncontent-length: {len(cut)}\r\n\r\n"
    )
    response = b""
    with contextlib.suppress(ConnectionError):
        writer.write(head.encode() + cut)
        if seed % 5:  # every fifth goes away at once
            response = await reader.readline()
        writer.close()
    return response


async def all_broken(port: int) -> int:
    """How many broken forms got a 5xx response."""
    n_wrong = 0
    for first in range(0, N_BROKEN, 50):
        responses = await asyncio.gather(*(broken(port, first + n) for n in range(50)))
        n_wrong += sum(response.startswith(b"HTTP/1.1 5") for response in responses)
    return n_wrong


async def idle(server: serving.Server, request: bytes) -> tuple[int, float, float]:
    """Open N_IDLE connections; how many stood, ms of a query meanwhile, MiB meanwhile."""
    connections = []
    for _ in range(N_IDLE):
        with contextlib.suppress(OSError):
            connections.append(await asyncio.open_connection("127.0.0.1", server.port))
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    started = time.perf_counter()
    writer.write(request)
    line = await reader.readline()
    assert line.startswith(b"HTTP/1.1 200 "), line
    took_ms = 1000 * (time.perf_counter() - started)
    memory = server.memory_mib()
    for _, one in [*connections, (reader, writer)]:
        one.close()
    return len(connections), took_ms, memory


def run(context: harness.Context) -> list[harness.Row]:
    """Everything on one server, one after the other."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, N_IDLE + 1_000)), hard))
    uri = str(context.work / "to_be_spoilt.gallery")  # the fuzzer stores, hides and deletes
    shutil.copytree(serving.gallery_of(context), uri)
    request = serving.queries(context, 1)[0]
    settings = {"writes_per_minute": 10**9, "idle_timeout_s": IDLE_TIMEOUT_S}
    with serving.running(uri, context.work / "log", **settings) as server:
        n_fuzz = fuzz(server.port)
        before = server.memory_mib()
        after = []
        for _ in range(2):
            n_broken = asyncio.run(all_broken(server.port))
            n_idle, took_ms, meanwhile = asyncio.run(idle(server, request))
            time.sleep(IDLE_TIMEOUT_S + 5)
            after.append(server.memory_mib())
        with urlopen(f"http://127.0.0.1:{server.port}/readyz") as response:
            is_ready = json.load(response)["status"] == "ready"
    return [
        harness.Row(f"schemathesis, {N_EXAMPLES} a route: failed", "", [float(n_fuzz)], target=0),
        harness.Row(f"{N_BROKEN:,} broken forms: 5xx", "", [float(n_broken)], target=0),
        harness.Row(
            "idle connections that stood", "", [float(n_idle)], target=N_IDLE, at_least=True
        ),
        harness.Row("a query meanwhile", "ms", [took_ms]),
        harness.Row("memory meanwhile", "MiB", [meanwhile]),
        harness.Row("memory afterwards, more than before", "MiB", [after[0] - before], target=100),
        harness.Row("and more, when done again", "MiB", [after[1] - after[0]], target=20),
        harness.Row("ready afterwards", "", [float(is_ready)], target=1, at_least=True),
    ]


BENCHMARK = harness.Benchmark(
    "serve_rude", "requests made up from seed 0; the gallery of serve_load", "", run, quick=False
)

if __name__ == "__main__":
    harness.main(BENCHMARK)
