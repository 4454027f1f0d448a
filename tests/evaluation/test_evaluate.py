from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from prototype_encoder import PrototypeEncoder
from sketches import SKETCH_CATEGORIES, make_drawings, simplified_line, write_source
from sklearn.metrics import accuracy_score, average_precision_score, log_loss, precision_score

from garabato.dataset import Dataset, prepare
from garabato.drawing import DrawingBatch
from garabato.errors import FormatError, InputError, SourceError
from garabato.evaluation import Evaluation, evaluate
from garabato.evaluation.metrics import mean_average_precision
from garabato.evaluation.result import DrawingList
from garabato.formats import write_drawings
from garabato.sources import open_source


def test_metrics_agree_with_scikit_learn_on_the_same_predictions(
    prototypes: PrototypeEncoder, sketch_dataset: Dataset, sketch_evaluation: Evaluation
) -> None:
    found = sketch_evaluation.to_dict()
    labels = sketch_dataset.labels("test")
    output = prototypes.predict(sketch_dataset.split("test"))
    assert found["n_drawings"] == len(labels) == 80
    assert found["n_categories"] == 10
    answers = output.probabilities.argmax(axis=1)
    assert 0.3 < found["top1"] < 1
    assert found["top1"] == pytest.approx(accuracy_score(labels, answers))
    five_best = np.argsort(-output.probabilities, axis=1)[:, :5]
    assert found["top5"] == pytest.approx((five_best == labels[:, None]).any(axis=1).mean())
    probabilities = output.probabilities.astype(np.float64)
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    assert found["loss"] == pytest.approx(log_loss(labels, probabilities), rel=1e-5)
    cosines = output.embeddings.astype(np.float64) @ output.embeddings.T
    others = ~np.eye(len(labels), dtype=bool)
    expected = [
        average_precision_score(labels[others[i]] == labels[i], cosines[i][others[i]])
        for i in range(len(labels))
    ]
    assert found["map"] == pytest.approx(np.mean(expected), abs=1e-3)
    name = prototypes.categories[3]
    assert found["per_category"][name]["top1"] == pytest.approx((answers[labels == 3] == 3).mean())
    assert found["per_category"][name]["precision"] == pytest.approx(
        precision_score(labels == 3, answers == 3)
    )
    assert found["per_category"][name]["map"] == pytest.approx(
        np.mean(np.array(expected)[labels == 3]), abs=1e-3
    )


def test_the_gallery_is_the_training_split_and_its_drawings_are_classified_too(
    prototypes: PrototypeEncoder, sketch_dataset: Dataset, sketch_evaluation: Evaluation
) -> None:
    found = sketch_evaluation.to_dict()
    train, labels = sketch_dataset.split("train"), sketch_dataset.labels("train")
    output = prototypes.predict(train)
    assert found["n_gallery"] == 200
    assert found["train_top1"] == pytest.approx(
        accuracy_score(labels, output.probabilities.argmax(axis=1))
    )
    assert found["train_top5"] >= found["train_top1"]
    queries, test_labels = (
        prototypes.predict(sketch_dataset.split("test")).embeddings,
        sketch_dataset.labels("test"),
    )
    cosines = queries.astype(np.float64) @ output.embeddings.T
    expected = [
        average_precision_score(labels == test_labels[i], cosines[i])
        for i in range(len(test_labels))
    ]
    assert found["map_gallery"] == pytest.approx(np.mean(expected), abs=1e-3)


def test_the_document_is_plain_json(sketch_evaluation: Evaluation) -> None:
    document = sketch_evaluation.to_dict()
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    promised = (
        "top1 top5 loss n_drawings n_categories map map_gallery precision_at_10 per_category "
        "unreadable model seconds train_top1 train_top5 partial_top1 ece"
    )
    assert set(promised.split()) <= set(document)


def test_an_evaluation_is_shown_in_one_short_line(sketch_evaluation: Evaluation) -> None:
    document = sketch_evaluation.to_dict()
    assert repr(sketch_evaluation) == (
        f"Evaluation({document['n_drawings']} drawings of {document['n_categories']} categories, "
        f"top-1 {document['top1']:.3f}, top-5 {document['top5']:.3f}, mAP {document['map']:.3f})"
    )


def test_an_evaluation_gives_the_same_figures_twice(
    prototypes: PrototypeEncoder, sketch_dataset: Dataset, sketch_evaluation: Evaluation
) -> None:
    first = sketch_evaluation.to_dict()
    second = evaluate(prototypes, sketch_dataset).to_dict()
    assert first | {"seconds": 0} == second | {"seconds": 0}


