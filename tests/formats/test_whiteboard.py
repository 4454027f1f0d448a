"""Files of Excalidraw and tldraw."""

from __future__ import annotations

import base64
import json
import math

import numpy as np
import pytest

from garabato import read_drawings
from garabato.errors import FormatError
from garabato.formats import ReadReport


def scene(*elements, **more):
    return {
        "type": "excalidraw", "version": 2, "source": "https://excalidraw.com",
        "elements": list(elements), "appState": {"gridSize": None}, "files": {}, **more,
    }  # fmt: skip


def freedraw(points, x=100.0, y=50.0, **more):
    return {
        "id": "p5k", "type": "freedraw", "x": x, "y": y, "width": 1, "height": 1, "angle": 0,
        "strokeColor": "#1e1e1e", "points": points, "pressures": [], "isDeleted": False, **more,
    }  # fmt: skip


def write(path, document, indent=2):
    path.write_text(json.dumps(document, indent=indent))
    return path


def lists(path):
    return [d.to_lists() for d in read_drawings(path, strict=True)]


@pytest.mark.parametrize("indent", [None, 2])
def test_freedraw_elements_become_the_strokes_of_one_drawing(tmp_path, indent):
    path = write(
        tmp_path / "cat.excalidraw",
        scene(
            freedraw([[0, 0], [100, 0], [100, 100]], x=100, y=50),
            freedraw([[0, 0], [0, 51]], x=151, y=99),
        ),
        indent,
    )
    ((first, second),) = lists(path)
    assert first == [[0, 255, 255], [0, 0, 255]]
    assert second == [[130, 130], [125, 255]]


def test_lines_and_outlines_count_and_what_is_deleted_or_text_does_not(tmp_path):
    box = {"type": "rectangle", "x": 0, "y": 0, "width": 100, "height": 60, "angle": 0}
    path = write(
        tmp_path / "s.excalidraw",
        scene(
            box,
            {**box, "x": 900, "isDeleted": True},
            {"type": "text", "x": 500, "y": 0, "text": "cat"},
            {"type": "line", "x": 0, "y": 0, "angle": 0, "points": [[0, 0], [100, 60]]},
        ),
    )
    ((outline, line),) = lists(path)
    assert outline == [[0, 255, 255, 0, 0], [0, 0, 153, 153, 0]]
    assert line == [[0, 255], [0, 153]]


def test_an_angle_turns_an_element_around_its_middle(tmp_path):
    line = {"type": "line", "x": 0, "y": 0, "angle": math.pi / 2, "points": [[0, 0], [100, 0]]}
    cross = {"type": "line", "x": 0, "y": 0, "angle": 0, "points": [[0, 0], [100, 0]]}
    ((first, second),) = lists(write(tmp_path / "s.excalidraw", scene(line, cross)))
    assert first == [[128, 128], [0, 255]]
    assert second == [[0, 255], [128, 128]]


@pytest.mark.parametrize("version", [1, 2])
def test_each_item_of_a_library_is_a_drawing(tmp_path, version):
    items = [[freedraw([[0, 0], [9, 9]])], [freedraw([[0, 9], [9, 0]])]]
    document = {"type": "excalidrawlib", "version": version}
    if version == 1:
        document["library"] = items
    else:
        document["libraryItems"] = [{"status": "published", "elements": e} for e in items]
    path = write(tmp_path / "icons.excalidrawlib", document)
    drawings = list(read_drawings(path, strict=True))
    assert [d.key_id for d in drawings] == ["icons-1", "icons-2"]
    assert [d.to_lists() for d in drawings] == [[[[0, 255], [0, 255]]], [[[0, 255], [255, 0]]]]


def test_a_bad_element_is_counted_and_the_others_are_read(tmp_path):
    path = write(
        tmp_path / "s.excalidraw", scene(freedraw([[0, "a"]]), freedraw([[0, 0], [1, 1]], x=None),
                                         freedraw([[0, 0], [9, 9]])),
    )  # fmt: skip
    report = ReadReport()
    assert len(list(read_drawings(path, report=report))) == 1
    positions = [p for problem in report.problems.values() for p in problem.positions]
    assert positions == [f"{path}, element 1", f"{path}, element 2"]


def test_a_file_without_a_drawn_shape_is_an_error(tmp_path):
    with pytest.raises(FormatError, match="there is no drawing in the file"):
        list(read_drawings(write(tmp_path / "s.excalidraw", scene())))


