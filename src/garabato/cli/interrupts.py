"""Ctrl-C that is never lost.

Python drops a KeyboardInterrupt raised while a destructor or the callback of a weak reference runs,
and the command would go on to its end. So the signal is remembered, and the next report of progress
raises it again.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_received = threading.Event()


@contextmanager
def remember_interrupts() -> Iterator[None]:
    """Remember Ctrl-C, beside raising KeyboardInterrupt as usual."""
    _received.clear()
    is_usual = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if not is_usual or threading.current_thread() is not threading.main_thread():
        yield
        return
    signal.signal(signal.SIGINT, _interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def raise_if_interrupted() -> None:
    """Raise KeyboardInterrupt if Ctrl-C was pressed since the command began."""
    if _received.is_set():
        raise KeyboardInterrupt


def _interrupt(number: int, frame: Any) -> None:
    _received.set()
    raise KeyboardInterrupt
