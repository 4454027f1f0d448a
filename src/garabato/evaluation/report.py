"""The report of an evaluation: a folder of pictures, one JSON document and one page."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from garabato.drawing import IntArray
from garabato.drawing.svg import drawing_svg
from garabato.errors import InputError, MissingExtraError, storage_errors
from garabato.evaluation import examples, plots
from garabato.evaluation.reference_results import REFERENCE_RESULTS
from garabato.evaluation.result import Evaluation
from garabato.evaluation.selective_accuracy import precision_by_coverage
from garabato.evaluation.seriation import order_by_similarity, similarity_of_categories
from garabato.evaluation.training_log import TrainingLog, read_run
from garabato.host.atomic import write_bytes

if TYPE_CHECKING:
    from garabato.render.contact_sheets import Cell

N_QUERIES, N_HITS = 12, 10
N_PAIRS, N_MISTAKES = 10, 4

_DOCUMENT = "evaluation.json"

#: Name of a picture -> what draws it for a theme.
Plot = Callable[[plots.Theme], bytes]


def write_report(
    evaluation: Evaluation,
    folder: str | PathLike[str],
    *,
    run: str | PathLike[str] | None = None,
) -> Path:
    """Write the report into `folder` (made if it is not there); returns the path of report.html.

    Holds evaluation.json, report.html (self-contained), nearest.png, confusion_matrix.png,
    learning_curves.png (where `run`, the folder of the training, holds its metrics),
    unfinished.png, reliability.png and selective_accuracy.png. Each file is written atomically.
    Raises InputError if `folder` is a file or has content other than an earlier report, and
    StorageError if it cannot be written.
    """
    from garabato.render.contact_sheets import draw_sheet, save_png

    folder = Path(folder)
    check_report_folder(folder)
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    document = evaluation.to_dict()
    record = None if run is None else read_run(run)
    rows = examples.query_rows(evaluation, N_QUERIES, k=N_HITS)
    drawn = _plots(evaluation, record)
    pictures = {
        name: {theme: draw(colours) for theme, colours in plots.THEMES.items()}
        for name, draw in drawn.items()
    }
    page = _page(evaluation, document, rows, pictures, record)
    text = json.dumps(document, ensure_ascii=False, allow_nan=False, indent=1)
    write_bytes(folder / _DOCUMENT, text.encode())  # first: by it the folder is known as a report's
    for name, by_theme in pictures.items():
        write_bytes(folder / f"{name}.png", by_theme["light"])
    save_png(draw_sheet(_cells(rows), title=_rows_title(evaluation)), folder / "nearest.png")
    write_bytes(folder / "report.html", page.encode())
    return folder / "report.html"


def check_report_folder(folder: Path) -> None:
    """Raise InputError if `folder` holds anything but a report; MissingExtraError without `report`.

    Call it before a long evaluation whose report goes to `folder`.
    """
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise MissingExtraError("a report", "report") from None
    if folder.exists() and not folder.is_dir():
        raise InputError(f"a report is a folder, but {folder} is a file; choose another name")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / _DOCUMENT).is_file():
        raise InputError(f"{folder} is not empty and holds no report; choose another folder")


def _plots(evaluation: Evaluation, record: TrainingLog | None) -> dict[str, Plot]:
    """The plots that there is something to draw for."""
    found: dict[str, Plot] = {}
    if record is not None:
        found["learning_curves"] = partial(plots.plot_learning, record.metrics)
    if evaluation.test.classified.any():
        found["confusion_matrix"] = partial(plots.plot_confusion, *_confusion(evaluation))
        found["reliability"] = partial(plots.plot_reliability, evaluation.calibration)
        found["selective_accuracy"] = partial(
            plots.plot_selective_accuracy, *_answered(evaluation), evaluation.selective_accuracy
        )
        if None not in evaluation.partial_top1.values():
            found["unfinished"] = partial(plots.plot_unfinished, evaluation.partial_top1)
    return found


def _answered(
    evaluation: Evaluation,
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    test = evaluation.test
    known = test.classified
    return precision_by_coverage(test.confidence[known], test.place[known] == 1)


def _confusion(
    evaluation: Evaluation,
) -> tuple[npt.NDArray[np.float64], list[str], IntArray]:
    """Shares, names and order of the known categories that occur among the test drawings.

    Answers with a category of which there is no test drawing are in no column, so a row may sum
    to less than 1.
    """
    test = evaluation.test
    known = test.classified
    occurring = np.unique(test.labels[known])
    confusion = evaluation.confusion
    shares = confusion[occurring] / confusion[occurring].sum(axis=1, keepdims=True)
    similarity = similarity_of_categories(test.embeddings[known], test.labels[known])
    names = [evaluation.categories[c] for c in occurring]
    return shares[:, occurring], names, order_by_similarity(similarity)


def _rows_title(evaluation: Evaluation) -> str:
    """Title of nearest.png."""
    return f"Test drawings and {_what_was_searched(evaluation)}\n" + (
        "Queries drawn at random, one a category; the number is the cosine similarity, "
        "the frame says whether the category is right"
    )


def _what_was_searched(evaluation: Evaluation) -> str:
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


def _page(
    evaluation: Evaluation,
    document: dict[str, Any],
    rows: list[examples.QueryRow],
    pictures: dict[str, dict[str, bytes]],
    record: TrainingLog | None,
) -> str:
    """The page as HTML, everything in it."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("garabato.evaluation", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["percent"] = lambda share: "–" if share is None else f"{100 * share:.1f} %"
    environment.filters["number"] = lambda value: "–" if value is None else f"{value:.3f}"
    environment.filters["svg"] = drawing_svg
    return environment.get_template("report.html").render(
        found=document,
        rows=rows,
        searched=_what_was_searched(evaluation),
        pairs=examples.confused_pairs(evaluation, N_PAIRS, n_drawings=N_MISTAKES),
        pictures={
            name: {theme: _data_uri(png) for theme, png in by_theme.items()}
            for name, by_theme in pictures.items()
        },
        published=REFERENCE_RESULTS,
        run=record,
        n_train=None if evaluation.gallery is None else len(evaluation.gallery.labels),
        n_mistakes=N_MISTAKES,
        version=version("garabato"),
    )


def _data_uri(png: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(png).decode()
