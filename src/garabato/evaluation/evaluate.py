"""Measure an encoder: classification, retrieval, calibration, half-finished drawings."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from garabato.drawing import BoolArray, DrawingBatch
from garabato.errors import InputError, SourceError, check_opened
from garabato.evaluation import metrics
from garabato.evaluation.result import PRECISION_AT, DrawingList, Evaluation, Predicted
from garabato.formats import ReadReport
from garabato.sources.source import check_source

if TYPE_CHECKING:
    from garabato.dataset import Dataset
    from garabato.encoder import Encoder
    from garabato.sources import Source
    from garabato.sources.source import Progress

#: Percentages of the ink from which drawings are classified.
INK_PERCENTS = (25, 50, 75, 100)


def evaluate(
    encoder: Encoder,
    data: Dataset | Source,
    *,
    split: str = "test",
    gallery_split: str | None = "train",
    strict: bool = False,
    progress: Progress | None = None,
) -> Evaluation:
    """Measure `encoder` on one split of a data set, or on all drawings of a source.

    Retrieval is measured within those drawings (each query against the others) and, for a data
    set, in its `gallery_split` (None: no gallery). A drawing of a category that the encoder doesn't
    know counts for retrieval only. Unreadable drawings of a source are counted, or raise with
    `strict`. Raises InputError if `split` and `gallery_split` are the same; SourceError and
    DatasetError if the data cannot be read.
    """
    from garabato.dataset import Dataset

    check_opened(encoder=encoder)
    started = time.perf_counter()
    report = progress or (lambda stage, done, total: None)
    unreadable = ReadReport()
    if isinstance(data, Dataset):
        if gallery_split == split:
            raise InputError(
                f"queries and gallery are both the {split!r} split; choose another for one of them"
            )
        about = {"data": str(data.path), "split": split, "gallery_split": gallery_split}
        wanted = dict.fromkeys(name for name in (split, gallery_split, "train") if name)
        drawings = {name: DrawingList([data.split(name)]) for name in wanted}
    else:
        check_source(data)
        about = {"source": _name_of(data)}
        split, gallery_split = "source", None
        drawings = {split: DrawingList(_read_all(data, strict, unreadable, report))}
    if not len(drawings[split]):
        raise SourceError(f"{_name_of(data)} holds no readable drawing")

    names = {name for group in drawings.values() for name in group.categories()}
    categories = [*encoder.categories, *sorted(names - set(encoder.categories))]
    predictions = {
        name: predict_all(
            encoder, group, categories, progress=_stage(report, f"encode {name}", len(group))
        )
        for name, group in drawings.items()
    }
    test, gallery = predictions[split], predictions.get(gallery_split or "")
    train = predictions.get("train")
    n_test, known = len(test.labels), test.classified
    return Evaluation(
        model=_describe(encoder),
        data=about,
        categories=categories,
        n_known=len(encoder.categories),
        test=test,
        gallery=gallery,
        against_test=_rank(test, None, _stage(report, f"rank in {split}", n_test)),
        against_gallery=None
        if gallery is None
        else _rank(test, gallery, _stage(report, f"rank in {gallery_split}", n_test)),
        train_top1=None if train is None else train.top_k(1),
        train_top5=None if train is None else train.top_k(5),
        partial_top1=_top1_by_ink(encoder, test, report),
        calibration=metrics.calibration(test.confidence[known], test.rank[known] == 1),
        selective_accuracy=_selective_accuracy(encoder, test),
        code_maps=_map_by_bits(encoder, test),
        map_unseen=_map_of_unseen(test),
        unreadable=unreadable,
        seconds=round(time.perf_counter() - started, 3),
    )


def predict_all(
    encoder: Encoder,
    drawings: DrawingList,
    categories: Sequence[str],
    *,
    progress: Callable[[int], None],
) -> Predicted:
    """Classify and embed all drawings; `categories` begins with the encoder's own.

    Calls `progress` with the number of drawings done.
    """
    label_of = {name: label for label, name in enumerate(categories)}
    labels = np.array([label_of[name] for name in drawings.categories()], np.int64)
    n, n_known = len(labels), len(encoder.categories)
    embeddings = np.zeros((n, encoder.embedding_dim), np.float32)
    predicted, rank = np.zeros((2, n), np.int64)
    confidence, loss = np.zeros(n, np.float32), np.full(n, np.nan)
    first = 0
    for batch in drawings.chunks():
        rows = slice(first, first + len(batch))
        output = encoder.predict(batch)
        embeddings[rows] = output.embeddings
        predicted[rows] = output.probabilities.argmax(axis=1)
        confidence[rows] = output.probabilities.max(axis=1)
        known = np.flatnonzero(labels[rows] < n_known)
        right = labels[rows][known]
        rank[first + known] = metrics.rank_of_label(output.probabilities[known], right)
        loss[first + known] = metrics.log_losses(output.probabilities[known], right)
        first += len(batch)
        progress(first)
    return Predicted(drawings, labels, embeddings, predicted, confidence, rank, loss)


def top1_of_unfinished(
    encoder: Encoder, predictions: Predicted, share: float, *, progress: Callable[[int], None]
) -> float | None:
    """Top-1 accuracy from the first `share` of the ink of each classified drawing.

    Drawings without stroke order are left out; None if no others are classified.
    """
    n_correct = n_done = 0
    drawn = _classified_in_order(predictions)
    for batch in predictions.drawings.chunks():
        rows = np.flatnonzero(drawn[n_done : n_done + len(batch)])
        parts = [batch[int(i)].first_part(share) for i in rows]
        probabilities = encoder.predict(DrawingBatch.from_drawings(parts)).probabilities
        ranks = metrics.rank_of_label(probabilities, predictions.labels[n_done + rows])
        n_correct += int((ranks == 1).sum())
        n_done += len(batch)
        progress(n_done)
    return n_correct / int(drawn.sum()) if drawn.any() else None


def _classified_in_order(predictions: Predicted) -> BoolArray:
    """(N,) True for drawings of known categories whose strokes are as drawn, not traced."""
    in_order = [batch.has_order for batch in predictions.drawings.batches]
    return predictions.classified & np.concatenate(in_order)


def _read_all(
    source: Source, strict: bool, unreadable: ReadReport, report: Progress
) -> Iterator[DrawingBatch]:
    names = list(source.categories())
    for done, name in enumerate(names, start=1):
        yield from source.read(name, strict=strict, report=unreadable)
        report("read categories", done, len(names))


def _rank(
    test: Predicted, gallery: Predicted | None, progress: Callable[[int], None]
) -> metrics.RankingMetrics | None:
    """Rank the gallery, or without one the other test drawings; None if that is empty."""
    n_ranked = len(test.labels) - 1 if gallery is None else len(gallery.labels)
    if n_ranked < 1:
        return None
    return metrics.ranking_metrics(
        test.embeddings,
        test.labels,
        None if gallery is None else gallery.embeddings,
        None if gallery is None else gallery.labels,
        k=min(PRECISION_AT, n_ranked),
        progress=progress,
    )


def _top1_by_ink(encoder: Encoder, test: Predicted, report: Progress) -> dict[int, float | None]:
    """Percentage of the ink -> top-1; all None if no drawing has its strokes in order."""
    drawn = _classified_in_order(test)
    if not drawn.any():
        return dict.fromkeys(INK_PERCENTS)
    return {
        percent: top1_of_unfinished(
            encoder,
            test,
            percent / 100,
            progress=_stage(report, f"encode at {percent}% of the ink", len(test.labels)),
        )
        for percent in INK_PERCENTS[:-1]
    } | {100: float((test.rank[drawn] == 1).mean())}


def _map_by_bits(encoder: Encoder, test: Predicted) -> dict[int, float]:
    """Number of bits -> mAP, test against test, for each of the encoder's binary codes."""
    return {
        n_bits: metrics.mean_average_precision_by_hamming(
            coder.encode(test.embeddings), test.labels
        )
        for n_bits, coder in sorted(encoder.coders.items())
    }


