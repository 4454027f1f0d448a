"""Reads uploaded files in separate processes (`file_process`).

A malicious file can take hours or gigabytes to read. A thread that reads it can't be stopped; a
process can be killed, and the system limits its memory. It is killed when its request ends.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import threading
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import asdict
from typing import Any, NamedTuple

import numpy as np
import orjson

from garabato.drawing import Drawing
from garabato.service.http.problems import ProblemError
from garabato.service.jobs import file_process
from garabato.service.jobs.file_process import Limits

#: Files read at the same time.
N_PROCESSES = 2
#: Files being read or waiting. Further ones get 503.
MAX_FILES = 16
#: Processes tried for a file: the idle one may have ended.
_N_STARTS = 2
#: Libraries start one thread, not one per core, malloc keeps no arena per thread, and nothing is
#: compiled.
_ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "NUMBA_DISABLE_JIT": "1",
    "MALLOC_ARENA_MAX": "1",
}


class FileQuery(NamedTuple):
    """The first drawing of a file, which is a bitmap for a picture, and the same as strokes."""

    drawing: Drawing
    strokes: Drawing


class FileReader:
    """Reads the first drawing of files, up to N_PROCESSES of them at a time."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._threads = ThreadPoolExecutor(N_PROCESSES, thread_name_prefix="garabato-file")
        self._lock = threading.Lock()
        self._idle: list[_Process] = []
        self._running: set[_Process] = set()
        self._n_files = 0
        self._stopped = False

    def prepare(self) -> None:
        """Start a process, so that the next file is read sooner."""
        if not self._stopped:
            self._release(_Process(self._limits))

    async def first_drawing(self, content: bytes) -> FileQuery:
        """The first drawing of a file.

        Raises ProblemError that names the field `file`, or 503 if too many files wait.
        """
        if not content:
            raise ProblemError.of_field("file", "the file is empty")
        if self._n_files >= MAX_FILES:
            raise ProblemError(
                503, "too many files are waiting; try again in a second", retry_after_s=1
            )
        self._n_files += 1
        job = _Job(content)
        try:
            return await asyncio.wrap_future(self._threads.submit(self._run, job))
        finally:
            self._n_files -= 1
            job.give_up()  # does nothing if it is done

    def stop(self) -> None:
        self._stopped = True
        self._threads.shutdown(wait=False, cancel_futures=True)
        with self._lock:
            for process in self._idle:
                process.end()
            for process in self._running:  # their threads clean up
                process.kill()

    def _run(self, job: _Job) -> FileQuery:
        """In a thread."""
        with self._ready_process() as process:
            # Not by ending the process: the next file would have to wait for another one.
            if job.is_given_up:
                raise ProblemError(503, "the request ended before the file was read")
            reply = job.read_by(process)
            is_last = reply is None or reply["is_last"]
            if is_last:
                process.end()
        if is_last:
            self.prepare()
        if reply is None:
            if process.returncode == -signal.SIGXCPU:
                raise ProblemError.of_field("file", "takes too long to read")
            # Libraries in C that get no more memory end the process.
            raise ProblemError.of_field("file", "cannot be read; it may need too much memory")
        if "detail" in reply:
            raise ProblemError.of_field("file", reply["detail"], reply["status"])
        return _to_query(reply)

    @contextmanager
    def _ready_process(self) -> Iterator[_Process]:
        """A process that is ready; it is kept for the next file unless it ends.

        A process that ended before it was ready or while it was idle is replaced. Raises
        ProblemError 503 if its replacement ends, too.
        """
        for _ in range(_N_STARTS):
            with self._lock:
                if self._stopped:
                    break
                process = self._idle.pop() if self._idle else _Process(self._limits)
                self._running.add(process)
            try:
                if process.wait_until_ready():
                    yield process
                    return
            finally:
                with self._lock:
                    self._running.remove(process)
                self._release(process)
        raise ProblemError(503, "files cannot be read now; try again in a second", retry_after_s=1)

    def _release(self, process: _Process) -> None:
        """Keep one idle process; more would only use memory."""
        with self._lock:
            if not self._idle and not self._stopped and process.poll() is None:
                self._idle.append(process)
                return
        process.end()


class _Process(subprocess.Popen[bytes]):
    """One running `file_process`, and its folder for temporary files.

    A process that is killed leaves the file that it was reading there.
    """

    def __init__(self, limits: Limits) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="garabato-files-")
        arguments = [orjson.dumps(asdict(limits)).decode(), self._folder.name]
        super().__init__(
            [sys.executable, "-m", file_process.__name__, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | _ENVIRONMENT,
            start_new_session=True,  # Ctrl-C is for the service alone
        )
        assert self.stdin is not None
        assert self.stdout is not None
        self._to, self._from = self.stdin, self.stdout
        self._is_ready = False

    def wait_until_ready(self) -> bool:
        """Wait until it is ready for files; False if it has ended."""
        if self._is_ready:
            return self.poll() is None
        with suppress(OSError, ValueError):
            self._is_ready = file_process.read_message(self._from) is not None
        if not self._is_ready:  # its pipe closes a moment before it ends
            self.wait()
        return self._is_ready

    def ask(self, content: bytes) -> dict[str, Any] | None:
        """Send a file and wait for the reply; None if the process ends, or is killed, first."""
        with suppress(OSError, ValueError):
            file_process.write_message(self._to, content)
            message = file_process.read_message(self._from)
            if message is not None:
                reply: dict[str, Any] = orjson.loads(message)
                return reply
        self.wait()
        return None

    def end(self) -> None:
        """Kill it and clean up. Call it only if no thread waits for a reply."""
        self.kill()
        self.wait()
        for pipe in (self._to, self._from):
            with suppress(OSError):
                pipe.close()
        self._folder.cleanup()


class _Job:
    """One file to read."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._lock = threading.Lock()
        self._process: _Process | None = None
        self.is_given_up = False

    def read_by(self, process: _Process) -> dict[str, Any] | None:
        """The reply of the process; None if it ended without one."""
        with self._lock:
            if self.is_given_up:
                process.kill()
            self._process = process
        reply = process.ask(self._content)
        with self._lock:
            self._process = None
        return reply

    def give_up(self) -> None:
        """Kill the process if it is reading this file."""
        with self._lock:
            self.is_given_up = True
            if self._process is not None:
                self._process.kill()


def _to_query(reply: dict[str, Any]) -> FileQuery:
    points = np.array(reply["points"], np.float32).reshape(-1, 2)
    starts = np.array(reply["stroke_starts"], np.int64)
    strokes = Drawing.from_points(points, starts, traced=reply["traced"])
    if "bitmap" not in reply:
        return FileQuery(strokes, strokes)
    pixels = np.frombuffer(zlib.decompress(bytes.fromhex(reply["bitmap"])), np.uint8)
    return FileQuery(Drawing(bitmap=pixels.reshape(reply["shape"])), strokes)
