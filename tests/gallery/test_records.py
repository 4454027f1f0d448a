"""Errors about a gallery say what to type."""

from __future__ import annotations

import pytest
from pixel_encoder import PixelEncoder

from garabato.errors import EncoderMismatchError
from garabato.gallery.records import FilledBy


@pytest.mark.parametrize(
    ("uri", "new"),
    [
        ("my.gallery", "my.gallery.new"),
        ("my gallery/", "'my gallery.new'"),
        ("http://localhost:19530", "http://localhost:19530/garabato_new"),
        ("milvus://user@host:19530/icons/", "milvus://user@host:19530/icons_new"),
    ],
)
def test_another_encoder_is_told_where_to_copy_the_gallery(uri: str, new: str) -> None:
    filled_by = FilledBy.of(PixelEncoder(0.3))
    with pytest.raises(EncoderMismatchError) as raised:
        filled_by.check(PixelEncoder(0.2), uri)
    *_, command = str(raised.value).splitlines()
    assert command.startswith("  garabato gallery copy ")
    assert command.endswith(f" {new} --model shipped")
    filled_by.check(PixelEncoder(0.3), uri)
