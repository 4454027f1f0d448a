"""Uploaded files are read in processes that can be ended and take bounded time and memory."""

from __future__ import annotations

import asyncio
import gzip
import io
import os
import resource
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import orjson
import pytest
from PIL import Image
from running import Running

from garabato.service.http.problems import ProblemError
from garabato.service.jobs import file_reader
from garabato.service.jobs.file_process import Limits, RefusedError, first_drawing
from garabato.service.jobs.file_reader import MAX_FILES, FileQuery, FileReader

LINE = b'{"drawing": [[[1, 2], [3, 4]]]}'
LIMITS = Limits(max_pixels=64_000_000, max_strokes=10, max_points=100)


@pytest.fixture
def reader() -> Iterator[FileReader]:
    reader = FileReader(LIMITS)
    yield reader
    reader.stop()


def png(side_px: int, mode: str = "RGBA") -> bytes:
    """A white square with a black bar."""
    picture = Image.new(mode, (side_px, side_px), "white")
    quarter = side_px // 4
    picture.paste("black", (quarter, quarter, quarter + 3, 3 * quarter))
    packed = io.BytesIO()
    picture.save(packed, "png")
    return packed.getvalue()


def read(reader: FileReader, *contents: bytes) -> list[FileQuery | ProblemError]:
    """Read files at the same time."""

    async def read_all() -> list[FileQuery | ProblemError]:
        jobs = (reader.first_drawing(content) for content in contents)
        return await asyncio.gather(*jobs, return_exceptions=True)  # type: ignore[return-value]

    return asyncio.run(read_all())


def processes() -> list[int]:
    """The file processes of `reader`; a service of other tests has its own."""
    found = []
    limits = orjson.dumps(asdict(LIMITS))
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            lines = status.read_text().splitlines()
            command = status.with_name("cmdline").read_bytes()
        except OSError:
            continue
        last = command.split(b"\0")[-3:-1]  # the limits and the folder
        if f"PPid:\t{os.getpid()}" in lines and last[:1] == [limits]:
            found.append(int(status.parent.name))
    return found


def started() -> list[int]:
    """The file processes, once there is one: a new process has no command line for a moment."""
    while not processes():
        time.sleep(0.01)
    return processes()


async def send_file(reader: FileReader, process: int) -> asyncio.Future[FileQuery]:
    """A query whose file has reached the process, which is stopped before that."""
    os.kill(process, signal.SIGSTOP)
    with open(f"/proc/{process}/fd/0", "rb") as files:
        query = asyncio.ensure_future(reader.first_drawing(LINE))
        await asyncio.to_thread(select.select, [files], [], [], 60)
    return query


def ended_with_a_file(reader: FileReader, number: signal.Signals) -> ProblemError:
    """The problem of a file whose process a signal ends after it got the file."""
    (process,) = processes()

    async def read_while_ended() -> ProblemError:
        query = await send_file(reader, process)
        os.kill(process, number)
        os.kill(process, signal.SIGCONT)
        with pytest.raises(ProblemError) as caught:
            await query
        return caught.value

    return asyncio.run(read_while_ended())


def test_the_first_drawing_is_read(reader: FileReader) -> None:
    strokes, picture = read(reader, LINE + b"\n{}\n", png(100))
    assert strokes.drawing.to_lists() == strokes.strokes.to_lists() == [[[1, 2], [3, 4]]]
    assert picture.drawing.bitmap is not None
    assert picture.drawing.bitmap.max() == 255
    ((xs, ys),) = picture.strokes.to_lists()
    assert max(ys) - min(ys) > 10 * (max(xs) - min(xs))


def test_one_process_stays_after_many_files(reader: FileReader) -> None:
    answers = read(reader, *[LINE] * 8)
    assert all(isinstance(answer, FileQuery) for answer in answers)
    assert len(processes()) == 1


def test_a_cancelled_request_ends_its_process_and_the_next_file_is_read(reader: FileReader) -> None:
    async def give_up() -> None:
        query = await send_file(reader, before)
        query.cancel()
        await asyncio.wait([query])

    read(reader, LINE)
    (before,) = processes()
    asyncio.run(give_up())
    (answer,) = read(reader, LINE)
    assert isinstance(answer, FileQuery)
    assert before not in processes()


def test_a_request_cancelled_before_its_process_is_ready_keeps_the_process(
    reader: FileReader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # otherwise, on a slow machine, no process might ever get ready in the time of a request
    async def give_up() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.first_drawing(LINE), 0.01)

    go_on, waiting_python = tmp_path / "go on", tmp_path / "python"
    os.mkfifo(go_on)
    waiting_python.write_text(f'#!/bin/sh\n: < "{go_on}"\nexec "{sys.executable}" "$@"\n')
    waiting_python.chmod(0o755)
    monkeypatch.setattr(file_reader, "sys", SimpleNamespace(executable=str(waiting_python)))
    reader.prepare()
    before = started()
    asyncio.run(give_up())
    go_on.write_bytes(b"")
    until = time.monotonic() + 60
    while not reader._idle and time.monotonic() < until:
        time.sleep(0.01)
    assert processes() == before
    (answer,) = read(reader, LINE)
    assert isinstance(answer, FileQuery)


