"""What this machine is: measured times depend on it, and so does how many threads are worth it."""

from __future__ import annotations

import os
import platform
from pathlib import Path


def n_cores() -> int:
    """Cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def processor() -> str:
    """Its processor's name."""
    name = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        named = [line for line in cpuinfo.read_text().splitlines() if "model name" in line]
        name = named[0].partition(":")[2].strip() if named else name
    return name
