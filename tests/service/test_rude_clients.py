"""Clients that are slow, go away or never speak hold up nobody else."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import threading
import time
from collections.abc import Iterator

import pytest
from running import Running

from garabato.service.settings import Settings

pytestmark = pytest.mark.slow

QUERY = json.dumps({"drawing": [[[0, 9, 30], [0, 9, 7]]], "k": 3}).encode()
HEAD = (
    b"POST /v1/search HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
    b"content-length: %d\r\n\r\n" % len(QUERY)
)


@pytest.fixture(scope="module")
def hasty(gallery_uri: str) -> Iterator[Running]:
    """A service that waits for nobody for long."""
    settings = Settings(gallery=gallery_uri, idle_timeout_s=2.0, request_timeout_s=8.0)
    with Running(settings) as running:
        running.wait_until("/readyz")
        yield running


def connect(running: Running) -> socket.socket:
    return socket.create_connection(("127.0.0.1", running.port), timeout=60)


def read_all(connection: socket.socket) -> bytes:
    parts = []
    with contextlib.suppress(ConnectionResetError):
        while part := connection.recv(65536):
            parts.append(part)
    return b"".join(parts)


def test_an_idle_connection_is_closed(hasty: Running) -> None:
    with connect(hasty) as connection:
        assert read_all(connection) == b""


def test_a_request_head_that_arrives_too_slowly_closes_the_connection(hasty: Running) -> None:
    with connect(hasty) as connection:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            for byte in HEAD:
                connection.sendall(bytes([byte]))
                time.sleep(0.1)
        with contextlib.suppress(ConnectionResetError):
            assert read_all(connection) == b""


@pytest.mark.parametrize(
    ("head", "rest"),
    [
        (b"GET /", b"a" * 1_000),
        (b"GET / HTTP/1.1\r\nhost: localhost\r\n", b"a: b\r\n" * 200),
        (
            b"POST /v1/search HTTP/1.1\r\nhost: localhost\r\n"
            b"content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n0\r\n",
            b"a: b\r\n" * 200,
        ),
    ],
    ids=["address", "headers", "trailers"],
)
def test_a_request_that_is_large_beside_its_body_closes_the_connection(
    gallery_uri: str, head: bytes, rest: bytes
) -> None:
    """It would take twenty times its size in memory."""
    with Running(Settings(gallery=gallery_uri)) as running, connect(running) as connection:
        n_sent = 0
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            connection.sendall(head)
            while n_sent < 50 * 2**20:
                n_sent += connection.send(rest)
        # more than the service reads: buffers of the system hold some
        assert 2**20 - 1_200 < n_sent < 20 * 2**20


def test_a_body_in_many_chunks_is_read(hasty: Running) -> None:
    head = (
        b"POST /v1/search HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
        b"transfer-encoding: chunked\r\nconnection: close\r\n\r\n"
    )
    chunk = b"400\r\n" + b" " * 1_024 + b"\r\n"
    with connect(hasty) as connection:
        connection.sendall(head + chunk * 2_048 + b"%x\r\n%b\r\n0\r\n\r\n" % (len(QUERY), QUERY))
        assert read_all(connection).startswith(b"HTTP/1.1 200 ")


def test_a_body_that_does_not_arrive_gets_408(hasty: Running) -> None:
    with connect(hasty) as connection:
        connection.sendall(HEAD + QUERY[:10])
        answer = read_all(connection)
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert b"application/problem+json" in answer


def test_a_response_that_takes_too_long_is_aborted(
    gallery_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Running(Settings(gallery=gallery_uri, request_timeout_s=3.0)) as running:
        running.wait_until("/readyz")

        async def never(drawing: object) -> None:
            await asyncio.sleep(3_600)

        monkeypatch.setattr(running.service.batcher, "encode", never)
        answer = running.ask("POST", "/v1/search", json.loads(QUERY))
        assert answer.status == 503
        assert "took too long" in answer.json["detail"]


def test_a_client_that_disconnects_is_counted_as_499(hasty: Running) -> None:
    with connect(hasty) as connection:
        connection.sendall(HEAD + QUERY[:10])
    name = 'garabato_requests_total{method="POST",route="/v1/search",status="499"} 1.0'
    deadline = time.monotonic() + 20
    while name.encode() not in hasty.get("/metrics").body:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_clients_that_disconnect_leave_nothing_behind(hasty: Running) -> None:
    for n in range(60):
        with connect(hasty) as connection:
            connection.sendall((HEAD + QUERY)[: 20 * n])
    for _ in range(20):  # after the request, before the answer
        with connect(hasty) as connection:
            connection.sendall(HEAD + QUERY)
    deadline = time.monotonic() + 60
    while hasty.service.metrics.in_flight._value.get() > 0:
        assert time.monotonic() < deadline, "requests of clients that are gone are still in flight"
        time.sleep(0.1)
    assert hasty.ask("POST", "/v1/search", json.loads(QUERY)).status == 200


def test_hundreds_of_idle_connections_do_not_hold_up_a_query(gallery_uri: str) -> None:
    with Running(Settings(gallery=gallery_uri, idle_timeout_s=60.0)) as running:
        running.wait_until("/readyz")
        with contextlib.ExitStack() as stack:
            for _ in range(300):
                stack.enter_context(connect(running))
            assert running.ask("POST", "/v1/search", json.loads(QUERY)).status == 200


def test_too_many_waiting_queries_get_503(
    gallery_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Running(Settings(gallery=gallery_uri, max_waiting=1, batch_size=1)) as running:
        running.wait_until("/readyz")
        batcher, refused_one = running.service.batcher, threading.Event()
        encode = batcher._process
        monkeypatch.setattr(
            batcher, "_process", lambda items: refused_one.wait(60) and encode(items)
        )

        async def ask_many() -> list[bytes]:
            async def ask() -> bytes:
                reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
                writer.write(HEAD.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n") + QUERY)
                answer = await reader.read()
                if answer.startswith(b"HTTP/1.1 503 "):
                    refused_one.set()
                writer.close()
                return answer

            return await asyncio.gather(*(ask() for _ in range(40)))

        answers = asyncio.run(ask_many())
        refused = [answer for answer in answers if answer.startswith(b"HTTP/1.1 503 ")]
        assert len(refused) + sum(a.startswith(b"HTTP/1.1 200 ") for a in answers) == 40
        assert refused, "all forty were taken"
        assert all(b"retry-after: 1" in answer for answer in refused)
