"""What the demo does, stage by stage, through the public API."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import click
import numpy as np

import garabato
from garabato.cli.console import progress, stderr
from garabato.cli.demo_source import DemoSource
from garabato.cli.stages import Stages
from garabato.cli.train import training_progress
from garabato.dataset.choose import choose_categories
from garabato.host.atomic import write_bytes
from garabato.render import with_strokes
from garabato.render.contact_sheets import Cell, draw_sheet, save_png

N_TRAIN, N_TEST = 200, 25
#: Fetched of each category; a few may turn out to be the same drawing.
N_FETCHED = N_TRAIN + N_TEST + 25
#: Test drawings that are searched for, and hits shown of each.
N_QUERIES, N_HITS = 6, 10


@dataclass(frozen=True, slots=True)
class DemoSettings:
    """What a demo is made from."""

    source: DemoSource
    n_categories: int
    minutes: float
    seed: int


class Demo:
    """The stages of a demo; each is done once for its settings. Everything is kept in `out`."""

    def __init__(self, out: Path, settings: DemoSettings) -> None:
        self.settings = settings
        self.data = out / "data"
        self.run_folder = out / "run"
        self.report = out / "report"
        self.gallery = out / "gallery"
        self.search = out / "search"
        self.queries = self.search / "queries.ndjson"
        self.hits = self.search / "hits.png"
        self.results = out / "results.json"
        self.stages = Stages(out, on_reuse=_say_reused)
        stderr.print(f"drawings: {settings.source.said}\neverything goes to {out}")

    def run(self) -> dict[str, Any]:
        """Do what is not done yet; return what results.json holds."""
        settings = self.settings
        chosen = {
            "source": str(settings.source.place.resolve()),
            "categories": settings.n_categories,
            "train": N_TRAIN,
            "test": N_TEST,
            "seed": settings.seed,
        }
        schedule = {"minutes": settings.minutes, "seed": settings.seed}
        shown = {"queries": N_QUERIES, "hits": N_HITS}
        fetched: dict[str, Any] = {}
        if settings.source.is_fetched:
            wanted = {"categories": settings.n_categories, "seed": settings.seed, "each": N_FETCHED}
            fetched = self.stages.run("fetch", settings.source.place, wanted, self._fetch)
        found = fetched | (
            self.stages.run("prepare", self.data, chosen, self._prepare)
            | self.stages.run("train", self.run_folder, schedule, self._train)
            | self.stages.run("evaluate", self.report, {}, self._evaluate)
            | self.stages.run("index", self.gallery, {}, self._index)
            | self.stages.run("search", self.search, shown, self._search)
        )
        found |= {"minutes": settings.minutes, "seed": settings.seed}
        found |= {"seconds": self.stages.seconds, "garabato": garabato.__version__}
        write_bytes(self.results, json.dumps(found, indent=1).encode())
        return found

    @cached_property
    def _dataset(self) -> garabato.Dataset:
        return garabato.Dataset.open(self.data)

    @cached_property
    def _encoder(self) -> garabato.Encoder:
        return garabato.load_encoder(self.run_folder)

    def _fetch(self, resumes: bool) -> dict[str, Any]:
        n, seed = self.settings.n_categories, self.settings.seed
        with progress("drawings") as show:
            done = garabato.download(
                self.settings.source.place,
                choose_categories(garabato.CATEGORIES, n, seed=seed),
                per_category=N_FETCHED,
                seed=seed,
                progress=show,
            )
        return {"fetched_bytes": done.fetched_bytes}

    def _prepare(self, resumes: bool) -> dict[str, Any]:
        unreadable = garabato.ReadReport()
        with progress("categories") as show:
            dataset = garabato.prepare(
                self.settings.source.place,
                self.data,
                categories=self.settings.n_categories,
                n_train=N_TRAIN,
                n_test=N_TEST,
                seed=self.settings.seed,
                allow_short=True,
                report=unreadable,
                progress=show,
            )
        for line in unreadable.lines():
            stderr.print(line)
        return {
            "n_categories": len(dataset.categories),
            "n_train": len(dataset.labels("train")),
            "n_test": len(dataset.labels("test")),
        }

    def _train(self, resumes: bool) -> dict[str, Any]:
        config = replace(
            garabato.load_preset("skfast"),
            minutes=self.settings.minutes,
            seed=self.settings.seed,
        )
        resumes = resumes and (self.run_folder / "checkpoint.pt").exists()
        with training_progress() as show:
            result = garabato.train(
                self._dataset, self.run_folder, config=config, resume=resumes, on_progress=show
            )
        if result.interrupted:
            stderr.print("interrupted; run the same command again and it goes on from here")
            raise click.exceptions.Exit(130)
        return {
            "steps": result.steps,
            "batch_size": min(config.batch_size, len(self._dataset.labels("train"))),
            "train_seconds": result.elapsed_s,
            "device": "GPU"
            if result.encoder and result.encoder.device.startswith("cuda")
            else "CPU",
        }

    def _evaluate(self, resumes: bool) -> dict[str, Any]:
        with progress() as show:
            evaluation = garabato.evaluate(self._encoder, self._dataset, progress=show)
            garabato.write_report(evaluation, self.report, run=self.run_folder)
        document = evaluation.to_dict()
        kept = ("top1", "top5", "loss", "train_top1", "map", "map_gallery", "precision_at_10")
        return {name: document[name] for name in kept} | {"noise": document["noise"]}

    def _index(self, resumes: bool) -> dict[str, Any]:
        drawings = self._dataset.split("train")
        gallery = garabato.open_gallery(self.gallery, encoder=self._encoder)
        piece = 2048
        with progress() as show:
            for first in range(0, len(drawings), piece):
                gallery.add(drawings[first : first + piece])
                show("index", min(first + piece, len(drawings)), len(drawings))
        return {"n_gallery": len(gallery)}

    def _search(self, resumes: bool) -> dict[str, Any]:
        """Rows of a test drawing and what was found, from categories chosen by seed."""
        test = self._dataset.split("test")
        order = np.random.default_rng(self.settings.seed).permutation(len(test))
        of_category = {test.categories[row]: int(row) for row in order}
        rows_of_queries = np.array(list(of_category.values())[:N_QUERIES])
        chosen = list(with_strokes(test.take(rows_of_queries)))  # bitmaps too are written as such
        gallery = garabato.open_gallery(self.gallery, encoder=self._encoder)
        rows = []
        for query in chosen:
            row = [Cell(query, f"drawn: {query.category}", "query")]
            for hit in gallery.search(query, k=N_HITS):
                is_right = hit.category == query.category
                caption = f"{hit.category} {hit.score:.2f}"
                row.append(Cell(hit.drawing, caption, "right" if is_right else "wrong"))
            rows.append(row)
        self.search.mkdir(exist_ok=True)
        title = (
            "Drawings the network never saw, and the most similar of those it learned from\n"
            f"{len(gallery):,} drawings of {len(self._dataset.categories)} categories; the number "
            "is the cosine similarity, the frame says whether the category is right"
        )
        save_png(draw_sheet(rows, title=title), self.hits)
        garabato.write_drawings(self.queries, chosen)
        return {"queries": [query.category for query in chosen]}


def _say_reused(stage: str, seconds: float) -> None:
    stderr.print(f"{stage}: done before, in {seconds:.0f} s")
