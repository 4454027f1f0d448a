"""The report of an evaluation: a folder with an HTML page, its pictures and a JSON file."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from garabato.errors import InputError, MissingExtraError, storage_errors
from garabato.evaluation import examples, plots
from garabato.evaluation.classification import (
    category_similarity,
    order_by_similarity,
    precision_by_coverage,
)
from garabato.evaluation.result import Evaluation
from garabato.evaluation.training_runs import REFERENCE_RESULTS, TrainingLog, read_training_log
from garabato.host.atomic import write_bytes
from garabato.render.html_pages import html_page

if TYPE_CHECKING:
    from garabato.render.contact_sheets import Cell

N_QUERIES, N_HITS = 12, 10
N_PAIRS, N_MISTAKES = 10, 4

_DOCUMENT = "evaluation.json"

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
    rows = examples.query_rows(evaluation, N_QUERIES, k=N_HITS)
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
        pairs=examples.confused_pairs(evaluation, N_PAIRS, n_drawings=N_MISTAKES),
        pictures=pictures,
        published=REFERENCE_RESULTS,
        run=log,
        n_train=None if evaluation.gallery is None else len(evaluation.gallery.labels),
        n_mistakes=N_MISTAKES,
        version=version("garabato"),
    )
    text = json.dumps(document, ensure_ascii=False, allow_nan=False, indent=1)
    write_bytes(folder / _DOCUMENT, text.encode())  # first: it marks the folder as a report
    for name, by_theme in pictures.items():
        write_bytes(folder / f"{name}.png", by_theme["light"])
    title = (
        f"Test drawings and {_describe_search(evaluation)}\n"
        "Random queries, one per category; the number is the cosine similarity, "
        "the frame shows whether the category is right"
    )
    save_png(draw_sheet(_cells(rows), title=title), folder / "nearest.png")
    write_bytes(folder / "report.html", page.encode())
    return folder / "report.html"


def check_report_folder(folder: Path) -> None:
    """Check that a report can be written to `folder`: call it before a long evaluation.

    Raises InputError if `folder` holds anything but a report, MissingExtraError without matplotlib.
    """
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise MissingExtraError("a report", "report") from None
    if folder.exists() and not folder.is_dir():
        raise InputError(f"a report is a folder, but {folder} is a file; choose another name")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / _DOCUMENT).is_file():
        raise InputError(f"{folder} is not empty and holds no report; choose another folder")


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


def _cells(rows: list[examples.QueryRow]) -> list[list[Cell]]:
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
