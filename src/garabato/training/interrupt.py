"""Ctrl-C as a wish, not an accident."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def catching_interrupt(*, repeated: bool = False) -> Iterator[threading.Event]:
    """Ctrl-C sets the event; the step in hand is finished first. A second Ctrl-C stops at once.

    With `repeated` it doesn't: torchrun passes on a Ctrl-C that its workers have had already, and
    stops those itself that don't end.
    """
    event = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield event
        return

    def on_signal(number: int, frame: Any) -> None:
        event.set()
        if not repeated:
            signal.signal(signal.SIGINT, previous)

    previous = signal.signal(signal.SIGINT, on_signal)
    try:
        yield event
    finally:
        signal.signal(signal.SIGINT, previous)
