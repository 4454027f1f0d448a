"""read_drawings and write_drawings: what a stranger gives them, and what they answer."""

from __future__ import annotations

import gzip
import io
import json
import logging
import os
import random
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sketches import make_drawings

from garabato.drawing import Drawing, DrawingBatch
from garabato.errors import FormatError, InputError, StorageError
from garabato.formats import ReadReport, ndjson, read_batches, read_drawings, write_drawings
from garabato.formats import stream as streams
from garabato.formats.files import MAX_KINDS, OTHER

GOOD = '{"word":"cat","key_id":"1","drawing":[[[0,255],[0,9]]]}'


def _file(folder: Path, *lines: str, name: str = "cat.ndjson") -> Path:
    path = folder / name
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def _problem(path: Path | str) -> FormatError:
    with pytest.raises(FormatError) as caught:
        list(read_drawings(path))
    return caught.value


def test_drawings_come_with_all_that_is_known_of_them(tmp_path):
    known = {"countrycode": "DE", "timestamp": "2017-01-28 00:32:43.75704 UTC", "recognized": True}
    line = json.dumps({"word": "cat", "key_id": 53, "drawing": [[[1, 2], [3, 4]]], **known})
    (drawing,) = read_drawings(_file(tmp_path, line))
    assert drawing.to_lists() == [[[1, 2], [3, 4]]]
    assert drawing.metadata == {
        "key_id": "53",
        "category": "cat",
        "country": "DE",
        "recognized": True,
        "timestamp": known["timestamp"],
    }


def test_a_bitmap_file_is_read_from_a_pipe(tmp_path):
    content = io.BytesIO()
    np.save(content, np.full((2, 784), 7, np.uint8))
    pipe = tmp_path / "cat.npy"
    os.mkfifo(pipe)
    with ThreadPoolExecutor(1) as other_end:
        other_end.submit(pipe.write_bytes, content.getvalue())
        drawings = list(read_drawings(pipe, strict=True))
    assert [drawing.key_id for drawing in drawings] == ["cat-0", "cat-1"]


def test_all_keys_but_the_drawing_may_be_missing_or_null(tmp_path):
    nulls = '{"word":null,"key_id":null,"recognized":null,"drawing":[[[7],[8]]]}'
    drawings = list(read_drawings(_file(tmp_path, '{"drawing":[[[7],[8]]]}', nulls)))
    assert len(drawings) == 2
    for drawing in drawings:
        assert set(drawing.metadata.values()) == {None}
        assert drawing.to_lists() == [[[7], [8]]]


def test_raw_lines_are_simplified_on_reading(tmp_path):
    t = [0, 10, 20]
    raw = {"drawing": [[[100.5, 610.5, 610.5], [50.0, 50.0, 305.0], t]]}
    timed = {"drawing": [[[0, 51, 102], [0, 0, 0], t]]}
    drawings = list(read_drawings(_file(tmp_path, json.dumps(raw), json.dumps(timed))))
    assert drawings[0].to_lists() == [[[0, 255, 255], [0, 0, 128]]]
    assert drawings[1].to_lists() == [[[0, 255], [0, 0]]]