def test_half_finished_drawings_are_harder(sketch_evaluation: Evaluation) -> None:
    partial = sketch_evaluation.to_dict()["partial_top1"]
    assert list(partial) == ["25", "50", "75", "100"]
    assert partial["100"] == sketch_evaluation.to_dict()["top1"]
    assert partial["25"] < partial["75"] <= 1


def test_without_a_gallery_split_the_training_drawings_are_still_classified(
    prototypes: PrototypeEncoder, sketch_dataset: Dataset, sketch_evaluation: Evaluation
) -> None:
    found = evaluate(prototypes, sketch_dataset, gallery_split=None).to_dict()
    assert found["map_gallery"] is None
    assert found["n_gallery"] is None
    assert found["noise"]["map_gallery"] is None
    assert found["train_top1"] == sketch_evaluation.train_top1
    assert found["map"] == sketch_evaluation.to_dict()["map"]


def test_the_training_split_can_be_measured_as_well(
    prototypes: PrototypeEncoder, sketch_dataset: Dataset
) -> None:
    found = evaluate(prototypes, sketch_dataset, split="train", gallery_split="test").to_dict()
    assert found["n_drawings"] == 200
    assert found["n_gallery"] == 80
    assert found["top1"] == found["train_top1"]


def test_queries_that_would_find_themselves_in_the_gallery_are_refused(
    prototypes: PrototypeEncoder, sketch_dataset: Dataset
) -> None:
    with pytest.raises(InputError, match="queries and gallery are both the 'test' split"):
        evaluate(prototypes, sketch_dataset, split="test", gallery_split="test")


def test_unknown_categories_of_a_source_count_for_retrieval_only(
    prototypes: PrototypeEncoder, sketch_source: Path, tmp_path: Path
) -> None:
    known, unknown = SKETCH_CATEGORIES[:4], SKETCH_CATEGORIES[12:14]
    write_source(tmp_path, [*known, *unknown], per_category=10, seed=7)
    evaluation = evaluate(prototypes, open_source(tmp_path))
    found = evaluation.to_dict()
    assert found["n_drawings"] == 60
    assert found["n_classified"] == 40
    assert found["n_categories"] == 6
    assert found["unknown_categories"] == dict.fromkeys(sorted(unknown), 10)
    assert found["map_gallery"] is None
    assert found["train_top1"] is None
    assert found["per_category"][unknown[0]]["top1"] is None
    assert 0 < found["per_category"][unknown[0]]["map"] <= 1
    assert any(note.endswith("count for retrieval only: 20.") for note in found["notes"])
    assert found["n_unseen_categories"] == 2
    unseen = tmp_path / "unseen"
    write_source(unseen, unknown, per_category=10, seed=7)
    among_themselves = evaluate(prototypes, open_source(unseen)).to_dict()["map"]
    assert found["map_unseen"] == pytest.approx(among_themselves)
    only_known = tmp_path / "known"
    write_source(only_known, known, per_category=10, seed=7)
    alone = evaluate(prototypes, open_source(only_known)).to_dict()
    for figure in ("top1", "top5", "loss", "ece", "partial_top1"):
        assert alone[figure] == pytest.approx(found[figure]), figure
    for name in known:  # more drawings to rank can only push the right ones down
        assert alone["per_category"][name]["map"] >= found["per_category"][name]["map"]


def test_a_source_of_unknown_categories_alone_is_measured_by_retrieval(
    prototypes: PrototypeEncoder, tmp_path: Path
) -> None:
    write_source(tmp_path, SKETCH_CATEGORIES[12:15], per_category=6, seed=1)
    found = evaluate(prototypes, open_source(tmp_path)).to_dict()
    assert found["n_classified"] == 0
    for figure in ("top1", "top5", "loss", "ece"):
        assert found[figure] is None, figure
    assert set(found["partial_top1"].values()) == {None}
    assert 0 < found["map"] <= 1
    assert found["map_unseen"] == pytest.approx(found["map"])
    assert found["n_unseen_categories"] == 3
    assert found["most_confused"] == []


def test_retrieval_is_measured_for_a_data_set_of_unknown_categories(
    prototypes: PrototypeEncoder, tmp_path: Path
) -> None:
    write_source(tmp_path / "s", SKETCH_CATEGORIES[12:], per_category=10, seed=1)
    dataset = prepare(tmp_path / "s", tmp_path / "data", categories="all", n_train=6, n_test=4)
    found = evaluate(prototypes, dataset).to_dict()
    assert found["top1"] is None
    assert found["train_top1"] is None
    assert found["unknown_categories"] == dict.fromkeys(sorted(SKETCH_CATEGORIES[12:]), 4)
    assert 0 < found["map"] <= 1
    assert 0 < found["map_gallery"] <= 1


