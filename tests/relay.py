"""A relay between a client and a server on this machine, to cut at will or to put TLS in front."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading


class Relay:
    """Listens at `port` and passes all bytes to `target_port` and back.

    `cut_after_sent(n)` and `cut_after_received(n)` break every connection once n more bytes have
    passed from the client, or to it; new connections are taken again at once. `n_cuts` counts.
    """

    def __init__(self, target_port: int, *, tls: ssl.SSLContext | None = None) -> None:
        self.target_port = target_port
        self.n_cuts = 0
        self._tls = tls
        self._left: dict[str, int | None] = {"sent": None, "received": None}
        self._lock = threading.Lock()
        self._sockets: set[socket.socket] = set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def cut_after_sent(self, n_bytes: int) -> None:
        with self._lock:
            self._left["sent"] = n_bytes

    def cut_after_received(self, n_bytes: int) -> None:
        with self._lock:
            self._left["received"] = n_bytes

    def close(self) -> None:
        self._listener.close()
        self._cut()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # closed
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        try:
            if self._tls is not None:
                client = self._tls.wrap_socket(client, server_side=True)
            server = socket.create_connection(("127.0.0.1", self.target_port))
        except OSError:
            client.close()
            return
        self._sockets |= {client, server}
        threading.Thread(target=self._pass, args=(client, server, "sent"), daemon=True).start()
        self._pass(server, client, "received")

    def _pass(self, source: socket.socket, sink: socket.socket, direction: str) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65_536):
                with self._lock:
                    left = self._left[direction]
                    if left is not None:
                        self._left[direction] = None if left <= len(data) else left - len(data)
                if left is not None and left <= len(data):
                    sink.sendall(data[:left])
                    self.n_cuts += 1
                    self._cut()
                    return
                sink.sendall(data)
        for one in (source, sink):
            _shut(one)

    def _cut(self) -> None:
        for one in list(self._sockets):
            _shut(one)
        self._sockets.clear()


def _shut(one: socket.socket) -> None:
    with contextlib.suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
    one.close()
