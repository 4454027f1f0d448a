"""How many threads the network runs on."""

from __future__ import annotations

import os


def set_thread_counts() -> None:
    """One a core this process may use, where OMP_NUM_THREADS says nothing else; and no spinning,
    which takes the cores from the threads that search. Before PyTorch or ONNX Runtime is loaded.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    os.environ.setdefault("OMP_NUM_THREADS", str(cores or 1))
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
