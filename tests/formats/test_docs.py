"""docs/formats.md names what is read and written."""

from __future__ import annotations

from pathlib import Path

import pytest

from garabato.formats.files import _WRITERS
from garabato.sources.folder import PICTURE_SUFFIXES, SUFFIXES, TABLE_SUFFIXES

PAGE = (Path(__file__).parents[2] / "docs" / "formats.md").read_text()
READ, _, WRITTEN = PAGE.partition("## Written")


@pytest.mark.parametrize("suffix", [*SUFFIXES, *TABLE_SUFFIXES, *PICTURE_SUFFIXES])
def test_every_suffix_of_a_source_is_in_the_table_of_formats_read(suffix):
    assert f"`{suffix}`" in READ


@pytest.mark.parametrize("suffix", _WRITERS)
def test_every_suffix_that_is_written_is_in_the_table_of_formats_written(suffix):
    assert f"`{suffix}`" in WRITTEN
