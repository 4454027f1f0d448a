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
#: Files that may be read or wait to be read; one more is told to come back.
MAX_FILES = 16
#: Processes tried for a file: the idle one may have ended, and its replacement is a new one.
_N_STARTS = 2
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
        with suppress(ProblemError):  # if none starts, the next file is told so
            with self._ready_process():
                pass
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
        with self._ready_process() as process:
            # A job given up meanwhile doesn't end the process: the next would have to wait again.
            if job.is_given_up:
                raise ProblemError(503, "the file was given up before it was read")
            answer = job.read_by(process)
            is_last = answer is None or answer["is_last"]
            if is_last:
                process.end()
        if is_last:
            self.prepare()
        if answer is None:
            too_long = process.returncode == -signal.SIGXCPU
            raise ProblemError.of_field(
                "file", "takes too long to read" if too_long else "cannot be read"
            )
        if "detail" in answer:
            raise ProblemError.of_field("file", answer["detail"], answer["status"])
        return _to_query(answer)

    @contextmanager
    def _ready_process(self) -> Iterator[_Process]:
        """A process that takes files; it is kept for the next file unless it ends meanwhile.

        A process that ended while it warmed up or was idle is replaced. Raises ProblemError 503 if
        its replacement ends, too.
        """
        for _ in range(_N_STARTS):
            with self._lock:
                if self._stopped:
                    break
                process = self._idle.pop() if self._idle else _Process(self._command)
                self._running.add(process)
            try:
                if process.wait_until_ready():
                    yield process
                    return
            finally:
                with self._lock:
                    self._running.remove(process)
                self._release(process)
        raise ProblemError(503, "files cannot be read just now; try again", retry_after_s=1)

    def _release(self, process: _Process) -> None:
        """Keep one idle process; more would only take memory."""
        with self._lock:
            if not self._idle and not self._stopped and not process.has_ended:
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

    @property
    def has_ended(self) -> bool:
        """Whether it takes no more files."""
        return self._process.poll() is not None

    def wait_until_ready(self) -> bool:
        """Wait until it takes files; False if it has ended."""
        if self._is_ready:
            return not self.has_ended
        assert self._process.stdout is not None
        with suppress(OSError, ValueError):
            message = file_process.read_message(self._process.stdout)  # type: ignore[arg-type]
            self._is_ready = message is not None
        if not self._is_ready:  # its pipe closes a moment before it ends
            self._process.wait()
        return self._is_ready

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
