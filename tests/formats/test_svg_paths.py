from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from garabato.formats.svg import _paths
from garabato.formats.svg.geometry import (
    IDENTITY,
    attribute_transform,
    length,
    multiply,
    numbers,
    origin,
    transform,
    view_box,
)


class TooManyPointsError(Exception):
    pass


def flatten(data: str, max_points: int) -> list[list[complex]]:
    points, starts, _, is_complete = _paths.flatten(data.encode(), IDENTITY, max_points)
    if not is_complete:
        raise TooManyPointsError
    numbers = (points[:, 0] + 1j * points[:, 1]).tolist()
    return [numbers[a:b] for a, b in pairwise(starts.tolist())]


def _points(data: str) -> list[list[tuple[float, float]]]:
    return [
        [(round(p.real, 9), round(p.imag, 9)) for p in polyline] for polyline in flatten(data, 9999)
    ]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ("M10 20 30 40", [[(10, 20), (30, 40)]]),
        ("m10-20l.5.5-1e1,2", [[(10, -20), (10.5, -19.5), (0.5, -17.5)]]),
        ("M1 2H5V9h-1v-1", [[(1, 2), (5, 2), (5, 9), (4, 9), (4, 8)]]),
        ("M0 0L4 0 4 3Z", [[(0, 0), (4, 0), (4, 3), (0, 0)]]),
        ("M0 0H4V3Zl1 1", [[(0, 0), (4, 0), (4, 3), (0, 0)], [(0, 0), (1, 1)]]),
        ("M1 1h2zm5 5h1", [[(1, 1), (3, 1), (1, 1)], [(6, 6), (7, 6)]]),
        ("M7 8h0", [[(7, 8), (7, 8)]]),
        ("M7 8Z", [[(7, 8), (7, 8)]]),
        ("M7 8", []),
        ("M1 1M2 2M3 3h1", [[(3, 3), (4, 3)]]),
        ("M3 3h1M5 5", [[(3, 3), (4, 3)]]),
        ("", []),
        ("L1 2 3 4", []),
        ("hello", []),
        ("M0 0 L1 1 oops L2 2", [[(0, 0), (1, 1)]]),
        ("M0 0 L1 1 L2", [[(0, 0), (1, 1)]]),
        ("M0 0 1 1Z 5 5", [[(0, 0), (1, 1), (0, 0)]]),
        ("  M 0,0 , 3 , 4\n\t", [[(0, 0), (3, 4)]]),
    ],
)
def test_straight_commands_become_polylines(data, expected):
    assert _points(data) == expected


