"""JSON arrays of drawings, and one object over several lines."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from garabato import read_drawings
from garabato.errors import FormatError
from garabato.formats import ReadReport, json_document
from garabato.formats.stream import open_input

STROKES = [[[0, 255, 128], [0, 9, 255]], [[7], [8]]]
OBJECT = {"word": "cat", "key_id": "7", "drawing": STROKES}


def write(path, content):
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


@pytest.mark.parametrize("indent", [None, 1])
def test_an_array_of_objects_is_read(tmp_path, indent):
    path = write(tmp_path / "cats.json", json.dumps([OBJECT, OBJECT], indent=indent))
    assert [d.to_lists() for d in read_drawings(path, strict=True)] == [STROKES, STROKES]
    assert next(read_drawings(path)).category == "cat"


def test_one_object_over_several_lines_is_read(tmp_path):
    path = write(tmp_path / "cat.json", json.dumps(OBJECT, indent=1))
    (drawing,) = read_drawings(path, strict=True)
    assert (drawing.key_id, drawing.to_lists()) == ("7", STROKES)


def test_an_array_of_drawings_and_the_strokes_of_one_are_told_apart(tmp_path):
    many = write(tmp_path / "many.json", [STROKES, STROKES])
    one = write(tmp_path / "one.json", STROKES)
    assert [d.to_lists() for d in read_drawings(many, strict=True)] == [STROKES, STROKES]
    assert [d.to_lists() for d in read_drawings(one, strict=True)] == [STROKES]


@pytest.mark.parametrize("between", ["\n", "\r\n\r\n", " "])
def test_arrays_one_after_the_other_are_a_drawing_each(tmp_path, between):
    other = [[[1, 2], [3, 4]]]
    text = between.join(map(json.dumps, [STROKES, other, STROKES])) + between
    for name in ("cats.json", "cats.ndjson"):
        path = write(tmp_path / name, text)
        assert [d.to_lists() for d in read_drawings(path, strict=True)] == [STROKES, other, STROKES]


def test_an_array_that_is_no_drawing_is_counted_and_the_others_are_read(tmp_path):
    path = write(
        tmp_path / "cats.json", f"{json.dumps(STROKES)}\n[[[1], []]]\n{json.dumps(STROKES)}"
    )
    report = ReadReport()
    assert len(list(read_drawings(path, report=report))) == 2
    (problem,) = report.problems.values()
    assert problem.positions[0].startswith(f"{path}, array 2")


def test_a_bad_element_is_counted_and_named_and_the_others_are_read(tmp_path):
    path = write(
        tmp_path / "cats.json", [OBJECT, {"word": "cat"}, {"drawing": [[[1], []]]}, OBJECT]
    )
    report = ReadReport()
    assert len(list(read_drawings(path, report=report))) == 2
    positions = [p for problem in report.problems.values() for p in problem.positions]
    assert positions == [f"{path}, element 2", f"{path}, element 3, stroke 1"]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ('[{"drawing": [[[1', "there is no drawing|ends inside an array"),
        ('[{"drawing": [[[1], [2]]]}] {"drawing": []}', "text after the array"),
        ("{\n broken", "broken JSON"),
        ("[]", "there is no drawing in the file"),
    ],
)
def test_a_damaged_file_is_an_error(tmp_path, content, problem):
    with pytest.raises(FormatError, match=problem):
        list(read_drawings(write(tmp_path / "cats.json", content), strict=True))


@pytest.mark.parametrize("indent", [None, 1])
@pytest.mark.parametrize(
    "document",
    [[OBJECT] * 4, [STROKES] * 4, {"drawings": [OBJECT] * 4}, {"version": 2, "data": [OBJECT] * 4}],
    ids=["objects", "drawings", "wrapped", "wrapped after a field"],
)
def test_the_drawings_before_the_end_of_a_file_that_was_cut_off_are_kept(
    tmp_path, document, indent
):
    text = json.dumps(document, indent=indent)
    path = write(tmp_path / "cats.json", text[: len(text) * 5 // 8])
    report = ReadReport()
    drawings = list(read_drawings(path, report=report))
    assert [drawing.to_lists() for drawing in drawings] == [STROKES, STROKES]
    assert report.n_unreadable == 1
    (problem,) = report.problems
    assert problem.startswith("the file ends inside an array")
    assert report.problems[problem].positions == [f"{path}, element 3"]


@given(
    st.lists(
        st.recursive(
            st.text() | st.integers(0, 99) | st.none(),
            lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        ).map(lambda value: {"key": value}),
        min_size=1,
        max_size=5,
    ),
    st.integers(1, 40),
    st.sampled_from([None, 1]),
    st.booleans(),
)
def test_an_array_is_split_into_its_elements_whatever_is_in_them(
    tmp_path_factory, elements, block, indent, ascii_only
):
    path = tmp_path_factory.getbasetemp() / "elements.json"
    path.write_text(json.dumps(elements, indent=indent, ensure_ascii=ascii_only), "utf-8")
    with pytest.MonkeyPatch.context() as patch, open_input(path) as source:
        patch.setattr(json_document, "_BLOCK_BYTES", block)
        *found, end = json_document._split(source)
    assert [json.loads(text) for text in found] == elements
    assert end == json_document._ARRAY_END
