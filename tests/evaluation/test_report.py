from __future__ import annotations

import base64
import dataclasses
import json
import shutil
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from prototype_encoder import PrototypeEncoder
from sketches import SKETCH_CATEGORIES, make_drawings, write_source

from garabato.dataset import Dataset
from garabato.errors import InputError
from garabato.evaluation import Evaluation, evaluate, write_report
from garabato.evaluation.metrics import SelectiveAccuracy
from garabato.evaluation.plots import (
    THEMES,
    plot_confusion,
    plot_learning,
    plot_selective_accuracy,
)
from garabato.evaluation.report import (
    REFERENCE_RESULTS,
    confused_pairs,
    query_rows,
    read_training_log,
)
from garabato.sources import open_source

VOID = {"meta", "img", "source", "br", "link", "input", "hr"}


class Page(HTMLParser):
    """Checks that elements are closed in order; keeps text, headings and addresses."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.headings: list[str] = []
        self.addresses: list[str] = []
        self.text: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.addresses += [v or "" for k, v in attrs if k in ("src", "href", "srcset")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.addresses += [v or "" for k, v in attrs if k in ("src", "href", "srcset")]

    def handle_endtag(self, tag: str) -> None:
        if tag in ("p", "html") and self.open[-1] != tag:
            return
        assert self.open.pop() == tag, self.getpos()

    def handle_data(self, data: str) -> None:
        self.text.append(data)
        if self.open and self.open[-1] in ("h1", "h2"):
            self.headings.append(data)


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a training leaves beside its encoder."""
    folder = tmp_path_factory.mktemp("run")
    lines = [
        {
            "kind": kind,
            "step": step,
            "epoch": step // 40,
            "loss": 2.0 - step / 100,
            "accuracy": step / 150,
            "learning_rate": 0.001,
            "seconds": 3.0 * step,
            **({"validation_top1": step / 200} if kind == "epoch" else {}),
        }
        for step in range(20, 121, 20)
        for kind in (["step", "epoch"] if step % 40 == 0 else ["step"])
    ]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (folder / "metrics.jsonl").write_text(text + '{"kind": "st')
    (folder / "config.toml").write_text('model = "skfast"\nbatch_size = 128\n')
    return folder


@pytest.fixture(scope="module")
def report(
    sketch_evaluation: Evaluation, run_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    page = write_report(sketch_evaluation, tmp_path_factory.mktemp("r") / "a", run=run_folder)
    return page.parent


def test_a_report_holds_a_page_a_document_and_pictures(report: Path) -> None:
    assert sorted(p.name for p in report.iterdir()) == [
        "confusion_matrix.png",
        "evaluation.json",
        "learning_curves.png",
        "nearest.png",
        "reliability.png",
        "report.html",
        "selective_accuracy.png",
        "unfinished.png",
    ]
    for picture in report.glob("*.png"):
        pixels = cv2.imread(str(picture))
        assert pixels is not None
        assert pixels.std() > 5, picture.name


def test_the_document_is_what_the_evaluation_says(
    report: Path, sketch_evaluation: Evaluation
) -> None:
    assert json.loads((report / "evaluation.json").read_text()) == sketch_evaluation.to_dict()


def test_the_page_is_well_formed_and_needs_nothing_from_elsewhere(report: Path) -> None:
    html = (report / "report.html").read_text()
    page = Page(html)
    assert page.open in ([], ["html"])
    assert page.addresses
    assert all(address.startswith("data:image/png;base64,") for address in page.addresses)
    assert "@import" not in html
    assert "url(" not in html
    for address in page.addresses:
        png = base64.b64decode(address.split(",", 1)[1])
        assert cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR) is not None


def test_the_page_shows_the_figures_and_every_section(
    report: Path, sketch_evaluation: Evaluation
) -> None:
    page = Page((report / "report.html").read_text())
    text = " ".join(" ".join(page.text).split())
    found = sketch_evaluation.to_dict()
    for share in (found["top1"], found["top5"], found["train_top1"], found["precision_at_10"]):
        assert f"{100 * share:.1f}%" in text
    for value in (found["map"], found["map_gallery"], found["loss"], found["ece"]):
        assert f"{value:.3f}" in text
    for name in found["per_category"]:
        assert name in text
    assert "74.5%" in text  # the best of the published results
    assert "128 × 120" in text
    for share in ("coverage", "precision"):
        assert f"{100 * found['unsure'][share]:.1f}%" in text
    assert page.headings == [
        "prototypes on 80 drawings of 10 categories",
        "Example searches",
        "Comparison with published results",
        "Learning curves",
        "Half-finished drawings",
        "Calibration",
        "Unsure predictions",
        "Most confused",
        "Confusion matrix",
        "Every category",
        "How it was measured",
    ]


