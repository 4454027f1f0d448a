from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from garabato.drawing import MAX_POINTS, Details, Drawing, DrawingBatch
from garabato.errors import DrawingError, InputError

CORNER = [[[0, 100, 100], [0, 0, 50]], [[10], [20]]]


def test_strokes_become_points_and_starts():
    drawing = Drawing(CORNER, key_id="7", category="cat")
    assert drawing.points.dtype == np.float32
    assert drawing.points.tolist() == [[0, 0], [100, 0], [100, 50], [10, 20]]
    assert drawing.stroke_starts.tolist() == [0, 3, 4]
    assert [s.tolist() for s in drawing.strokes] == [[[0, 100, 100], [0, 0, 50]], [[10], [20]]]
    assert drawing.to_lists() == CORNER


def test_times_are_ignored_and_strokes_without_points_dropped():
    assert Drawing([[[1, 2], [3, 4], [0, 9]], [[], []]]).to_lists() == [[[1, 2], [3, 4]]]


@pytest.mark.parametrize(
    ("strokes", "problem"),
    [
        ([[[1, 2], [3]]], "stroke 1 has 2 xs but 1 ys"),
        ([[[1], [1]], [[1]]], r"stroke 2 is not a pair \(xs, ys\)"),
        ([[[float("nan")], [1]]], "stroke 1 has a coordinate that is NaN or infinite"),
        ([[[1], [float("inf")]]], "stroke 1 has a coordinate that is NaN or infinite"),
        ([[[2.0**25], [1]]], r"stroke 1 has a coordinate beyond 2\^24"),
        ([[[10**400], [1]]], r"stroke 1 has a coordinate beyond 2\^24"),
        ([[["a"], [1]]], "stroke 1 has coordinates that are not numbers"),
        ([[[1, 2], [3, 4], ["a", 5]]], "stroke 1 has coordinates that are not numbers"),
        ([[[1, 2], [3, 4], [None, 5]]], "stroke 1 has a coordinate that is NaN or infinite"),
        ([[[[1]], [[1]]]], "stroke 1 is not a pair of flat lists"),
        ([[range(MAX_POINTS + 1), range(MAX_POINTS + 1)]], "more than 200,000 points"),
        ([[[0, 9], [0, 9]], 3], "stroke 2 is not a pair"),
        ([{"x": [1, 2], "y": [3, 4]}], r"stroke 1 is not a pair \(xs, ys\)"),
        *[
            (bare_stroke, "stroke 1 is a list of numbers.*a drawing is a list of strokes")
            for bare_stroke in [
                ([0, 9], [0, 5]),
                [list(range(10)), list(range(10))],
                np.zeros((2, 10)),
                [(0, 0), (9, 5)],
            ]
        ],
        (None, r"strokes must be a list of pairs \(xs, ys\), not NoneType"),
    ],
)
def test_invalid_strokes_are_refused_and_named(strokes, problem):
    with pytest.raises(DrawingError, match=problem):
        Drawing(strokes)


def _picture(form: str) -> bytes:
    content = io.BytesIO()
    Image.new("L", (3, 2)).save(content, form)
    return content.getvalue()


SVG = '<?xml version="1.0"?><s:svg xmlns:s="http://www.w3.org/2000/svg"/>'


@pytest.mark.parametrize(
    ("original", "media_type"),
    [
        *[(_picture(form), f"image/{form.lower()}") for form in ("PNG", "JPEG", "GIF", "WebP")],
        *[(SVG.encode(encoding), "image/svg+xml") for encoding in ("utf-8", "utf-8-sig", "utf-16")],
    ],
)
def test_an_original_file_is_an_svg_or_a_small_picture(original, media_type):
    drawing = Drawing(CORNER, original=original)
    assert drawing.details == Details(original=original, original_type=media_type)
    assert drawing.to_dict()["original_type"] == media_type


