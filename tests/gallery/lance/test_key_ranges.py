"""Pages of key_ids, read range by range."""

from __future__ import annotations

import lancedb
import pyarrow as pa
import pytest

from garabato.gallery.lance import index, limits
from garabato.gallery.lance.index import KeyRanges

#: Not sorted: the last digit comes first.
KEY_IDS = [f"{n:03}"[::-1] for n in range(200)]


class CountingTable:
    """A table that counts the rows that queries return."""

    def __init__(self, table):
        self._table = table
        self.n_read = 0

    def __getattr__(self, name):
        return getattr(self._table, name)

    def search(self):
        query = self._table.search()
        to_arrow = query.to_arrow

        def counted():
            rows = to_arrow()
            self.n_read += rows.num_rows
            return rows

        query.to_arrow = counted
        return query


@pytest.fixture(autouse=True)
def _small_ranges(monkeypatch):
    monkeypatch.setattr(limits, "KEYS_INDEXED_FROM", 100)
    monkeypatch.setattr(index, "DRAWINGS_PER_RANGE", 10)


@pytest.fixture
def table(tmp_path):
    rows = pa.table({"key_id": KEY_IDS, "number": range(200)})
    return CountingTable(lancedb.connect(tmp_path).create_table("drawings", rows))


@pytest.mark.parametrize("in_ranges", [True, False])
@pytest.mark.parametrize("limit", [1, 7, 45, 500])
def test_pages_join_to_all_key_ids_that_pass_in_order(table, limit, in_ranges):
    ranges = KeyRanges()
    listed: list[str] = []
    while True:
        after = listed[-1] if listed else None
        page = ranges.next_key_ids(table, "number < 60", after, limit, in_ranges=in_ranges)
        assert len(page) <= limit
        listed += page
        if len(page) < limit:
            break
    assert listed == sorted(KEY_IDS[:60])


def test_a_page_reads_a_few_ranges_only(table):
    page = KeyRanges().next_key_ids(table, None, "500", 5)
    assert page == ["501", "510", "511", "520", "521"]
    assert table.n_read < 40


def test_boundaries_are_read_again_when_the_table_has_doubled(table):
    ranges = KeyRanges()
    boundaries = ranges.boundaries(table)
    assert len(boundaries) == 20
    assert boundaries == sorted(boundaries)
    assert set(boundaries) <= set(KEY_IDS)
    table.add(pa.table({"key_id": [f"more-{n}" for n in range(199)], "number": range(199)}))
    assert ranges.boundaries(table) == boundaries
    table.add(pa.table({"key_id": ["one more"], "number": [0]}))
    assert len(ranges.boundaries(table)) == 40


def test_small_tables_have_no_ranges(table):
    table.delete("number >= 99")
    ranges = KeyRanges()
    assert ranges.boundaries(table) == []
    assert ranges.next_key_ids(table, None, None, 3) == ["000", "010", "020"]
    assert table.n_read == 99