def test_a_cubic_goes_through_the_points_of_its_formula():
    (curve,) = flatten("M0 0C0 100 100 100 100 0", 99)
    middle = curve[len(curve) // 2]
    assert middle == pytest.approx(50 + 75j)
    assert curve[-1] == 100 + 0j
    relative = flatten("m0 0c0 100 100 100 100 0", 99)
    np.testing.assert_allclose(relative[0], curve)


def test_a_quadratic_is_the_cubic_of_the_same_curve():
    (quadratic,) = flatten("M0 0Q50 90 100 0", 99)
    (cubic,) = flatten(f"M0 0C{100 / 3} 60 {200 / 3} 60 100 0", 99)
    np.testing.assert_allclose(quadratic, cubic, atol=1e-9)


def test_smooth_commands_mirror_the_last_handle_of_their_kind():
    assert flatten("M0 0C0 9 9 9 9 0S18-9 18 0", 99) == flatten(
        "M0 0C0 9 9 9 9 0C9-9 18-9 18 0", 99
    )
    assert flatten("M0 0Q5 9 9 0T18 0", 99) == flatten("M0 0Q5 9 9 0Q13-9 18 0", 99)
    # after another command the handle is the current point
    assert flatten("M0 0L9 0S18-9 18 0", 99) == flatten("M0 0L9 0C9 0 18-9 18 0", 99)
    assert flatten("M0 0C0 9 9 9 9 0T18 0", 99) == flatten("M0 0C0 9 9 9 9 0Q9 0 18 0", 99)


@pytest.mark.parametrize(
    ("flags", "centre"),
    [("0 0", (10, 0)), ("0 1", (0, 10)), ("1 0", (0, 10)), ("1 1", (10, 0))],
)
def test_the_four_arcs_between_two_points(flags, centre):
    (arc,) = flatten(f"M0 0A10 10 0 {flags} 10 10", 99)
    distances = [abs(p - complex(*centre)) for p in arc]
    np.testing.assert_allclose(distances, 10)
    turn = np.angle(np.array(arc[1:]) - complex(*centre)) - np.angle(
        np.array(arc[:-1]) - complex(*centre)
    )
    turn = (turn + math.pi) % (2 * math.pi) - math.pi
    clockwise = flags[2] == "1"  # y points down: growing angles
    assert (turn > 0).all() == clockwise
    assert abs(turn.sum()) == pytest.approx(1.5 * math.pi if flags[0] == "1" else 0.5 * math.pi)
    assert arc[-1] == 10 + 10j


def test_arc_flags_need_no_separator():
    assert flatten("M0 0a10 10 0 0110 10", 99) == flatten("M0 0a10 10 0 0 1 10 10", 99)
    assert flatten("M0 0a10 10 0 01.5.5 10 10 0 1 1 3 3", 999) == flatten(
        "M0 0a10 10 0 0 1 .5 .5a10 10 0 1 1 3 3", 999
    )


def test_a_rotated_ellipse_is_followed():
    (arc,) = flatten("M20 0A20 10 90 0 1 -20 0", 99)
    # rotated by 90 degrees the half axes swap; 10 is too small to reach: scaled up to 20 and 40
    xs, ys = np.real(arc), np.imag(arc)
    np.testing.assert_allclose((xs / 20) ** 2 + (ys / 40) ** 2, 1)
    assert abs(ys).max() == pytest.approx(40)


def test_a_quarter_of_a_turned_ellipse_lies_on_it():
    # half axes 20 and 10 around the origin, turned by 30 degrees, from one vertex to the next
    (arc,) = flatten("M17.320508 10A20 10 30 0 1 -5 8.6602540", 99)
    unturned = np.array(arc) * np.exp(-1j * np.pi / 6)
    np.testing.assert_allclose((unturned.real / 20) ** 2 + (unturned.imag / 10) ** 2, 1, rtol=1e-6)
    assert unturned.real.min() > -1e-6 < unturned.imag.min()
    assert len(arc) > 5


def test_arcs_without_radius_are_lines():
    assert _points("M0 0A0 10 0 0 1 5 5") == [[(0, 0), (5, 5)]]
    assert _points("M0 0A10 10 0 0 1 0 0") == [[(0, 0), (0, 0)]]


@pytest.mark.parametrize("radius", ["1e13", "1e155", "1e200", "1e308"])
@pytest.mark.parametrize("flags", ["0 0", "0 1", "1 0", "1 1"])
def test_arcs_of_circles_beyond_measure_are_lines(radius, flags):
    assert _points(f"M0 0A{radius} {radius} 0 {flags} 1 1") == [[(0, 0), (1, 1)]]


def test_an_arc_that_is_nearly_its_whole_circle_is_round():
    (arc,) = flatten("M0 0A100 100 0 1 1 0 1e-6", 99)
    np.testing.assert_allclose(np.abs(np.array(arc) - 100), 100)


def test_too_many_points_are_refused_before_they_are_made():
    with pytest.raises(TooManyPointsError):
        flatten("M0 0" + "h1" * 100, 50)


@settings(max_examples=500)
@given(st.text("MmZzLlHhVvCcSsQqTtAa0123456789.-+eE, x", max_size=60))
def test_any_text_gives_polylines_of_numbers(data):
    try:
        for polyline in flatten(data, 2000):
            assert len(polyline) > 1
            assert all(isinstance(p, complex) for p in polyline)
    except TooManyPointsError:
        pass


def _apply(matrix, point):
    a, b, c, d, e, f = matrix
    x, y = point
    return a * x + c * y + e, b * x + d * y + f


def test_lengths_have_units_and_percentages():
    assert length("12", 100) == 12
    assert length(" 1in ", 100) == 96
    assert length("25.4mm", 0) == pytest.approx(96)
    assert length("72pt", 0) == 96
    assert length("50%", 80) == 40
    assert length("-1.5e1px", 0) == -15
    assert length(None, 100, 7) == 7
    assert length("1furlong", 100, 7) == 7
    assert length(" 2. \n", 100, 7) == 2
    assert length("1 2", 100, 7) == 7
    assert length("1 %", 50, 7) == 0.5


def test_a_list_of_numbers_ends_at_the_first_other_text():
    assert numbers("1,2 -3-.5e1x 6") == [1, 2, -3, -5]


@pytest.mark.parametrize(
    ("text", "point", "moved"),
    [
        ("translate(10)", (1, 2), (11, 2)),
        ("translate(10,20)", (1, 2), (11, 22)),
        ("scale(2)", (1, 2), (2, 4)),
        ("scale(2 3)", (1, 2), (2, 6)),
        ("rotate(90)", (1, 0), (0, 1)),
        ("rotate(90 1 1)", (2, 1), (1, 2)),
        ("skewX(45)", (0, 2), (2, 2)),
        ("skewY(45)", (2, 0), (2, 2)),
        ("skew(45deg)", (1, 2), (3, 2)),
        ("skew(45deg, 45deg)", (1, 2), (3, 3)),
        ("matrix(1 2 3 4 5 6)", (1, 1), (9, 12)),
        ("translate(10 0) scale(2)", (1, 1), (12, 2)),
        ("matrix(1 2)", (1, 1), (1, 1)),
        ("nonsense(3) scale()", (1, 1), (1, 1)),
        ("scale(2) nonsense(3)", (1, 1), (1, 1)),
        ("skewX(1e999)", (1, 2), (1, 2)),
        ("skewY(-1e999)", (1, 2), (1, 2)),
        ("rotate(1e999)", (1, 2), (1, 2)),
        ("scale(scale(2)", (1, 2), (2, 4)),
        ("translate(10px, 50%)", (1, 2), (11, 52)),
        ("translateX(10px) translateY(2em)", (0, 0), (10, 32)),
        ("scaleX(2) scaleY(3)", (1, 1), (2, 3)),
        ("translate3d(10px, 20px, 30px)", (1, 2), (11, 22)),
        ("scale3d(2, 3, 4)", (1, 2), (2, 6)),
        ("rotateZ(90deg)", (1, 0), (0, 1)),
        ("matrix3d(1, 2, 0, 0, 3, 4, 0, 0, 0, 0, 1, 0, 5, 6, 0, 1)", (1, 1), (9, 12)),
        ("rotate(0.25turn)", (1, 0), (0, 1)),
        ("rotate(1.5707963267948966rad)", (1, 0), (0, 1)),
        (None, (1, 1), (1, 1)),
    ],
)
def test_a_transform_moves_a_point_as_css_says(text, point, moved):
    np.testing.assert_allclose(_apply(transform(text, (200, 100)), point), moved, atol=1e-12)


@pytest.mark.parametrize(
    ("attributes", "point", "placed"),
    [
        ({"viewBox": "0 0 10 10", "width": "100", "height": "100"}, (1, 2), (10, 20)),
        ({"viewBox": "5 5 10 10", "width": "100", "height": "100"}, (5, 5), (0, 0)),
        ({"viewBox": "0 0 10 10", "width": "200", "height": "100"}, (0, 0), (50, 0)),
        ({"viewBox": "0 0 10 10", "width": "200", "height": "100",
          "preserveAspectRatio": "xMinYMid"}, (0, 0), (0, 0)),
        ({"viewBox": "0 0 10 10", "width": "200", "height": "100",
          "preserveAspectRatio": "xMaxYMax meet"}, (0, 0), (100, 0)),
        ({"viewBox": "0 0 10 10", "width": "200", "height": "100",
          "preserveAspectRatio": "xMidYMid slice"}, (0, 0), (0, -50)),
        ({"viewBox": "0 0 10 10", "width": "200", "height": "100",
          "preserveAspectRatio": "none"}, (1, 1), (20, 10)),
        ({"viewBox": "0 0 10", "width": "200"}, (1, 1), (1, 1)),
        ({}, (3, 4), (3, 4)),
    ],
)  # fmt: skip
def test_a_view_box_maps_points_to_the_page(attributes, point, placed):
    matrix, _, _ = view_box(attributes, (300, 150))
    np.testing.assert_allclose(_apply(matrix, point), placed, atol=1e-9)


@pytest.mark.parametrize(
    ("text", "point"),
    [
        ("10 20", (10, 20)),
        ("10px 50%", (10, 50)),
        ("center", (100, 50)),
        ("right", (200, 50)),
        ("top", (100, 0)),
        ("left bottom", (0, 100)),
        ("bottom right", (200, 100)),
        ("0 0 5px", (0, 0)),
    ],
)
def test_a_transform_origin_takes_lengths_percentages_and_keywords(text, point):
    assert origin(text, (200, 100)) == point


@pytest.mark.parametrize(
    ("text", "moved"),
    [
        ("translate(-.5-.5)scale(.5.25)", (0, 0)),
        ("translate(10)", (11, 2)),
        ("translate(10px, 0)", (1, 2)),
        ("translate(10%)", (1, 2)),
        ("rotate(20deg)", (1, 2)),
        ("SCALE(2)", (1, 2)),
        ("scale(2) bogus(3)", (1, 2)),
        ("", (1, 2)),
    ],
)
def test_transform_attributes_have_numbers_without_units(text, moved):
    np.testing.assert_allclose(_apply(attribute_transform(text), (1, 2)), moved, atol=1e-12)


@pytest.mark.parametrize(
    ("text", "moved"),
    [
        ("rotateX(60deg)", (1, 1)),
        ("rotateY(60deg)", (0.5, 2)),
    ],
)
def test_turns_in_space_are_seen_from_the_front(text, moved):
    np.testing.assert_allclose(_apply(transform(text), (1, 2)), moved, atol=1e-12)


def test_the_inner_matrix_is_applied_first():
    matrix = multiply(transform("translate(10 0)"), transform("scale(2)"))
    assert _apply(matrix, (1, 1)) == (12, 2)


@pytest.mark.parametrize(
    "text", ["0.1", "123.456", "-7e-3", ".5e2", "1234567890.125", "1e-300", "0e9", "3."]
)
def test_numbers_are_read_as_python_reads_them(text):
    data = list(text.encode())
    assert _paths.read_number(data, 0) == (len(text), pytest.approx(float(text), rel=1e-15))


@settings(max_examples=200)
@given(
    st.lists(
        st.tuples(st.sampled_from("MmZzLlHhVvCcSsQqTtAa"), st.lists(st.floats(-99, 99), max_size=8))
    )
)
def test_python_reads_the_paths_that_the_compiled_kernel_reads(commands):
    text = "M1 2" + "".join(letter + " ".join(map(str, values)) for letter, values in commands)
    data = text.encode()
    matrix = (1.5, 0.2, -0.1, 0.7, 3.0, 4.0)
    points, starts, bounds, is_complete = _paths._flatten(data, matrix, 500)
    interpreted = _paths._flatten.interpreted(data, matrix, 500)
    # Sines and cosines differ in the last digit, so a closing line may have length 0.
    if len(points) == len(interpreted[0]):
        np.testing.assert_allclose(interpreted[0], points, rtol=1e-9, atol=1e-9)
        assert interpreted[1].tolist() == starts.tolist()
    assert abs(len(points) - len(interpreted[0])) <= len(starts)
    np.testing.assert_allclose(interpreted[2], bounds, rtol=1e-9, atol=1e-9)
    assert interpreted[3] == is_complete


SQUARES = np.array([(1, 1), (5, 1), (5, 5), (1, 5), (2, 2), (4, 2), (4, 4), (2, 4)], np.float64)


def test_winding_numbers_count_how_often_polygons_go_around_a_pixel():
    starts = np.array([0, 4, 8])
    same = _paths.winding_numbers(SQUARES, starts, 6, 6)
    expected = np.zeros((6, 6), int)
    expected[1:5, 1:5] = same[1, 1]
    expected[2:4, 2:4] *= 2
    np.testing.assert_array_equal(same, expected)
    assert abs(same[1, 1]) == 1
    turned = SQUARES.copy()
    turned[4:] = turned[:3:-1]
    assert _paths.winding_numbers(turned, starts, 6, 6)[3, 3] == 0  # a hole by both rules


@settings(max_examples=100)
@given(st.lists(st.tuples(st.floats(-30, 30), st.floats(-30, 30)), min_size=3, max_size=8))
def test_winding_numbers_are_the_turns_seen_from_a_pixels_centre(corners):
    points = np.array(corners)
    starts = np.array([0, len(points)])
    winding = _paths.winding_numbers(points, starts, 7, 9)
    changes = _paths._winding_changes(points, starts, 7, 9)
    interpreted = _paths._winding_changes.interpreted(points, starts, 7, 9)
    np.testing.assert_array_equal(interpreted, changes)
    for row, column in ((0, 0), (3, 4), (6, 8)):
        seen = points - (column + 0.5, row + 0.5)
        following = np.roll(seen, -1, axis=0)
        cross = seen[:, 0] * following[:, 1] - seen[:, 1] * following[:, 0]
        if np.abs(cross).min() < 1e-3:
            continue  # the centre is on an edge, or nearly
        angles = np.arctan2(cross, (seen * following).sum(axis=1))
        assert abs(winding[row, column]) == abs(round(angles.sum() / (2 * np.pi)))