def test_without_a_run_there_are_no_learning_curves(
    sketch_evaluation: Evaluation, report: Path, tmp_path: Path
) -> None:
    shutil.copytree(report, tmp_path / "report")  # an earlier report with learning curves
    page = write_report(sketch_evaluation, tmp_path / "report", run=tmp_path / "no run")
    assert not (tmp_path / "report" / "learning_curves.png").exists()
    assert "Learning curves" not in page.read_text()


def test_only_the_train_split_is_compared_as_training_drawings(
    sketch_evaluation: Evaluation, report: Path, tmp_path: Path
) -> None:
    data = sketch_evaluation.data | {"gallery_split": "validation"}
    other = write_report(dataclasses.replace(sketch_evaluation, data=data), tmp_path)
    for page, n_train in ((report / "report.html", "200"), (other, "–")):
        assert f"(this evaluation)</td><td>10</td><td>{n_train}</td>" in page.read_text()


def test_names_of_categories_cannot_become_markup(sketch_dataset: Dataset, tmp_path: Path) -> None:
    drawings = make_drawings(SKETCH_CATEGORIES[:2], 6, seed=3)
    names = ["<script>alert(1)<", 'a"b & c']
    source = tmp_path / "source"
    for name, category in zip(names, SKETCH_CATEGORIES[:2], strict=True):
        write_source(source, [category], per_category=6, seed=3)
        (source / f"{category}.ndjson").rename(source / f"{name.replace('/', ' ')}.ndjson")
    assert len(drawings) == 12
    encoder = PrototypeEncoder(sketch_dataset.split("train"))
    encoder.categories = [*names, *encoder.categories[2:]]
    html = write_report(evaluate(encoder, open_source(source)), tmp_path / "r").read_text()
    assert "<script>alert" not in html
    assert "&lt;script&gt;alert(1)&lt;" in html
    assert Page(html).open in ([], ["html"])


def test_a_source_of_unknown_categories_has_a_report_too(
    prototypes: PrototypeEncoder, tmp_path: Path
) -> None:
    write_source(tmp_path / "s", SKETCH_CATEGORIES[12:14], per_category=6, seed=1)
    evaluation = evaluate(prototypes, open_source(tmp_path / "s"))
    page = write_report(evaluation, tmp_path / "r")
    assert sorted(p.name for p in page.parent.iterdir()) == [
        "evaluation.json",
        "nearest.png",
        "report.html",
    ]
    assert "Unknown to the encoder: hourglass (6), lollipop (6)." in page.read_text()


def test_a_single_drawing_has_a_report_too(prototypes: PrototypeEncoder, tmp_path: Path) -> None:
    write_source(tmp_path / "s", ["circle"], per_category=1, seed=1)
    page = write_report(evaluate(prototypes, open_source(tmp_path / "s")), tmp_path / "r")
    assert "There is only one drawing" in page.read_text()


def test_a_report_does_not_replace_a_file(sketch_evaluation: Evaluation, tmp_path: Path) -> None:
    (tmp_path / "report").write_text("mine")
    with pytest.raises(InputError, match="a report is a folder"):
        write_report(sketch_evaluation, tmp_path / "report")
    assert (tmp_path / "report").read_text() == "mine"


def test_a_report_is_not_written_among_other_files(
    sketch_evaluation: Evaluation, tmp_path: Path
) -> None:
    (tmp_path / "thesis.tex").write_text("mine")
    with pytest.raises(InputError, match="not empty and holds no report"):
        write_report(sketch_evaluation, tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_second_report_replaces_the_first(sketch_evaluation: Evaluation, tmp_path: Path) -> None:
    first = write_report(sketch_evaluation, tmp_path).read_bytes()
    names = sorted(p.name for p in tmp_path.iterdir())
    assert write_report(sketch_evaluation, tmp_path).read_bytes() == first
    assert sorted(p.name for p in tmp_path.iterdir()) == names


def test_queries_are_of_different_categories_and_hits_are_marked(
    sketch_evaluation: Evaluation,
) -> None:
    rows = query_rows(sketch_evaluation, 6, k=10)
    assert len({row.category for row in rows}) == 6
    for row in rows:
        assert row.query.category == row.category
        scores = [hit.score for hit in row.hits]
        assert len(scores) == 10
        assert scores == sorted(scores, reverse=True)
        for hit in row.hits:
            assert hit.drawing.category == hit.category
            assert hit.right == (hit.category == row.category)
    again = query_rows(sketch_evaluation, 6, k=10)
    assert [r.query.key_id for r in again] == [r.query.key_id for r in rows]


def test_a_query_searched_among_the_test_drawings_does_not_find_itself(
    prototypes: PrototypeEncoder, sketch_dataset: Dataset
) -> None:
    rows = query_rows(evaluate(prototypes, sketch_dataset, gallery_split=None), 10, k=10)
    assert [len(row.hits) for row in rows] == [10] * 10
    for row in rows:
        assert row.query.key_id not in [hit.drawing.key_id for hit in row.hits]


def test_confused_pairs_show_the_mistakes_that_were_made(
    sketch_evaluation: Evaluation,
) -> None:
    test, names = sketch_evaluation.test, sketch_evaluation.categories
    pairs = confused_pairs(sketch_evaluation, 3, n_drawings=2)
    assert pairs
    for mistake in (m for pair in pairs for m in pair):
        rows = (test.labels == names.index(mistake.right)) & (
            test.predicted == names.index(mistake.predicted)
        )
        assert mistake.n == rows.sum()
        assert len(mistake.drawings) == min(2, mistake.n)
        assert all(d.category == mistake.right for d in mistake.drawings)


@pytest.mark.slow
def test_a_confusion_matrix_of_all_345_categories_has_room_for_every_name() -> None:
    n = 345
    names = [f"category {i}" for i in range(n)]
    png = plot_confusion(np.eye(n), names, np.arange(n), THEMES["light"])
    height, width = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_GRAYSCALE).shape
    assert min(height, width) >= 10 * n


