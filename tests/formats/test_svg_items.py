"""Markers and dashes on lines, and custom properties of CSS, as chromium shows them."""

from __future__ import annotations

import numpy as np
import pytest

from garabato.formats import read_drawings

PEN = 'fill="none" stroke="black" stroke-width="2"'
LINE = [[[10, 90], [50, 50]]]


def _strokes(folder, body):
    path = folder / "lines.svg"
    path.write_text(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 100 100">{body}</svg>')
    (drawing,) = read_drawings(path, strict=True)
    return [[np.round(row, 3).tolist() for row in stroke] for stroke in drawing.to_lists()]


def _marker(attributes, shape='<path d="M0 0L5 3L0 6" fill="none" stroke="black"/>'):
    return (
        f'<marker id="m" markerUnits="userSpaceOnUse" markerWidth="10" markerHeight="10" '
        f"{attributes}>{shape}</marker>"
    )


ARROW_AT_END = [[85, 90, 85], [47, 50, 53]]


@pytest.mark.parametrize(
    ("orient", "end", "expected"),
    [
        ("auto", "M10 50L90 50", ARROW_AT_END),
        ("auto", "M90 10L90 50", [[93, 90, 87], [45, 50, 45]]),
        ("0", "M90 10L90 50", ARROW_AT_END),
        ("180", "M10 50L90 50", [[95, 90, 95], [53, 50, 47]]),
    ],
)
def test_a_marker_is_put_at_the_end_of_a_line(tmp_path, orient, end, expected):
    marker = _marker(f'refX="5" refY="3" orient="{orient}"')
    strokes = _strokes(tmp_path, f'{marker}<path d="{end}" {PEN} marker-end="url(#m)"/>')
    assert strokes[1:] == [expected]


def test_a_marker_at_the_start_may_look_backwards(tmp_path):
    marker = _marker('refX="5" refY="3" orient="auto-start-reverse"')
    strokes = _strokes(
        tmp_path, f'{marker}<line x1="10" y1="50" x2="90" y2="50" {PEN} marker-start="url(#m)"/>'
    )
    assert strokes == [*LINE, [[15, 10, 15], [53, 50, 47]]]


@pytest.mark.parametrize("how", ['marker-mid="url(#m)"', 'style="marker:url(#m);marker-end:none"'])
def test_markers_are_put_at_each_corner(tmp_path, how):
    marker = _marker('refX="5" refY="3"')
    line = f'<polyline points="10,20 50,60 90,20" {PEN} {how}/>'
    strokes = _strokes(tmp_path, marker + line)
    assert [[45, 50, 45], [57, 60, 63]] in strokes
    assert len(strokes) == (2 if "mid" in how else 3)


def test_a_marker_is_as_many_times_larger_as_the_pen_is_wide(tmp_path):
    marker = (
        '<marker id="m" markerWidth="5" markerHeight="5" viewBox="0 0 10 10" refX="10" refY="5">'
        '<path d="M0 0L10 5L0 10" fill="none" stroke="black"/></marker>'
    )
    strokes = _strokes(tmp_path, f'{marker}<path d="M10 50H90" {PEN} marker-end="url(#m)"/>')
    assert strokes == [*LINE, [[80, 90, 80], [45, 50, 55]]]


def test_markers_of_markers_are_left_out(tmp_path):
    shape = '<path d="M0 0L5 3L0 6" fill="none" stroke="black" marker-end="url(#m)"/>'
    marker = _marker('refX="5" refY="3"', shape)
    strokes = _strokes(tmp_path, f'{marker}<path d="M10 50H90" {PEN} marker-end="url(#m)"/>')
    assert strokes == [*LINE, ARROW_AT_END]


@pytest.mark.parametrize(("stroke", "n_strokes"), [("black", 2), ("none", 0)])
def test_a_marker_may_take_the_paint_of_its_line(tmp_path, stroke, n_strokes):
    shape = '<path d="M0 0L5 3L0 6" fill="none" stroke="context-stroke"/>'
    marker = _marker('refX="5" refY="3"', shape)
    line = f'<path d="M10 50H90" fill="none" stroke="{stroke}" marker-end="url(#m)"/>'
    other = f'<path d="M5 5L9 9" {PEN}/>'
    assert len(_strokes(tmp_path, marker + other + line)) == 1 + n_strokes


@pytest.mark.parametrize(
    ("dashes", "expected"),
    [
        ('stroke-dasharray="20 1000"', [[[10, 30], [50, 50]]]),
        ('stroke-dasharray="30"', [[[10, 40], [50, 50]], [[70, 90], [50, 50]]]),
        ('pathLength="4" stroke-dasharray="1 3"', [[[10, 30], [50, 50]]]),
        ('style="stroke-dasharray:40,40;stroke-dashoffset:40px"', [[[50, 90], [50, 50]]]),
        ('stroke-dasharray="4 3"', LINE),
        ('stroke-dasharray="80 1"', LINE),
        ('stroke-dasharray="0"', LINE),
        ('stroke-dasharray="5 -5"', LINE),
        ('stroke-dasharray="none"', LINE),
    ],
)
def test_gaps_that_are_long_beside_the_line_are_left_out(tmp_path, dashes, expected):
    assert _strokes(tmp_path, f'<path d="M10 50H90" {PEN} {dashes}/>') == expected


@pytest.mark.parametrize("dashes", ['stroke-dasharray="0 999"', 'stroke-dasharray="99" '
                                    'stroke-dashoffset="99"'])  # fmt: skip
def test_a_line_that_is_one_gap_is_not_seen(tmp_path, dashes):
    body = f'<path d="M10 50H90" {PEN}/><path d="M10 60H90" {PEN} {dashes}/>'
    assert _strokes(tmp_path, body) == LINE


@pytest.mark.parametrize(
    "animation",
    [
        "<style>@keyframes draw{to{stroke-dashoffset:0}} path{animation:draw 2s forwards}</style>",
        '<animate attributeName="stroke-dashoffset" to="0" dur="2s"/>',
    ],
)
def test_lines_that_an_animation_draws_are_read_whole(tmp_path, animation):
    line = f'<path d="M10 50H90" {PEN} stroke-dasharray="99" stroke-dashoffset="99"/>'
    assert _strokes(tmp_path, animation + line) == LINE


HIDDEN = '<circle class="n" cx="50" cy="50" r="40"/>'


@pytest.mark.parametrize(
    "body",
    [
        '<style>:root{--a:#000;--b:var(--a)} path{stroke:var(--b)}</style>PATH',
        '<style>path{stroke:var(--x,var(--y,#000))}</style>PATH',
        '<style>.y{--c:#000} .x{--c:none} path,circle{stroke:var(--c);fill:none}</style>'
        f'<g class="x">{HIDDEN}</g><g class="y">PATH</g>',
        '<g style="--C:none"><circle r="9" fill="var(--C)"/></g><g style="--C:#000" '
        'stroke="var(--C)">PATH</g>',
        '<g stroke="black"><g style="stroke:var(--none)">PATH</g></g>',
        '<style>path{stroke:#000} @media (min-width: 10px){.n{display:none}}</style>'
        f"{HIDDEN}PATH",
        '<style>path{stroke:#000} @media (max-width:10px){path{stroke:none}}</style>PATH',
        '<style>path{stroke:#000}</style><style media="print">path{display:none}</style>PATH',
        '<style>path{stroke:revert}</style><g stroke="black">PATH</g>',
        '<g stroke="black"><g style="transform:translate(20,20)">PATH</g></g>',
        '<g stroke="black" style="transform:translate(0,0) rotate(0)">PATH</g>',
    ],
)  # fmt: skip
def test_style_sheets_are_read_as_in_a_browser(tmp_path, body):
    path = '<path d="M10 50H90" fill="none"/>'
    assert _strokes(tmp_path, body.replace("PATH", path)) == LINE


def test_percentages_of_a_transform_are_of_its_box(tmp_path):
    style = "transform:translate(100%,50%);transform-box:fill-box"
    strokes = _strokes(tmp_path, f'<path d="M10 10L30 50" {PEN} style="{style}"/>')
    assert strokes == [[[30, 50], [30, 70]]]
