"""Rows as drawings and hits."""

from __future__ import annotations

import gc

import numpy as np
import pyarrow as pa
import pytest

from garabato.drawing import Drawing, DrawingBatch
from garabato.gallery.rows import to_hits, to_rows


@pytest.mark.parametrize("n", [0, 3, 200])
@pytest.mark.parametrize("n_chunks", [1, 2])
def test_dictionary_columns_give_the_same_hits_as_plain_ones(n: int, n_chunks: int) -> None:
    drawings = [
        Drawing(
            [[[0, i % 256], [0, 9]]],
            key_id=str(i),
            category=("cat", None, "dog")[i % 3],
            country=("FR", "JP", None, "US")[i % 4],
        )
        for i in range(n)
    ]
    numbers = np.arange(n)
    rows = to_rows(DrawingBatch.from_drawings(drawings), np.ones((n, 4), np.float32), (), numbers)
    encoded = rows
    for name in ("category", "country"):
        at = rows.schema.get_field_index(name)
        encoded = encoded.set_column(at, name, rows[name].dictionary_encode())
    cut = n // n_chunks
    encoded = pa.concat_tables([encoded.slice(0, cut), encoded.slice(cut)])
    scores = np.linspace(1, 0, n, dtype=np.float32)
    plain, found = to_hits(rows, scores), to_hits(encoded, scores)
    assert [hit.to_dict() for hit in found] == [hit.to_dict() for hit in plain]
    assert [(hit.category, hit.country) for hit in found] == [
        (drawing.category, drawing.country) for drawing in drawings
    ]


def _rows(n: int) -> pa.Table:
    drawings = [Drawing([[[0, 9], [0, 9]]], key_id=str(i)) for i in range(n)]
    vectors = np.ones((n, 4), np.float32)
    return to_rows(DrawingBatch.from_drawings(drawings), vectors, (), np.arange(n))


def test_making_thousands_of_hits_starts_no_garbage_collection() -> None:
    rows, scores = _rows(5_000), np.ones(5_000, np.float32)
    n_before = sum(kind["collections"] for kind in gc.get_stats())
    hits = to_hits(rows, scores)
    n_after = sum(kind["collections"] for kind in gc.get_stats())
    assert len(hits) == 5_000
    assert n_after - n_before <= 3  # 10,000 new objects would start more than ten
    assert gc.isenabled()


def test_hits_that_cannot_be_made_leave_garbage_collection_as_it_was() -> None:
    rows = _rows(30)
    damaged = rows.set_column(6, "strokes", pa.array([b"\x03"] * 30, pa.binary()))
    with pytest.raises(ValueError, match="packed drawing"):
        to_hits(damaged, np.ones(30, np.float32))
    assert gc.isenabled()
    gc.disable()
    try:
        to_hits(rows, np.ones(30, np.float32))
        assert not gc.isenabled()
    finally:
        gc.enable()