@pytest.mark.parametrize(
    ("line", "problem", "place"),
    [
        ("{nope", r"broken JSON \(", "line 2, column 2"),
        ("garbage", r"broken JSON \(", "line 2, column 1"),
        ('{"drawing":[[[1,2],[3]]]}', "unequal numbers of xs and ys", "line 2, stroke 1"),
        ('{"drawing":[[[1],[1]],[[NaN],[3]]]}', "NaN or infinite", "line 2, stroke 2"),
        ('{"drawing":[[[1],[-Infinity]]]}', "NaN or infinite", "line 2, stroke 1"),
        ('{"drawing":[[[1e999],[1]]]}', "NaN or infinite|broken JSON", "line 2"),
        ('{"drawing":[[[1],[1]],[[3e7],[1]]]}', r"beyond 2\^24", "line 2, stroke 2"),
        ('{"drawing":[[[99999999999999999999],[1]]]}', r"beyond 2\^24", "line 2, stroke 1"),
        ('{"word":"cat"}', 'the key "drawing" is missing', "line 2"),
        ('{"drawing":7}', '"drawing" is not a list of strokes', "line 2"),
        ('{"drawing":null}', '"drawing" is not a list of strokes', "line 2"),
        ('{"drawing":[[1,2],[3,4]]}', "is not a pair", "line 2, stroke 1"),
        ('{"drawing":[{"x":1}]}', "is not a pair", "line 2, stroke 1"),
        ('{"drawing":[[[1]]]}', "is not a pair", "line 2, stroke 1"),
        ('{"drawing":[[["1"],[1]]]}', "coordinates that are not numbers", "line 2, stroke 1"),
        ('{"drawing":[[[true],[1]]]}', "coordinates that are not numbers", "line 2, stroke 1"),
        ('{"drawing":[[[null],[1]]]}', "coordinates that are not numbers", "line 2, stroke 1"),
        ("[[[1],[1]]]", "expected a JSON object", "line 2"),
        ("[" * 100_000, "broken JSON", "line 2"),
    ],
)  # fmt: skip
def test_the_report_names_a_bad_line_and_the_good_ones_are_read(tmp_path, line, problem, place):
    path = _file(tmp_path, GOOD, line, GOOD)
    report = ReadReport()
    assert len(list(read_drawings(path, report=report))) == 2
    assert (report.n_read, report.n_unreadable) == (2, 1)
    ((kind, counted),) = report.problems.items()
    assert counted.positions[0].startswith(f"{path}, {place}")

    drawings = read_drawings(path, strict=True)
    assert next(drawings).category == "cat"
    with pytest.raises(FormatError, match=problem) as caught:
        next(drawings)
    assert caught.value.problem == kind
    assert str(path) in str(caught.value)


def test_kinds_of_problems_have_no_numbers_of_their_own(tmp_path):
    lines = [f'{{"drawing":[[{list(range(n))},[0]]]}}' for n in range(2, 30)]
    report = ReadReport()
    list(read_drawings(_file(tmp_path, GOOD, *lines), report=report))
    assert [problem.n for problem in report.problems.values()] == [28]


def test_one_point_strokes_and_empty_drawings_are_drawings(tmp_path):
    path = _file(tmp_path, '{"drawing":[[[7],[8]]]}', '{"drawing":[]}', '{"drawing":[[[],[]]]}')
    assert [d.to_lists() for d in read_drawings(path)] == [[[[7], [8]]], [], []]


@pytest.mark.parametrize("n_lines", [1, 2000], ids=["parsed one by one", "scanned by kernels"])
def test_blank_lines_line_ends_of_windows_and_byte_order_marks_are_no_faults(tmp_path, n_lines):
    """As in files of Windows put one after the other."""
    path = tmp_path / "cat.ndjson"
    one = b"\xef\xbb\xbf\r\n" + GOOD.encode() + b"\r\n\r\n  \n"
    path.write_bytes(one + (b"\xef\xbb\xbf" + GOOD.encode() + b"\r\n") * n_lines)
    assert len(list(read_drawings(path, strict=True))) == 1 + n_lines


@pytest.mark.parametrize("n_lines", [2, 20_000], ids=["parsed one by one", "scanned by kernels"])
def test_lines_may_end_as_on_old_macs(tmp_path, n_lines):
    path = tmp_path / "cat.ndjson"
    path.write_bytes(b"\r".join([GOOD.encode(), b"{}", *[GOOD.encode()] * n_lines]))
    report = ReadReport()
    assert len(list(read_drawings(path, report=report))) == 1 + n_lines
    (problem,) = report.problems.values()
    assert problem.positions == [f"{path}, line 2"]


def test_without_a_report_the_unreadable_lines_are_logged(tmp_path, caplog):
    with caplog.at_level(logging.WARNING, "garabato"):
        list(read_drawings(_file(tmp_path, GOOD, "garbage")))
    assert "1 unreadable: broken JSON" in caplog.text
    assert "cat.ndjson, line 2" in caplog.text


