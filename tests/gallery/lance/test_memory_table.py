"""Rows found by a filter are those that a look at every row finds."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from garabato.gallery.exact.memory_index import MemoryIndex
from garabato.gallery.filters import Filter, parse_where
from garabato.gallery.lance.memory_table import MemoryFilter

CATEGORIES = ("cat", "dog", None)
COUNTRIES = ("FR", "JP", "US", None)
TAGS = (None, [], ["a"], ["b"], ["a", "b"])


TIMES = [*(f"2017-0{month}-01 00:00:00 UTC" for month in (1, 2, 3)), None]


def table(rows: list[dict[str, Any]], n_chunks: int = 1) -> pa.Table:
    whole = pa.table(
        {
            "key_id": pa.array([row["key_id"] for row in rows], pa.string()),
            "category": pa.array([row["category"] for row in rows], pa.string()),
            "country": pa.array([row["country"] for row in rows], pa.string()),
            "recognized": pa.array([row["recognized"] for row in rows], pa.bool_()),
            "timestamp": pa.array([row["timestamp"] for row in rows], pa.string()),
            "tags": pa.array([row["tags"] for row in rows], pa.list_(pa.string())),
            "strokes": pa.array([b"" for _ in rows], pa.binary()),
        }
    )
    for name in ("category", "country"):
        place = whole.schema.get_field_index(name)
        whole = whole.set_column(place, name, whole[name].dictionary_encode())
    cuts = np.linspace(0, len(rows), n_chunks + 1).astype(int)
    return pa.concat_tables([whole.slice(a, b - a) for a, b in pairwise(cuts)])


def embeddings(n: int) -> MemoryIndex:
    return MemoryIndex(np.random.default_rng(n).normal(size=(n, 8)).astype(np.float16))


def passes(row: dict[str, Any], condition: Filter) -> bool:
    """The filter as its docstring has it, a field at a time."""
    one_of = (
        ("category", condition.categories),
        ("country", condition.countries),
        ("key_id", condition.key_ids),
    )
    if any(values is not None and row[name] not in values for name, values in one_of):
        return False
    if condition.tags is not None and not set(row["tags"] or ()) & set(condition.tags):
        return False
    if condition.recognized is not None and row["recognized"] is not condition.recognized:
        return False
    at = row["timestamp"]
    if condition.after is not None and (at is None or at < condition.after):
        return False
    return condition.before is None or (at is not None and at < condition.before)


def listed(values: tuple[Any, ...]) -> st.SearchStrategy[Any]:
    known = [value for value in values if value is not None]
    return st.none() | st.lists(st.sampled_from([*known, "unheard of"]), max_size=2)


rows_of_galleries = st.lists(
    st.fixed_dictionaries(
        {
            "category": st.sampled_from(CATEGORIES),
            "country": st.sampled_from(COUNTRIES),
            "recognized": st.sampled_from([True, False, None]),
            "timestamp": st.sampled_from(
                [*(f"2017-0{month}-01 00:00:00 UTC" for month in (1, 2, 3)), None]
            ),
            "tags": st.sampled_from(TAGS),
        }
    ),
    min_size=1,
    max_size=60,
)

CONDITIONS = {
    "category": listed(CATEGORIES),
    "country": listed(COUNTRIES),
    "recognized": st.none() | st.booleans(),
    "timestamp": st.sampled_from(
        [
            None,
            {"after": "2017-02"},
            {"before": "2017-03"},
            {"after": "2017", "before": "2018"},
        ]
    ),
    "tags": st.none() | st.sampled_from(["a", "b", "c"]),
    "key_id": st.none() | st.just(["0", "1", "2", "nobody"]),
}


@given(
    rows=rows_of_galleries,
    n_chunks=st.integers(1, 3),
    # few conditions at a time: with all of them, hardly any row passes
    where=st.lists(st.sampled_from(sorted(CONDITIONS)), max_size=3, unique=True).flatmap(
        lambda fields: st.fixed_dictionaries({field: CONDITIONS[field] for field in fields})
    ),
)
def test_every_row_that_passes_is_found_and_no_other(rows, n_chunks, where):
    rows = [row | {"key_id": str(i)} for i, row in enumerate(rows)]
    condition = parse_where(where)
    vectors = embeddings(len(rows))
    places = MemoryFilter(table(rows, n_chunks), vectors)(condition).positions
    assert (np.diff(places) > 0).all()
    expected = {i for i, row in enumerate(rows) if passes(row, condition)}
    assert set(vectors.rows[places].tolist()) == expected


@pytest.mark.parametrize("where", [{"category": "cat"}, {"recognized": True}])
def test_an_empty_table_passes_no_rows(where):
    empty = table(
        [
            {"key_id": "0", "tags": None}
            | dict.fromkeys(("category", "country", "recognized", "timestamp"))
        ]
    ).slice(0, 0)
    assert len(MemoryFilter(empty, embeddings(0))(parse_where(where)).positions) == 0
    assert (
        len(MemoryFilter(empty.schema.empty_table(), embeddings(0))(parse_where(where)).positions)
        == 0
    )
