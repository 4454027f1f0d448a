"""The report of an evaluation: a folder with an HTML page, its pictures and a JSON file.

The page shows the results beside the training log and the results of the reference project.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from garabato.drawing import Drawing
from garabato.drawing.html import html_page
from garabato.errors import InputError, MissingExtraError, storage_errors
from garabato.evaluation import plots
from garabato.evaluation.metrics import (
    category_similarity,
    most_confused_pairs,
    nearest,
    order_by_similarity,
    precision_by_coverage,
)
from garabato.evaluation.result import Evaluation
from garabato.host.atomic import write_bytes

if TYPE_CHECKING:
    from garabato.render.contact_sheets import Cell

N_QUERIES, N_HITS = 12, 10
N_PAIRS, N_MISTAKES = 10, 4
_DOCUMENT = "evaluation.json"
_PLOTS = ("learning_curves", "confusion_matrix", "reliability", "selective_accuracy", "unfinished")
#: Draws a plot for a theme: PNG.
Plot = Callable[[plots.Theme], bytes]


def write_report(
    evaluation: Evaluation,
    folder: str | PathLike[str],
    *,
    run: str | PathLike[str] | None = None,
) -> Path:
    """Write the report into `folder`, created if missing; returns the path of report.html.

    Writes evaluation.json, report.html (self-contained), nearest.png, confusion_matrix.png,
    learning_curves.png (if `run`, the folder of the training, has metrics), unfinished.png,
    reliability.png and selective_accuracy.png, each atomically. Raises InputError if `folder` is a
    file or holds anything but an earlier report, StorageError if it cannot be written.
    """
    from garabato.render.contact_sheets import draw_sheet, save_png

    folder = Path(folder)
    check_report_folder(folder)
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    document = evaluation.to_dict()
    log = None if run is None else read_training_log(run)
    rows = query_rows(evaluation, N_QUERIES, k=N_HITS)
    pictures = {
        name: {theme: draw(colours) for theme, colours in plots.THEMES.items()}
        for name, draw in _plots(evaluation, log).items()
    }
    page = html_page(
        "garabato.evaluation",
        "report.html",
        found=document,
        rows=rows,
        searched=_describe_search(evaluation),
        pairs=confused_pairs(evaluation, N_PAIRS, n_drawings=N_MISTAKES),
        pictures=pictures,
        published=REFERENCE_RESULTS,
        run=log,
        n_mistakes=N_MISTAKES,
        version=version("garabato"),
    )
    text = json.dumps(document, ensure_ascii=False, allow_nan=False, indent=1)
    write_bytes(folder / _DOCUMENT, text.encode())  # first: it marks the folder as a report
    for name in _PLOTS:
        if name in pictures:
            write_bytes(folder / f"{name}.png", pictures[name]["light"])
        else:  # an earlier report may have left one
            with storage_errors(folder):
                (folder / f"{name}.png").unlink(missing_ok=True)
    title = (
        f"Test drawings and {_describe_search(evaluation)}\n"
        "Random queries, one per category; the number is the cosine similarity, "
        "the frame shows whether the category is right"
    )
    save_png(draw_sheet(_cells(rows), title=title), folder / "nearest.png")
    write_bytes(folder / "report.html", page.encode())
    return folder / "report.html"


def check_report_folder(folder: str | PathLike[str]) -> None:
    """Check that a report can be written to `folder`: call it before a long evaluation.

    Raises InputError if `folder` holds anything but a report, MissingExtraError without matplotlib.
    """
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise MissingExtraError("a report", "report") from None
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise InputError(f"a report is a folder, but {folder} is a file; choose another name")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / _DOCUMENT).is_file():
        raise InputError(f"{folder} is not empty and holds no report; choose another folder")


@dataclass(frozen=True, slots=True)
class ExampleHit:
    """A hit; `right` if it has the category of the query."""

    drawing: Drawing
    category: str
    score: float
    right: bool


@dataclass(frozen=True, slots=True)
class QueryRow:
    """A query and its hits, best first."""

    query: Drawing
    category: str
    hits: list[ExampleHit]


@dataclass(frozen=True, slots=True)
class Mistake:
    """`n` drawings of the category `right` were classified as `predicted`, and some of them."""

    right: str
    predicted: str
    n: int
    drawings: list[Drawing]


def query_rows(evaluation: Evaluation, n_rows: int, *, k: int) -> list[QueryRow]:
    """Test drawings of `n_rows` random categories, with the k nearest to each.

    Searches the gallery if there is one, else the other test drawings.
    """
    test, gallery = evaluation.test, evaluation.gallery or evaluation.test
    order = np.random.default_rng(0).permutation(len(test.labels))
    one_of_each = {int(test.labels[i]): int(i) for i in order}
    chosen = np.array(list(one_of_each.values())[:n_rows], np.int64)
    found, scores = nearest(
        test.embeddings[chosen],
        gallery.embeddings,
        k=k,
        left_out=chosen if gallery is test else None,
    )
    names = evaluation.categories
    return [
        QueryRow(
            test.drawings[int(i)],
            names[test.labels[i]],
            [
                ExampleHit(
                    gallery.drawings[int(row)],
                    names[gallery.labels[row]],
                    float(score),
                    bool(gallery.labels[row] == test.labels[i]),
                )
                for row, score in zip(rows, row_scores, strict=True)
            ],
        )
        for i, rows, row_scores in zip(chosen, found, scores, strict=True)
    ]


def confused_pairs(
    evaluation: Evaluation, n_pairs: int, *, n_drawings: int
) -> list[tuple[Mistake, Mistake]]:
    """The most confused pairs of categories, both directions, most confident mistakes first."""
    return [
        (_mistake(evaluation, a, b, n_drawings), _mistake(evaluation, b, a, n_drawings))
        for a, b in most_confused_pairs(evaluation.confusion, n_pairs)
    ]


@dataclass(frozen=True, slots=True)
class TrainingLog:
    """The records of metrics.jsonl and the settings of config.toml."""

    metrics: list[dict[str, Any]]
    config: dict[str, Any]

    @property
    def steps(self) -> int | None:
        return self.metrics[-1].get("step")

    @property
    def minutes(self) -> float | None:
        seconds = self.metrics[-1].get("seconds")
        return None if seconds is None else seconds / 60

    @property
    def batch_size(self) -> int | None:
        return self.config.get("batch_size")


def read_training_log(folder: str | PathLike[str]) -> TrainingLog | None:
    """Read the log of the run in `folder`; None if it has no metrics.

    An incomplete last line, as a running or killed training leaves it, is skipped.
    """
    metrics = []
    try:
        lines = (Path(folder) / "metrics.jsonl").read_text(errors="replace").splitlines()
    except OSError:
        return None
    for line in lines:
        try:
            metrics.append(json.loads(line))
        except ValueError:
            continue
    try:
        config = tomllib.loads((Path(folder) / "config.toml").read_text(encoding="utf-8"))
    except (OSError, ValueError):  # not TOML, or not UTF-8
        config = {}
    return TrainingLog(metrics, config) if metrics else None


@dataclass(frozen=True, slots=True)
class PublishedResult:
    """A row of the reference project's table: 100 categories, 1,000 + 50 drawings each, one GPU.

    `train_top1`, `test_top1` and `map` (test against test) are in 0..1.
    """

    model: str
    batch_size: int
    steps: int
    minutes: int
    loss: float
    train_top1: float
    test_top1: float
    map: float


REFERENCE_RESULTS: tuple[PublishedResult, ...] = (
    PublishedResult("skNet", 100, 20_000, 392, 1.214, 0.9131, 0.733, 0.11),
    PublishedResult("skNet", 200, 10_259, 225, 1.27, 0.874, 0.745, 0.072),
    PublishedResult("skNet", 200, 7_000, 162, 1.34, 0.743, 0.587, 0.041),
    PublishedResult("skResNet", 50, 14_000, 202, 1.214, 0.816, 0.702, 0.075),
    PublishedResult("skResNet", 50, 7_000, 155, 1.87, 0.674, 0.518, 0.069),
)


def _plots(evaluation: Evaluation, log: TrainingLog | None) -> dict[str, Plot]:
    """File name -> plot, for the plots that have data."""
    test, known = evaluation.test, evaluation.test.classified
    found: dict[str, Plot] = {}
    if log is not None:
        found["learning_curves"] = partial(plots.plot_learning, log.metrics)
    if known.any():
        found["confusion_matrix"] = _confusion_plot(evaluation)
        found["reliability"] = partial(plots.plot_reliability, evaluation.calibration)
        curve = precision_by_coverage(test.confidence[known], test.rank[known] == 1)
        found["selective_accuracy"] = partial(
            plots.plot_selective_accuracy, *curve, evaluation.selective_accuracy
        )
        if None not in evaluation.partial_top1.values():
            found["unfinished"] = partial(plots.plot_unfinished, evaluation.partial_top1)
    return found


def _confusion_plot(evaluation: Evaluation) -> Plot:
    """Rows and columns are the known categories with test drawings, similar ones side by side.

    A row sums to less than 1 if other categories were predicted.
    """
    test, known = evaluation.test, evaluation.test.classified
    occurring = np.unique(test.labels[known])
    confusion = evaluation.confusion[occurring]
    shares = confusion / confusion.sum(axis=1, keepdims=True)
    order = order_by_similarity(category_similarity(test.embeddings[known], test.labels[known]))
    names = [evaluation.categories[c] for c in occurring]
    return partial(plots.plot_confusion, shares[:, occurring], names, order)


def _describe_search(evaluation: Evaluation) -> str:
    if evaluation.gallery is None:
        return f"the {N_HITS} nearest of the {len(evaluation.test.labels) - 1:,} others"
    n, split = len(evaluation.gallery.labels), evaluation.data["gallery_split"]
    return f"the {N_HITS} nearest of {n:,} in the {split} split"


def _cells(rows: list[QueryRow]) -> list[list[Cell]]:
    from garabato.render.contact_sheets import Cell

    return [
        [
            Cell(row.query, row.category, "query"),
            *(
                Cell(
                    hit.drawing,
                    f"{hit.category} {hit.score:.2f}",
                    "right" if hit.right else "wrong",
                )
                for hit in row.hits
            ),
        ]
        for row in rows
    ]


def _mistake(evaluation: Evaluation, right: int, predicted: int, n_drawings: int) -> Mistake:
    test, names = evaluation.test, evaluation.categories
    rows = np.flatnonzero((test.labels == right) & (test.predicted == predicted))
    most_confident = rows[np.argsort(-test.confidence[rows], kind="stable")][:n_drawings]
    return Mistake(
        names[right], names[predicted], len(rows), [test.drawings[int(i)] for i in most_confident]
    )
