"""The demo: stages that prepare, train, evaluate, index and search, each done once."""

from __future__ import annotations

import json
import shutil
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from importlib.metadata import version
from os import PathLike
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from filelock import FileLock, Timeout

from garabato.analysis.pictures import SearchResult, draw_hits
from garabato.dataset import Dataset, prepare
from garabato.encoder import Encoder, load_encoder
from garabato.errors import InputError, storage_errors
from garabato.evaluation import evaluate, write_report
from garabato.evaluation.report import REFERENCE_RESULTS, PublishedResult, check_report_folder
from garabato.formats import ReadReport, write_drawings
from garabato.gallery import open_gallery
from garabato.host.atomic import write_bytes
from garabato.ingest.bulk_load import fill
from garabato.render import with_strokes
from garabato.sources.google_bucket import download
from garabato.sources.source import ChosenSource, Progress
from garabato.training import TrainingProgress, load_preset, train

N_TRAIN, N_TEST = 200, 25
#: Drawings downloaded per category; a few may be repeated.
N_DOWNLOADED = N_TRAIN + N_TEST + 25
#: Queries (test drawings), and hits per query.
N_QUERIES, N_HITS = 6, 10

#: A stage's work: returns its results (JSON).
Work = Callable[[], dict[str, Any]]


class DemoProgress(Protocol):
    """Receives the progress of a demo."""

    def say(self, text: str) -> None:
        """Show a message to the user."""

    def bar(self, unit: str) -> AbstractContextManager[Progress]:
        """Yields `report(stage, n_done, n_total)`, in `unit`, for a stage."""

    def training_bar(self) -> AbstractContextManager[Callable[[TrainingProgress], None]]:
        """Yields the `on_progress` function for `train`."""


@dataclass(frozen=True, slots=True)
class DemoResult:
    """The results and files of a demo.

    `figures` is the content of results.json; `published` are the reference project's results.
    """

    figures: dict[str, Any]
    run: Path
    gallery: Path
    queries: Path
    hits: Path
    report: Path
    contact_sheets: Path
    published: tuple[PublishedResult, ...] = REFERENCE_RESULTS