@pytest.mark.parametrize(
    ("detail", "problem"),
    [
        ({"original": "cat.svg"}, "original must be the content of a file, as bytes, not str"),
        ({"original": b"<ink><trace>1 2</trace></ink>"}, "not an SVG, PNG, JPEG, GIF or WebP file"),
        ({"original": b"an <svg> in a text"}, "not an SVG"),
        ({"original": _picture("BMP")}, "not an SVG"),
        ({"original": b"RIFF\0\0\0\0WAVEfmt "}, "not an SVG"),
        ({"original": SVG.encode().ljust(2**16 + 1)}, "has 65,537 bytes; at most 65,536"),
        ({"title": 5}, "title must be text, not 5"),
        ({"source_path": b"a.svg"}, "source_path must be text, not b'a.svg'"),
        ({"tags": ["a", 5]}, "tags must be text, not 5"),
        ({"link": "javascript:alert(1)"}, "link must be an http:// or https:// address, not 'java"),
    ],
)
def test_invalid_details_are_refused_and_named(detail, problem):
    with pytest.raises(DrawingError, match=problem):
        Drawing(CORNER, **detail)
    with pytest.raises(DrawingError, match=problem):
        Drawing(CORNER).replace(**detail)


def test_a_single_tag_may_be_given_as_text_and_tags_as_a_list():
    assert Drawing(CORNER, tags="bird").tags == ("bird",)
    assert Drawing(CORNER, tags=["bird", "sea"]).tags == ("bird", "sea")
    assert Drawing(CORNER).tags == ()


@pytest.mark.parametrize("value", ["no", 1, float("nan"), [True]])
@pytest.mark.parametrize("name", ["traced", "recognized"])
def test_traced_and_recognized_are_true_false_or_none(name, value):
    with pytest.raises(DrawingError, match=f"{name} must be True, False or None, not"):
        Drawing(CORNER, **{name: value})
    with pytest.raises(DrawingError, match=f"{name} must be"):
        Drawing(CORNER).replace(**{name: value})
    assert getattr(Drawing(CORNER, **{name: np.True_}), name) is True


def test_a_drawing_error_is_an_input_error_and_a_value_error():
    with pytest.raises(InputError):
        Drawing([[[1], []]])
    with pytest.raises(ValueError, match="xs"):
        Drawing([[[1], []]])


def test_a_drawing_can_be_a_bitmap():
    drawing = Drawing(bitmap=np.zeros((28, 28), np.uint8))
    assert drawing.is_empty
    assert not Drawing(bitmap=np.full((2, 2), 9, np.uint8)).is_empty
    for wrong, is_what in (
        (np.zeros(28), r"\(28,\) float64"),
        (np.zeros((0, 5), "u1"), r"\(0, 5\)"),
    ):
        with pytest.raises(DrawingError, match=rf"uint8 array with pixels, not {is_what}"):
            Drawing(bitmap=wrong)
    with pytest.raises(DrawingError, match="not both"):
        Drawing(CORNER, bitmap=np.zeros((2, 2), np.uint8))


def test_normalising_aligns_to_the_top_left_and_keeps_the_aspect():
    drawing = Drawing([[[10, 30], [5, 15]]]).normalised()
    assert drawing.to_lists() == [[[0, 255], [0, 127.5]]]


def test_a_dot_is_moved_not_scaled():
    assert Drawing([[[70], [80]]]).normalised().to_lists() == [[[0], [0]]]
    assert Drawing().normalised().is_empty
    assert Drawing([[[0, 1e-40], [0, 1e-38]]]).normalised().to_lists() == [[[0, 0], [0, 0]]]


def test_drawings_on_the_grid_are_returned_unchanged():
    drawing = Drawing(CORNER)
    assert drawing.on_grid() is drawing
    far = Drawing([[[-100, 410], [0, 0]]], key_id="k").on_grid()
    assert far.to_lists() == [[[0, 255], [0, 0]]]
    assert far.key_id == "k"


def test_replacing_metadata_keeps_strokes_and_other_metadata():
    drawing = Drawing(CORNER, key_id="7", country="DE").replace(category="cat")
    assert (drawing.key_id, drawing.country, drawing.category) == ("7", "DE", "cat")
    assert drawing.to_lists() == CORNER


def test_the_first_part_ends_at_its_share_of_the_ink():
    # 100 px right, then 100 px down: half of the ink ends in the corner
    drawing = Drawing([[[0, 100, 100], [0, 0, 100]]])
    assert drawing.first_part(0.5).to_lists() == [[[0, 100], [0, 0]]]
    assert drawing.first_part(0.25).to_lists() == [[[0, 50], [0, 0]]]
    assert drawing.first_part(1) is drawing


def test_the_first_part_of_dots_is_some_of_the_dots():
    dots = Drawing([[[i], [i]] for i in range(4)])
    assert len(dots.first_part(0.5).strokes) == 2
    with pytest.raises(DrawingError, match=r"\(0, 1\]"):
        dots.first_part(0)


