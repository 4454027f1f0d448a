"""Load on the service: one client, then 32 at once for a minute; response times and memory.

The clients are a separate process on the same machine. GARABATO_BENCH_GALLERY names a gallery to
use instead of filling one, GARABATO_BENCH_SECONDS is used instead of a minute.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import time
from collections.abc import Iterator

import harness
import numpy as np
import serving

N_CLIENTS = 32
SECONDS = float(os.environ.get("GARABATO_BENCH_SECONDS", "60"))
N_ALONE = 300


async def ask(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes
) -> tuple[float, bool]:
    """Milliseconds until the whole response has come, and whether its status is 200."""
    started = time.perf_counter()
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
    await reader.readexactly(length)
    return 1000 * (time.perf_counter() - started), head.startswith(b"HTTP/1.1 200 ")


async def client(
    port: int, requests: Iterator[bytes], until: float, responses: list[tuple[float, bool]]
) -> None:
    """Send one query after the other on one connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while time.perf_counter() < until:
        responses.append(await ask(reader, writer, next(requests)))
    writer.close()


async def alone(port: int, requests: Iterator[bytes], n: int) -> list[float]:
    """Milliseconds that each of `n` queries of one client takes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    took = [(await ask(reader, writer, next(requests)))[0] for _ in range(n)]
    writer.close()
    return took


async def together(
    port: int, requests: Iterator[bytes], seconds: float
) -> list[tuple[float, bool]]:
    """All responses that N_CLIENTS get in `seconds`."""
    responses: list[tuple[float, bool]] = []
    until = time.perf_counter() + seconds
    await asyncio.gather(*(client(port, requests, until, responses) for _ in range(N_CLIENTS)))
    return responses


def run(context: harness.Context) -> list[harness.Row]:
    """Fill a gallery, serve it and send queries."""
    uri = serving.gallery_of(context)
    requests = itertools.cycle(serving.queries(context, 2_000))
    with serving.running(uri, context.work / "log") as server:
        asyncio.run(alone(server.port, requests, 30))
        at_rest = server.memory_mib()
        took = asyncio.run(alone(server.port, requests, N_ALONE))
        responses = asyncio.run(together(server.port, requests, SECONDS))
        most = server.memory_mib("VmHWM")
    ms = np.array([each for each, _ in responses])
    n_failed = sum(not is_right for _, is_right in responses)
    p = {q: float(np.percentile(ms, q)) for q in (50, 99)}
    return [
        harness.Row("POST /v1/search, one client, p50", "ms", [float(np.median(took))], target=20),
        harness.Row("one client, p95", "ms", [float(np.percentile(took, 95))]),
        harness.Row(
            f"searches, {N_CLIENTS} clients for {SECONDS:g} s",
            "/s",
            [len(ms) / SECONDS],
            target=900,
            at_least=True,
        ),
        harness.Row(f"{N_CLIENTS} clients, p50", "ms", [p[50]]),
        harness.Row(f"{N_CLIENTS} clients, p99", "ms", [p[99]], target=100),
        harness.Row(f"{N_CLIENTS} clients, errors", "", [float(n_failed)], target=0),
        harness.Row("memory of the server, idle", "MiB", [at_rest]),
        harness.Row("memory of the server, the most ever", "MiB", [most], target=1024),
    ]


BENCHMARK = harness.Benchmark(
    "serve_load",
    f"{serving.N_DRAWINGS:,} simplified drawings in a gallery, queries from the same files; "
    "clients on the same machine",
    "",
    run,
    quick=False,
)

if __name__ == "__main__":
    harness.main(BENCHMARK)
