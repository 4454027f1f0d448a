"""CSV, Parquet and Arrow files with a drawing a row."""

from __future__ import annotations

import csv
import datetime
import gzip
import io
import json
import struct
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image, ImageDraw

from garabato import prepare, read_drawings
from garabato.drawing import Drawing, DrawingBatch
from garabato.drawing.arrow import to_table
from garabato.errors import FormatError
from garabato.formats import ReadReport, read_batches
from garabato.formats.arrow import _column_sizes, _parquet_footer

STROKES = [[[0, 255, 128], [0, 9, 255]], [[7], [8]]]
KAGGLE_HEADER = "countrycode,drawing,key_id,recognized,timestamp,word"
STAMP = "2017-03-09 00:28:55.637750"


def kaggle(*drawings: str) -> str:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(KAGGLE_HEADER.split(","))
    for number, drawing in enumerate(drawings):
        writer.writerow(["US", drawing, 5152802093400064 + number, number % 2 == 0, STAMP, "cat"])
    return text.getvalue()


def write(path: Path, content: str) -> Path:
    path.write_text(content)
    return path


# CSV


def test_kaggle_s_csv_is_read_with_all_it_says(tmp_path):
    path = write(tmp_path / "cat.csv", kaggle(json.dumps(STROKES), json.dumps(STROKES)))
    first, second = read_drawings(path, strict=True)
    assert first.to_lists() == STROKES
    assert first.metadata == {
        "key_id": "5152802093400064",
        "category": "cat",
        "country": "US",
        "recognized": True,
        "timestamp": STAMP,
    }
    assert second.recognized is False


def test_kaggle_s_test_csv_has_no_words(tmp_path):
    path = write(tmp_path / "t.csv", f'key_id,countrycode,drawing\n9,DE,"{STROKES}"\n')
    (drawing,) = read_drawings(path, strict=True)
    assert (drawing.key_id, drawing.category, drawing.to_lists()) == ("9", None, STROKES)


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_fields_may_be_separated_by_semicolons_or_tabs(tmp_path, delimiter):
    path = write(tmp_path / "t.csv", f'word{delimiter}drawing\ncat{delimiter}"{STROKES}"\n')
    assert [d.category for d in read_drawings(path, strict=True)] == ["cat"]


def test_a_gzipped_csv_with_a_byte_order_mark_and_windows_line_ends_is_read(tmp_path):
    path = tmp_path / "cat.csv.gz"
    text = "\ufeff" + kaggle(json.dumps(STROKES)).replace("\n", "\r\n")
    path.write_bytes(gzip.compress(text.encode()))
    assert [d.to_lists() for d in read_drawings(path, strict=True)] == [STROKES]


@pytest.mark.parametrize(
    ("bad", "problem"),
    [
        ("not JSON", '"drawing" is text but not JSON'),
        ('[["x"]]', "the stroke is not a pair"),
        ("[[[1, 2], [3]]]", "unequal numbers"),
    ],
)
def test_a_bad_row_is_counted_and_named_and_the_others_are_read(tmp_path, bad, problem):
    path = write(tmp_path / "cat.csv", kaggle(json.dumps(STROKES), bad, json.dumps(STROKES)))
    report = ReadReport()
    assert len(list(read_drawings(path, report=report))) == 2
    assert (report.n_read, report.n_unreadable) == (2, 1)
    ((found, counted),) = report.problems.items()
    assert problem in found
    assert counted.positions[0].startswith(f"{path}, line 3")
    with pytest.raises(FormatError, match=problem):
        list(read_drawings(path, strict=True))


def test_a_row_with_too_few_fields_is_counted(tmp_path):
    path = write(tmp_path / "cat.csv", kaggle(json.dumps(STROKES)) + "US,cat\n")
    report = ReadReport()
    assert len(list(read_drawings(path, report=report))) == 1
    assert "number of fields differs" in next(iter(report.problems))


