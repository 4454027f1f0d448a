"""How many cores, how much memory and which cache folder this process may use."""

from __future__ import annotations

import hashlib
import math
import os
import platform
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath

from garabato.errors import StorageError

#: Assumed if the system does not report it.
_DEFAULT_MEMORY_BYTES = 8 * 2**30
_ROOT = Path("/")
_THREADS = Path("/proc/self/task")
#: A process that gets less than this share of the cores it could use is on a busy machine.
_BUSY_BELOW = 0.85
#: Shorter measurements are too inaccurate.
_MIN_S = 1.0


def n_cores() -> int:
    """Cores this process may use: those it is bound to, up to the CPU quota of its cgroup.

    A quota of 1.5 cores counts as 2.
    """
    quota = _cpu_quota(_ROOT)
    return _n_bound_cores() if quota is None else min(_n_bound_cores(), quota)


@cache
def memory_bytes() -> int:
    """Memory this process may use: the machine's, or less if its cgroup sets a limit."""
    try:
        installed = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):
        installed = _DEFAULT_MEMORY_BYTES
    limit = _memory_limit(_ROOT)
    return installed if limit is None else min(installed, limit)


def processor() -> str:
    """The name of the processor."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if "model name" in line:
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def limit_native_threads() -> None:
    """Make PyTorch and ONNX Runtime use `n_cores()` threads, which soon sleep when they are idle.

    They see the cores of the machine but not the CPU quota of a container; and threads that spin
    while they wait slow everything down if other programs use the cores. OMP_NUM_THREADS,
    OMP_WAIT_POLICY and GOMP_SPINCOUNT take precedence. Call it before either is imported.
    """
    os.environ.setdefault("OMP_NUM_THREADS", str(n_cores()))
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
        # PyTorch's OpenMP takes longer to wake a thread than many operations take: spin for some
        # microseconds first. A training step on two quiet cores of an AMD EPYC is 1.2 times as fast
        # (of an Intel Xeon, 0.9 times), and beside a busy program about as fast: see
        # benchmarks/train_step.py.
        os.environ.setdefault("GOMP_SPINCOUNT", "10000")


@dataclass(frozen=True, slots=True)
class CpuShare:
    """The average number of cores used and wanted over a period, of `n_cores` available."""

    used: float
    wanted: float
    n_cores: int

    def __str__(self) -> str:
        cores = "core" if self.n_cores == 1 else "cores"
        return f"this machine was busy: garabato got {self.used:.1f} of {self.n_cores} {cores}"

    @property
    def is_busy(self) -> bool:
        """Whether threads that wanted to run had to wait for other processes."""
        return self.used < _BUSY_BELOW * min(self.wanted, self.n_cores)


class CpuMeter:
    """Measures the CPU share of this process since the meter was created."""

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


def cache_folder() -> Path:
    """The first writable folder of `$XDG_CACHE_HOME/garabato` (or `~/.cache/garabato`) and a
    private one for temporary files. Raises StorageError if there is none."""
    for folder in (_user_cache(), _temporary_cache()):
        if folder is not None and _is_writable(folder):
            return folder
    raise StorageError("there is no writable cache folder; set XDG_CACHE_HOME to a writable folder")


def service_cache(gallery: str) -> Path:
    """The folder of services for a gallery on a server, `gallery` being its address."""
    return cache_folder() / "service" / hashlib.sha256(gallery.encode()).hexdigest()[:16]


@cache
def _cpu_quota(root: Path) -> int | None:
    """The smallest CPU quota that applies, in whole cores; None without one."""
    cores = []
    for file in _cgroup_files(root, v2="cpu.max", v1=("cpu", "cpu.cfs_quota_us")):
        quota, _, period = _read(file).partition(" ")
        if not period:
            period = _read(file.with_name("cpu.cfs_period_us"))
        if quota.isdecimal() and period.isdecimal() and int(period) > 0:  # "max" and -1: no quota
            cores.append(max(1, math.ceil(int(quota) / int(period))))
    return min(cores, default=None)


def _cgroup_files(root: Path, *, v2: str, v1: tuple[str, str]) -> Iterator[Path]:
    """The files that may limit this process: of its cgroup and of every cgroup above.

    Source: https://docs.kernel.org/admin-guide/cgroup-v2.html and cgroup-v1/.
    """
    mount = root / "sys/fs/cgroup"
    controller, name = v1
    for line in _read(root / "proc/self/cgroup").splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if controllers == "":
            top, file = mount, v2
        elif controller in controllers.split(","):
            top, file = mount / controller, name
        else:
            continue
        group = PurePosixPath(path.lstrip("/"))
        for folder in (group, *group.parents):
            yield top / folder / file


def _read(file: Path) -> str:
    try:
        return file.read_text().strip()
    except (OSError, UnicodeDecodeError):
        return ""


def _n_bound_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _memory_limit(root: Path) -> int | None:
    """The smallest memory limit that applies; None without one."""
    files = _cgroup_files(root, v2="memory.max", v1=("memory", "memory.limit_in_bytes"))
    limits = [int(text) for text in map(_read, files) if text.isdecimal()]
    return min(limits, default=None)


def _waited_ns() -> dict[str, int]:
    """Id of a running thread -> nanoseconds that it was ready to run but had no core.

    Source: https://docs.kernel.org/scheduler/sched-stats.html, "/proc/<pid>/schedstat".
    """
    waited = {}
    for file in _THREADS.glob("*/schedstat"):  # only Linux has them
        with suppress(OSError, ValueError, IndexError):  # the thread has ended
            waited[file.parent.name] = int(file.read_text().split()[1])
    return waited


def _user_cache() -> Path | None:
    given = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if given.is_absolute():
        return given / "garabato"
    try:
        return Path.home() / ".cache" / "garabato"
    except RuntimeError:  # neither HOME nor an entry in /etc/passwd
        return None


def _temporary_cache() -> Path | None:
    """A folder that only this user can write to; others can write to the temporary folder, too."""
    user = os.getuid()
    try:
        folder = Path(tempfile.gettempdir()) / f"garabato-{user}"
        folder.mkdir(mode=0o700, exist_ok=True)
        status = folder.lstat()
    except OSError:
        return None
    is_ours = stat.S_ISDIR(status.st_mode) and status.st_uid == user
    return folder if is_ours and not status.st_mode & 0o022 else None


def _is_writable(folder: Path) -> bool:
    """True if `folder` can be written, or created and then written."""
    for ancestor in (folder, *folder.parents):
        if ancestor.exists():
            return ancestor.is_dir() and os.access(ancestor, os.W_OK | os.X_OK)
    return False
