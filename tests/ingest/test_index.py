"""Indexing from Python; what it stores is tested by the command's tests."""

from __future__ import annotations

import pytest

from garabato.dataset import prepare
from garabato.errors import InputError
from garabato.gallery import open_gallery
from garabato.ingest import index


def test_unknown_splits_and_runners_are_errors_before_anything_is_read(
    sketch_source, tmp_path, encoder
):
    data = prepare(
        sketch_source, tmp_path / "data", categories=1, n_train=4, n_test=2, sheets=False
    )
    gallery = open_gallery(tmp_path / "g", encoder=encoder)
    with pytest.raises(InputError, match="there is no split 'tset'; the splits are train, test"):
        index(data, gallery, encoder, split="tset")
    with pytest.raises(InputError, match="runner must be one of local, ray, not 'rays'"):
        index(data, gallery, encoder, runner="rays")
    assert len(gallery) == 0