def tldr(*shapes):
    return {
        "tldrawFileFormatVersion": 1,
        "schema": {"schemaVersion": 2, "sequences": {}},
        "records": [
            {"id": "document:document", "typeName": "document", "gridSize": 10},
            {"id": "page:a", "typeName": "page", "name": "Page 1", "index": "a1"},
            *shapes,
        ],
    }


def draw(segments, number=1, parent="page:a", **more):
    return {
        "id": f"shape:{number}", "typeName": "shape", "type": "draw", "x": 10, "y": 20,
        "rotation": 0, "parentId": parent, "index": f"a{number}",
        "props": {"segments": segments, "color": "black", "isComplete": True}, **more,
    }  # fmt: skip


def free(*points):
    return {"type": "free", "points": [{"x": x, "y": y, "z": 0.5} for x, y in points]}


def test_segments_of_a_tldraw_shape_make_one_stroke(tmp_path):
    shape = draw([free((0, 0), (100, 0)), free((100, 0), (100, 100))])
    ((stroke,),) = lists(write(tmp_path / "cat.tldr", tldr(shape)))
    assert stroke == [[0, 255, 255], [0, 0, 255]]


def test_groups_move_and_turn_what_is_in_them(tmp_path):
    group = {"id": "shape:g", "typeName": "shape", "type": "group", "x": 1000, "y": 0,
             "rotation": math.pi / 2, "parentId": "page:a", "props": {}}  # fmt: skip
    inside = draw([free((0, 0), (100, 0))], parent="shape:g", x=0, y=0)
    outside = draw([free((0, 0), (0, 100))], number=2, x=1100, y=0)
    ((turned, plain),) = lists(write(tmp_path / "cat.tldr", tldr(group, inside, outside)))
    assert turned == [[0, 0], [0, 255]]
    assert plain == [[255, 255], [0, 255]]


@pytest.mark.parametrize("dim", [2, 3])
def test_packed_paths_are_unpacked(tmp_path, dim):
    points = np.array([[1000, 2000, 0.5], [1100, 2000, 0.5], [1100, 2100, 0.5]])[:, :dim]
    steps = points[1:] - points[:-1]
    content = points[:1].astype("<f4").tobytes() + steps.astype("<f2").tobytes()
    segment = {"type": "free", "path": base64.b64encode(content).decode()}
    if dim == 2:
        segment["dim"] = 2
    ((stroke,),) = lists(write(tmp_path / "cat.tldr", tldr(draw([segment]))))
    assert stroke == [[0, 255, 255], [0, 0, 255]]


def test_points_may_be_packed_without_steps(tmp_path):
    """Files of tldraw 4.2 on its way to `path`: x, y and the pressure of each point as float16."""
    points = np.array([[0, 0, 0.5], [100, 0, 0.5], [100, 100, 0.5]], "<f2")
    segment = {"type": "free", "points": base64.b64encode(points.tobytes()).decode()}
    empty = {"type": "free", "path": ""}
    ((stroke,),) = lists(write(tmp_path / "cat.tldr", tldr(draw([segment, empty]))))
    assert stroke == [[0, 255, 255], [0, 0, 255]]


@pytest.mark.parametrize("key", ["points", "handles"])
def test_points_of_a_line_are_ordered_by_their_index(tmp_path, key):
    points = {
        "end": {"id": "end", "index": "a2", "x": 100, "y": 100},
        "start": {"id": "start", "index": "a1", "x": 0, "y": 0},
        "handle:a1V": {"id": "handle:a1V", "index": "a1V", "x": 100, "y": 0},
    }
    line = draw([], type="line", props={key: points, "spline": "line"})
    ((stroke,),) = lists(write(tmp_path / "line.tldr", tldr(line)))
    assert stroke == [[0, 255, 255], [0, 0, 255]]


def test_a_drawing_of_too_many_points_is_refused_and_named(tmp_path):
    many = [[i % 97, i % 89] for i in range(200_001)]
    few = freedraw([[0, 0], [9, 9]])
    items = [{"id": "a", "elements": [freedraw(many)]}, {"id": "b", "elements": [few]}]
    library = {"type": "excalidrawlib", "version": 2, "libraryItems": items}
    pages = tldr(draw([free(*many)]), draw([free((0, 0), (9, 9))], number=2, parent="page:b"))
    for document, position in ((library, "item 1"), (pages, "page 1")):
        report = ReadReport()
        path = write(tmp_path / "x.json", document, None)
        assert len(list(read_drawings(path, report=report))) == 1
        assert report.lines() == [
            "1 unreadable: the drawing has more than 200,000 points", f"  {path}, {position}"
        ]  # fmt: skip


