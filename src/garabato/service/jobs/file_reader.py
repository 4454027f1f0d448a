"""Reads uploaded files in processes of their own (`file_process`), which can be ended at any time.

A file from a stranger may be made to take hours or gigabytes. A thread that reads it cannot be
stopped; a process can, and the system bounds its memory. Its work ends when its request does.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
import zlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
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
#: Files that may be read or wait to be read; one more is told to come back.
MAX_FILES = 16
#: One thread for each library that would start one a core, and no spare memory for each thread.
_ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "NUMBA_NUM_THREADS": "1",
    "MALLOC_ARENA_MAX": "1",
}


class FileQuery(NamedTuple):
    """The first drawing of a file, and the same as strokes (a picture gives a bitmap)."""

    drawing: Drawing
    strokes: Drawing


class FileReader:
    """Reads the first drawing of files, up to N_PROCESSES of them at a time."""

    def __init__(self, limits: Limits) -> None:
        self._command = [sys.executable, "-m", file_process.__name__, orjson.dumps(asdict(limits))]
        self._threads = ThreadPoolExecutor(N_PROCESSES, thread_name_prefix="garabato-file")
        self._lock = threading.Lock()
        self._idle: list[_Process] = []
        self._running: set[_Process] = set()
        self._n_files = 0
        self._stopped = False
        #: Set once a process has been ready: kernels are compiled, files are read at once.
        self.is_warm = threading.Event()

    def prepare(self) -> None:
        """Start a process, so that the next file is read sooner."""
        if not self._stopped:
            self._release(_Process(self._command))

    def wait_until_ready(self) -> None:
        """Start a process and wait until it reads files at once. Blocks: compiling kernels, where
        they are not cached, takes a minute."""
        process = _Process(self._command)
        with self._lock:
            self._running.add(process)
            if self._stopped:
                process.kill()
        process.wait_until_ready()
        with self._lock:
            self._running.remove(process)
        self._release(process)
        self.is_warm.set()

    async def first_drawing(self, content: bytes) -> FileQuery:
        """The first drawing of a file.

        Raises ProblemError that names the field `file`, or 503 if too many files wait.
        """
        if not content:
            raise ProblemError.of_field("file", "the file is empty")
        if self._n_files >= MAX_FILES:
            raise ProblemError(503, "too many files wait; try again in a second", retry_after_s=1)
        self._n_files += 1
        job = _Job(content)
        try:
            return await asyncio.wrap_future(self._threads.submit(self._run, job))
        finally:
            self._n_files -= 1
            job.give_up()  # does nothing if it is done

    def stop(self) -> None:
        """End all processes."""
        self._stopped = True
        self._threads.shutdown(wait=False, cancel_futures=True)
        with self._lock:
            for process in self._idle:
                process.end()
            for process in self._running:  # their threads clean up
                process.kill()

    def _run(self, job: _Job) -> FileQuery:
        """In a thread."""
        with self._lock:
            process = self._idle.pop() if self._idle else _Process(self._command)
            self._running.add(process)
        # A job given up meanwhile doesn't end the process: the next one would have to wait again.
        process.wait_until_ready()
        is_given_up = job.is_given_up
        answer = None if is_given_up else job.read_by(process)
        with self._lock:
            self._running.remove(process)
        if is_given_up:
            self._release(process)
            raise ProblemError(503, "the file was given up before it was read")
        if answer is None or answer["is_last"]:
            process.end()
            self.prepare()
        else:
            self._release(process)
        if answer is None:
            too_long = process.returncode == -signal.SIGXCPU
            raise ProblemError.of_field(
                "file", "takes too long to read" if too_long else "cannot be read"
            )
        if "detail" in answer:
            raise ProblemError.of_field("file", answer["detail"], answer["status"])
        return _to_query(answer)

    def _release(self, process: _Process) -> None:
        """Keep one idle process; more would only take memory."""
        with self._lock:
            if not self._idle and not self._stopped:
                self._idle.append(process)
                return
        process.end()


class _Job:
    """One file to read."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._lock = threading.Lock()
        self._process: _Process | None = None
        self.is_given_up = False

    def read_by(self, process: _Process) -> dict[str, Any] | None:
        """The process's answer; None if it ended without one."""
        with self._lock:
            if self.is_given_up:
                process.kill()
            self._process = process
        answer = process.ask(self._content)
        with self._lock:
            self._process = None
        return answer

    def give_up(self) -> None:
        """End the process, if it is reading."""
        with self._lock:
            self.is_given_up = True
            if self._process is not None:
                self._process.kill()


class _Process:
    """One running `file_process`."""

    def __init__(self, command: list[Any]) -> None:
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | _ENVIRONMENT,
            start_new_session=True,  # Ctrl-C is for the service alone
        )
        self._is_ready = False

    @property
    def returncode(self) -> int | None:
        """The exit status, or minus the signal that ended it."""
        return self._process.returncode

    def wait_until_ready(self) -> None:
        """Wait until it takes files, or has ended."""
        if not self._is_ready:
            assert self._process.stdout is not None
            with suppress(OSError, ValueError):
                file_process.read_message(self._process.stdout)  # type: ignore[arg-type]
            self._is_ready = True

    def ask(self, content: bytes) -> dict[str, Any] | None:
        """Send a file and wait for the answer; None if the process ends first."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with suppress(OSError, ValueError):
            file_process.write_message(self._process.stdin, content)  # type: ignore[arg-type]
            message = file_process.read_message(self._process.stdout)  # type: ignore[arg-type]
            if message is not None:
                answer: dict[str, Any] = orjson.loads(message)
                return answer
        self._process.wait()
        return None

    def kill(self) -> None:
        """End it; whoever waits for its answer gets None."""
        self._process.kill()

    def end(self) -> None:
        """End it and clean up. Not while another thread waits for its answer."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            with suppress(OSError):
                pipe.close()


def _to_query(answer: dict[str, Any]) -> FileQuery:
    points = np.array(answer["points"], np.float32).reshape(-1, 2)
    strokes = Drawing.from_points(points, np.array(answer["stroke_starts"], np.int64))
    if "bitmap" not in answer:
        return FileQuery(strokes, strokes)
    pixels = np.frombuffer(zlib.decompress(bytes.fromhex(answer["bitmap"])), np.uint8)
    return FileQuery(Drawing(bitmap=pixels.reshape(answer["shape"])), strokes)
