"""How many threads the network runs on."""

from __future__ import annotations

import os

from garabato.host.machine import n_cores


def set_thread_counts() -> None:
    """One a core this process may use, where OMP_NUM_THREADS says nothing else; and no spinning,
    which takes the cores from the threads that search. Before PyTorch or ONNX Runtime is loaded.
    """
    os.environ.setdefault("OMP_NUM_THREADS", str(n_cores()))
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