def test_each_page_becomes_a_drawing(tmp_path):
    other = draw([free((0, 0), (9, 9))], number=2, parent="page:b")
    path = write(tmp_path / "two.tldr", tldr(draw([free((0, 9), (9, 0))]), other))
    assert [d.key_id for d in read_drawings(path, strict=True)] == ["two-1", "two-2"]


@pytest.mark.parametrize(
    "segment", [{"path": "!"}, {"path": "AAAA"}, {"points": [{"x": 1}]}, {"points": 3}]
)
def test_a_bad_shape_is_counted_and_the_others_are_read(tmp_path, segment):
    path = write(
        tmp_path / "cat.tldr", tldr(draw([segment]), draw([free((0, 0), (9, 9))], number=2))
    )
    report = ReadReport()
    assert len(list(read_drawings(path, report=report))) == 1
    (counted,) = report.problems.values()
    assert counted.positions == [f"{path}, shape:1"]


def test_a_group_that_contains_itself_is_an_error(tmp_path):
    a = {"id": "shape:a", "typeName": "shape", "type": "group", "x": 0, "y": 0,
         "parentId": "shape:b", "props": {}}  # fmt: skip
    b = {**a, "id": "shape:b", "parentId": "shape:a"}
    inside = draw([free((0, 0), (9, 9))], parent="shape:a")
    report = ReadReport()
    with pytest.raises(FormatError, match="group that contains itself"):
        list(read_drawings(write(tmp_path / "c.tldr", tldr(a, b, inside)), report=report))


def square(**more):
    return {
        "type": "rectangle", "x": -50, "y": -50, "width": 400, "height": 400, "angle": 0,
        "strokeColor": "#1e1e1e", "backgroundColor": "transparent", "opacity": 100, **more,
    }  # fmt: skip


@pytest.mark.parametrize(
    "unseen",
    [
        square(opacity=0),
        square(strokeColor="transparent"),
        square(strokeColor="#FFFFFF", backgroundColor="white"),
        square(type="frame"),
        square(type="image"),
    ],
)
def test_what_cannot_be_seen_on_the_canvas_does_not_count(tmp_path, unseen):
    path = write(tmp_path / "s.excalidraw", scene(unseen, freedraw([[0, 0], [255, 255]])))
    assert lists(path) == [[[[0, 255], [0, 255]]]]


def test_excalidraw_is_recognised_whatever_the_order_of_its_keys(tmp_path):
    document = scene(freedraw([[0, 0], [255, 255]]))
    ordered = {key: document[key] for key in sorted(document)}
    clipboard = {"type": "excalidraw/clipboard", "elements": document["elements"]}
    for number, one in enumerate((ordered, clipboard)):
        assert lists(write(tmp_path / f"{number}.json", one)) == [[[[0, 255], [0, 255]]]]


def test_a_file_of_tldraw_s_first_version_says_how_to_convert_it(tmp_path):
    pages = {"page": {"id": "page", "name": "Page 1", "childIndex": 1, "shapes": {}}}
    document = {"name": "New Document", "document": {"id": "doc", "version": 15.5, "pages": pages}}
    with pytest.raises(FormatError, match=r"open it at tldraw\.com and save it again"):
        list(read_drawings(write(tmp_path / "old.tldr", document)))


@pytest.mark.parametrize("wrap", [lambda store: store, lambda store: {"document": store}])
def test_a_snapshot_of_tldraw_s_store_is_read(tmp_path, wrap):
    shape = {
        "id": "shape:1", "typeName": "shape", "type": "draw", "parentId": "page:page", "x": 0,
        "y": 0, "rotation": 0, "opacity": 1,
        "props": {"segments": [{"type": "free", "points": [{"x": 0, "y": 0}, {"x": 255, "y": 9}]}]},
    }  # fmt: skip
    hidden = shape | {"id": "shape:2", "x": 999, "opacity": 0}
    store = {"page:page": {"id": "page:page", "typeName": "page"}} | {
        record["id"]: record for record in (shape, hidden)
    }
    path = write(tmp_path / "snapshot.json", wrap({"store": store, "schema": {}}))
    assert lists(path) == [[[[0, 255], [0, 9]]]]
