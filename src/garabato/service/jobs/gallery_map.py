"""The map of a gallery: made in the background and stored beside the gallery.

A separate process makes it (`python -m garabato.service.jobs.gallery_map URI FILE`): the service
stays responsive and small, and the work can be stopped at any time. The process reports progress on
stdout, one line per step: stage, done and total, separated by tabs.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import orjson

from garabato.analysis.map import Projection, map_gallery
from garabato.gallery import Gallery, open_gallery
from garabato.service.http.serializers import CachedContent
from garabato.service.state import READY, BackgroundProgress, Stage, state_folder

_log = logging.getLogger("garabato.service")
FILE = "map.parquet"
_MAKING = "making the map"
#: If more than this share of the drawings changed, the map is made again.
_MAX_CHANGED = 0.1
#: The process that makes the map has low priority.
_NICENESS = 10


class GalleryMap:
    """The map of one gallery."""

    def __init__(self, gallery: Gallery) -> None:
        self._gallery = gallery
        self._progress = BackgroundProgress(_MAKING)
        self._lock = threading.Lock()
        self._is_making = False
        #: The version of the gallery that the map was last compared with.
        self._compared: Hashable = None
        self._process: subprocess.Popen[str] | None = None
        self._stopped = False
        self._projection: Projection | None = None
        self._cached: tuple[Any, CachedContent] | None = None

    def content(self) -> CachedContent:
        """The response to GET /v1/map. Blocks for a moment.

        Raises ProblemError 503, with the progress, until the map is there.
        """
        self._begin_if_changed()
        projection = self._projection
        if projection is None:
            raise self._progress.stage.to_problem()
        version = self._gallery.version()
        with self._lock:
            if self._cached is None or self._cached[0] != version:
                document = _document(projection, _category_of(self._gallery))
                content = CachedContent.of(orjson.dumps(document), "application/json")
                self._cached = (version, content)
            return self._cached[1]

    def stage(self) -> Stage:
        """The progress of the map; the first call starts making it. Blocks for a moment."""
        self._begin_if_changed()
        return self._progress.stage if self._projection is None else READY

    def stop(self) -> None:
        self._stopped = True
        if self._process is not None:
            self._process.terminate()

    def _begin_if_changed(self) -> None:
        """Load the stored map; start making one if there is none or much has changed since."""
        with self._lock:
            version = self._gallery.version()
            if self._is_making or version == self._compared:
                return
            self._compared = version
            self._projection = self._projection or _load(self._file)
            if self._projection is not None:
                stored = _category_of(self._gallery).keys()
                n_changed = len(stored ^ set(self._projection.key_ids))
                if n_changed <= _MAX_CHANGED * max(1, len(stored)):
                    return
            self._is_making = True
            self._progress.report(_MAKING)
            threading.Thread(target=self._make, name="garabato-map", daemon=True).start()

    @property
    def _file(self) -> Path:
        return state_folder(self._gallery.uri) / FILE

    def _make(self) -> None:
        made: Projection | None = None
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            self._run_process()
            made = Projection.load(self._file)
        except Exception:
            if not self._stopped:
                _log.exception("cannot make the map")
                why = "cannot make the map; the operator's log says why"
                self._progress.stage = Stage(why, failed=True)
        with self._lock:
            self._is_making = False
            if made is not None:
                self._projection, self._cached = made, None
                _log.info("map made", extra={"n_drawings": len(made.key_ids)})

    def _run_process(self) -> None:
        command = [sys.executable, "-m", __name__, self._gallery.uri, str(self._file)]
        with subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
            start_new_session=True,  # Ctrl-C is for the service alone
        ) as self._process:
            assert self._process.stdout is not None
            for line in self._process.stdout:
                stage, done, total = line.split("\t")
                self._progress.report(stage, int(done), int(total))
        if self._process.returncode:
            raise ChildProcessError("its process failed; the log says why")


def _document(projection: Projection, category_of: dict[str, str | None]) -> dict[str, Any]:
    """The columns of the drawings that are still there."""
    shown = [i for i, key_id in enumerate(projection.key_ids) if key_id in category_of]
    key_ids = [projection.key_ids[i] for i in shown]
    names = [category_of[key_id] or "" for key_id in key_ids]
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


def _category_of(gallery: Gallery) -> dict[str, str | None]:
    """The category of each drawing."""
    found: dict[str, str | None] = {}
    for rows in gallery.columns("key_id", "category"):
        found.update(zip(rows["key_id"].to_pylist(), rows["category"].to_pylist(), strict=True))
    return found


def _load(file: Path) -> Projection | None:
    if not file.is_file():
        return None
    try:
        return Projection.load(file)
    except Exception as error:
        _log.warning("%s", error)
        return None


def _main(uri: str, file: str) -> None:
    """Project the gallery at `uri` and write the map to `file`."""
    os.nice(_NICENESS)
    gallery = open_gallery(uri, must_exist=True)

    def report_progress(stage: str, done: int, total: int) -> None:
        print(f"{stage}\t{done}\t{total}", flush=True)

    map_gallery(gallery, progress=report_progress).save(Path(file))


if __name__ == "__main__":
    _main(*sys.argv[1:3])