def test_unreadable_lines_are_counted_and_named(
    prototypes: PrototypeEncoder, tmp_path: Path
) -> None:
    lines = [simplified_line(d) for d in make_drawings(["circle"], 12, seed=0)]
    lines[3] = '{"drawing": [[[1, 2], [3]]]}'
    (tmp_path / "circle.ndjson").write_text("\n".join(lines) + "\n")
    evaluation = evaluate(prototypes, open_source(tmp_path))
    assert evaluation.to_dict()["unreadable"] == 1
    assert evaluation.to_dict()["n_drawings"] == 11
    assert "circle.ndjson, line 4" in "\n".join(evaluation.unreadable.lines())
    assert "Unreadable drawings, skipped: 1." in evaluation.notes()
    with pytest.raises(FormatError, match="line 4"):
        evaluate(prototypes, open_source(tmp_path), strict=True)


def test_a_source_without_a_readable_drawing_is_reported(
    prototypes: PrototypeEncoder, tmp_path: Path
) -> None:
    (tmp_path / "circle.ndjson").write_text("not json\n")
    with pytest.raises(SourceError, match=r"holds no readable drawing"):
        evaluate(prototypes, open_source(tmp_path))


def test_a_single_drawing_is_classified_but_not_ranked(
    prototypes: PrototypeEncoder, tmp_path: Path
) -> None:
    write_source(tmp_path, ["circle"], per_category=1, seed=0)
    found = evaluate(prototypes, open_source(tmp_path)).to_dict()
    assert found["n_drawings"] == 1
    assert found["top1"] in (0.0, 1.0)
    assert found["map"] is None
    assert found["precision_at_10"] is None
    assert found["noise"]["top1"] is None


def test_the_map_of_one_category_is_given_with_a_note_or_not_at_all(
    prototypes: PrototypeEncoder, tmp_path: Path
) -> None:
    write_source(tmp_path, SKETCH_CATEGORIES[12:13], per_category=12, seed=0)
    found = evaluate(prototypes, open_source(tmp_path)).to_dict()
    assert found["map"] == 1
    assert any("every hit is right" in note for note in found["notes"])
    assert found["map_unseen"] is None


def test_precision_at_10_of_a_handful_of_drawings_is_not_given(
    prototypes: PrototypeEncoder, tmp_path: Path
) -> None:
    write_source(tmp_path, SKETCH_CATEGORIES[:3], per_category=3, seed=0)
    found = evaluate(prototypes, open_source(tmp_path)).to_dict()
    assert found["map"] is not None
    assert found["precision_at_10"] is None
    assert any("precision@10 is not measured" in note for note in found["notes"])


def test_drawings_alone_in_their_category_are_counted_and_not_used_as_queries(
    prototypes: PrototypeEncoder, tmp_path: Path
) -> None:
    write_source(tmp_path, SKETCH_CATEGORIES[:2], per_category=8, seed=0)
    write_source(tmp_path, SKETCH_CATEGORIES[2:3], per_category=1, seed=0)
    found = evaluate(prototypes, open_source(tmp_path)).to_dict()
    assert found["n_queries_without_relevant"] == 1
    assert found["per_category"][SKETCH_CATEGORIES[2]]["map"] is None
    assert any("the only ones of their category" in note for note in found["notes"])


def test_accuracy_is_given_separately_for_recognized_and_other_drawings(
    prototypes: PrototypeEncoder, sketch_dataset: Dataset, sketch_evaluation: Evaluation
) -> None:
    test = sketch_dataset.split("test")
    right = prototypes.predict(test).probabilities.argmax(axis=1) == sketch_dataset.labels("test")
    recognized = np.array([drawing.recognized for drawing in test])
    found = sketch_evaluation.to_dict()["by_recognized"]
    for answer, rows in (("yes", recognized), ("no", ~recognized)):
        assert found[answer]["n_drawings"] == rows.sum() > 0
        assert found[answer]["top1"] == pytest.approx(right[rows].mean())


