"""One drawing as many programs and people store it: always the same drawing."""

from __future__ import annotations

import gzip
import io
import json
import math
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from garabato import Drawing, ReadReport, read_drawings
from garabato.errors import DrawingError, FormatError

#: A zigzag and a corner; the whole spans 0..255, so that no reader has to scale it.
STROKES = [[[0, 60, 90, 150, 255], [0, 200, 20, 255, 90]], [[10, 10, 80], [240, 180, 240]]]
POINTS = [[list(point) for point in zip(*stroke, strict=True)] for stroke in STROKES]
OBJECTS = [[{"x": x, "y": y} for x, y in stroke] for stroke in POINTS]
TEXT = json.dumps(STROKES)


def line(**fields) -> str:
    return json.dumps({"word": "cat", "key_id": "7", "drawing": STROKES} | fields) + "\n"


def read(path: Path, content: str | bytes) -> list[Drawing]:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return list(read_drawings(path, strict=True))


# ndjson


@pytest.mark.parametrize(
    "drawing",
    [
        POINTS,
        OBJECTS,
        [{"x": xs, "y": ys} for xs, ys in STROKES],
        [{"points": points} for points in POINTS],
        {"x": [xs for xs, _ in STROKES], "y": [ys for _, ys in STROKES]},
        TEXT,
        str([[tuple(point) for point in points] for points in POINTS]),
        [*STROKES, []],
        [[], *POINTS],
        [*STROKES, [[], []]],
        [[*stroke, None] for stroke in STROKES],
        [[[x, y, 5 * i] for i, (x, y) in enumerate(stroke)] for stroke in POINTS],
        [[[x, y, 5 * i, 0.5] for i, (x, y) in enumerate(stroke)] for stroke in POINTS],
        [[*stroke, range(len(stroke[0])), [0.5] * len(stroke[0])] for stroke in STROKES],
    ],
    ids=[
        "points", "objects", "x and y", "objects of points", "columns", "text", "text of tuples",
        "empty stroke", "empty stroke of points", "empty rows", "no times", "points with times",
        "points with times and pressures", "times and pressures",
    ],
)  # fmt: skip
def test_strokes_are_read_in_whatever_form_is_clear(tmp_path, drawing):
    content = json.dumps({"drawing": drawing}, default=list)
    (found,) = read(tmp_path / "cat.ndjson", content)
    assert found.to_lists() == STROKES


@pytest.mark.parametrize(
    "drawing",
    [
        [[[0, 1], [2, 3], [4, 5], [6, 7], [8, 9]], [[1, 2], [3]]],
        [[[1, 2, 3]] * 5, [[1, 2, 3, 4, 5], [1, 2, 3, 4, 5]]],
        [[[1, 2, 3, 4, 5]] * 5],
        [[1, 2, 3, 4]],
        [None],
    ],
)
def test_strokes_in_no_clear_form_are_refused(tmp_path, drawing):
    with pytest.raises(FormatError, match=r"line 1, stroke \d: the stroke is "):
        read(tmp_path / "cat.ndjson", json.dumps({"drawing": drawing}))
    if drawing != [None]:
        with pytest.raises(DrawingError):
            Drawing(drawing)


@pytest.mark.parametrize("order", [1, -1])
def test_strokes_of_two_and_of_three_points_are_points_as_only_one_could_have_times(order):
    strokes = [[[0, 0], [10, 5]], [[3, 4], [5, 6], [7, 9]]][::order]
    rows = [[[0, 10], [0, 5]], [[3, 5, 7], [4, 6, 9]]][::order]
    assert Drawing(strokes).to_lists() == rows


def test_points_and_rows_that_could_each_be_the_other_are_refused_together():
    with pytest.raises(DrawingError, match="stroke 3 is a pair"):
        Drawing([[[0, 0], [10, 5]], [[3, 4], [5, 6], [7, 9]], [[1, 2, 3], [4, 5, 6]]])


def test_strokes_may_be_iterators_of_points():
    assert Drawing([zip([1, 2, 3], [4, 5, 9], strict=True)]).to_lists() == [[[1, 2, 3], [4, 5, 9]]]


def test_points_in_numpy_arrays_are_read_and_an_empty_array_is_no_stroke():
    drawing = Drawing([np.array(points) for points in POINTS] + [np.zeros((0, 2))])
    assert drawing.to_lists() == STROKES