def test_a_long_or_unprintable_name_does_not_spoil_the_confusion_matrix() -> None:
    short, long = (
        plot_confusion(np.eye(2), ["cat", name], np.arange(2), THEMES["light"])
        for name in ("x" * 30, "日本語" + "x" * 150)
    )
    shapes = [
        cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_GRAYSCALE).shape
        for png in (short, long)
    ]
    assert shapes[0] == shapes[1]


def test_the_accuracy_of_drawings_that_are_not_unsure_stands_within_the_axes() -> None:
    curve = np.array([0.1, 0.5, 1.0]), np.zeros(3)

    def pixels(chosen: SelectiveAccuracy | None) -> np.ndarray[Any, Any]:
        png = plot_selective_accuracy(*curve, chosen, THEMES["light"])
        return cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_GRAYSCALE)

    wrong = SelectiveAccuracy(below=0.5, chosen_for=None, coverage=0.1, precision=0.0)
    rows = np.flatnonzero((pixels(wrong) != pixels(None)).any(axis=1))
    axis = np.flatnonzero((pixels(None) < 0x80).sum(axis=1) > 300)[-1]  # the line of accuracy 0
    assert rows.max() < axis + 8  # half of the mark is below it, no text


def test_the_ends_of_epochs_and_the_last_validation_are_points_of_the_curves() -> None:
    def record(kind: str, step: int, **more: float) -> dict[str, Any]:
        loss = {"loss": 2 - step / 20, "accuracy": step / 40, "learning_rate": 0.001}
        return {"kind": kind, "step": step, **loss, **more}

    steps = [record("step", 20)]
    epochs = [record("epoch", 7, validation_top1=0.2), record("epoch", 14)]
    end = [{"kind": "validation", "step": 28, "top1": 0.6}]
    several = (steps, steps + epochs[1:], steps + epochs, steps + epochs + end)
    drawn = [plot_learning(records, THEMES["light"]) for records in several]
    assert len(set(drawn)) == 4


def test_learning_curves_are_drawn_from_epochs_where_there_are_no_steps(run_folder: Path) -> None:
    record = read_training_log(run_folder)
    assert record is not None
    epochs = [m for m in record.metrics if m["kind"] == "epoch"]
    png = plot_learning(epochs, THEMES["dark"])
    assert cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR).std() > 5


def test_the_only_logged_step_is_seen_in_all_three_plots() -> None:
    record = {"kind": "step", "step": 7, "loss": 2.0, "accuracy": 0.1, "learning_rate": 0.001}
    png = plot_learning([record], THEMES["light"])
    rgb = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR_RGB)
    is_line = (rgb == (0x24, 0x58, 0xC5)).all(axis=2)
    assert all(part.any() for part in np.array_split(is_line, 3, axis=1))


def test_a_run_stopped_before_its_first_logged_step_has_empty_learning_curves() -> None:
    assert plot_learning([{"kind": "validation", "step": 3, "top1": 0.1}], THEMES["light"])


def test_a_truncated_last_line_of_the_training_log_is_skipped(run_folder: Path) -> None:
    record = read_training_log(run_folder)
    assert record is not None
    assert record.steps == 120
    assert record.minutes == pytest.approx(6.0)
    assert record.batch_size == 128


def test_the_published_results_are_those_of_the_reference_project() -> None:
    assert len(REFERENCE_RESULTS) == 5
    best = max(REFERENCE_RESULTS, key=lambda row: row.test_top1)
    assert (best.model, best.test_top1, best.map, best.minutes) == ("skNet", 0.745, 0.072, 225)
