"""What hostile uploads cost: two gzip files of 2.3 MB that expand to 2.3 GB of lines without a
drawing, and six .npz files of 3 MB with thousands of drawings, all at the same time.

Every upload must get a response in time (a file that isn't read within GARABATO_REQUEST_TIMEOUT_S
gets 503, and its process is ended), no file may take more than 300 MB, and memory and processor use
must be back to normal within five seconds of the last response.
"""

from __future__ import annotations

import gzip
import io
import os
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import harness
import numpy as np
import serving
import urllib3

import garabato

#: Drawings in the gallery, which plays no part in what is measured.
N_DRAWINGS = 500
#: Wait this long for the service to come to rest.
MAX_REST_S = 60.0
#: At rest: less of a core than this, and no more memory than this above the start (as serve_rude).
REST_CORES, REST_MIB = 0.1, 100.0
WINDOW_S = 0.25


def gzip_of_lines() -> bytes:
    """2.3 MB that expand to 2.3 GB of `{}` lines: gzip files may be concatenated."""
    member = gzip.compress(b"{}\n" * 2**23, mtime=0)
    return member * round(2.3e6 / len(member))


def npz_of_drawings(seed: int) -> bytes:
    """A sketch-rnn file of about 3 MB: 5,000 drawings of 120 to 280 points."""
    random = np.random.default_rng(seed)
    drawings = np.empty(5_000, object)
    for i in range(len(drawings)):
        n = int(random.integers(120, 280))
        drawings[i] = np.column_stack(
            [random.integers(-12, 13, (n, 2)), random.random(n) < 0.1]
        ).astype(np.int16)
    packed = io.BytesIO()
    np.savez_compressed(packed, train=drawings)
    return packed.getvalue()


def process_tree(pid: int) -> Iterator[int]:
    """The process and its children."""
    yield pid
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        yield from map(int, task.read_text().split())


def usage(pid: int) -> tuple[float, float, float]:
    """Of a process and its children: processor seconds so far, MiB, MiB of the largest child."""
    seconds, memory, largest = 0.0, 0.0, 0.0
    for member in process_tree(pid):
        try:
            fields = Path(f"/proc/{member}/stat").read_text().rpartition(")")[2].split()
            mib = int(Path(f"/proc/{member}/statm").read_text().split()[1])
        except OSError:  # it has ended
            continue
        seconds += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        mib = mib * os.sysconf("SC_PAGE_SIZE") / 2**20
        memory += mib
        if member != pid:
            largest = max(largest, mib)
    return seconds, memory, largest


def upload(port: int, content: bytes) -> tuple[int, float]:
    """The status of the response and the seconds until it came."""
    started = time.perf_counter()
    response = urllib3.request(
        "POST",
        f"http://127.0.0.1:{port}/v1/classify",
        fields={"file": ("upload", content)},
        timeout=120,
        retries=False,
    )
    return response.status, time.perf_counter() - started


def seconds_to_rest(pid: int, memory_before: float) -> float:
    """How long it takes until a window of WINDOW_S is at rest."""
    started = time.perf_counter()
    while time.perf_counter() - started < MAX_REST_S:
        seconds, _, _ = usage(pid)
        time.sleep(WINDOW_S)
        later, memory, _ = usage(pid)
        if later - seconds < REST_CORES * WINDOW_S and memory < memory_before + REST_MIB:
            return time.perf_counter() - started
    return MAX_REST_S


def run(context: harness.Context) -> list[harness.Row]:
    """Send all files at once and watch the service's processes."""
    uri = str(context.work / "drawings.gallery")
    encoder = garabato.load_encoder()
    source = garabato.open_source(context.source)
    first = next(iter(source.read(next(iter(source.categories())))))[:N_DRAWINGS]
    garabato.open_gallery(uri, encoder=encoder).add(first)
    contents = [gzip_of_lines()] * 2 + [npz_of_drawings(seed) for seed in range(6)]
    with serving.running(uri, context.work / "log") as server:
        pid = server.process.pid
        upload(server.port, b'{"drawing": [[[0, 9], [0, 9]]]}')
        seconds_to_rest(pid, float("inf"))
        _, before, idle = usage(pid)
        peaks = [0.0, 0.0]
        done = threading.Event()

        def watch() -> None:
            while not done.wait(0.05):
                _, memory, largest = usage(pid)
                peaks[:] = [max(peaks[0], memory), max(peaks[1], largest)]

        watcher = threading.Thread(target=watch)
        watcher.start()
        with ThreadPoolExecutor(len(contents)) as threads:
            responses = list(threads.map(lambda content: upload(server.port, content), contents))
        done.set()
        watcher.join()
        rest_s = seconds_to_rest(pid, before)
        _, after, _ = usage(pid)
    statuses = sorted({status for status, _ in responses})
    n_errors = sum(status >= 500 for status, _ in responses)
    note = "statuses: " + ", ".join(map(str, statuses))
    return [
        harness.Row("8 uploads: 5xx responses", "", [float(n_errors)], note=note),
        harness.Row("until the response", "s", [seconds for _, seconds in responses], target=31),
        harness.Row("a process that reads files, idle", "MiB", [idle]),
        harness.Row("most memory of a file, more than that", "MiB", [peaks[1] - idle], target=300),
        harness.Row("most memory of all, more than before", "MiB", [peaks[0] - before], target=600),
        harness.Row("from the last response to rest", "s", [rest_s], target=5),
        harness.Row("memory at rest, more than before", "MiB", [after - before], target=REST_MIB),
    ]


BENCHMARK = harness.Benchmark(
    "serve_uploads", f"a gallery of {N_DRAWINGS} drawings; files made from seeds 0 to 5", "", run
)

if __name__ == "__main__":
    harness.main(BENCHMARK)
