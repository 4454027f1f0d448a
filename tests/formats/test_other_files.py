"""Files that hold no drawings are named, and the error says what to do."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from garabato.errors import UnknownFormatError
from garabato.formats import read_drawings

LINE = {"word": "cat", "key_id": "7", "drawing": [[[0, 255], [0, 9]]]}
CSV = 'countrycode,strokes,key_id,recognized,timestamp,word\nUS,"[[[0, 9], [0, 9]]]",1,True,,cat\n'


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (CSV, "a CSV file without a column `drawing`"),
        ("name;colour;size\ncat;black;3\n", "a CSV file"),
        (
            "version https://git-lfs.github.com/spec/v1\noid sha256:0000\nsize 123456\n",
            "a Git LFS pointer, not the file itself; run: git lfs pull",
        ),
        ("<!DOCTYPE html><html><head><title>404</title></head></html>", "a web page was saved"),
        ("<html><body><svg><path d='M0 0h9'/></svg></body></html>", "a web page was saved"),
        (
            "<?xml version='1.0' encoding='UTF-8'?><Error><Code>NoSuchKey</Code></Error>",
            "an error message was saved instead of the file; fetch it again",
        ),
        ('{"error": {"code": 404, "message": "not found"}}', "an error message was saved"),
        ("404: Not Found", "an error message was saved"),
        (json.dumps(LINE).encode("utf-16"), "UTF-16 text; save it as UTF-8"),
        (json.dumps(LINE).encode("utf-16-le"), "UTF-16 text; save it as UTF-8"),
        (b"\x28\xb5\x2f\xfd\x04\x00", "a Zstandard archive; unpack it first"),
        (b"cat.svg".ljust(257, b"\0") + b"ustar\x0000", "a tar archive; unpack it first"),
    ],
)
@pytest.mark.parametrize("name", ["cat.ndjson", "cat"])
def test_a_file_of_another_kind_is_named(tmp_path: Path, content: str | bytes, problem: str, name):
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(UnknownFormatError, match=problem) as caught:
        list(read_drawings(path))
    assert caught.value.path == str(path)


@pytest.mark.parametrize(
    "first_line", ["garbage", "cat, dog, house", "[1, 2, 3]", '{"nope": 1}', "{nope"]
)
def test_a_bad_first_line_does_not_make_ndjson_another_kind_of_file(tmp_path, first_line):
    path = tmp_path / "cat.ndjson"
    path.write_text(f"{first_line}\n{json.dumps(LINE)}\n")
    assert len(list(read_drawings(path))) == 1
