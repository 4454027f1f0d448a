"""How far the rows that pass lie from a query, by a sample of a table."""

from __future__ import annotations

import math
import shutil

import numpy as np
import pytest
from sketches import sketch

from garabato.drawing import Details, DrawingBatch
from garabato.gallery import open_gallery
from garabato.gallery.filters import parse_where
from garabato.gallery.lance import memory_table
from garabato.gallery.lance.memory_table import RowSample

N = 1_000
SVG = b"<svg><path d='M0 0L9 9'/>" + b" " * 10_000 + b"</svg>"


@pytest.fixture
def gallery(tmp_path, encoder):
    """Row i lies i thousandths of a right angle from the first axis. Every tenth is from AA, the
    last 100 are from BB. Those from AA have all kinds of metadata."""
    angles = np.arange(N) / N * math.pi / 2
    embeddings = np.zeros((N, encoder.embedding_dim), np.float32)
    embeddings[:, 0], embeddings[:, 1] = np.cos(angles), np.sin(angles)
    drawing = sketch("circle", 0).replace(category=None, recognized=None, timestamp=None)
    other = drawing.replace(country=None)
    from_aa = drawing.replace(
        category="ring",
        country="AA",
        recognized=True,
        timestamp="2017-03-01 00:00:00 UTC",
        details=Details(
            title="a wheel", tags=("round",), original_type="image/svg+xml", original=SVG
        ),
    )
    from_bb = drawing.replace(country="BB")
    batch = DrawingBatch.from_drawings(
        (from_bb if i >= 900 else from_aa if i % 10 == 9 else other).replace(key_id=str(i))
        for i in range(N)
    )
    gallery = open_gallery(str(tmp_path / "g"), encoder=encoder)
    gallery.add(batch, embeddings=embeddings)
    return gallery


@pytest.fixture
def table(gallery):
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
        ({"category": "ring"}, 10, 100),
        ({"category": "ring", "country": "BB"}, 10, 1_000),
        ({"recognized": True}, 10, 100),
        ({"timestamp": {"after": "2017-02-01"}}, 10, 100),
        ({"tags": "round"}, 10, 100),
        ({"text": "wheel"}, 10, 100),
        ({"key_id": [str(i) for i in range(9, 1_000, 10)]}, 10, 100),
    ],
)
def test_a_sample_of_all_rows_counts_them(table, query, where, k, rank):
    sample = RowSample(table)
    assert sample.n_rows == N
    assert sample.rank_of_passing(k, query, parse_where(where)) == pytest.approx(rank)


def test_a_sample_of_some_rows_tells_frequent_rows_from_far_ones(table, query, monkeypatch):
    monkeypatch.setattr(memory_table, "N_SAMPLED", 400)
    sample = RowSample(table)
    # 10 of AA are 4 of the sample; 1 is not one of the sample.
    assert 60 < sample.rank_of_passing(10, query, parse_where({"country": "AA"})) < 160
    assert 3 < sample.rank_of_passing(1, query, parse_where({"country": "AA"})) < 30
    assert 890 < sample.rank_of_passing(1, query, parse_where({"country": "BB"})) < 925


def test_a_sample_holds_neither_strokes_nor_original_files(table, encoder):
    sample = RowSample(table)
    n_bytes = sample._embeddings.nbytes + sample._rows.nbytes
    assert n_bytes < N * (4 * encoder.embedding_dim + 100)


def add(gallery, n, country):
    drawings = [sketch("circle", i).replace(country=country) for i in range(n)]
    embeddings = np.random.default_rng(0).normal(size=(n, gallery._filled_by.embedding_dim))
    gallery.add(drawings, embeddings=embeddings.astype(np.float32))


def test_a_sample_is_read_again_when_the_gallery_has_grown_by_a_fifth(gallery):
    sample = gallery._row_sample()
    add(gallery, 190, "CC")
    assert gallery._row_sample() is sample
    add(gallery, 210, "CC")
    assert gallery._row_sample().n_rows == 1_210


def test_a_sample_is_read_again_when_the_share_of_rows_that_pass_has_changed(gallery):
    sample = gallery._row_sample()
    add(gallery, 15, "CC")
    new = parse_where({"country": "CC"})
    assert gallery._row_sample(new, 15) is sample  # too few to tell
    add(gallery, 30, "CC")
    assert gallery._row_sample(parse_where({"country": "AA"}), 90) is sample
    fresh = gallery._row_sample(new, 30)
    assert fresh.n_rows == 1_030
    gallery.delete(where={"country": "CC"})
    assert gallery._row_sample(new, 0).n_rows == 1_000


def test_a_sample_of_a_replaced_table_is_not_used(gallery, tmp_path, encoder):
    of_the_old = gallery._row_sample()
    shutil.rmtree(gallery.uri)
    open_gallery(gallery.uri, encoder=encoder).add([sketch("circle", i) for i in range(950)])
    gallery._notice_new_table()
    gallery._sample = of_the_old  # by a thread that was reading it
    assert gallery._row_sample().n_rows == 950
