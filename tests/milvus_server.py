"""A real Milvus server for tests (the `milvus` wheel: standalone, all in one process)."""

from __future__ import annotations

import contextlib
import json
import random
import socket
import time
import urllib.request
from pathlib import Path

import pytest

TOKEN = "root:Milvus"

#: What the server takes its time for by default: 200 to 1,000 ms, on machines with work to do.
_QUICK = {
    "proxy.timeTickInterval": 20,
    "queryCoord.checkInterval": 50,
    "queryCoord.distPullInterval": 50,
}


class MilvusServer:
    """A server that asks for TOKEN. It keeps its data when it is stopped and started again, at
    another port: what its tests connect to stays reachable through a `Relay`."""

    def __init__(self, folder: Path) -> None:
        from milvus import MilvusServer as Wheel
        from milvus import MilvusServerConfig

        self._wheel_class, self._config_class = Wheel, MilvusServerConfig
        self._folder = folder
        self._server = None
        self.port = 0

    def start(self) -> None:
        config = self._config_class(data_dir=str(self._folder))
        config.set("authorization_enabled", True)
        for name, value in _QUICK.items():
            config.set(name, value)
        names = [name for name in config.configurable_items if name.endswith("_port")]
        *free, etcd, peer, web = free_ports(len(names) + 3)
        ports = dict(zip(names, free, strict=True))
        self._server = self._wheel_class(config, wait_for_started=False, **ports)
        self._server.webservice_port = web
        with pytest.MonkeyPatch.context() as patch:
            # its etcd listens at fixed ports, whatever etcd_port says, but for a file of its own
            patch.setenv("ETCD_CONFIG_PATH", str(self._write_etcd_config(etcd, peer)))
            self._server.start()
        self.port = ports["proxy_port"]
        self._wait_until_healthy()

    def kill(self) -> None:
        """No goodbye, nothing written out."""
        self._server.server_proc.kill()
        self._server.server_proc.wait()
        self._server.stop()

    def _write_etcd_config(self, port: int, peer_port: int) -> Path:
        client, peer = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{peer_port}"
        document = {
            "name": "default",
            "listen-client-urls": client,
            "advertise-client-urls": client,
            "listen-peer-urls": peer,
            "initial-advertise-peer-urls": peer,
            "initial-cluster": f"default={peer}",
        }
        path = self._folder / "etcd.yaml"
        path.write_text(json.dumps(document))  # JSON is YAML
        return path

    def _wait_until_healthy(self, patience_s: float = 180) -> None:
        address = f"http://127.0.0.1:{self._server.webservice_port}/healthz"
        deadline = time.monotonic() + patience_s
        while time.monotonic() < deadline:
            if self._server.server_proc.poll() is not None:
                break
            with (
                contextlib.suppress(OSError),
                urllib.request.urlopen(address, timeout=5) as answer,
            ):
                if b"OK" in answer.read():
                    return
            time.sleep(0.1)
        log = (self._folder / "logs" / "milvus-stderr.log").read_text()[-2000:]
        raise RuntimeError(f"the Milvus server did not start within {patience_s:.0f} s: {log}")


def free_ports(n: int) -> list[int]:
    """Ports at which nobody listens, now or soon: the system gives none of these to others."""
    ports = []
    for port in random.sample(range(10_000, 32_000), 1_000):
        with contextlib.suppress(OSError), socket.socket() as one:
            one.bind(("127.0.0.1", port))
            ports.append(port)
        if len(ports) == n:
            break
    return ports