def run_demo(
    out: str | PathLike[str],
    source: ChosenSource,
    *,
    n_categories: int = 100,
    minutes: float = 10.0,
    seed: int = 0,
    progress: DemoProgress,
) -> DemoResult | None:
    """Prepare drawings, train a network for `minutes`, evaluate it, index and search a gallery.

    Everything goes into the folder `out`. Stages that finished in an earlier call with the same
    arguments are not repeated. Returns None if training was interrupted; the same call continues.
    Raises InputError if `out` holds something else or another demo is running there, and whatever
    the stages raise.
    """
    check_report_folder(Path(out) / "report")
    demo = _Demo(Path(out), source, n_categories, minutes, seed, progress)
    with demo.stages.locked():
        figures = demo.run()
    if figures is None:
        return None
    return DemoResult(
        figures,
        run=demo.run_folder,
        gallery=demo.gallery,
        queries=demo.queries,
        hits=demo.hits,
        report=demo.report / "report.html",
        contact_sheets=demo.data / "sheets",
    )


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

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes from the folder. Raises InputError if one of them has locked it."""
        try:
            lock = FileLock(self.folder / ".stages" / "lock", blocking=False).acquire()
        except Timeout:
            raise InputError(
                f"another demo is running in {self.folder}; wait for it, or choose another folder "
                "with --out"
            ) from None
        with lock:
            yield

    def run(self, name: str, where: Path, settings: dict[str, Any], work: Work) -> dict[str, Any]:
        """The results of `work`, run now or earlier; its files are in the folder `where`.

        After an interruption, `work` finds the files that it left there.
        """
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
                stamp |= {"found": work(), "made": uuid.uuid4().hex, "finished": True}
            finally:
                stamp["seconds"] += time.perf_counter() - started
                write_bytes(stamp_file, _json(stamp))
        self._made[name] = stamp["made"]
        self.seconds += stamp["seconds"]
        found: dict[str, Any] = stamp["found"]
        return found


class _Demo:
    def __init__(
        self,
        out: Path,
        source: ChosenSource,
        n_categories: int,
        minutes: float,
        seed: int,
        progress: DemoProgress,
    ) -> None:
        self.source = source
        self.n_categories = n_categories
        self.minutes = minutes
        self.seed = seed
        self.progress = progress
        self.data = out / "data"
        self.run_folder = out / "run"
        self.report = out / "report"
        self.gallery = out / "gallery"
        self.search = out / "search"
        self.queries = self.search / "queries.ndjson"
        self.hits = self.search / "hits.png"
        self.results = out / "results.json"
        self.stages = Stages(out, on_reuse=self._say_reused)
        progress.say(f"drawings: {source.reason}\neverything goes to {out}")

    def run(self) -> dict[str, Any] | None:
        """Run the unfinished stages; returns the content of results.json."""
        chosen = {
            "source": str(self.source.path.resolve()),
            "categories": self.n_categories,
            "train": N_TRAIN,
            "test": N_TEST,
            "seed": self.seed,
        }
        schedule = {"minutes": self.minutes, "seed": self.seed}
        shown = {"queries": N_QUERIES, "hits": N_HITS}
        found: dict[str, Any] = {}
        if self.source.needs_download:
            wanted = {"categories": self.n_categories, "seed": self.seed, "each": N_DOWNLOADED}
            found |= self.stages.run("fetch", self.source.path, wanted, self._download)
        found |= self.stages.run("prepare", self.data, chosen, self._prepare)
        try:
            found |= self.stages.run("train", self.run_folder, schedule, self._train)
        except _InterruptedError:
            return None
        found |= self.stages.run("evaluate", self.report, {}, self._evaluate)
        found |= self.stages.run("index", self.gallery, {}, self._index)
        found |= self.stages.run("search", self.search, shown, self._search)
        found |= schedule
        found |= {"seconds": self.stages.seconds, "garabato": version("garabato")}
        write_bytes(self.results, _json(found))
        return found

    @cached_property
    def _dataset(self) -> Dataset:
        return Dataset.open(self.data)

    @cached_property
    def _encoder(self) -> Encoder:
        return load_encoder(self.run_folder)

    def _download(self) -> dict[str, Any]:
        with self.progress.bar("drawings") as show:
            done = download(
                self.source.path,
                self.n_categories,
                per_category=N_DOWNLOADED,
                seed=self.seed,
                progress=show,
            )
        return {"fetched_bytes": done.fetched_bytes}

    def _prepare(self) -> dict[str, Any]:
        unreadable = ReadReport()
        with self.progress.bar("categories") as show:
            dataset = prepare(
                self.source.path,
                self.data,
                categories=self.n_categories,
                n_train=N_TRAIN,
                n_test=N_TEST,
                seed=self.seed,
                allow_short=True,
                report=unreadable,
                progress=show,
            )
        for line in unreadable.lines():
            self.progress.say(line)
        return {
            "n_categories": len(dataset.categories),
            "n_train": len(dataset.labels("train")),
            "n_test": len(dataset.labels("test")),
        }

    def _train(self) -> dict[str, Any]:
        config = replace(load_preset("skfast"), minutes=self.minutes, seed=self.seed)
        resumes = (self.run_folder / "checkpoint.pt").exists()
        with self.progress.training_bar() as show:
            result = train(
                self._dataset, self.run_folder, config=config, resume=resumes, on_progress=show
            )
        if result.interrupted:
            raise _InterruptedError
        on_gpu = result.encoder is not None and result.encoder.device.startswith("cuda")
        return {
            "steps": result.steps,
            "batch_size": min(config.batch_size, len(self._dataset.labels("train"))),
            "train_seconds": result.elapsed_s,
            "device": "GPU" if on_gpu else "CPU",
            "notes": list(result.notes),
        }

    def _evaluate(self) -> dict[str, Any]:
        with self.progress.bar("drawings") as show:
            evaluation = evaluate(self._encoder, self._dataset, progress=show)
            write_report(evaluation, self.report, run=self.run_folder)
        document = evaluation.to_dict()
        kept = ("top1", "top5", "loss", "train_top1", "map", "map_gallery", "precision_at_10")
        return {name: document[name] for name in kept} | {"noise": document["noise"]}

    def _index(self) -> dict[str, Any]:
        drawings = self._dataset.split("train")
        gallery = open_gallery(self.gallery, encoder=self._encoder)
        with self.progress.bar("drawings") as show:
            fill(
                gallery,
                self._encoder,
                [drawings],
                progress=lambda n_done: show("index", n_done, len(drawings)),
            )
        return {"n_gallery": len(gallery)}

    def _search(self) -> dict[str, Any]:
        """Search with test drawings of a few random categories."""
        test = self._dataset.split("test")
        order = np.random.default_rng(self.seed).permutation(len(test))
        of_category = {test.categories[row]: int(row) for row in order}
        rows = np.array(list(of_category.values())[:N_QUERIES])
        queries = list(with_strokes(test.take(rows)))  # bitmaps are traced
        gallery = open_gallery(self.gallery, encoder=self._encoder)
        hits = gallery.search_many(queries, k=N_HITS)
        results = [SearchResult([query], found) for query, found in zip(queries, hits, strict=True)]
        self.search.mkdir(exist_ok=True)
        draw_hits(results, gallery, self.hits)
        write_drawings(self.queries, queries)
        return {"queries": [query.category for query in queries]}

    def _say_reused(self, stage: str, seconds: float) -> None:
        self.progress.say(f"{stage}: done before, in {seconds:.0f} s")


class _InterruptedError(Exception):
    """Training stopped before its end."""


def _json(document: dict[str, Any]) -> bytes:
    return json.dumps(document, indent=1).encode()
