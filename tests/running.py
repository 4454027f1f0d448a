"""A real service on a free port, and what tests ask it with."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from dataclasses import dataclass
from typing import Any

import urllib3
import uvicorn

from garabato.service.app import create_app
from garabato.service.server import config
from garabato.service.service import Service
from garabato.service.settings import Settings


@dataclass(frozen=True)
class Answer:
    """An answer as tests look at it."""

    status: int
    headers: Any
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Running:
    """A service that runs in a thread of its own."""

    def __init__(self, settings: Settings, choose_source: Any = None) -> None:
        self._socket = socket.socket()
        self._socket.bind((settings.host, 0))
        self._socket.listen(2048)
        self.port = self._socket.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        app = create_app(settings, choose_source)
        self.service: Service = app.state.service
        self._server = uvicorn.Server(config(app, settings))
        self._server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
        self._thread = threading.Thread(target=self._server.run, args=([self._socket],))
        self._pool = urllib3.PoolManager(retries=False, timeout=60.0, maxsize=64)

    def __enter__(self) -> Running:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join(20)
        self._pool.clear()
        self._socket.close()
        assert not self._thread.is_alive(), "the service does not end"

    def ask(self, method: str, path: str, json_body: Any = None, **options: Any) -> Answer:
        if json_body is not None:
            options["body"] = json.dumps(json_body)
            options["headers"] = {"content-type": "application/json", **options.get("headers", {})}
        answer = self._pool.request(method, self.url + path, **options)
        return Answer(answer.status, answer.headers, answer.data)

    def get(self, path: str, **options: Any) -> Answer:
        return self.ask("GET", path, **options)

    def post(self, path: str, body: Any = None, **options: Any) -> Answer:
        return self.ask("POST", path, body, **options)

    def wait_until(self, path: str, status: int = 200, timeout_s: float = 240.0) -> Answer:
        """Ask until the answer has `status`."""
        deadline = time.monotonic() + timeout_s
        while True:
            with contextlib.suppress(urllib3.exceptions.HTTPError):
                answer = self.get(path)
                if answer.status == status:
                    return answer
            assert time.monotonic() < deadline, f"{path} does not answer {status}"
            time.sleep(0.05)
