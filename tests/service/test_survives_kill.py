"""kill -9 while drawings are being stored: everything acknowledged is there afterwards."""

from __future__ import annotations

import itertools
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import urllib3
from sketches import sketch

from garabato.gallery import open_gallery

pytestmark = pytest.mark.slow

N_WRITERS = 4
ACKNOWLEDGED_BEFORE_KILL = 12


def test_everything_acknowledged_is_there_after_kill_9(
    make_gallery: Callable[[], str], tmp_path: Path
) -> None:
    uri = make_gallery()
    acknowledged: dict[str, list] = {}
    with serving(uri, tmp_path / "log") as (process, port):
        numbers = itertools.count()

        def write() -> None:
            pool = urllib3.PoolManager(retries=False, timeout=60)
            while True:
                drawing = sketch("zigzag", next(numbers)).to_lists()
                body = json.dumps({"drawing": drawing, "category": "zigzag"})
                headers = {"content-type": "application/json"}
                try:
                    url = f"http://127.0.0.1:{port}/v1/drawings"
                    answer = pool.request("POST", url, body=body, headers=headers)
                except urllib3.exceptions.HTTPError:
                    return
                assert answer.status == 201, answer.data
                acknowledged[json.loads(answer.data)["key_ids"][0]] = drawing

        writers = [threading.Thread(target=write) for _ in range(N_WRITERS)]
        for writer in writers:
            writer.start()
        deadline = time.monotonic() + 120
        while len(acknowledged) < ACKNOWLEDGED_BEFORE_KILL:
            assert time.monotonic() < deadline, "writing is too slow"
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGKILL)
        for writer in writers:
            writer.join(60)
    assert len(acknowledged) >= ACKNOWLEDGED_BEFORE_KILL
    gallery = open_gallery(uri, must_exist=True)
    stored = {drawing.key_id: drawing.to_lists() for drawing in gallery.get(list(acknowledged))}
    assert stored == acknowledged


@contextmanager
def serving(uri: str, log: Path) -> Iterator[tuple[subprocess.Popen, int]]:
    """A service of its own that is ready, and its port; killed in the end."""
    command = [sys.executable, "-m", "garabato", "serve", "--gallery", uri, "--port", "0"]
    environment = os.environ | {"GARABATO_WRITES_PER_MINUTE": "1000000"}
    with open(log, "wb") as file:
        process = subprocess.Popen(command, env=environment, stderr=file)
    try:
        yield process, wait_until_ready(log, process)
    finally:
        process.kill()
        process.wait()


def wait_until_ready(log: Path, process: subprocess.Popen) -> int:
    """The port, which the system chose."""
    pool = urllib3.PoolManager(retries=False, timeout=10)
    deadline = time.monotonic() + 180
    while True:
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, "the service is not ready"
        if found := re.search(r"http://127\.0\.0\.1:(\d+)", log.read_text()):
            with suppress(urllib3.exceptions.HTTPError):
                if pool.request("GET", f"{found[0]}/readyz").status == 200:
                    return int(found[1])
        time.sleep(0.1)
