"""JSON objects with a table of drawings, as pandas writes them."""

from __future__ import annotations

import json

import pytest

from garabato import read_drawings
from garabato.errors import FormatError
from garabato.formats import ReadReport, json_document

STROKES = [[[0, 255, 128], [0, 9, 255]], [[7], [8]]]
OTHER = [[[0, 255], [9, 9]]]
ROWS = [
    {"key_id": "7", "word": "cat", "recognized": True, "drawing": STROKES},
    {"key_id": "8", "word": "dog", "recognized": False, "drawing": OTHER},
]
COLUMNS = {name: {str(i): row[name] for i, row in enumerate(ROWS)} for name in ROWS[0]}
LABELLED = {name: {f"r{i}": row[name] for i, row in enumerate(ROWS)} for name in ROWS[0]}
FIELDS = [{"name": name, "type": "string"} for name in ("index", *ROWS[0])]


def read(path, document, **options):
    path.write_text(json.dumps(document, **options))
    return list(read_drawings(path, strict=True))


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize(
    "document",
    [
        COLUMNS,
        LABELLED,
        {"id": {"r0": 1.5, "r1": None}} | LABELLED,
        {"columns": list(ROWS[0]), "index": [3, 4], "data": [list(row.values()) for row in ROWS]},
        {"abc": ROWS[0], "def": ROWS[1]},
        {str(i): {"id": i} | row for i, row in enumerate(ROWS)},
        {"0": ROWS[0], "1": ROWS[1]},
        {"schema": {"fields": FIELDS, "primaryKey": ["index"]}, "data": ROWS},
        {"schema": {"fields": FIELDS}, "data": [row | {"row": 5} for row in ROWS]},
        {"features": FIELDS, "rows": [{"row_idx": i, "row": row} for i, row in enumerate(ROWS)]},
    ],
    ids=[
        "columns",
        "labels",
        "labels, unknown first",
        "split",
        "index",
        "unknown first",
        "numbered",
        "table",
        "row",
        "viewer",
    ],
)
def test_a_table_is_read(tmp_path, document, indent):
    cat, dog = read(tmp_path / "cats.json", document, indent=indent)
    assert (cat.key_id, cat.category, cat.recognized, cat.to_lists()) == ("7", "cat", True, STROKES)
    assert (dog.key_id, dog.category, dog.recognized, dog.to_lists()) == ("8", "dog", False, OTHER)


def test_a_first_column_may_be_unknown_and_longer_than_the_head_of_the_file(tmp_path):
    rows = {f"row {i}": OTHER for i in range(1000)}
    drawings = read(tmp_path / "cats.json", {"id": dict.fromkeys(rows, 1.5), "drawing": rows})
    assert [drawing.to_lists() for drawing in drawings] == [OTHER] * 1000


@pytest.mark.parametrize(
    "field",
    [
        {"settings": {f"key {i}": i for i in range(1000)}},
        {"min": {"x": 0}, "max": {"x": 1}, "note": "x" * 5000},
        {"word": {"en": "cat"}, "note": "x" * 5000},
    ],
    ids=["flat object", "two alike", "word"],
)
@pytest.mark.parametrize("n_lines", [1, 2, 3000])
def test_objects_a_line_that_are_longer_than_the_head_are_no_table(
    tmp_path, monkeypatch, field, n_lines
):
    monkeypatch.setattr(json_document, "MAX_TABLE_BYTES", 2**20)
    path = tmp_path / "cats.ndjson"
    path.write_text(f"{json.dumps(field | {'drawing': OTHER})}\n" * n_lines)
    drawings = [drawing.to_lists() for drawing in read_drawings(path)]
    assert drawings == [OTHER] * n_lines


def test_a_bad_row_is_named_and_the_others_are_read(tmp_path):
    path = tmp_path / "cats.json"
    path.write_text(json.dumps(COLUMNS | {"drawing": {"0": STROKES, "1": [[1]]}}))
    report = ReadReport()
    (cat,) = read_drawings(path, report=report)
    assert cat.key_id == "7"
    (problem,) = report.problems.values()
    assert problem.positions == [f"{path}, row 1, stroke 1"]


@pytest.mark.parametrize(
    "field", [{"features": [0.1]}, {"schema": {"v": 1}}, {"meta": {"word": "x"}}], ids=str
)
@pytest.mark.parametrize("n_lines", [1, 2])
def test_an_object_a_line_is_no_table(tmp_path, field, n_lines):
    path = tmp_path / "cats.ndjson"
    path.write_text(f"{json.dumps(field | {'drawing': OTHER})}\n" * n_lines)
    assert [drawing.to_lists() for drawing in read_drawings(path, strict=True)] == [OTHER] * n_lines


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('{"word": {"0": "cat"}, "drawing": {"0": [[', "broken JSON"),
        ('{"columns": ["word"], "data": [["cat"]]}', 'the key "drawing" is missing'),
        ('{"columns": ["drawing"], "data": [[[[[1, 2], [3, 4]]], 5]]}', "expected a JSON object"),
        ('{"word": {"0": "cat"}, "drawing": 5}', '"drawing" is not a list of strokes'),
    ],
)
def test_a_damaged_table_is_an_error(tmp_path, text, problem):
    path = tmp_path / "cats.json"
    path.write_text(text)
    with pytest.raises(FormatError, match=problem):
        list(read_drawings(path))


def test_a_large_table_says_how_to_write_it(tmp_path, monkeypatch):
    monkeypatch.setattr(json_document, "MAX_TABLE_BYTES", 100)
    with pytest.raises(FormatError, match=r"bigger than the 0 MiB .*lines=True"):
        read(tmp_path / "cats.json", COLUMNS)


def test_strokes_may_be_text_of_text(tmp_path):
    (cat,) = read(tmp_path / "cat.ndjson", {"drawing": json.dumps(json.dumps(STROKES))})
    assert cat.to_lists() == STROKES
