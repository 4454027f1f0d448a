"""Measure an encoder: classification, retrieval, calibration, half-finished drawings."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sized
from functools import partial
from typing import TYPE_CHECKING, Any

from garabato.drawing import DrawingBatch
from garabato.errors import InputError, SourceError
from garabato.evaluation import metrics
from garabato.evaluation.predictions import (
    Answers,
    DrawingList,
    collect_answers,
    top1_of_unfinished,
)
from garabato.evaluation.rankings import mean_average_precision_of_codes
from garabato.evaluation.result import PRECISION_AT, Evaluation
from garabato.evaluation.selective_accuracy import SelectiveAccuracy, selective_accuracy
from garabato.formats.read_report import ReadReport

if TYPE_CHECKING:
    from garabato.dataset import Dataset
    from garabato.encoder import Encoder
    from garabato.sources import Source

#: `progress(stage, done, total)`.
ReportProgress = Callable[[str, int, int | None], None]

#: Parts of the ink, in percent, after which drawings are classified.
INK_PERCENTS = (25, 50, 75, 100)


def evaluate(
    encoder: Encoder,
    data: Dataset | Source,
    *,
    split: str = "test",
    gallery_split: str | None = "train",
    strict: bool = False,
    progress: ReportProgress | None = None,
) -> Evaluation:
    """Measure `encoder` on the drawings of one split of a data set, or on all of a source.

    Retrieval is measured within those drawings (each query left out) and, with a data set, in its
    `gallery_split` (None: no gallery). A drawing whose category the encoder doesn't know counts
    for retrieval only. Unreadable places of a source are counted, or raise with `strict`.
    Raises InputError where the gallery would be the queries themselves, SourceError and
    DatasetError for data that cannot be had.
    """
    from garabato.dataset import Dataset

    started = time.perf_counter()
    report = progress or (lambda stage, done, total: None)
    unreadable = ReadReport()
    if isinstance(data, Dataset):
        if gallery_split == split:
            raise InputError(
                f"the gallery would be the queries: choose another than {split!r} for one of them"
            )
        about = {"data": str(data.path), "split": split, "gallery_split": gallery_split}
        wanted = dict.fromkeys(name for name in (split, gallery_split, "train") if name)
        drawings = {name: DrawingList([data.split(name)]) for name in wanted}
    else:
        about = {"source": _name_of(data)}
        split, gallery_split = "source", None
        drawings = {split: DrawingList(_read_all(data, strict, unreadable, report))}
    if not len(drawings[split]):
        raise SourceError(f"{_name_of(data)} holds no drawing that can be read")

    known = set(encoder.categories)
    others = {name for group in drawings.values() for name in group.categories()} - known
    categories = [*encoder.categories, *sorted(others)]
    answers = {
        name: collect_answers(
            encoder, group, categories, progress=partial(_tell, report, f"encode {name}", group)
        )
        for name, group in drawings.items()
    }
    test, gallery = answers[split], answers.get(gallery_split or "")
    train = answers.get("train")
    return Evaluation(
        model=_describe(encoder),
        data=about,
        categories=categories,
        n_known=len(encoder.categories),
        test=test,
        gallery=gallery,
        against_test=_rank(test, None, partial(_tell, report, f"rank in {split}", test.labels)),
        against_gallery=None
        if gallery is None
        else _rank(test, gallery, partial(_tell, report, f"rank in {gallery_split}", test.labels)),
        train_top1=None if train is None else train.top_k(1),
        train_top5=None if train is None else train.top_k(5),
        partial_top1=_top1_by_ink(encoder, test, report),
        calibration=metrics.calibration(
            test.confidence[test.classified], test.place[test.classified] == 1
        ),
        selective_accuracy=_selective_accuracy(encoder, test),
        code_maps=_maps_of_codes(encoder, test),
        map_unseen=_map_of_unseen(test),
        unreadable=unreadable,
        seconds=round(time.perf_counter() - started, 3),
    )


def _read_all(
    source: Source, strict: bool, unreadable: ReadReport, report: ReportProgress
) -> Iterator[DrawingBatch]:
    names = list(source.categories())
    for done, name in enumerate(names, start=1):
        yield from source.read(name, strict=strict, report=unreadable)
        report("read categories", done, len(names))


def _rank(
    test: Answers, gallery: Answers | None, progress: Callable[[int], None]
) -> metrics.RankingMetrics | None:
    """Rank test drawings in the gallery, or among each other; None where there is none."""
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


def _top1_by_ink(
    encoder: Encoder, test: Answers, report: ReportProgress
) -> dict[int, float | None]:
    """Percent of the ink -> top-1; all None for bitmaps, which don't tell what came first."""
    if any(batch.bitmaps is not None for batch in test.drawings.batches):
        return dict.fromkeys(INK_PERCENTS)
    found = {
        percent: top1_of_unfinished(
            encoder,
            test,
            percent / 100,
            progress=partial(_tell, report, f"encode at {percent} % of the ink", test.labels),
        )
        for percent in INK_PERCENTS[:-1]
    }
    return found | {100: test.top_k(1)}


def _maps_of_codes(encoder: Encoder, test: Answers) -> dict[int, float]:
    """Number of bits -> mAP, test against test, for the binary codes that the encoder has."""
    return {
        n_bits: mean_average_precision_of_codes(coder.encode(test.embeddings), test.labels)
        for n_bits, coder in sorted(encoder.coders.items())
    }


def _map_of_unseen(test: Answers) -> float | None:
    """mAP of the drawings of unknown categories among each other; None where there are none."""
    unseen = ~test.classified
    if unseen.sum() < 2:
        return None
    return metrics.mean_average_precision(test.embeddings[unseen], test.labels[unseen])


def _selective_accuracy(encoder: Encoder, test: Answers) -> SelectiveAccuracy | None:
    """None where the encoder knows no category of the test drawings."""
    known = test.classified
    if not known.any():
        return None
    return selective_accuracy(
        test.confidence[known],
        test.place[known] == 1,
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


def _tell(report: ReportProgress, stage: str, group: Sized, done: int) -> None:
    report(stage, done, len(group))