def test_a_quote_that_is_never_closed_loses_one_row(tmp_path):
    good = kaggle(json.dumps(STROKES))
    header, row = good.splitlines()
    bad = 'US,"[[[1, 2], [3, 4]]],7,True,,cat'
    path = write(tmp_path / "cat.csv", "\n".join([header, row, bad, row, row, ""]))
    report = ReadReport()
    assert len(list(read_drawings(path, report=report))) == 3
    ((_, counted),) = report.problems.items()
    assert counted.positions == [f"{path}, line 3, 2 fields, 6 expected"]


def test_strokes_over_several_lines_are_one_field(tmp_path):
    pretty = json.dumps(STROKES, indent=1)
    path = write(tmp_path / "cat.csv", f'word,drawing\ncat,"{pretty}"\ncat,"{STROKES}"\n')
    assert [d.to_lists() for d in read_drawings(path, strict=True)] == [STROKES, STROKES]


def test_a_csv_without_a_readable_row_is_an_error(tmp_path):
    with pytest.raises(FormatError, match="there is no drawing in the file"):
        list(read_drawings(write(tmp_path / "cat.csv", KAGGLE_HEADER + "\n")))


# Parquet and Arrow


def hugging_face(names: list[str] | None = None) -> pa.Table:
    """As `datasets` stores google/quickdraw, preprocessed_simplified_drawings."""
    lists = pa.list_(pa.list_(pa.uint8()))
    features = {"word": {"names": names or ["cat", "dog"], "_type": "ClassLabel"}}
    return pa.table(
        {
            "key_id": ["5", "6"],
            "word": pa.array([1, 0], pa.int64()),
            "recognized": [True, False],
            "timestamp": pa.array(
                [datetime.datetime(2017, 3, 9, 0, 28, 55), None], pa.timestamp("us")
            ),
            "countrycode": ["US", "DE"],
            "drawing": pa.array(
                [
                    {"x": [xs for xs, _ in STROKES], "y": [ys for _, ys in STROKES]},
                    {"x": [[1, 2]], "y": [[3, 4]]},
                ],
                pa.struct([("x", lists), ("y", lists)]),
            ),
        }
    ).replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})


def test_hugging_face_s_parquet_is_read_with_its_class_names(tmp_path):
    path = tmp_path / "train-00000-of-00001.parquet"
    pq.write_table(hugging_face(), path)
    first, second = read_drawings(path, strict=True)
    assert first.to_lists() == STROKES
    assert first.metadata == {
        "key_id": "5",
        "category": "dog",
        "country": "US",
        "recognized": True,
        "timestamp": "2017-03-09 00:28:55 UTC",
    }
    assert (second.category, second.timestamp) == ("cat", None)


@pytest.mark.parametrize("made_by", ["garabato", "hugging_face"])
def test_parquet_of_usual_form_is_read_from_whole_buffers(tmp_path, monkeypatch, made_by):
    path = tmp_path / "test.parquet"
    if made_by == "hugging_face":
        pq.write_table(hugging_face(), path)
    else:
        drawings = [Drawing(STROKES, key_id=str(n), category="cat") for n in range(3)]
        pq.write_table(to_table(DrawingBatch.from_drawings(drawings)), path)
    monkeypatch.setattr("garabato.formats.arrow._rows", None)  # which reads one by one
    first, second, *_ = read_drawings(path, strict=True)
    assert first.to_lists() == STROKES
    assert second.to_lists() == (STROKES if made_by == "garabato" else [[[1, 2], [3, 4]]])


def test_offsets_outside_of_a_damaged_arrow_file_are_an_error(tmp_path):
    lists = pa.list_(pa.list_(pa.uint8()))
    drawing = {"x": [[1] * 30, [2] * 47], "y": [[1] * 30, [2] * 47]}
    table = pa.table({"drawing": pa.array([drawing], pa.struct([("x", lists), ("y", lists)]))})
    path = tmp_path / "cat.arrow"
    with pa.ipc.new_file(path, table.schema) as file:
        file.write_table(table)
    whole = path.read_bytes()
    offsets = struct.pack("<3i", 0, 30, 77)
    assert whole.count(offsets) == 2
    path.write_bytes(whole.replace(offsets, struct.pack("<3i", 0, -(2**30), 2**30)))
    with pytest.raises(FormatError, match=r"cat.arrow: a truncated or damaged .* offset"):
        list(read_drawings(path))


