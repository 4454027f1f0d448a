"""What an evaluation says about predictions, computed by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from garabato.drawing import Drawing, DrawingBatch
from garabato.evaluation.metrics import RankingMetrics, calibration
from garabato.evaluation.result import DrawingList, Evaluation, Predicted
from garabato.formats import ReadReport

nan = float("nan")
CATEGORIES = ["cat", "dog", "owl", "pig", "star", "sun", "zebra"]
#: The true category, the predicted one, the rank of the true one, recognized, average precision.
ROWS = [
    ("cat", "cat", 1, True, 1.0),
    ("cat", "dog", 2, True, 0.5),
    ("cat", "dog", 6, False, 0.25),
    ("cat", "owl", 5, False, 0.25),
    ("dog", "dog", 1, None, 0.8),
    ("dog", "cat", 3, True, 0.6),
    ("zebra", "cat", 0, True, nan),  # the encoder does not know zebras, and it is the only one
]


@pytest.fixture
def evaluation() -> Evaluation:
    right, predicted, ranks, recognized, precisions = zip(*ROWS, strict=True)
    batch = DrawingBatch.from_drawings([Drawing(recognized=answer) for answer in recognized])
    test = Predicted(
        drawings=DrawingList([batch[:2], batch[2:]]),
        labels=np.array([CATEGORIES.index(name) for name in right]),
        embeddings=np.zeros((7, 1), np.float32),
        predicted=np.array([CATEGORIES.index(name) for name in predicted]),
        confidence=np.full(7, 0.5, np.float32),
        rank=np.array(ranks),
        loss=np.array([1.0, 2, 3, 4, 5, 6, nan]),
    )
    n_relevant = np.array([3, 3, 3, 3, 1, 1, 0])
    precision_at_k = np.array([0.3, 0.3, 0.3, 0.3, 0.1, 0.1, nan])
    return Evaluation(
        model={},
        data={},
        categories=CATEGORIES,
        n_known=6,
        test=test,
        gallery=None,
        against_test=RankingMetrics(np.array(precisions), precision_at_k, n_relevant, k=6),
        against_gallery=None,
        train_top1=None,
        train_top5=None,
        partial_top1={},
        calibration=calibration(test.confidence, np.array(ranks) == 1),
        selective_accuracy=None,
        code_maps={},
        map_unseen=None,
        unreadable=ReadReport(),
        seconds=0.0,
    )


def test_drawings_of_unknown_categories_do_not_count_in_accuracies(evaluation: Evaluation) -> None:
    found = evaluation.to_dict()
    assert (found["n_drawings"], found["n_classified"], found["n_categories"]) == (7, 6, 3)
    assert found["top1"] == pytest.approx(2 / 6)
    assert found["top5"] == pytest.approx(5 / 6)
    assert found["loss"] == 3.5
    assert found["unknown_categories"] == {"zebra": 1}
    assert found["map"] == pytest.approx(3.4 / 6)
    assert found["n_queries_without_relevant"] == 1


def test_each_category_has_its_figures(evaluation: Evaluation) -> None:
    common = {"map_gallery": None}
    assert evaluation.per_category() == {
        "cat": common
        | {"n_drawings": 4, "top1": 0.25, "top5": 0.75, "precision": 0.5, "map": 0.5}
        | {"taken_for": "dog"},
        "dog": common
        | {"n_drawings": 2, "top1": 0.5, "top5": 1.0, "precision": pytest.approx(1 / 3)}
        | {"map": pytest.approx(0.7), "taken_for": "cat"},
        "zebra": common
        | {"n_drawings": 1, "top1": None, "top5": None, "precision": None, "map": None}
        | {"taken_for": None},
    }


def test_confusions_are_given_in_both_directions(evaluation: Evaluation) -> None:
    assert evaluation.most_confused() == [
        {"categories": ["cat", "dog"], "n_first_as_second": 2, "n_second_as_first": 1},
        {"categories": ["cat", "owl"], "n_first_as_second": 1, "n_second_as_first": 0},
    ]


def test_accuracy_by_recognition_leaves_out_unknown_categories(evaluation: Evaluation) -> None:
    # one right of three: the standard deviation is sqrt(1/3), so 1.96 standard errors are 1.96 / 3
    yes = {"n_drawings": 3, "top1": pytest.approx(1 / 3), "top5": 1.0}
    no = {"n_drawings": 2, "top1": 0.0, "top5": 0.5}
    assert evaluation.by_recognized() == {
        "yes": yes | {"noise_top1": pytest.approx(1.96 / 3)},
        "no": no | {"noise_top1": 0.0},
    }


def test_precision_at_10_is_given_if_ten_drawings_are_ranked(evaluation: Evaluation) -> None:
    def notes_on_precision(evaluation: Evaluation) -> list[str]:
        return [note for note in evaluation.notes() if "precision@10" in note]

    assert evaluation.to_dict()["precision_at_10"] is None
    assert evaluation.noise()["precision_at_10"] is None
    assert notes_on_precision(evaluation) == [
        "Fewer than 11 drawings: precision@10 is not measured."
    ]
    assert evaluation.against_test is not None
    ten = replace(evaluation, against_test=replace(evaluation.against_test, k=10))
    assert ten.to_dict()["precision_at_10"] == pytest.approx(1.4 / 6)
    # squared differences from the mean add up to 4 / 15^2 + 2 * (2 / 15)^2 = 12 / 225
    assert ten.noise()["precision_at_10"] == pytest.approx(1.96 * (12 / 225 / 5 / 6) ** 0.5)
    assert notes_on_precision(ten) == [
        "Most queries have fewer than 10 relevant drawings, so precision@10 cannot reach 1."
    ]
