"""Google's recipe: against a plain Python one, and against Google's own results."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from garabato.drawing import Drawing
from garabato.drawing._simplify import (
    _KERNELS,
    MAX_SAMPLES_PER_STROKE,
    resample_and_simplify,
)
from garabato.formats import read_drawings

Point = tuple[float, float]


def _simplify(strokes, spacing_px=1.0, epsilon_px=2.0):
    drawing = Drawing([np.array(stroke, float).T for stroke in strokes])
    points, starts = resample_and_simplify(
        drawing.points, drawing.stroke_starts, spacing_px=spacing_px, epsilon_px=epsilon_px
    )
    return [points[a:b].tolist() for a, b in pairwise(starts)]


def _plain_resample(stroke: list[Point], spacing: float) -> list[Point]:
    """Samples at 0, spacing, 2 * spacing, ... of the length, and the end."""
    lengths = [math.dist(a, b) for a, b in pairwise(stroke)]
    samples = []
    for k in range(int(sum(lengths) / spacing + 1e-9) + 1):
        rest = k * spacing
        for (ax, ay), (bx, by), length in zip(stroke[:-1], stroke[1:], lengths, strict=True):
            if rest <= length and length > 0:
                samples.append((ax + (bx - ax) * rest / length, ay + (by - ay) * rest / length))
                break
            rest -= length
    return [*samples, stroke[-1]]


def _plain_rdp(points: list[Point], epsilon: float) -> list[Point]:
    if len(points) < 3:
        return points
    (ax, ay), (bx, by) = points[0], points[-1]
    chord = math.hypot(bx - ax, by - ay)

    def distance(p: Point) -> float:
        if chord == 0:
            return math.hypot(p[0] - ax, p[1] - ay)
        return abs((bx - ax) * (p[1] - ay) - (by - ay) * (p[0] - ax)) / chord

    farthest = max(range(1, len(points) - 1), key=lambda i: distance(points[i]))
    if distance(points[farthest]) <= epsilon:
        return [points[0], points[-1]]
    return _plain_rdp(points[: farthest + 1], epsilon)[:-1] + _plain_rdp(points[farthest:], epsilon)


def test_points_on_a_line_are_removed_except_the_ends():
    assert _simplify([[(0, 0), (3, 0), (7, 0), (100, 0)]]) == [[[0, 0], [100, 0]]]


def test_a_corner_is_kept_and_a_bump_below_epsilon_removed():
    assert _simplify([[(0, 0), (50, 0), (50, 50)]]) == [[[0, 0], [50, 0], [50, 50]]]
    assert _simplify([[(0, 0), (50, 1.9), (100, 0)]]) == [[[0, 0], [100, 0]]]
    assert len(_simplify([[(0, 0), (50, 2.5), (100, 0)]])[0]) == 3


def test_strokes_of_one_point_are_kept():
    assert _simplify([[(5, 6)], [(0, 0), (9, 0)], [(7, 8)]]) == [
        [[5, 6]],
        [[0, 0], [9, 0]],
        [[7, 8]],
    ]


def test_a_dot_of_two_equal_points_keeps_both_as_in_googles_files():
    assert _simplify([[(7, 7), (7, 7), (7, 7)]]) == [[[7, 7], [7, 7]]]


def test_a_closed_stroke_keeps_its_ends_and_its_shape():
    square = [(0, 0), (100, 0), (100, 100), (0, 100), (0, 0)]
    assert _simplify([square]) == [[list(p) for p in square]]


def test_very_long_strokes_are_sampled_at_wider_distances():
    rng = np.random.default_rng(0)
    points = rng.uniform(0, 255, (50_000, 2))
    (kept,) = _simplify([points])
    assert len(kept) <= MAX_SAMPLES_PER_STROKE + 2
    np.testing.assert_allclose(kept[0], points[0], rtol=1e-6)
    np.testing.assert_allclose(kept[-1], points[-1], rtol=1e-6)


def _skewed(value: int) -> float:
    """`value` moved a little, so that no two distances tie and no rounding decides."""
    return float(np.float32(value + 0.3 * math.sin(value * 1.237 + 0.1)))


_points = st.tuples(st.integers(0, 60), st.integers(61, 120))
_strokes = st.lists(_points, min_size=2, max_size=10, unique_by=(lambda p: p[0], lambda p: p[1]))


@settings(max_examples=200)
@given(st.lists(_strokes, min_size=1, max_size=3), st.sampled_from([0.5, 1.0, 2.5]))
def test_strokes_are_simplified_as_by_the_plain_recipe(strokes, spacing_px):
    strokes = [[(_skewed(x), _skewed(y)) for x, y in stroke] for stroke in strokes]
    for stroke, kept in zip(strokes, _simplify(strokes, spacing_px), strict=True):
        plain = _plain_rdp(_plain_resample(stroke, spacing_px), 2.0)
        assert len(kept) == len(plain)
        np.testing.assert_allclose(kept, plain, atol=1e-3)


def test_googles_raw_files_become_googles_simplified_files(quickdraw: Path):
    n_twins = n_strokes = n_same = 0
    for raw_file in sorted((quickdraw / "raw").glob("*.ndjson")):
        file = quickdraw / "simplified" / raw_file.name
        simplified = {d.key_id: d for d in read_drawings(file)}
        for drawing in read_drawings(raw_file):
            twin = simplified.get(drawing.key_id)
            if twin is None:
                continue
            n_twins += 1
            ours, googles = drawing.to_lists(), twin.to_lists()
            assert len(ours) == len(googles)
            n_strokes += len(googles)
            n_same += sum(a == b for a, b in zip(ours, googles, strict=True))
    if n_twins == 0:
        pytest.skip("no raw drawing has a simplified twin here")
    assert n_same / n_strokes > 0.98  # ties between distances may go either way


def test_python_keeps_the_same_points_as_the_compiled_kernel():
    (interpreted,), (compiled,) = _KERNELS.interpreted, _KERNELS.compiled
    walk = np.random.default_rng(0).normal(scale=9, size=(600, 2)).cumsum(axis=0)
    for n_points in range(1, 600, 40):
        points = walk[:n_points].astype(np.float32)
        starts = np.array([0, n_points // 3, n_points])
        expected = compiled(points, starts, 1.0, 2.0)
        for ours, theirs in zip(interpreted(points, starts, 1.0, 2.0), expected, strict=True):
            np.testing.assert_array_equal(ours, theirs)