def _map_of_unseen(test: Predicted) -> float | None:
    """mAP of the drawings of unknown categories among each other; None if fewer than 2 of these."""
    unseen = ~test.classified
    if len(np.unique(test.labels[unseen])) < 2:  # of one category, every hit is right
        return None
    return metrics.mean_average_precision(test.embeddings[unseen], test.labels[unseen])


def _selective_accuracy(encoder: Encoder, test: Predicted) -> metrics.SelectiveAccuracy | None:
    """None if the encoder knows no category of the test drawings."""
    known = test.classified
    if not known.any():
        return None
    return metrics.selective_accuracy(
        test.confidence[known],
        test.rank[known] == 1,
        below=encoder.unsure_below,
        chosen_for=encoder.unsure_precision,
    )


def _describe(encoder: Encoder) -> dict[str, Any]:
    return {
        "name": encoder.model_name,
        "fingerprint": encoder.fingerprint,
        "n_categories": len(encoder.categories),
        "embedding_dim": encoder.embedding_dim,
        "image_size_px": encoder.spec.size_px,
    }


def _name_of(data: Dataset | Source) -> str:
    return str(getattr(data, "path", data))


def _stage(report: Progress, stage: str, total: int) -> Callable[[int], None]:
    return lambda done: report(stage, done, total)
