"""The real service in a process of its own, for tests of the page."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from urllib.error import HTTPError

#: A busy machine takes its time to load PyTorch.
START_S = 180


class PageServer:
    """`garabato serve` in a process of its own, on one port for all its lives."""

    def __init__(self, options: list[str], log: Path, **variables: str) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/"
        self._options = options
        self._log = log
        self._variables = variables
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, *, wait_for: int = 200) -> None:
        """Start, and wait until /readyz answers `wait_for` (200: and the gallery is counted)."""
        garabato_command = Path(sys.executable).parent / "garabato"
        mine = {k: v for k, v in os.environ.items() if not k.startswith("GARABATO_")}
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [str(garabato_command), "serve", "--port", str(self.port), *self._options],
                stdout=log,
                stderr=log,
                env=mine | self._variables,
            )
        deadline = time.monotonic() + START_S
        while self._answers("readyz") != wait_for or (
            wait_for == 200 and self._answers("v1/categories") != 200
        ):
            assert self._process.poll() is None, self._log.read_text()
            assert time.monotonic() < deadline, f"not ready in {START_S} s\n{self._log.read_text()}"
            time.sleep(0.1)

    def stop(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(60)

    def _answers(self, path: str) -> int:
        try:
            with urllib.request.urlopen(f"{self.url}{path}", timeout=5) as answer:
                return int(answer.status)
        except HTTPError as error:
            return error.code
        except OSError:
            return 0
