"""Example drawings for a report: queries with their hits, and classification mistakes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from garabato.drawing import Drawing
from garabato.evaluation.classification import most_confused_pairs
from garabato.evaluation.result import Evaluation
from garabato.evaluation.similarity import nearest


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


def _mistake(evaluation: Evaluation, right: int, predicted: int, n_drawings: int) -> Mistake:
    test, names = evaluation.test, evaluation.categories
    rows = np.flatnonzero((test.labels == right) & (test.predicted == predicted))
    most_confident = rows[np.argsort(-test.confidence[rows], kind="stable")][:n_drawings]
    return Mistake(
        names[right], names[predicted], len(rows), [test.drawings[int(i)] for i in most_confident]
    )
