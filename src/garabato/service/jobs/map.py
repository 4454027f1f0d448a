"""The map of the gallery: made once in the background, kept beside the gallery."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from garabato.analysis.map import Projection, check_extra
from garabato.errors import MissingExtraError
from garabato.service.http.problems import ProblemError
from garabato.service.jobs import make_map
from garabato.service.state.progress import READY, Progress, Stage

if TYPE_CHECKING:
    from garabato.service.routes.page import Asset
    from garabato.service.service import Service

_log = logging.getLogger("garabato.service")
FILE = "map.parquet"
#: A map is made anew at the next start where more than this share of its drawings changed.
_MAX_CHANGED = 0.1


class SketchMap:
    """The map of one service's gallery."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._progress = Progress("making the map")
        self._lock = threading.Lock()
        self._has_begun = False
        self._process: subprocess.Popen[str] | None = None
        self._stopped = False
        self._projection: Projection | None = None
        self._sent: tuple[Any, Asset] | None = None

    def asset(self) -> Asset:
        """The answer of GET /v1/map, zipped. Blocks for a moment.

        Raises ProblemError: 503 with the progress until there is a map, 501 that names what to
        install.
        """
        from garabato.service.routes.page import make_asset

        census, hidden = self._service.counted, self._service.hidden.key_ids
        projection = self._made()
        state = (census.version, hidden)
        with self._lock:
            if self._sent is None or self._sent[0] != state:
                document = _document(projection, census.entries, hidden)
                asset = make_asset(orjson.dumps(document), "application/json")
                self._sent = (state, asset)
            return self._sent[1]

    def stage(self) -> Stage:
        """How far the map is; it is begun where it was not. Blocks for a moment."""
        try:
            _ = self._service.counted
            self._made()
        except ProblemError as problem:
            done, total = (problem.more.get(name) for name in ("done", "total"))
            return Stage(problem.detail, done, total)
        return READY

    def stop(self) -> None:
        """Make no map any more."""
        self._stopped = True
        if self._process is not None:
            self._process.terminate()

    def _made(self) -> Projection:
        with self._lock:
            if not self._has_begun:
                self._begin()
                self._has_begun = True
        if self._projection is None:
            raise self._progress.stage.to_problem()
        return self._projection

    def _begin(self) -> None:
        """Take the map that is kept, and make one where there is none or much has changed."""
        self._projection = _kept(self._file)
        if self._projection is not None:
            entries = self._service.census.entries
            if _share_changed(self._projection.key_ids, entries) <= _MAX_CHANGED:
                return
        try:
            check_extra()
        except MissingExtraError as error:
            if self._projection is None:
                raise ProblemError(501, str(error)) from None
            return  # an old one is better than none
        threading.Thread(target=self._make, name="garabato-map", daemon=True).start()

    @property
    def _file(self) -> Path:
        from garabato.service.service import state_folder

        return state_folder(self._service.gallery.uri) / FILE

    def _make(self) -> None:
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            self._run()
            made = Projection.load(self._file)
        except Exception as error:
            if not self._stopped:
                _log.exception("the map cannot be made")
                self._progress.fail(f"the map cannot be made: {error}")
            return
        with self._lock:
            self._projection, self._sent = made, None
        _log.info("map made", extra={"n_drawings": len(made.key_ids)})

    def _run(self) -> None:
        """Make the map in a process of its own and tell how far it is."""
        command = [sys.executable, "-m", make_map.__name__, self._service.gallery.uri]
        with subprocess.Popen(
            [*command, str(self._file)], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True
        ) as self._process:
            assert self._process.stdout is not None
            for line in self._process.stdout:
                stage, done, total = line.split("\t")
                self._progress.report(stage, int(done), int(total))
        if self._process.returncode:
            raise ChildProcessError("its process failed; the log says why")


def _kept(file: Path) -> Projection | None:
    if not file.is_file():
        return None
    try:
        return Projection.load(file)
    except Exception as error:
        _log.warning("%s", error)
        return None


def _share_changed(key_ids: Sequence[str], entries: dict[str, Any]) -> float:
    on_map = set(key_ids)
    return len(on_map ^ entries.keys()) / max(1, len(entries))


def _document(
    projection: Projection, entries: dict[str, Any], hidden: frozenset[str]
) -> dict[str, Any]:
    """The columns of the drawings that are there and not hidden."""
    shown = [
        i
        for i, key_id in enumerate(projection.key_ids)
        if key_id in entries and key_id not in hidden
    ]
    key_ids = [projection.key_ids[i] for i in shown]
    names = [entries[key_id].category or "" for key_id in key_ids]
    categories = sorted(set(names))
    number_of = {name: number for number, name in enumerate(categories)}
    return {
        "n": len(shown),
        "categories": categories,
        "category": [number_of[name] for name in names],
        "x": projection.x[shown].tolist(),
        "y": projection.y[shown].tolist(),
        "key_id": key_ids,
    }
