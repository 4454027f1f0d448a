"""Work in stages: finished stages are not repeated, interrupted ones continue."""

from __future__ import annotations

import json
import shutil
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from garabato.errors import InputError, storage_errors
from garabato.host.atomic import write_bytes

#: A stage's work: takes whether it continues after an interruption, returns its results (JSON).
Work = Callable[[bool], dict[str, Any]]


class Stages:
    """Stages in a folder, in order; each builds on those before it.

    A stage leaves `.stages/<name>.json` in the folder: its settings, whether it is finished, its
    duration and its results. With the same settings, a finished stage is not repeated; with other
    settings, or after an earlier stage was repeated, its files are removed first. `on_reuse(name,
    seconds)` is called for each stage that is not repeated.
    """

    def __init__(self, folder: Path, *, on_reuse: Callable[[str, float], None]) -> None:
        self.folder = folder
        self.on_reuse = on_reuse
        self.seconds = 0.0
        self._made: dict[str, str] = {}
        if folder.exists() and not (folder / ".stages").is_dir() and any(folder.iterdir()):
            raise InputError(
                f"{folder} is not empty and does not hold a demo; choose another with --out"
            )
        with storage_errors(folder):
            (folder / ".stages").mkdir(parents=True, exist_ok=True)

    def run(self, name: str, where: Path, settings: dict[str, Any], work: Work) -> dict[str, Any]:
        """The results of `work`, run now or earlier; its files are in the folder `where`."""
        stamp_file = self.folder / ".stages" / f"{name}.json"
        stamp: dict[str, Any] = {"settings": settings, "after": dict(self._made)}
        before = json.loads(stamp_file.read_text()) if stamp_file.exists() else {}
        same = where.exists() and all(before.get(key) == value for key, value in stamp.items())
        if same and before["finished"]:
            stamp = before
            self.on_reuse(name, stamp["seconds"])
        else:
            if where.exists() and not same:
                shutil.rmtree(where)
            stamp |= {"finished": False, "seconds": before["seconds"] if same else 0.0}
            write_bytes(stamp_file, _json(stamp))
            started = time.perf_counter()
            try:
                stamp |= {"found": work(same), "made": uuid.uuid4().hex, "finished": True}
            finally:
                stamp["seconds"] += time.perf_counter() - started
                write_bytes(stamp_file, _json(stamp))
        self._made[name] = stamp["made"]
        self.seconds += stamp["seconds"]
        found: dict[str, Any] = stamp["found"]
        return found


def _json(document: dict[str, Any]) -> bytes:
    return json.dumps(document, indent=1).encode()