def test_a_row_with_more_xs_than_ys_costs_only_its_own_drawing(tmp_path):
    axes = {"x": [[[1, 2]], [[1, 2], [3]]], "y": [[[3, 4]], [[3, 4]]]}
    lists = pa.list_(pa.list_(pa.uint8()))
    strokes = pa.StructArray.from_arrays([pa.array(axes[a], lists) for a in "xy"], ["x", "y"])
    pq.write_table(pa.table({"drawing": strokes}), tmp_path / "odd.parquet")
    report = ReadReport()
    (drawing,) = read_drawings(tmp_path / "odd.parquet", report=report)
    assert drawing.to_lists() == [[[1, 2], [3, 4]]]
    assert report.n_unreadable == 1


@pytest.mark.parametrize("kind", ["file", "stream"])
def test_arrow_files_and_streams_are_read(tmp_path, kind):
    path = tmp_path / "data.arrow"
    table = hugging_face()
    new = pa.ipc.new_file if kind == "file" else pa.ipc.new_stream
    with new(path, table.schema) as writer:
        writer.write_table(table)
    assert [d.category for d in read_drawings(path, strict=True)] == ["dog", "cat"]
    zipped = tmp_path / "data.arrow.gz"
    zipped.write_bytes(gzip.compress(path.read_bytes()))
    assert [d.category for d in read_drawings(zipped, strict=True)] == ["dog", "cat"]


@pytest.mark.parametrize(
    "values",
    [
        pa.array([json.dumps(STROKES)]),
        pa.array([STROKES], pa.list_(pa.list_(pa.list_(pa.int64())))),
        pa.array([[{"x": xs, "y": ys} for xs, ys in STROKES]]),
    ],
    ids=["json", "lists", "structs of int64"],
)
def test_strokes_are_read_however_they_are_stored(tmp_path, values):
    path = tmp_path / "cat.parquet"
    pq.write_table(pa.table({"word": ["cat"], "drawing": values}), path)
    (drawing,) = read_drawings(path, strict=True)
    assert (drawing.category, drawing.to_lists()) == ("cat", STROKES)


def png() -> bytes:
    picture = Image.new("L", (64, 64), 255)
    ImageDraw.Draw(picture).line((8, 8, 50, 50), fill=0, width=3)
    content = io.BytesIO()
    picture.save(content, "PNG")
    return content.getvalue()


def test_a_column_of_pictures_is_read_as_bitmaps(tmp_path):
    path = tmp_path / "cat.parquet"
    images = pa.array([{"bytes": png(), "path": "1.png"}, {"bytes": b"no picture", "path": None}])
    pq.write_table(pa.table({"image": images, "label": ["cat", "cat"]}), path)
    report = ReadReport()
    (drawing,) = read_drawings(path, report=report)
    assert drawing.category == "cat"
    assert drawing.bitmap is not None
    assert drawing.bitmap.any()
    (counted,) = report.problems.values()
    assert counted.positions == [f"{path}, row 1"]


def test_a_prepared_data_set_s_file_reads_as_the_data_set_does(tmp_path, sketch_source):
    dataset = prepare(
        sketch_source, tmp_path / "data", categories=3, n_train=8, n_test=2, sheets=False
    )
    read = [d for batch in read_batches(tmp_path / "data" / "train.parquet") for d in batch]
    expected = list(dataset.split("train"))
    assert [d.metadata for d in read] == [d.metadata for d in expected]
    assert [d.to_lists() for d in read] == [d.to_lists() for d in expected]