_stroke = st.lists(st.tuples(st.integers(0, 255), st.integers(0, 255)), min_size=1, max_size=6)
_strokes = st.lists(_stroke.map(lambda ps: [[p[0] for p in ps], [p[1] for p in ps]]), max_size=5)
_drawings = st.lists(st.builds(Drawing, _strokes, key_id=st.text("0123456789")), max_size=6)


def _ink(drawing: Drawing) -> float:
    return float(sum(np.hypot(*np.diff(s, axis=1)).sum() for s in drawing.strokes))


@settings(max_examples=200)
@given(_strokes, st.floats(0.01, 1))
def test_the_first_part_has_its_share_of_the_ink(strokes, fraction):
    drawing = Drawing(strokes)
    part = drawing.first_part(fraction)
    assert _ink(part) == pytest.approx(fraction * _ink(drawing), rel=1e-3, abs=1e-2)
    assert part.stroke_starts[-1] == len(part.points)


@settings(max_examples=100)
@given(_strokes)
def test_the_grid_is_reached_in_one_step(strokes):
    once = Drawing([[np.array(x) * 7.7 - 20, np.array(y) * 7.7] for x, y in strokes]).on_grid()
    assert once.on_grid() is once


@settings(max_examples=100)
@given(_drawings)
def test_a_batch_returns_its_drawings(drawings):
    batch = DrawingBatch.from_drawings(drawings)
    assert len(batch) == len(drawings)
    for i, (drawing, back) in enumerate(zip(drawings, batch, strict=True)):
        for one in (back, batch[i]):
            assert one.to_lists() == drawing.to_lists()
            assert one.metadata == drawing.metadata
            assert one.bitmap is None
            assert one.stroke_starts.dtype == np.int64


@settings(max_examples=100)
@given(_drawings, st.data())
def test_taking_rows_of_a_batch_is_taking_its_drawings(drawings, data):
    batch = DrawingBatch.from_drawings(drawings)
    if not drawings:
        return
    rows = data.draw(st.lists(st.integers(0, len(drawings) - 1), max_size=8))
    taken = batch.take(np.array(rows, np.int64))
    assert [d.to_lists() for d in taken] == [drawings[i].to_lists() for i in rows]
    assert taken.key_ids == [drawings[i].key_id for i in rows]


@settings(max_examples=100)
@given(_drawings, st.integers(0, 6))
def test_a_batch_cut_in_two_and_joined_is_the_batch(drawings, cut):
    batch = DrawingBatch.from_drawings(drawings)
    joined = DrawingBatch.concatenate([batch[:cut], batch[cut:]])
    np.testing.assert_array_equal(joined.points, batch.points)
    np.testing.assert_array_equal(joined.stroke_starts, batch.stroke_starts)
    np.testing.assert_array_equal(joined.drawing_starts, batch.drawing_starts)
    assert joined.key_ids == batch.key_ids


def test_strokes_and_bitmaps_do_not_mix_in_a_batch():
    strokes = Drawing(CORNER)
    bitmap = Drawing(bitmap=np.zeros((28, 28), np.uint8))
    with pytest.raises(DrawingError, match="split the drawings by kind"):
        DrawingBatch.from_drawings([strokes, bitmap])
    with pytest.raises(DrawingError, match="split the drawings by kind"):
        DrawingBatch.concatenate(
            [DrawingBatch.from_drawings([strokes]), DrawingBatch.from_drawings([bitmap])]
        )


def test_bitmaps_keep_their_metadata():
    images = np.arange(3 * 4, dtype=np.uint8).reshape(3, 2, 2)
    batch = DrawingBatch.from_drawings(
        [Drawing(bitmap=image, key_id=str(i)) for i, image in enumerate(images)]
    )
    taken = batch[1:]
    assert taken.bitmaps is not None
    np.testing.assert_array_equal(taken.bitmaps, images[1:])
    assert taken[1].key_id == "2"
    assert taken[-1].bitmap is not None
    with pytest.raises(IndexError):
        taken[2]


def test_repr_is_one_short_line():
    drawing = Drawing([[range(50), range(50)], [[1], [2]]], key_id="5", category="cat")
    assert repr(drawing) == "Drawing(key_id='5', category='cat', 2 strokes, 51 points)"
    assert repr(Drawing([[[1], [2]]])) == "Drawing(1 stroke, 1 point)"
    picture = Drawing(bitmap=np.zeros((28, 30), np.uint8), recognized=False)
    assert repr(picture) == "Drawing(recognized=False, bitmap of 28 x 30 px)"
