"""The CPU time that this process really gets, beside other work on the machine."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from garabato.host.machine import n_cores

_THREADS = Path("/proc/self/task")
#: A process that gets less than this share of the cores it could use is on a busy machine.
_BUSY_BELOW = 0.85
#: Shorter measurements are too inaccurate.
_MIN_S = 1.0


@dataclass(frozen=True, slots=True)
class CpuShare:
    """The average number of cores used and wanted over a period, of `n_cores` available."""

    used: float
    wanted: float
    n_cores: int

    @property
    def is_busy(self) -> bool:
        """Whether threads that wanted to run had to wait for other processes."""
        return self.used < _BUSY_BELOW * min(self.wanted, self.n_cores)

    def __str__(self) -> str:
        return f"this machine was busy: {self.used:.1f} of {self.n_cores} cores"


class CpuMeter:
    """Measures the CPU share of this process from the creation of the meter on."""

    def __init__(self) -> None:
        self._started = time.perf_counter()
        self._cpu_started = time.process_time()
        self._waited = _waited_ns()

    def read(self) -> CpuShare | None:
        """The share so far; None after less than a second, or if the system doesn't report it."""
        elapsed_s = time.perf_counter() - self._started
        waited = _waited_ns()
        if elapsed_s < _MIN_S or not waited:
            return None
        used = (time.process_time() - self._cpu_started) / elapsed_s
        new_ns = sum(max(0, ns - self._waited.get(thread, 0)) for thread, ns in waited.items())
        return CpuShare(used, used + new_ns / 1e9 / elapsed_s, n_cores())


def _waited_ns() -> dict[str, int]:
    """Id of a running thread -> nanoseconds that it was ready to run but had no core.

    Source: https://docs.kernel.org/scheduler/sched-stats.html, "/proc/<pid>/schedstat".
    """
    waited = {}
    try:
        for thread in _THREADS.iterdir():
            waited[thread.name] = int((thread / "schedstat").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        pass  # not Linux, or the thread has ended
    return waited