def test_a_prepared_data_set_of_bitmaps_is_read(tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    bitmaps = np.zeros((12, 784), np.uint8)
    bitmaps[np.arange(12), 28 * 5 + np.arange(12)] = 255
    np.save(source / "cat.npy", bitmaps)
    dataset = prepare(source, tmp_path / "data", categories="all", n_train=8, n_test=2)
    read = list(read_drawings(tmp_path / "data" / "test.parquet", strict=True))
    expected = list(dataset.split("test"))
    assert all((a.bitmap == b.bitmap).all() for a, b in zip(read, expected, strict=True))


@pytest.mark.parametrize(
    ("times", "read"),
    [
        (pa.array([1488500000123456789], pa.timestamp("ns")), "2017-03-03 00:13:20.123456 UTC"),
        (
            pa.array([1488500000123], pa.timestamp("ms", "Mars/Olympus")),
            "2017-03-03 00:13:20.123000 UTC",
        ),
        (pa.array([2**62], pa.timestamp("s")), None),
        (pa.array([17_234], pa.date32()), "2017-03-09"),
        (pa.array([2**30], pa.date32()), None),
        (pa.array([None], pa.timestamp("ns")), None),
    ],
)
def test_a_time_of_any_unit_keeps_its_drawing(tmp_path, times, read):
    table = pa.table({"timestamp": times, "drawing": [STROKES]})
    with pa.ipc.new_file(tmp_path / "cat.arrow", table.schema) as file:
        file.write_table(table)
    (drawing,) = read_drawings(tmp_path / "cat.arrow", strict=True)
    assert drawing.to_lists() == STROKES
    assert drawing.timestamp == read


@pytest.mark.parametrize(
    ("words", "category"),
    [([["cat"]], None), ([{"name": "cat"}], None), ([31], "31"), ([""], None)],
)
def test_only_text_and_numbers_are_categories(tmp_path, words, category):
    pq.write_table(pa.table({"word": words, "drawing": [STROKES]}), tmp_path / "a.parquet")
    (drawing,) = read_drawings(tmp_path / "a.parquet", strict=True)
    assert (drawing.category, drawing.to_lists()) == (category, STROKES)


def test_the_label_of_hugging_face_s_test_sets_is_no_category(tmp_path):
    table = hugging_face()
    table = table.set_column(1, table.schema.field("word"), pa.array([-1, 1]))
    pq.write_table(table, tmp_path / "a.parquet")
    assert [d.category for d in read_drawings(tmp_path / "a.parquet")] == [None, "dog"]


def test_text_that_is_not_utf8_costs_its_field_or_its_row(tmp_path):
    texts = pa.array([b"caf\xe9", b"cat"]).view(pa.string())
    strokes = pa.array([json.dumps(STROKES).encode(), b"[\xff]"]).view(pa.string())
    pq.write_table(pa.table({"word": texts, "drawing": strokes}), tmp_path / "a.parquet")
    report = ReadReport()
    (drawing,) = read_drawings(tmp_path / "a.parquet", report=report)
    assert (drawing.category, drawing.to_lists()) == (None, STROKES)
    assert list(report.notes.values()) == [1]
    ((problem, counted),) = report.problems.items()
    assert problem.startswith("the strokes cannot be read ('utf-8' codec")
    assert counted.positions == [f"{tmp_path / 'a.parquet'}, row 1"]


def test_a_row_without_strokes_is_counted_and_the_others_are_read(tmp_path):
    path = tmp_path / "cat.parquet"
    strokes = [json.dumps(STROKES), "nonsense", None, json.dumps(STROKES)]
    pq.write_table(pa.table({"word": ["cat"] * 4, "drawing": strokes}), path)
    report = ReadReport()
    assert len(list(read_drawings(path, report=report))) == 2
    positions = [p for problem in report.problems.values() for p in problem.positions]
    assert positions == [f"{path}, row 1", f"{path}, row 2"]


def test_strokes_of_unequal_lengths_in_columns_of_bytes_are_counted(tmp_path):
    line = pa.list_(pa.uint8())
    kind = pa.list_(pa.struct([("x", line), ("y", line)]))
    rows = [[{"x": [1, 2], "y": [3]}], [{"x": [1, 2], "y": [3, 4]}]]
    path = tmp_path / "cat.parquet"
    pq.write_table(pa.table({"strokes": pa.array(rows, kind)}), path)
    report = ReadReport()
    assert [d.to_lists() for d in read_drawings(path, report=report)] == [[[[1, 2], [3, 4]]]]
    assert report.n_unreadable == 1


def test_a_parquet_without_a_column_of_drawings_names_those_it_has(tmp_path):
    path = tmp_path / "cat.parquet"
    pq.write_table(pa.table({"name": ["cat"], "size": [3]}), path)
    with pytest.raises(FormatError, match=r"no column drawing.*the columns are name, size"):
        list(read_drawings(path))


def test_damaged_statistics_are_an_error_and_do_not_end_the_process():
    # pyarrow 26.0 aborts when it is asked for the metadata of this file's second column.
    path = Path(__file__).parent / "fixtures" / "damaged_histogram.parquet"
    with pytest.raises(FormatError, match=r"histogram.parquet: a truncated or damaged Parquet"):
        list(read_drawings(path))


@pytest.mark.parametrize("compression", ["none", "zstd"])
def test_the_sizes_of_columns_are_those_that_pyarrow_reads(compression):
    table = pa.table({"a": [[1, 2], [3]] * 1000, "b": ["x"] * 2000, "c": [None, True] * 1000})
    file = io.BytesIO()
    pq.write_table(table, file, row_group_size=700, compression=compression)
    sizes = _column_sizes(_parquet_footer(pa.BufferReader(file.getvalue())))
    assert [group[0].n_values for group in sizes] == [1050, 1050, 900]  # 1.5 a row on average
    metadata = pq.read_metadata(file)
    for number, group in enumerate(sizes):
        columns = [metadata.row_group(number).column(i) for i in range(3)]
        assert [one.n_bytes for one in group] == [one.total_uncompressed_size for one in columns]
        assert [one.n_compressed for one in group] == [one.total_compressed_size for one in columns]


def test_a_truncated_parquet_is_an_error_that_names_the_file(tmp_path):
    path = tmp_path / "cat.parquet"
    pq.write_table(hugging_face(), path)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(FormatError, match=r"cat.parquet: a truncated or damaged Parquet"):
        list(read_drawings(path))


def test_a_column_that_expands_without_end_is_refused_before_it_is_read(tmp_path):
    """A hundred million equal numbers take a few hundred bytes of Parquet."""
    path = tmp_path / "bomb.parquet"
    n = 2**27 + 1
    values = pa.ListArray.from_arrays([0, n], pa.array(np.zeros(n, np.uint8)))
    pq.write_table(pa.table({"drawing": values}), path, compression="zstd")
    del values
    assert path.stat().st_size < 10**6
    with pytest.raises(FormatError, match="smaller row groups"):
        list(read_drawings(path))


def write_compressed(path, table, kind):
    if kind == "parquet":
        pq.write_table(table, path, compression="zstd", use_dictionary=False)
    else:
        new = pa.ipc.new_file if kind == "arrow" else pa.ipc.new_stream
        with new(path, table.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as file:
            file.write_table(table)
    assert path.stat().st_size < 10**5


@pytest.mark.parametrize("kind", ["parquet", "arrow", "stream"])
def test_a_column_that_nobody_reads_may_expand(tmp_path, kind):
    path = tmp_path / "cat.table"
    zeros = pa.FixedSizeListArray.from_arrays(pa.array(np.zeros(2**26 + 2, np.uint8)), 2**25 + 1)
    drawings = [json.dumps(STROKES)] * 2
    table = pa.table({"drawing": drawings, "drawing_embedding": zeros, "key_id": ["1", "2"]})
    write_compressed(path, table, kind)
    assert [d.key_id for d in read_drawings(path, strict=True)] == ["1", "2"]


@pytest.mark.parametrize("kind", ["parquet", "arrow", "stream"])
def test_a_text_that_expands_without_end_is_refused(tmp_path, kind):
    path = tmp_path / "bomb.table"
    write_compressed(path, pa.table({"drawing": ["y" * (2**26 + 1)]}), kind)
    with pytest.raises(FormatError, match="a column grows more than 200 times when expanded"):
        list(read_drawings(path))


def test_many_rows_come_in_bounded_batches_in_order(tmp_path):
    path = tmp_path / "cat.parquet"
    texts = [json.dumps([[[n % 256, 1], [2, 3]]]) for n in range(3000)]
    keys = [str(n) for n in range(3000)]
    pq.write_table(pa.table({"drawing": texts, "key_id": keys}), path)
    batches = list(read_batches(path, strict=True))
    assert max(map(len, batches)) <= 1024
    assert [d.key_id for batch in batches for d in batch] == keys
    assert isinstance(batches[0][0], Drawing)