@pytest.mark.parametrize(
    ("fields", "name", "value"),
    [
        ({"timestamp": 1488530400123}, "timestamp", "2017-03-03 08:40:00.123000 UTC"),
        ({"timestamp": "1488530400123"}, "timestamp", "2017-03-03 08:40:00.123000 UTC"),
        ({"timestamp": 1488530400.5}, "timestamp", "2017-03-03 08:40:00.500000 UTC"),
        ({"timestamp": 1e300}, "timestamp", None),
        ({"timestamp": {"$date": "2017-03-03"}}, "timestamp", None),
        ({"timestamp": ""}, "timestamp", None),
        ({"recognized": "yes"}, "recognized", True),
        ({"recognized": "f"}, "recognized", False),
        ({"recognized": 2}, "recognized", None),
        ({"word": 17}, "category", None),
        ({"word": ""}, "category", None),
        ({"word": "cafe\u0301"}, "category", "caf\u00e9"),
        ({"word": None, "label": "cat"}, "category", None),
        ({"key_id": 5152802093400064.0}, "key_id", "5152802093400064"),
        ({"key_id": {"$oid": "5"}}, "key_id", None),
        ({"key_id": ""}, "key_id", None),
        ({"countrycode": ["DE"]}, "country", None),
        ({"key_id": math.nan}, "key_id", None),
        ({"timestamp": -math.inf}, "timestamp", None),
        ({"word": "c\ud800t"}, "category", None),
    ],
)
def test_an_odd_field_is_read_or_left_out_and_the_drawing_is_kept(tmp_path, fields, name, value):
    (drawing,) = read(tmp_path / "cat.ndjson", line(**fields))
    assert drawing.to_lists() == STROKES
    assert getattr(drawing, name) == value


@pytest.mark.parametrize("n_lines", [1, 2000], ids=["parsed one by one", "scanned by kernels"])
def test_empty_metadata_is_missing_metadata(tmp_path, n_lines):
    content = line(word="", key_id="", timestamp="", countrycode="") * n_lines
    drawings = read(tmp_path / "cat.ndjson", content)
    assert len(drawings) == n_lines
    for drawing in drawings:
        assert set(drawing.metadata.values()) == {None}


def test_text_that_is_not_utf8_is_left_out_and_counted_once_for_each_field(tmp_path):
    odd = line(word="caf\u00e9").encode().replace(b"\\u00e9", b"\xe9")
    files = {
        "cat.ndjson": odd + odd.replace(b"caf", b"th"),
        "cat.csv": b'word,key_id,drawing\ncaf\xe9,7,"%s"\nth\xe9,7,"%s"\n' % ((TEXT.encode(),) * 2),
    }
    for name, content in files.items():
        report = ReadReport()
        (tmp_path / name).write_bytes(content)
        drawings = list(read_drawings(tmp_path / name, report=report))
        assert [(drawing.category, drawing.key_id) for drawing in drawings] == [(None, "7")] * 2
        assert [drawing.to_lists() for drawing in drawings] == [STROKES] * 2
        (note,) = report.notes.items()
        assert note == ('"word" is not UTF-8 text (save the file as UTF-8) and is left out', 2)


def test_other_names_of_the_keys_are_known(tmp_path):
    content = json.dumps({"Category": "cat", "country": "DE", "STROKES": STROKES})
    (drawing,) = read(tmp_path / "cat.ndjson", content)
    assert (drawing.category, drawing.country, drawing.to_lists()) == ("cat", "DE", STROKES)


def test_lines_with_commas_at_their_ends_are_read(tmp_path):
    content = line().replace("\n", ",\r\n") * 2
    assert len(read(tmp_path / "cat.ndjson", content)) == 2


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (line().strip() + line(), "there is text after the JSON object"),
        ("word: cat\n", "plain text, no JSON object"),
        (json.dumps({"drawing": {"x": [[0, 9]], "y": None}}), '"x" and "y" of "drawing" are not'),
        (json.dumps({"drawing": {"x": [[0, 9], [1]], "y": [[0, 9]]}}), '"x" and "y" of "drawing"'),
        (json.dumps({"word": "cat", "drawing": {"0": STROKES}}), "pandas: orient="),
        (
            json.dumps({"version": "5.3.0", "objects": []}),
            "a canvas of Fabric.js; export it",
        ),
        (json.dumps({"attrs": {}, "className": "Stage"}), "a canvas of Konva; export it"),
        (json.dumps({"ink": STROKES}), 'the key "drawing" is missing; the keys are "ink"'),
    ],
)
def test_a_line_that_is_no_drawing_says_what_it_is(tmp_path, content, problem):
    with pytest.raises(FormatError, match=problem):
        read(tmp_path / "cat.ndjson", content)


