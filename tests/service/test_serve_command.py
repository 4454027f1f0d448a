"""`garabato serve` as people start it: one line to open, JSON logs, a graceful end."""

from __future__ import annotations

import gc
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest
import urllib3
import uvicorn
from click.testing import CliRunner
from running import Running
from test_survives_kill import serving

from garabato.cli import main
from garabato.service.app import create_app
from garabato.service.server import run
from garabato.service.settings import Settings
from garabato.sources.source import choose_source


def test_it_serves_logs_json_and_ends_gracefully(
    make_gallery: Callable[[], str], tmp_path: Path
) -> None:
    with serving(make_gallery(), tmp_path / "log") as (process, port):
        body = json.dumps({"drawing": [[[0, 9], [0, 9]]]})
        answer = urllib3.request(
            "POST",
            f"http://127.0.0.1:{port}/v1/search",
            body=body,
            headers={"content-type": "application/json"},
        )
        assert answer.status == 200
        os.kill(process.pid, signal.SIGTERM)
        assert process.wait(60) in (0, -signal.SIGTERM)
    records = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    assert any(f"http://127.0.0.1:{port}" in record["message"] for record in records)
    (searched,) = [record for record in records if record.get("route") == "/v1/search"]
    assert (searched["status"], searched["method"]) == (200, "POST")
    assert {"time", "level", "took_ms", "bytes_out", "client"} <= set(searched)
    assert records[-1]["message"].startswith("Finished server process")


def test_no_process_outlives_it(make_gallery: Callable[[], str], tmp_path: Path) -> None:
    # With an empty cache, a process compiles for seconds.
    variable = f"NUMBA_CACHE_DIR={tmp_path / 'numba'}"

    def commands() -> list[bytes]:
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if variable.encode() in (folder / "environ").read_bytes().split(b"\0"):
                    found.append((folder / "cmdline").read_bytes())
        return found

    command = [sys.executable, "-m", "garabato", "serve", "--gallery", make_gallery(), "--port=0"]
    with subprocess.Popen(["env", variable, *command], stderr=subprocess.DEVNULL) as process:
        try:
            while not any(b"load_kernels" in command for command in commands()):
                assert process.poll() is None, "the service ended"
                time.sleep(0.05)
            process.send_signal(signal.SIGINT)
            process.wait(60)
            assert commands() == []
        finally:
            process.kill()


def test_only_a_process_of_its_own_leaves_objects_out_of_garbage_collections(
    service: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert gc.get_freeze_count() == 0  # `service` runs in this process
    app = create_app(Settings(), partial(choose_source, None))
    counts = []

    def serve(_: uvicorn.Server) -> None:
        app.state.service.started()
        counts.append(gc.get_freeze_count())

    monkeypatch.setattr(uvicorn.Server, "run", serve)
    run(app, Settings())
    assert counts[0] > 0
    assert gc.get_freeze_count() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_running_request_is_answered_before_shutdown(
    make_gallery: Callable[[], str], tmp_path: Path, number: int
) -> None:
    with serving(make_gallery(), tmp_path / "log") as (process, port):
        body = json.dumps({"drawing": [[[0, 9, 30], [0, 9, 7]]], "key_id": "late"}).encode()
        head = (
            "POST /v1/drawings HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
            f"content-length: {len(body)}\r\nexpect: 100-continue\r\n\r\n"
        )
        with socket.create_connection(("127.0.0.1", port), timeout=60) as under_way:
            under_way.sendall(head.encode())
            assert under_way.recv(65_536).startswith(b"HTTP/1.1 100 ")  # it waits for the body
            os.kill(process.pid, number)
            wait_until_refused(port)
            assert process.poll() is None, "it ended before the request was there"
            under_way.sendall(body)
            answer = b"".join(iter(lambda: under_way.recv(65_536), b""))
        assert answer.startswith(b"HTTP/1.1 201 "), answer
        assert answer.endswith(b'{"key_ids":["late"]}')
        assert process.wait(60) in (0, -signal.SIGTERM)
    assert '"message":"Finished server process' in (tmp_path / "log").read_text()


@pytest.mark.slow  # ten seconds
def test_a_request_that_lasts_longer_than_the_shutdown_is_told_so(
    make_gallery: Callable[[], str], tmp_path: Path
) -> None:
    with serving(make_gallery(), tmp_path / "log") as (process, port):
        head = (
            b"POST /v1/search HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
            b"content-length: 99\r\nexpect: 100-continue\r\n\r\n"
        )
        with socket.create_connection(("127.0.0.1", port), timeout=60) as under_way:
            under_way.sendall(head)
            assert under_way.recv(65_536).startswith(b"HTTP/1.1 100 ")  # it waits for the body
            os.kill(process.pid, signal.SIGTERM)
            answer = b"".join(iter(lambda: under_way.recv(65_536), b""))
        assert answer.startswith(b"HTTP/1.1 503 "), answer
        assert b"the service is stopping" in answer
        assert process.wait(60) in (0, -signal.SIGTERM)
    log = (tmp_path / "log").read_text()
    assert '"status":503' in log
    assert "Traceback" not in log, log


def wait_until_refused(port: int) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=5).close()
        except ConnectionRefusedError:
            return
        time.sleep(0.02)
    raise AssertionError("it still takes connections after SIGTERM")


