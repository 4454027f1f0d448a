"""How far the rows that pass lie from a query, by a sample of a table."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sketches import sketch

from garabato.drawing import DrawingBatch
from garabato.gallery import open_gallery
from garabato.gallery.filters import parse_where
from garabato.gallery.lance import row_sample
from garabato.gallery.lance.row_sample import RowSample

N = 1_000


@pytest.fixture
def table(tmp_path, encoder):
    """Row i lies i thousandths of a right angle from the first axis. Every tenth is from AA, the
    last 100 are from BB."""
    angles = np.arange(N) / N * math.pi / 2
    embeddings = np.zeros((N, encoder.embedding_dim), np.float32)
    embeddings[:, 0], embeddings[:, 1] = np.cos(angles), np.sin(angles)
    drawing = sketch("circle", 0)
    batch = DrawingBatch.from_drawings(
        drawing.replace(key_id=str(i), country="BB" if i >= 900 else "AA" if i % 10 == 9 else None)
        for i in range(N)
    )
    gallery = open_gallery(str(tmp_path / "g"), encoder=encoder)
    gallery.add(batch, embeddings=embeddings)
    return gallery._table


@pytest.fixture
def query(encoder) -> np.ndarray:
    """The first axis."""
    return np.eye(1, encoder.embedding_dim, dtype=np.float32)[0]


@pytest.mark.parametrize(
    ("where", "k", "rank"),
    [
        ({"country": "AA"}, 10, 100),  # rows 9, 19, ... 99
        ({"country": "AA"}, 1, 10),  # from the second (20) and the eighth (80)
        ({"country": "BB"}, 10, 910),
        ({"country": ["AA", "BB"]}, 100, 910),  # 90 of AA, then 10 of BB
        ({"country": "BB"}, 500, 1_000),
        ({"country": "CC"}, 10, 1_000),
    ],
)
def test_a_sample_of_all_rows_counts_them(table, query, where, k, rank):
    sample = RowSample(table)
    assert sample.n_rows == N
    assert sample.rank_of_passing(k, query, parse_where(where)) == pytest.approx(rank)


def test_a_sample_of_some_rows_tells_frequent_rows_from_far_ones(table, query, monkeypatch):
    monkeypatch.setattr(row_sample, "N_SAMPLED", 400)
    sample = RowSample(table)
    # 10 of AA are 4 of the sample; 1 is not one of the sample.
    assert 60 < sample.rank_of_passing(10, query, parse_where({"country": "AA"})) < 160
    assert 3 < sample.rank_of_passing(1, query, parse_where({"country": "AA"})) < 30
    assert 890 < sample.rank_of_passing(1, query, parse_where({"country": "BB"})) < 925
