"""The limits that decide how a gallery in a folder is searched."""

from __future__ import annotations

from pathlib import Path

import pytest

from garabato.gallery.lance import limits

PAGE = Path(__file__).resolve().parents[3] / "docs" / "galleries.md"


def test_the_documentation_has_the_limits_of_the_code() -> None:
    section = PAGE.read_text().partition("## Exact or approximate")[2].partition("\n## ")[0]
    rows = [line.split("|") for line in section.splitlines() if line.startswith("| ")]
    assert [cells[2].strip() for cells in rows[2:]] == [
        f"{limits.EXACT_UP_TO:,}",
        f"{limits.BYTES_PER_ROW} bytes",
        f"{limits.MEMORY_SHARE:.0%}",
        f"{limits.RANK_COST}",
        f"{limits.READ_COST}",
        f"{limits.MAX_UNINDEXED:.0%}",
        f"{limits.MAX_GROWTH} x",
    ]


def test_a_quarter_of_the_memory_bounds_what_is_searched_exactly(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "memory_bytes", lambda: 4 * 628 * 1_000)
    assert limits.is_exact(1_000)
    assert not limits.is_exact(1_001)
    monkeypatch.setattr(limits, "memory_bytes", lambda: 2**50)
    assert limits.is_exact(8_000_000)
    assert not limits.is_exact(8_000_001)