def test_a_wrong_gallery_is_told_before_anything_starts(tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["serve", "--gallery", str(tmp_path / "none")])
    assert done.exit_code == 1
    assert "there is no gallery" in done.output


def test_the_error_for_a_wrong_variable_names_it(gallery_uri: str) -> None:
    given = {"GARABATO_MAX_POINTS": "many"}
    done = CliRunner().invoke(main, ["serve", "--gallery", gallery_uri], env=given)
    assert done.exit_code == 1
    assert "GARABATO_MAX_POINTS must be a whole number, not 'many'" in done.output


@pytest.mark.parametrize("port", [-1, 65536])
def test_an_invalid_port_is_refused(gallery_uri: str, port: int) -> None:
    done = CliRunner().invoke(main, ["serve", "--gallery", gallery_uri, "--port", str(port)])
    assert done.exit_code == 2
    assert "0<=x<=65535" in done.output


def test_a_host_that_does_not_exist_is_refused_before_anything_starts(gallery_uri: str) -> None:
    arguments = ["serve", "--gallery", gallery_uri, "--host", "garabato.invalid"]
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 1
    assert "error: cannot listen on port 8000 of garabato.invalid: " in done.output


def test_a_port_in_use_is_refused_before_anything_starts(gallery_uri: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        done = CliRunner().invoke(main, ["serve", "--gallery", gallery_uri, "--port", str(port)])
    assert done.exit_code == 1
    assert f"port {port} of 127.0.0.1 is in use" in done.output


def test_a_missing_extra_says_what_to_install(gallery_uri: str) -> None:
    code = (
        "import sys; sys.modules['fastapi'] = None; from garabato.cli import main; "
        f"main(['serve', '--gallery', {gallery_uri!r}])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "pip install 'garabato[serve]'" in done.stderr


def test_the_error_for_a_port_that_kubernetes_set_explains_it(gallery_uri: str) -> None:
    given = {"GARABATO_PORT": "tcp://10.0.0.1:8000"}
    done = CliRunner().invoke(main, ["serve", "--gallery", gallery_uri], env=given)
    assert done.exit_code == 1
    assert "which Kubernetes sets for a service named garabato" in done.output


def test_a_start_that_fails_ends_with_an_error(tmp_path: Path, gallery_uri: str) -> None:
    model = tmp_path / "encoder.onnx"
    model.write_bytes(b"not an encoder")
    command = ["serve", "--gallery", gallery_uri, "--model", str(model), "--port", "0"]
    done = subprocess.run(
        [sys.executable, "-m", "garabato", *command], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "the service could not start" in done.stderr
    assert "Traceback" not in done.stderr
