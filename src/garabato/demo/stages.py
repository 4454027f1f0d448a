"""Work in stages, each done once: the finished is not done again, the cut off goes on."""

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

#: A stage's work: told whether it goes on after an interruption, returns what it found (JSON).
Work = Callable[[bool], dict[str, Any]]


class Stages:
    """Stages within a folder, in order; each builds on those before it.

    A stage leaves `.stages/<name>.json` in the folder: its settings, whether it is finished, how
    long it took, what it found. With the same settings a finished stage is not done again; with
    others, or when a stage before it was done anew, its files are removed first.
    """

    def __init__(self, folder: Path, *, on_reuse: Callable[[str, float], None]) -> None:
        self.folder = folder
        self.on_reuse = on_reuse
        self.seconds = 0.0
        self._made: dict[str, str] = {}
        if folder.exists() and not (folder / ".stages").is_dir() and any(folder.iterdir()):
            raise InputError(f"{folder} is not empty and not of a demo; choose another with --out")
        with storage_errors(folder):
            (folder / ".stages").mkdir(parents=True, exist_ok=True)

    def run(self, name: str, where: Path, settings: dict[str, Any], work: Work) -> dict[str, Any]:
        """What `work` found, now or in an earlier run; its files are in the folder `where`."""
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
