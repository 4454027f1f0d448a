"""Files that hold no drawings are named, and the error says what to do."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest

from garabato.drawing import Drawing
from garabato.errors import FormatError, UnknownFormatError
from garabato.formats import read_drawings, write_drawings

LINE = {"word": "cat", "key_id": "7", "drawing": [[[0, 255], [0, 9]]]}
CSV = 'countrycode,ink,key_id,recognized,timestamp,word\nUS,"[[[0, 9], [0, 9]]]",1,True,,cat\n'


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"reMarkable .lines file, version=6          \x05", "a page of a reMarkable; export it"),
        (b"\xc5\xd0\xd3\xc6\x20\0\0\0" + bytes(99), "PostScript; export the drawing as SVG or PNG"),
        (b"fig-kiwi\x0f\0\0\0" + bytes(99), "a Figma file; export the drawing as SVG or PNG"),
        (b"\x00\xffKA\x0a\0\0\0nsrP#Inf" + bytes(99), "an Affinity file; export the drawing"),
        (b"AC1027" + bytes(99), r"an AutoCAD drawing \(DWG\); export it as SVG or PDF"),
        (bytes.fromhex("e4525c7b8cd8a74daeb15378d02996d3") + bytes(99), "a OneNote section"),
        (bytes.fromhex("d0cf11e0a1b11ae1") + bytes(99), "an Office document; export the drawing"),
        (b"\0\1\0\0\0\x0e\0\x80" + bytes(99), "a font; export its glyphs as SVG"),
        (b"wOF2\0\1\0\0" + bytes(99), "a font; export its glyphs as SVG"),
        (b"RIFF\x10\0\0\0CDRvvrsn" + bytes(99), "a CorelDRAW file; export the drawing as SVG"),
        (
            '{"v": "5.5.7", "fr": 30, "ip": 0, "op": 60, "assets": [], "layers": [{"ty": 4}]}',
            "a Lottie animation; export a frame of it as SVG",
        ),
        (
            '{"prefix": "mdi", "info": {"name": "a"}, "icons": {"a": {"body": "<path/>"}}}',
            "an Iconify icon set; export its icons as SVG",
        ),
        (b"CSFCHUNK\0\0\0\0", "a Clip Studio Paint file; export the drawing as PNG"),
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
        ("x,y,stroke\n3,4,1\n", "a CSV file without a column `drawing`; expected one row per dr"),
        ('US,"[[[0, 9], [0, 9]]]",1,True\n', "first line does not name the columns"),
        (
            '<?xml version="1.0"?>\n<Error xmlns="http://s3"><Code>NoSuchKey</Code></Error>',
            "error mes",
        ),
        ("<ListBucketResult xmlns='http://s3'/>", "an error message was saved"),
        ('{"detail": "Not Found"}', "an error message was saved"),
        ("404 page not found\n", "an error message was saved"),
        ("Entry not found", "an error message was saved"),
        ('<meta charset="utf-8"><title>Log in</title>', "a web page was saved"),
        ("\ufeffversion https://git-lfs.github.com/spec/v1\r\n", "a Git LFS pointer"),
        ("<!-- saved -->\n<!DOCTYPE html>\n<html></html>", "a web page was saved"),
        ("---\nexcalidraw-plugin: parsed\n---\n", "Obsidian"),
        ("data:image/png;base64,iVBORw0KGgo", "a data URL"),
        (b"P7\nWIDTH 2\n", "a PAM picture; save it as PNG"),
        (bytes((0, 0, 2, *[0] * 9, 9, 0, 9, 0, 24, 32)) + bytes(99), "a TGA picture"),
        (b"\x8aMNG\r\n\x1a\n" + bytes(99), "an MNG animation; save a frame of it as PNG"),
        (b"\x8bJNG\r\n\x1a\n" + bytes(99), "a JNG picture; save it as PNG"),
        (b"\n\x05\x01\x08" + bytes(124), "a PCX picture; save it as PNG"),
        ("#define cat_width 16\n#define cat_height 16\n", "an XBM picture; save it as PNG"),
        ('/* XPM */\nstatic char *cat[] = {\n"16 16 2 1",\n', "an XPM picture"),
        (b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(99), "a JPEG 2000 picture"),
        (b"\1\0\0\0\x6c\0\0\0" + bytes(32) + b" EMF" + bytes(99), "a Windows metafile"),
        (b"\xd7\xcd\xc6\x9a" + bytes(99), "a Windows metafile"),
        ("#FIG 3.2\nLandscape\n", "an Xfig file; export the drawing as SVG"),
        ("  0\r\nSECTION\r\n  2\r\nHEADER\r\n", "a DXF file; export the drawing as SVG"),
        ("999\nby hand\n0\nSECTION\n", "a DXF file"),
        (b"\xff\x0a\xfa\x1f" + bytes(99), "a JPEG XL picture"),
        (b"\0\0\0\x18ftypmp42" + bytes(99), "a video"),
        (b"\x80\x04\x95" + bytes(99), "a Python pickle"),
        (bytes(5000), "only zeros"),
        (json.dumps(LINE).encode("utf-32"), "UTF-32 text; save it as UTF-8"),
        (json.dumps(LINE).encode("utf-16"), "UTF-16 text; save it as UTF-8"),
        (json.dumps(LINE).encode("utf-16-le"), "UTF-16 text; save it as UTF-8"),
        (b"\x28\xb5\x2f\xfd\x04\x00", "a Zstandard archive; unpack it first"),
        (b"cat.svg".ljust(257, b"\0") + b"ustar\x0000", "a tar archive; unpack it first"),
    ],
)
@pytest.mark.parametrize("name", ["cat.ndjson", "cat"])
def test_the_error_for_an_unknown_file_says_what_it_is(
    tmp_path: Path, content: str | bytes, problem: str, name
):
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(UnknownFormatError, match=problem) as caught:
        list(read_drawings(path))
    assert caught.value.path == str(path)


@pytest.mark.parametrize("content", ["# by hand\nword,ink\ncat,3\n", "word^drawing\ncat^[]\n"])
def test_other_text_named_csv_is_called_a_csv_file(tmp_path, content):
    path = tmp_path / "cat.csv"
    path.write_text(content)
    with pytest.raises(UnknownFormatError, match="a CSV file without a column `drawing`"):
        list(read_drawings(path))


@pytest.mark.parametrize(
    ("name", "kind"),
    [("cat.png", "PNG"), ("cat.JPG", "JPG"), ("c.npz", "NPZ"), ("c.svg.gz", "SVG")],
)
def test_text_with_the_name_of_another_kind_of_file_is_called_text(tmp_path, name, kind):
    (tmp_path / name).write_text("Link expired, sign in again\n")
    with pytest.raises(UnknownFormatError, match=f"the file holds plain text, not {kind}"):
        list(read_drawings(tmp_path / name))


def test_a_text_file_without_json_holds_no_drawings(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("Cats, dogs.\nNo JSON here.\n")
    with pytest.raises(UnknownFormatError, match="the file holds plain text, no drawings"):
        list(read_drawings(path))


@pytest.mark.parametrize(
    "first_line", ["garbage", "cat, dog, house", "[1, 2, 3]", '{"nope": 1}', "{nope"]
)
def test_a_bad_first_line_does_not_make_ndjson_another_kind_of_file(tmp_path, first_line):
    path = tmp_path / "cat.ndjson"
    path.write_text(f"{first_line}\n{json.dumps(LINE)}\n")
    assert len(list(read_drawings(path))) == 1


def test_records_that_begin_like_another_kind_of_file_are_read(tmp_path):
    path = tmp_path / "cat.bin"
    write_drawings(path, [Drawing(LINE["drawing"], key_id=str(0x480), country="DE")])  # a pickle
    (found,) = read_drawings(path)
    assert found.key_id == str(0x480)


@pytest.mark.parametrize(("n_strokes", "n_points"), [(0, 2), (1, 0)])
def test_bytes_that_begin_with_a_drawing_without_points_are_no_records(
    tmp_path, n_strokes, n_points
):
    path = tmp_path / "cat"
    path.write_bytes(struct.pack("<Q2sbIHH", 7, b"DE", 1, 0, n_strokes, n_points) + bytes(40))
    with pytest.raises(UnknownFormatError, match="unknown file format"):
        list(read_drawings(path))


def test_a_hundred_comments_before_no_element_take_no_time(tmp_path):
    path = tmp_path / "comments.svg"
    path.write_bytes(b"<!---->" * 500)
    with pytest.raises(FormatError):
        list(read_drawings(path))