# JSON


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize(
    "document",
    [
        {"drawings": [{"word": "cat", "drawing": STROKES}]},
        {"version": 1, "data": [{"word": "cat", "drawing": POINTS}]},
        {"about": {"by": "me"}, "size": [256, 256], "hits": [{"word": "cat", "drawing": STROKES}]},
        [{"word": "cat", "strokes": STROKES}],
        {"word": "cat", "strokes": STROKES},
        POINTS,
        OBJECTS,
        [{"x": xs, "y": ys} for xs, ys in STROKES],
        [{"points": points} for points in POINTS],
        [
            *({"drawMode": True, "strokeWidth": 4, "paths": points} for points in OBJECTS),
            {"drawMode": False, "strokeWidth": 9, "paths": OBJECTS[0]},  # an eraser
        ],
    ],
)
def test_json_documents_hold_one_drawing(tmp_path, document, indent):
    (drawing,) = read(tmp_path / "cat.json", json.dumps(document, indent=indent))
    assert drawing.to_lists() == STROKES
    assert drawing.category == ("cat" if "word" in json.dumps(document) else None)


def test_objects_over_several_lines_one_after_another_are_read(tmp_path):
    pretty = json.dumps(json.loads(line()), indent=1)
    assert len(read(tmp_path / "cat.json", f"{pretty}\n{pretty}\n{pretty}")) == 3
    report = ReadReport()
    (tmp_path / "cut.json").write_text(f"{pretty}\n{pretty[:-9]}")
    assert len(list(read_drawings(tmp_path / "cut.json", report=report))) == 1
    assert report.n_unreadable == 1


# CSV


@pytest.mark.parametrize(
    "content",
    [
        f'word|drawing\ncat|"{TEXT}"\n',
        f'word, drawing\ncat, "{TEXT}"\n',
        f'sep=;\nword;drawing\ncat;"{TEXT}"\n',
        f'Category,Strokes\ncat,"{TEXT}"\n',
        f'word,drawing\rcat,"{TEXT}"\r',
        f"word,drawing,key_id\ncat,{TEXT},5\n",
        f"drawing,word\n'{TEXT}',cat\n",
        f',drawing,word\n0,"{TEXT}",cat\n',
    ],
    ids=[
        "bars", "spaces", "Excel's sep=", "other names", "CR", "unquoted", "single quotes",
        "index of pandas",
    ],
)  # fmt: skip
def test_csv_is_read_as_programs_write_it(tmp_path, content):
    (drawing,) = read(tmp_path / "cat.csv", content)
    assert (drawing.category, drawing.to_lists()) == ("cat", STROKES)


def test_a_csv_with_strokes_alone_is_read(tmp_path):
    (drawing,) = read(tmp_path / "cat.csv", f'drawing\n"{TEXT}"\n')
    assert drawing.to_lists() == STROKES


# Parquet


def parquet(drawing, **columns) -> bytes:
    content = io.BytesIO()
    pq.write_table(pa.table({"Word": ["cat"], "drawing": drawing} | columns), content)
    return content.getvalue()


SVG = (
    b'<svg xmlns="http://www.w3.org/2000/svg"><path stroke="black" fill="none" d="M0 0L9 9"/></svg>'
)


@pytest.mark.parametrize(
    ("drawing", "strokes"),
    [
        (pa.array([OBJECTS]), STROKES),
        (pa.array([POINTS], pa.list_(pa.list_(pa.list_(pa.int64(), 2)))), STROKES),
        (pa.array([TEXT.encode()]), STROKES),
        (pa.array([TEXT], pa.large_string()), STROKES),
        (pa.array([SVG]), [[[0, 9], [0, 9]]]),
        (pa.array([{"bytes": SVG, "path": "a.svg"}]), [[[0, 9], [0, 9]]]),
    ],
)
def test_a_column_of_any_type_is_read(tmp_path, drawing, strokes):
    (found,) = read(tmp_path / "cat.parquet", parquet(drawing))
    assert (found.category, found.to_lists()) == ("cat", strokes)


def test_a_picture_given_only_by_its_path_is_an_error(tmp_path):
    picture = pa.array(
        [{"bytes": None, "path": "a.png"}], pa.struct({"bytes": pa.binary(), "path": pa.string()})
    )
    with pytest.raises(FormatError, match=r"row 0: the picture is not in the file, only its path"):
        read(tmp_path / "cat.parquet", parquet(picture))


def test_the_error_for_a_file_gzipped_twice_says_so(tmp_path):
    with pytest.raises(FormatError, match="gzipped twice"):
        read(tmp_path / "cat.ndjson.gz", gzip.compress(gzip.compress(line().encode())))
