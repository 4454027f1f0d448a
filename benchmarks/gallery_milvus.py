"""A gallery on a Milvus server: filling, indexing and searching it.

The server of the package `milvus` (pip install 'garabato[dev]') is started on this machine and
shares it with the benchmark. To measure another server, give its address with --server.

    python benchmarks/gallery_milvus.py [--server http://host:19530]
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import harness
import numpy as np
import vectors
from gallery_search import N_QUERIES, Truth, encoder, timed_searches

sys.path.insert(0, str(harness.ROOT / "tests"))

COLLECTION = "garabato_benchmark"


def run(context: harness.Context, server: str | None) -> list[harness.Row]:
    """Fill a collection with the real drawings, have it indexed, search it one by one."""
    drawings = vectors.load(context.source)
    queries = vectors.queries(drawings, N_QUERIES)
    truth = Truth(drawings, queries, [[] for _ in range(N_QUERIES)])
    with a_server(context, server) as address:
        return list(measured(f"{address}/{COLLECTION}", drawings, truth))


@contextmanager
def a_server(context: harness.Context, given: str | None) -> Iterator[str]:
    """The address of the server given, or of one that runs as long as this takes."""
    if given is not None:
        yield given.rstrip("/")
        return
    from milvus_server import TOKEN, MilvusServer

    harness.say("starting Milvus")
    server = MilvusServer(context.work)
    server.start()
    os.environ["GARABATO_MILVUS_TOKEN"] = TOKEN
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        server.kill()


def measured(uri: str, drawings: vectors.Drawings, truth: Truth) -> Iterator[harness.Row]:
    """All rows."""
    from garabato.gallery import open_gallery

    n = len(drawings)
    yield harness.Row("drawings", "", [n])
    gallery = open_gallery(uri, encoder=encoder(drawings))
    if len(gallery):
        sys.exit(f"{uri} holds drawings already: remove that collection first")
    harness.say(f"adding {n:,}")
    seconds = 0.0
    for number, (batch, embeddings) in enumerate(drawings.chunks(n)):
        started = time.perf_counter()
        gallery.add(batch, embeddings=embeddings)
        seconds += time.perf_counter() - started
        truth.look_at(embeddings, number * vectors.CHUNK)
    yield harness.Row("bulk add with ready embeddings", "drawings/s", [n / seconds])
    harness.say("indexing")
    started = time.perf_counter()
    gallery.compact()
    took_s = time.perf_counter() - started
    yield harness.Row("compact", "s", [took_s], note="written out, indexed, segments merged")
    harness.say("searching")
    times_ms, found = timed_searches(gallery, truth.queries, [None] * len(truth.queries))
    yield harness.Row("a search, k = 10, median", "ms", times_ms, note=gallery.info().mode)
    yield harness.Row("a search, 99th percentile", "ms", [float(np.quantile(times_ms, 0.99))])
    yield harness.Row("recall@10", "", [truth.recall(found)])


def benchmark(server: str | None = None) -> harness.Benchmark:
    """On a server of its own, or on one that is there."""
    where = "a server of its own on this machine" if server is None else "a server that was there"
    return harness.Benchmark(
        "gallery_milvus",
        "every drawing of the source, embedded by the encoder that ships; "
        f"{N_QUERIES} queries, one at a time; Milvus: {where}",
        "",
        partial(run, server=server),
        quick=False,
    )


if __name__ == "__main__":
    given: str | None = None
    if "--server" in sys.argv:
        place = sys.argv.index("--server")
        given = sys.argv[place + 1]
        del sys.argv[place : place + 2]
    harness.main(benchmark(given))