@pytest.mark.parametrize("is_ready", [False, True])
def test_a_process_that_ended_before_it_was_ready_or_while_it_was_idle_is_replaced(
    reader: FileReader, is_ready: bool
) -> None:
    if is_ready:
        read(reader, LINE)
    else:
        reader.prepare()
    (before,) = started()
    os.kill(before, signal.SIGKILL)  # as the kernel does when memory runs out
    os.waitid(os.P_PID, before, os.WEXITED | os.WNOWAIT)
    (answer,) = read(reader, LINE)
    assert isinstance(answer, FileQuery)
    assert before not in processes()


def test_a_process_that_ends_before_it_is_ready_is_not_kept(reader: FileReader) -> None:
    answers: list[FileQuery | ProblemError] = []
    reading = threading.Thread(target=lambda: answers.extend(read(reader, LINE)))
    reading.start()
    (before,) = started()
    os.kill(before, signal.SIGKILL)
    reading.join()
    assert isinstance(answers[0], FileQuery)
    (after,) = processes()  # another one has started in its place
    assert after != before


def test_files_are_read_without_the_compiler(tmp_path: Path) -> None:
    """In a process of its own: the reader replaces one that grew before its libraries are seen."""
    program = """
import sys
from pathlib import Path
from garabato.service.jobs.file_process import Limits, first_drawing

for path in sys.argv[1:]:
    first_drawing(Path(path).read_bytes(), Limits(64_000_000, 10, 100))
print(Path("/proc/self/maps").read_text())
"""
    long_svg = b'<svg xmlns="http://www.w3.org/2000/svg"><path d="M1 1L9 9V1%s"/></svg>' % (
        b" " * 100_000
    )
    files, cache = [tmp_path / name for name in "abc"], tmp_path / "cache"
    for file, content in zip(files, (png(600), (LINE + b"\n") * 3_000, long_svg), strict=True):
        file.write_bytes(content)
    cache.mkdir()
    libraries = subprocess.run(
        [sys.executable, "-c", program, *files],
        env=os.environ | file_reader._ENVIRONMENT | {"NUMBA_CACHE_DIR": str(cache)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "cv2" in libraries
    assert "llvmlite" not in libraries
    assert list(cache.iterdir()) == []


def test_if_no_process_starts_the_client_is_asked_to_retry() -> None:
    reader = FileReader(Limits(max_pixels=-1, max_strokes=10, max_points=100))
    (problem,) = read(reader, LINE)  # the process's own first picture is refused, and it ends
    reader.stop()
    assert isinstance(problem, ProblemError)
    assert (problem.status, problem.headers) == (503, {"retry-after": "1"})


@pytest.mark.parametrize("side_px", [4_000, 2**31 - 1])
def test_a_picture_of_too_many_pixels_is_refused_by_its_header(side_px: int) -> None:
    """Pillow itself refuses the larger one."""
    content = bytearray(png(64))
    content[16:24] = struct.pack(">II", side_px, side_px)
    content[29:33] = struct.pack(">I", zlib.crc32(content[12:29]))
    limits = Limits(max_pixels=9_000_000, max_strokes=10, max_points=100)
    with pytest.raises(RefusedError, match="more than 9 million pixels") as caught:
        first_drawing(bytes(content), limits)
    assert caught.value.status == 413


def test_a_file_that_ends_the_process_is_refused_and_the_next_one_is_read(
    reader: FileReader,
) -> None:
    read(reader, LINE)
    # as libraries do that get no more memory
    problem = ended_with_a_file(reader, signal.SIGABRT)
    assert problem.detail == "file: cannot be read; it may need too much memory"
    (answer,) = read(reader, LINE)
    assert isinstance(answer, FileQuery)


def test_a_file_that_takes_too_much_memory_is_refused(reader: FileReader) -> None:
    answer, after = read(reader, png(6_000), LINE)
    assert (answer.status, answer.detail) == (413, "file: the file needs too much memory to read")
    assert isinstance(after, FileQuery)


def test_a_file_that_takes_too_much_processor_time_is_refused(reader: FileReader) -> None:
    read(reader, LINE)
    (process,) = processes()
    assert resource.prlimit(process, resource.RLIMIT_CPU)[0] != resource.RLIM_INFINITY
    # as the kernel does at the limit
    problem = ended_with_a_file(reader, signal.SIGXCPU)
    assert problem.detail == "file: takes too long to read"


def test_a_killed_process_leaves_no_file_behind(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    reader = FileReader(LIMITS)
    read(reader, LINE)

    async def give_up() -> None:
        content = png(3_000)
        query = asyncio.ensure_future(reader.first_drawing(content))
        while not list(tmp_path.glob("*/garabato-upload-*")):
            if query.done():  # before its file was seen
                query = asyncio.ensure_future(reader.first_drawing(content))
            await asyncio.sleep(0.001)
        query.cancel()
        await asyncio.wait([query])

    asyncio.run(give_up())
    (answer,) = read(reader, LINE)  # by another process
    assert isinstance(answer, FileQuery)
    until = time.monotonic() + 60
    while len(list(tmp_path.rglob("*"))) > 1 and time.monotonic() < until:
        time.sleep(0.01)  # the killed one and the answered file are being cleaned up
    (folder,) = tmp_path.rglob("*")
    assert folder.is_dir()
    reader.stop()
    assert list(tmp_path.iterdir()) == []


def test_too_many_waiting_files_get_503(reader: FileReader) -> None:
    answers = read(reader, *[LINE] * (MAX_FILES + 3))
    refused = [answer for answer in answers if isinstance(answer, ProblemError)]
    assert [(problem.status, problem.headers) for problem in refused] == [
        (503, {"retry-after": "1"})
    ] * 3


NOT_QUERIES: dict[str, tuple[Callable[[], bytes], int, str]] = {
    "lines": (lambda: b"{}\n" * 5_000, 422, "1,000 of its lines, rows or strokes cannot be read"),
    "gzip of lines": (
        lambda: gzip.compress(b"{}\n" * 20_000_000),
        422,
        "1,000 of its lines, rows or strokes cannot be read",
    ),
    "gzip of spaces": (lambda: gzip.compress(b" " * 2**28), 413, "expands to more than 32 MiB"),
    "cut gzip": (lambda: gzip.compress(LINE)[:20], 422, "damaged"),
    "many gzip members": (lambda: gzip.compress(b"") * 50_000, 422, "empty"),
    "a long line": (
        lambda: b'{"drawing": [[[%s1], [1]]]}' % (b"1, " * 2_000_000),
        422,
        "unequal numbers of xs and ys",
    ),
    "empty gzip": (lambda: gzip.compress(b""), 422, "empty"),
    "many strokes": (
        lambda: b'{"drawing": [[[1, 2], [3, 4]]%s]}' % (b", [[1], [1]]" * 10),
        422,
        "10 strokes",
    ),
    "many points": (
        lambda: b'{"drawing": [[[%s1], [%s1]]]}' % (b"1, " * 100, b"1, " * 100),
        422,
        "100 points",
    ),
}


@pytest.mark.parametrize("kind", NOT_QUERIES)
def test_an_invalid_query_is_refused_at_once(reader: FileReader, kind: str) -> None:
    content, status, detail = NOT_QUERIES[kind]
    (answer,) = read(reader, content())
    assert (answer.status, detail in answer.detail) == (status, True), answer.detail


def test_the_first_drawing_of_a_long_gzip_file_is_read(reader: FileReader) -> None:
    content = gzip.compress((LINE + b"\n") * 3_000_000, 1)
    (answer,) = read(reader, content)
    assert answer.strokes.to_lists() == [[[1, 2], [3, 4]]]


def test_several_gzip_members_are_one_file(reader: FileReader) -> None:
    (answer,) = read(reader, gzip.compress(LINE[:20]) + gzip.compress(LINE[20:]))
    assert answer.strokes.to_lists() == [[[1, 2], [3, 4]]]


@pytest.mark.parametrize("content", [b"hello", b"GIF89a\x01", b"<html>", b"\x00\x01"])
def test_a_picture_of_an_unknown_format_gets_an_error_about_pictures(
    service: Running, content: bytes
) -> None:
    fields = {"file": ("cat.heic", content, "image/heic")}
    answer = service.ask("POST", "/v1/classify", fields=fields)
    assert answer.status in (415, 422)
    assert "JSON" not in answer.json["detail"]


def test_a_picture_and_its_traced_strokes_give_the_same_response(service: Running) -> None:
    answer = service.ask("POST", "/v1/classify", fields={"file": ("a.png", png(300))})
    assert answer.status == 200
    assert np.ptp(answer.json["drawing"][0][1]) == 255


def test_reading_ends_when_the_client_is_gone(
    service: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []

    async def read_for_long(content: bytes) -> FileQuery:
        said.append("begun")
        try:
            await asyncio.sleep(60)
        finally:
            said.append("ended")
        raise AssertionError

    monkeypatch.setattr(service.service.files, "first_drawing", read_for_long)
    body = (
        b'--x\r\ncontent-disposition: form-data; name="file"; filename="a"\r\n\r\nhi\r\n--x--\r\n'
    )
    head = (
        b"POST /v1/classify HTTP/1.1\r\nhost: localhost\r\ncontent-length: %d\r\n"
        b"content-type: multipart/form-data; boundary=x\r\n\r\n" % len(body)
    )
    deadline = time.monotonic() + 20
    with socket.create_connection(("127.0.0.1", service.port), timeout=60) as connection:
        connection.sendall(head + body)
        while not said:
            assert time.monotonic() < deadline
            time.sleep(0.02)
    while said != ["begun", "ended"]:
        assert time.monotonic() < deadline, "the file is still being read"
        time.sleep(0.02)