def test_a_file_without_one_readable_line_is_an_error_that_names_the_first(tmp_path):
    error = _problem(_file(tmp_path, "garbage", "more of it"))
    assert error.position == "line 1, column 1"
    assert "none of the file's drawings can be read; 2 tried" in str(error)


def test_an_empty_file_is_an_error(tmp_path):
    path = tmp_path / "cat.ndjson"
    path.touch()
    assert "the file is empty" in str(_problem(path))
    path.write_bytes(gzip.compress(b""))
    assert "the file is empty" in str(_problem(path))
    path.write_bytes(b"\n \n")
    assert "there is no drawing in the file" in str(_problem(path))


def test_the_error_for_a_path_that_cannot_be_opened_says_why(tmp_path):
    assert "there is no such file" in str(_problem(tmp_path / "none.ndjson"))
    assert "this is a folder" in str(_problem(tmp_path))
    assert "cannot be opened" in str(_problem("a\0b"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_the_error_for_an_unreadable_file_says_permission_denied(tmp_path):
    path = _file(tmp_path, GOOD)
    path.chmod(0)
    assert "permission denied" in str(_problem(path))


def test_a_refused_permission_says_how_to_give_it(tmp_path, monkeypatch):
    path = _file(tmp_path, GOOD)

    def refuse(*args: object, **kwargs: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("builtins.open", refuse)
    with pytest.raises(FormatError, match=r"permission denied; make the file readable"):
        list(read_drawings(path))


def test_binary_junk_is_of_no_known_format(tmp_path):
    path = tmp_path / "junk"
    path.write_bytes(random.Random(0).randbytes(10_000))
    assert "unknown file format" in str(_problem(path))


def test_binary_junk_between_lines_is_passed_over(tmp_path):
    path = tmp_path / "cat.ndjson"
    junk = random.Random(1).randbytes(100_000)
    path.write_bytes(junk + b"\n" + GOOD.encode() + b"\n" + junk + b"\n" + GOOD.encode())
    report = ReadReport()
    assert len(list(read_drawings(path, report=report))) == 2
    assert report.n_unreadable > 2


def test_gzip_is_read_whatever_its_name(tmp_path):
    path = tmp_path / "cat.ndjson"
    path.write_bytes(gzip.compress((GOOD + "\n").encode() * 3000))
    assert sum(map(len, read_batches(path))) == 3000


def test_a_truncated_gzip_yields_its_first_drawings_and_then_an_error(tmp_path):
    path = tmp_path / "cat.ndjson.gz"
    rng = random.Random(2)
    lines = [GOOD.replace('"1"', f'"{rng.random()}"') for _ in range(20_000)]
    path.write_bytes(gzip.compress("\n".join(lines).encode())[:-5000])
    report = ReadReport()
    n_read = sum(map(len, read_batches(path, report=report)))
    assert 15_000 < n_read < 20_000
    assert "damaged gzip stream" in "".join(report.lines())
    batches = read_batches(path, strict=True)
    assert len(next(batches)) > 1000
    with pytest.raises(FormatError, match="damaged gzip stream"):
        list(batches)


def test_a_small_truncated_gzip_yields_its_first_drawings(tmp_path):
    path = tmp_path / "cat.ndjson.gz"
    lines = [GOOD.replace("255", str(i)) for i in range(50)]
    path.write_bytes(gzip.compress("\n".join(lines).encode())[:-9])
    report = ReadReport()
    assert len(list(read_drawings(path, report=report))) > 40
    assert report.n_unreadable > 0
    svg = tmp_path / "cat.svg"
    svg.write_bytes(gzip.compress(b"<svg><path d='M0 0h9'/></svg>" + b" " * 99)[:-4])
    assert "damaged gzip stream" in str(_problem(svg))


def test_a_gzip_bomb_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(streams, "MIN_BOMB_BYTES", 2**20)
    path = tmp_path / "cat.ndjson.gz"
    path.write_bytes(gzip.compress(b" " * 2**25))
    assert "grows more than 200 times" in str(_problem(path))


_ZIPPED = gzip.compress("\n".join([GOOD.replace("cat", f"c{i}") for i in range(40)]).encode())


@settings(max_examples=200)
@given(st.lists(st.tuples(st.integers(0, len(_ZIPPED) - 1), st.integers(0, 255)), max_size=4))
def test_damaged_gzip_streams_are_read_or_refused(tmp_path_factory, changes):
    damaged = bytearray(_ZIPPED)
    for at, value in changes:
        damaged[at] = value
    path = tmp_path_factory.mktemp("damaged") / "cat.ndjson.gz"
    path.write_bytes(damaged)
    try:
        drawings = list(read_drawings(path, report=ReadReport()))
    except FormatError as error:
        assert error.path == str(path)  # noqa: PT017 - either is right
    else:
        assert 0 < len(drawings) <= 40


def test_a_line_without_end_is_refused_unread_and_the_next_ones_are_read(tmp_path, monkeypatch):
    monkeypatch.setattr(ndjson, "MAX_LINE_BYTES", 1000)
    monkeypatch.setattr(ndjson, "BLOCK_BYTES", 300)
    path = _file(tmp_path, GOOD, '{"word":"' + "x" * 5000 + '"}', GOOD, "", "nope")
    report = ReadReport()
    assert len(list(read_drawings(path, report=report))) == 2
    places = [problem.positions for problem in report.problems.values()]
    assert [p[0].split(", ")[1] for p in places] == ["line 2", "line 5"]


@pytest.mark.parametrize(
    ("n_points", "problem"),
    [(200_001, "more than 200,000 points"), (10_000_000, "the line is longer than 8 MiB")],
)
def test_endless_strokes_are_refused_and_the_next_line_is_read(tmp_path, n_points, problem):
    row = "[" + "0," * (n_points - 1) + "0]"
    path = _file(tmp_path, f'{{"drawing":[[{row},{row}]]}}', GOOD)
    report = ReadReport()
    assert len(list(read_drawings(path, report=report))) == 1
    assert problem in report.lines()[0]
    assert report.lines()[1].strip() == f"{path}, line 1"


def test_stdin_is_read_as_a_file_is(monkeypatch):
    class Stdin:
        buffer = io.BufferedReader(io.BytesIO(gzip.compress(GOOD.encode())))  # type: ignore[arg-type]

    monkeypatch.setattr(sys, "stdin", Stdin)
    (drawing,) = read_drawings("-")
    assert drawing.category == "cat"


def test_memory_is_bounded_by_the_block_not_by_the_file(tmp_path):
    path = tmp_path / "cat.ndjson"
    line = '{"drawing":[[' + ",".join([str(list(range(100)))] * 2) + "]]}\n"
    path.write_text(line * 10_000)
    largest = max(batch.points.nbytes for batch in read_batches(path))
    assert largest < ndjson.BLOCK_BYTES * 4


def test_what_is_written_is_read_back(tmp_path):
    drawings = make_drawings(["circle", "house"], 20, seed=1)
    path = tmp_path / "out.ndjson"
    assert write_drawings(path, drawings) == 40
    for drawing, back in zip(drawings, read_drawings(path, strict=True), strict=True):
        assert back.to_lists() == drawing.to_lists()
        assert back.metadata == drawing.metadata


def test_drawings_in_other_units_are_written_on_googles_grid(tmp_path):
    path = tmp_path / "out.ndjson"
    write_drawings(path, [Drawing([[[-10.0, 10.0], [0.0, 5.0]]])])
    (back,) = read_drawings(path)
    assert back.to_lists() == [[[0, 255], [0, 64]]]


def test_an_interrupted_write_leaves_the_old_file(tmp_path):
    path = _file(tmp_path, GOOD)

    def interrupted():
        yield from make_drawings(["circle"], 3, seed=0)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_drawings(path, interrupted())
    assert path.read_text() == GOOD + "\n"
    assert os.listdir(tmp_path) == [path.name]


@pytest.mark.parametrize("suffix", [".ndjson", ".bin", ".svg"])
def test_gz_behind_the_suffix_gzips_what_is_written(tmp_path, suffix):
    drawings = make_drawings(["star"], 1, seed=0)
    plain, gzipped = tmp_path / f"star{suffix}", tmp_path / f"star{suffix}.gz"
    assert write_drawings(plain, drawings) == write_drawings(gzipped, drawings) == 1
    assert gzip.decompress(gzipped.read_bytes()) == plain.read_bytes()
    (expected,), (read,) = read_drawings(plain), read_drawings(gzipped)
    assert read.to_lists() == expected.to_lists()


def test_a_suffix_nobody_writes_is_refused_with_those_that_are(tmp_path):
    with pytest.raises(InputError, match=r"the suffix must be one of .*\.ndjson"):
        write_drawings(tmp_path / "out.docx", [])
    with pytest.raises(
        InputError, match=r"the suffix must be one of \.bin\.gz, \.ndjson\.gz, \.npy\.gz"
    ):
        write_drawings(tmp_path / "out.npz.gz", [])
    with pytest.raises(StorageError, match="no folder"):
        write_drawings(tmp_path / "none" / "out.ndjson", [])


def test_reading_real_files_finds_no_fault(quickdraw):
    report = ReadReport()
    for name in ("simplified/cat.ndjson", "simplified/The Mona Lisa.ndjson", "raw/cat.ndjson"):
        drawings = list(read_drawings(quickdraw / name, strict=True, report=report))
        assert drawings
        assert all(d.category == Path(name).stem for d in drawings)
        assert all(d.points.max() <= 255 and d.points.min() >= 0 for d in drawings)
        assert all(np.array_equal(d.points, np.rint(d.points)) for d in drawings)
    assert report.n_unreadable == 0


@pytest.mark.parametrize(
    ("field", "value", "read"),
    [
        ("timestamp", 1488403510630, "2017-03-01 21:25:10.630000 UTC"),
        ("timestamp", [], None),
        ("recognized", 1, True),
        ("recognized", "False", False),
        ("recognized", "maybe", None),
        ("word", 63, None),
        ("key_id", 5356.0, "5356"),
        ("key_id", 1.5, None),
        ("countrycode", {"code": "DE"}, None),
    ],
)
def test_an_odd_field_of_metadata_does_not_lose_the_drawing(tmp_path, caplog, field, value, read):
    attribute = {"word": "category", "countrycode": "country"}.get(field, field)
    path = tmp_path / "cat.ndjson"
    path.write_text(json.dumps({"drawing": [[[1, 2], [3, 4]]], field: value}) + "\n")
    (drawing,) = read_drawings(path)
    assert drawing.to_lists() == [[[1, 2], [3, 4]]]
    assert drawing.metadata[attribute] == read
    assert (f'"{field}" is not ' in caplog.text) == (read is None)


def test_a_drawing_as_json_text_is_read(tmp_path):
    path = tmp_path / "cat.ndjson"
    path.write_text(json.dumps({"drawing": "[[[1, 2], [3, 4]]]"}) + "\n")
    assert [drawing.to_lists() for drawing in read_drawings(path)] == [[[[1, 2], [3, 4]]]]


@pytest.mark.parametrize(
    ("strokes", "read"),
    [
        ([[[0, 5], [9, 5], [9, 7], [1, 2]]], [[[0, 9, 9, 1], [5, 5, 7, 2]]]),
        ([[[0, 0], [255, 0], [255, 255]]], [[[0, 255, 255], [0, 0, 255]]]),
        (
            [[[0, 5], [9, 5], [9, 7], [1, 2]], [[3, 4], [5, 6]]],
            [[[0, 9, 9, 1], [5, 5, 7, 2]], [[3, 5], [4, 6]]],
        ),
        ([[[0, 9], [5, 6]]], [[[0, 9], [5, 6]]]),
    ],
)
def test_strokes_as_lists_of_points_are_converted(tmp_path, strokes, read):
    path = tmp_path / "cat.ndjson"
    path.write_text(json.dumps({"drawing": strokes}) + "\n")
    assert [drawing.to_lists() for drawing in read_drawings(path)] == [read]
    as_tuples = [[tuple(point) for point in stroke] for stroke in strokes]
    assert Drawing(as_tuples).to_lists() == read
    assert Drawing([np.array(stroke) for stroke in strokes]).to_lists() == read


def test_strokes_of_both_forms_are_refused(tmp_path):
    path = tmp_path / "cat.ndjson"
    points, rows = [[0, 5], [9, 5], [9, 7], [1, 2]], [[1, 2, 3, 4], [5, 6, 7, 8]]
    path.write_text(json.dumps({"drawing": [points, rows]}) + "\n")
    with pytest.raises(FormatError, match=r"line 1, stroke 2: .*another one is a list of points"):
        list(read_drawings(path))


def test_a_clean_report_says_nothing():
    assert ReadReport().lines() == []
    assert ReadReport().to_dict() == {"n_read": 0, "n_unreadable": 0, "problems": {}}


def test_the_first_ten_of_each_kind_are_named_then_only_counted():
    report = ReadReport()
    for line in range(1, 1236):
        report.add(FormatError("broken JSON", path="cat.ndjson", position=f"line {line}"))
    report.add(FormatError("too long", path="dog.ndjson", position="line 3"))
    assert report.n_unreadable == 1236
    assert report.lines() == [
        "1,235 unreadable: broken JSON",
        *[f"  cat.ndjson, line {line}" for line in range(1, 11)],
        "  ... and 1,225 more",
        "1 unreadable: too long",
        "  dog.ndjson, line 3",
    ]
    assert report.to_dict()["problems"]["too long"] == {"n": 1, "places": ["dog.ndjson, line 3"]}


def test_a_million_kinds_do_not_fill_the_memory():
    report = ReadReport()
    for kind in range(3 * MAX_KINDS):
        report.add(FormatError(f"fault {kind}", path="cat.ndjson"))
    assert len(report.problems) == MAX_KINDS + 1
    assert report.problems[OTHER].n == 2 * MAX_KINDS
    assert report.n_unreadable == 3 * MAX_KINDS


def test_notes_add_up_over_files_and_do_not_fill_the_memory():
    report = ReadReport()
    report.add_notes({"the timestamp is left out": 2})
    report.add_notes({"the timestamp is left out": 3, "the key_id is left out": 1})
    assert report.lines() == [
        "5 read, but the timestamp is left out",
        "1 read, but the key_id is left out",
    ]
    assert report.to_dict()["notes"]["the timestamp is left out"] == 5
    report.add_notes({f"note {i}": 1 for i in range(3 * MAX_KINDS)})
    assert len(report.notes) == MAX_KINDS + 1


@pytest.mark.parametrize("name", ["a.ndjson", "a.parquet", "a.arrow"])
def test_strokes_that_were_traced_from_pictures_are_read_as_such(tmp_path, name):
    traced = [None, True, False]
    drawings = [
        drawing.replace(traced=value)
        for drawing, value in zip(make_drawings(["star"], 3, seed=0), traced, strict=True)
    ]
    if name == "a.ndjson":
        write_drawings(tmp_path / name, drawings)
    else:
        table = DrawingBatch.from_drawings(drawings).to_arrow()
        write = pq.write_table if name == "a.parquet" else feather.write_feather
        write(table, tmp_path / name)
    assert [one.traced for one in read_drawings(tmp_path / name)] == traced


def test_a_single_drawing_is_written_and_other_things_are_refused(tmp_path):
    assert write_drawings(tmp_path / "one.svg", make_drawings(["line"], 1, seed=0)[0]) == 1
    with pytest.raises(InputError, match="drawing 2 is of type str, not Drawing"):
        write_drawings(tmp_path / "two.ndjson", [*make_drawings(["line"], 1, seed=0), "cat"])
    assert not (tmp_path / "two.ndjson").exists()


def test_a_key_id_that_begins_like_a_byte_order_mark_is_kept(tmp_path):
    key_id = str(int.from_bytes(b"\xef\xbb\xbf\x01\x02\x03\0\0", "little"))
    path = tmp_path / "cat.bin"
    write_drawings(path, Drawing([[[0, 255], [0, 9]]], key_id=key_id, country="DE"))
    (drawing,) = read_drawings(path, strict=True)
    assert drawing.key_id == key_id