def test_bitmaps_are_measured_but_not_half_finished(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for number, name in enumerate(("cat", "dog")):
        images = np.zeros((12, 28, 28), np.uint8)
        images[:, 4:24, 6 + 8 * number : 9 + 8 * number] = 255
        images[np.arange(12), rng.permutation(20)[:12] + 4] = 255
        np.save(tmp_path / f"{name}.npy", images.reshape(12, 784))
    dataset = prepare(
        tmp_path, tmp_path / "data", categories="all", n_train=6, n_test=6, sheets=False
    )
    encoder = PrototypeEncoder(dataset.split("train"))
    found = evaluate(encoder, dataset).to_dict()
    assert found["top1"] == 1.0
    assert set(found["partial_top1"].values()) == {None}
    assert found["by_recognized"] == {}


def test_strokes_and_bitmaps_of_one_source_are_measured_together(
    prototypes: PrototypeEncoder, tmp_path: Path
) -> None:
    write_source(tmp_path, ["circle"], per_category=5, seed=0)
    np.save(tmp_path / "square.npy", np.eye(28, dtype=np.uint8).reshape(1, 784) * 255)
    evaluation = evaluate(prototypes, open_source(tmp_path))
    assert evaluation.to_dict()["n_drawings"] == 6
    assert [d.bitmap is None for d in evaluation.test.drawings] == [True] * 5 + [False]


def test_traced_drawings_are_not_half_finished(
    prototypes: PrototypeEncoder, sketch_dataset: Dataset, tmp_path: Path
) -> None:
    """Their strokes have no order. Of one category they are drawn, of the others traced."""
    drawings = sketch_dataset.split("test")
    (mixed := tmp_path / "mixed").mkdir()
    (drawn := tmp_path / "drawn").mkdir()
    for number, name in enumerate(prototypes.categories):
        of_category = [d.replace(traced=number > 0) for d in drawings if d.category == name]
        write_drawings(mixed / f"{name}.ndjson", of_category)
    first = f"{prototypes.categories[0]}.ndjson"
    both = evaluate(prototypes, open_source(mixed)).to_dict()
    (mixed / first).rename(drawn / first)
    of_drawn, of_traced = (
        evaluate(prototypes, open_source(folder)).to_dict() for folder in (drawn, mixed)
    )
    assert both["partial_top1"] == of_drawn["partial_top1"]
    assert set(of_traced["partial_top1"].values()) == {None}
    assert of_traced["top1"] is not None


def test_stages_and_drawings_done_are_reported(
    prototypes: PrototypeEncoder, sketch_dataset: Dataset
) -> None:
    told: dict[str, tuple[int, int | None]] = {}
    evaluate(
        prototypes,
        sketch_dataset,
        progress=lambda stage, done, total: told.__setitem__(stage, (done, total)),
    )
    assert told["encode test"] == (80, 80)
    assert told["encode train"] == (200, 200)
    assert told["rank in train"] == (80, 80)


def test_a_list_of_batches_has_one_numbering() -> None:
    drawings = make_drawings(["circle", "line"], 3, seed=0)
    batches = [DrawingBatch.from_drawings(part) for part in (drawings[:1], [], drawings[1:])]
    joined = DrawingList(batches)
    assert [d.key_id for d in joined] == [d.key_id for d in drawings]
    assert joined[-1].key_id == drawings[-1].key_id
    assert [d.key_id for d in joined[1:3]] == [d.key_id for d in drawings[1:3]]
    assert joined.categories() == ["circle"] * 3 + ["line"] * 3
    with pytest.raises(IndexError):
        joined[6]


def test_real_drawings_are_measured(quickdraw: Path, tmp_path: Path) -> None:
    dataset = prepare(
        quickdraw / "simplified",
        tmp_path / "data",
        categories=["circle", "cat", "ladder", "The Eiffel Tower"],
        n_train=40,
        n_test=15,
        sheets=False,
    )
    found = evaluate(PrototypeEncoder(dataset.split("train")), dataset).to_dict()
    assert found["top1"] > 0.5  # a quarter by chance
    assert found["map"] > 0.4


def test_selective_accuracy_counts_only_predictions_that_are_not_unsure(
    sketch_evaluation: Evaluation,
) -> None:
    test = sketch_evaluation.test
    sure = test.confidence >= 0.6
    assert 0 < sure.sum() < len(sure)
    assert sketch_evaluation.to_dict()["unsure"] == {
        "below": 0.6,
        "chosen_for": 0.9,
        "coverage": sure.mean(),
        "precision": (test.rank[sure] == 1).mean(),
    }


def test_the_default_threshold_is_measured_too_and_was_chosen_for_no_precision(
    sketch_dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = PrototypeEncoder(sketch_dataset.split("train"))
    monkeypatch.setattr(encoder, "unsure_below", 0.5)
    monkeypatch.setattr(encoder, "unsure_precision", None)
    found = evaluate(encoder, sketch_dataset)
    answered = found.test.confidence >= 0.5
    assert 0 < answered.sum() < len(answered)
    unsure = found.to_dict()["unsure"]
    assert (unsure["below"], unsure["chosen_for"]) == (0.5, None)
    assert unsure["coverage"] == answered.mean()


def test_retrieval_by_the_codes_that_the_encoder_has_is_measured(
    sketch_evaluation: Evaluation,
) -> None:
    found = sketch_evaluation.to_dict()
    assert found["map_128_bit"] is None
    signs = np.where(sketch_evaluation.test.embeddings > 0, 0.125, -0.125).astype(np.float32)
    expected = mean_average_precision(signs, sketch_evaluation.test.labels)
    assert found["map_64_bit"] == pytest.approx(expected)
