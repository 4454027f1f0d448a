"""Ctrl-C as a wish, not an accident; so is the SIGTERM of a cluster that wants its machine back."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


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
            restore()

    def restore() -> None:
        for number, handler in previous.items():
            signal.signal(number, handler)

    previous = {number: signal.signal(number, on_signal) for number in _SIGNALS}
    try:
        yield event
    finally:
        restore()
