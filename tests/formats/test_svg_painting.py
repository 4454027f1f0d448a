"""SVG is read as a browser shows it: paint, style sheets, grounds, clips and ribbons."""

from __future__ import annotations

import math
from pathlib import Path
from xml.sax.saxutils import escape

import numpy as np
import pytest

from garabato.drawing import Drawing
from garabato.errors import FormatError
from garabato.formats import read_drawings
from garabato.formats.svg import cascade

#: A zigzag of whole numbers, and the strokes it is read as.
ZIGZAG = "M60 130L45 90L50 20L85 60L115 50L150 60"
STROKES = [[[60, 45, 50, 85, 115, 150], [130, 90, 20, 60, 50, 60]]]
PAGE = 'viewBox="0 0 200 150"'
PEN = 'fill="none" stroke="black" stroke-width="4"'
#: Dots all over the page, but for its margin.
DOTS = "".join(f"M{x} {y}L{x} {y}" for x in range(5, 200, 10) for y in range(5, 150, 10))


def _read(folder: Path, body: str, attributes: str = PAGE) -> Drawing:
    path = folder / "cat.svg"
    namespaces = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
    path.write_text(f"<svg {namespaces} {attributes}>{body}</svg>", encoding="utf-8")
    (drawing,) = read_drawings(path, strict=True)
    return drawing


def _strokes(folder: Path, body: str, attributes: str = PAGE) -> list[list[list[float]]]:
    return _read(folder, body, attributes).to_lists()


@pytest.mark.parametrize(
    ("body", "attributes"),
    [
        (f'<path d="{ZIGZAG}"/>', f'{PAGE} fill="none" stroke="currentColor"'),
        (f'<g stroke="currentColor"><path d="{ZIGZAG}"/></g>', f'{PAGE} fill="none"'),
        (f'<path d="{ZIGZAG}" style="stroke: CurrentColor"/>', f'{PAGE} fill="none"'),
        (f'<path d="{ZIGZAG}" stroke="currentColor"/>', f'{PAGE} fill="none" color="red"'),
        (f'<path fill="currentColor" d="{ZIGZAG}"/>', f'{PAGE} fill="none"'),
        (f'<path d="{ZIGZAG}" stroke="inherit"/>', f'{PAGE} fill="none" stroke="#000"'),
        (f'<path d="{ZIGZAG}" stroke="nonsense"/>', f'{PAGE} fill="none" stroke="#000"'),
        (f'<path d="{ZIGZAG}" stroke="url(#none) blue"/>', f'{PAGE} fill="none"'),
        (f'<path d="{ZIGZAG}" stroke="oklch(40% 0.1 20)"/>', f'{PAGE} fill="none"'),
        (f'<path d="{ZIGZAG}" style="stroke:var(--c, #123)"/>', f'{PAGE} fill="none"'),
        (
            '<linearGradient id="g"><stop stop-color="red"/><stop stop-color="blue"/>'
            f'</linearGradient><path d="{ZIGZAG}" stroke="url(#g)"/>',
            f'{PAGE} fill="none"',
        ),
        (
            '<linearGradient id="g"><stop stop-color="currentColor"/></linearGradient>'
            f'<g color="white"><path d="{ZIGZAG}" stroke="url(#g)"/></g>',
            f'{PAGE} fill="none"',
        ),
        (
            '<linearGradient id="a g"><stop stop-color="red"/></linearGradient>'
            f'<path d="{ZIGZAG}" stroke="url(#a%20g)"/>',
            f'{PAGE} fill="none"',
        ),
        (f'<defs><path id="a%b" d="{ZIGZAG}"/></defs><use href="#a%25b"/>', f"{PAGE} {PEN}"),
        (f'<g style="stroke-width:0"><path style="stroke-width:1" d="{ZIGZAG}"/></g>',
         f'{PAGE} fill="none" stroke="black"'),
        (f'<g visibility="hidden"><path visibility="visible" d="{ZIGZAG}"/></g>',
         f"{PAGE} {PEN}"),
    ],
)  # fmt: skip
def test_paint_is_resolved_as_in_a_browser(tmp_path, body, attributes):
    assert _strokes(tmp_path, body, attributes) == STROKES


@pytest.mark.parametrize(
    "sheet",
    [
        ".l{fill:none;stroke:#000}.b{fill:#fff}",
        "path.l{fill:none;stroke:#000} rect{display:none}",
        "/* made by hand */ #a { fill : none ; stroke : black !important } .b{fill:none}",
        "svg > path{fill:none;stroke:red} rect:first-of-type{fill:#fff} [width]{fill:none}",
        "*{fill:none} .l{stroke:black}",
        "@media screen{.l{fill:none;stroke:#000}.b{fill:none}}",
        "@media print{.l{stroke:none}} .l{fill:none;stroke:#000} .b{visibility:hidden}",
        ".l{fill:none;stroke:var(--ink)} :root{--ink:#123456} .b{opacity:0}",
        "<![CDATA[.l{fill:none;stroke:#000}.b{fill:ivory}]]>",
    ],
)
def test_style_sheets_decide_what_is_painted(tmp_path, sheet):
    sheet = sheet.replace(">", "&gt;") if "CDATA" not in sheet else sheet
    body = f'<style>{sheet}</style><rect class="b" width="200" height="150"/>'
    assert _strokes(tmp_path, f'{body}<path id="a" class="l" d="{ZIGZAG}"/>') == STROKES


@pytest.mark.parametrize(
    "sheet",
    [
        "@media (min-width:0){.h{visibility:hidden}}",
        "@media only screen and (min-width: 1px){.h{display:none}}",
        "@media not print{.h{display:none}}",
        "@media print, screen{@media (prefers-color-scheme: light){.h{display:none}}}",
        "@supports (display:none){.h{display:none}}",
        "@layer a{.h{display:none}}",
        "rect:nth-of-type(1){display:none}",
        "g > rect:only-of-type{display:none}",
        ".h{fill:none;fill:nonsense;stroke:none}",
        ".h{fill:light-dark(transparent, red);stroke:none}",
        ".h{--c:none} .h{fill:var(--c);stroke:var(--c)}",
        ".h{clip-path:inset(100%)}",
        ".h{transform:scale(0)}",
        ".h{width:0}",
        "svg:has(path) .h{display:none}",
        ".h:has(+ path){display:none}",
        ".h:not(:has(*)){display:none}",
        "rect:nth-child(1 of .h){display:none}",
        "svg:scope .h{display:none}",
        "@import 'other.css'; .h{display:none}",
        "@media (max-width:1px) or (min-width:1px){.h{display:none}}",
        "@media not (max-width:1px){.h{display:none}}",
        "@media (hover: hover) and (scripting: none){.h{display:none}}",
        ".h{stroke-dasharray:0 10}",
    ],
)
def test_what_a_style_sheet_hides_is_not_drawn(tmp_path, sheet):
    escaped = escape(sheet)
    body = (
        f'<style>{escaped}</style><g class="g">'
        f'<rect class="h" id="h" x="50" y="40" width="99" height="60"/>'
        f'<path d="{ZIGZAG}"/></g>'
    )
    assert _strokes(tmp_path, body, f"{PAGE} {PEN}") == STROKES


@pytest.mark.parametrize(
    "sheet",
    [
        "@media print{.h{display:none}}",
        "@media not all{.h{display:none}}",
        "@media (prefers-color-scheme:dark){.h{display:none}}",
        "@media (max-width:99px){.h{display:none}}",
        "@media (nonsense:1){.h{display:none}}",
        "@container (min-width:1px){.h{display:none}}",
        "@media not (nonsense:1){.h{display:none}}",
        "@supports not (display:grid){.h{display:none}}",
        ".h:has(> rect){display:none}",
        "@layer a{.h{display:none}} .h{display:inline}",
        ".h{.h{display:none}}",
        "rect:nth-of-type(2){display:none}",
    ],
)
def test_rules_that_do_not_apply_hide_nothing(tmp_path, sheet):
    body = f'<style>{sheet}</style><path class="h" d="{ZIGZAG}"/>'
    assert _strokes(tmp_path, body, f"{PAGE} {PEN}") == STROKES


@pytest.mark.parametrize(
    ("sheet", "attributes", "is_seen"),
    [
        ("path{stroke:none}", 'stroke="black"', False),
        ("path{stroke:none}", 'style="stroke:black"', True),
        ("path{stroke:none !important}", 'style="stroke:black"', False),
        ("path{stroke:none !important}", 'style="stroke:black!important"', True),
        ("path{stroke:black} #a{stroke:none}", "", False),
        ("#a{stroke:black} path{stroke:none}", "", True),
        ("path{stroke:none} path{stroke:black}", "", True),
        ("g path{stroke:black} path{stroke:none}", "", True),
        ("path:hover{stroke:none}", 'stroke="black"', True),
        ("path{stroke:none !important", 'stroke="black"', False),
        ("a b c, path{stroke:none}", 'stroke="black"', False),
    ],
)
def test_specificity_importance_and_order_decide_between_rules(
    tmp_path, sheet, attributes, is_seen
):
    other = "M0 140L9 140"
    body = (
        f'<style>{sheet}</style><g><path id="a" d="{ZIGZAG}" {attributes}/></g>'
        f'<polyline points="0,140 9,140" stroke="black"/>'
    )
    strokes = _strokes(tmp_path, body, f'{PAGE} fill="none"')
    assert strokes == [*(STROKES if is_seen else []), [[0, 9], [140, 140]]], other


@pytest.mark.parametrize(
    "ground",
    [
        '<rect width="200" height="150" fill="ivory"/>',
        '<rect width="100%" height="100%" fill="#ffffffff"/>',
        '<rect width="200" height="150" fill="rgba(255,255,255,1)"/>',
        '<path d="M0 0h200v150H0z" fill="#fc0"/>',
        '<rect x="-9" y="-9" width="300" height="300" fill="#eee"/>',
        '<rect width="200" height="150" rx="9" fill="lightblue"/>',
        '<rect width="200" height="150" fill="pink" stroke="red"/>',
        '<circle cx="50" cy="50" r="9"/><rect width="200" height="150" fill="white"/>',
        '<rect width="200" height="150" fill="#ccc"/><rect width="200" height="150" fill="#eee"/>',
        '<rect width="200" height="150" opacity=".1"/>',
        '<path d="M0 75H200" stroke="wheat" stroke-width="150"/>',
    ],
)
def test_what_covers_the_page_is_ground_in_any_colour(tmp_path, ground):
    assert _strokes(tmp_path, f'{ground}<path d="{ZIGZAG}" {PEN}/>') == STROKES


@pytest.mark.parametrize("ground", ["#121212", "black", "navy", "hsl(0 100% 20%)"])
def test_light_lines_and_shapes_on_a_dark_page_are_kept(tmp_path, ground):
    page = f'<rect width="200" height="150" fill="{ground}"/>'
    body = f'{page}<path d="{ZIGZAG}" fill="none" stroke="white" stroke-width="4"/>'
    assert _strokes(tmp_path, body) == STROKES
    (shape,) = _strokes(tmp_path, f'{page}<path fill="#fff" d="{ZIGZAG}Z"/>')
    assert shape == [[*STROKES[0][0], 60], [*STROKES[0][1], 130]]
    root = f'{PAGE} style="background:{ground}"'
    line = f'<path d="{ZIGZAG}" fill="none" stroke="white" stroke-width="4"/>'
    assert _strokes(tmp_path, line, root) == STROKES


def test_ground_that_is_all_there_is_is_a_drawing_unless_it_is_white(tmp_path):
    assert _strokes(tmp_path, '<path d="M0 0h200v150H0z"/>') == [
        [[0, 200, 200, 0, 0], [0, 0, 150, 150, 0]]
    ]
    with pytest.raises(FormatError, match="the document has no lines"):
        _read(tmp_path, '<path fill="white" d="M0 0h200v150H0z"/>')


def test_a_white_shape_on_a_white_page_is_not_seen_but_hides_what_is_beneath(tmp_path):
    box = '<rect x="5" y="20" width="75" height="60" fill="white"/>'
    line = f'<path d="M10 50H150" {PEN}/>'
    ((xs, ys),) = _strokes(tmp_path, line + box)
    assert min(xs) == 0  # moved to the top left, where it is read as a drawing of its own
    assert set(ys) == {0}
    assert len(_strokes(tmp_path, box + line)) == 1
    both = _strokes(tmp_path, f'<path d="M10 50H150M10 50V9H150V50" {PEN}/>{box}')
    assert min(both[0][0]) > 100  # cut where the box hides it


def test_a_white_hole_in_a_dark_shape_is_seen(tmp_path):
    body = '<circle cx="100" cy="75" r="60"/><circle cx="100" cy="75" r="20" fill="white"/>'
    outer, inner = _read(tmp_path, body).strokes
    assert np.ptp(outer[0]) == pytest.approx(3 * np.ptp(inner[0]), rel=0.05)


@pytest.mark.parametrize(
    "hidden",
    [
        '<rect x="900" y="900" width="40" height="40"/>',
        '<path d="M-900 -900L-800 -700"/>',
        '<clipPath id="c"><rect width="9" height="9"/></clipPath>'
        '<g clip-path="url(#c)"><path d="M100 100L120 120"/></g>',
        '<clipPath id="c"><circle r="9"/></clipPath>'
        '<g clip-path="url(#c)"><path d="M100 100L120 120"/></g>',
        '<clipPath id="c"/><g clip-path="url(#c)"><path d="M100 100L120 120"/></g>',
        '<mask id="m"><rect width="200" height="150" fill="black"/></mask>'
        '<g mask="url(#m)"><path d="M100 100L120 120"/></g>',
        '<svg x="5" y="5" width="9" height="9"><path d="M100 100L120 120"/></svg>',
        '<symbol id="s" viewBox="0 0 9 9"><path d="M50 50L60 60"/></symbol>'
        '<use href="#s" width="20" height="20"/>',
        '<mask id="m"/><path style="mask-image:url(#m)" d="M100 100L120 120"/>',
        '<g style="mix-blend-mode:multiply" fill="white" stroke="none"><circle r="50"/></g>',
        '<rect width="200" height="150" fill="#eee" style="mix-blend-mode:darken" stroke="none"/>',
        '<rect width="200" height="150" fill="#000" style="mix-blend-mode:screen" stroke="none"/>',
        '<pattern id="p" width="9" height="9"><path d="M0 0L9 9" stroke="red" opacity="0"/>'
        '</pattern><circle r="50" fill="url(#p)" stroke="none"/>',
        '<g fill="black" stroke="none"><path d="M50 50L60 60"/><path d="M50 50L60 60Z"/>'
        '<polygon points="9,9 19,29 29,49"/><polyline points="9,9 99,9"/></g>',
    ],
)
def test_what_lies_off_the_page_or_is_clipped_away_is_not_drawn(tmp_path, hidden):
    body = f'<g {PEN}><path d="{ZIGZAG}"/>{hidden}</g>'
    assert _strokes(tmp_path, body) == STROKES


@pytest.mark.parametrize(
    "clip",
    [
        '<clipPath id="c"><rect width="200" height="150"/></clipPath>',
        '<clipPath id="c"><path d="M0 0H200V150H0Z"/></clipPath>',
        '<clipPath id="c"><rect width="999" height="999" transform="rotate(9)" x="-99" y="-99"/>'
        "</clipPath>",
        '<mask id="c"><rect width="200" height="150" fill="white"/></mask>',
        "",
    ],
)
def test_a_clip_that_shows_all_changes_nothing(tmp_path, clip):
    name = "mask" if "mask" in clip else "clip-path"
    body = f'{clip}<g {name}="url(#c)" {PEN}><path d="{ZIGZAG}"/></g>'
    assert _strokes(tmp_path, body) == STROKES


def test_a_pattern_may_take_its_shapes_from_another(tmp_path):
    patterns = (
        '<pattern id="p" width="9" height="9"><path d="M0 0L9 9" stroke="red"/></pattern>'
        '<pattern id="q" href="#p" patternTransform="scale(2)"/>'
    )
    box = '<path fill="url(#q)" d="M0 0H90V120H0Z"/>'
    assert _strokes(tmp_path, patterns + box) == [[[0, 90, 90, 0, 0], [0, 0, 120, 120, 0]]]


@pytest.mark.parametrize(("stroke", "n_strokes"), [("red", 2), ("none", 1)])
def test_what_is_used_may_take_the_paint_of_its_use(tmp_path, stroke, n_strokes):
    mark = '<path id="m" d="M100 100L120 120" fill="context-fill" stroke="context-stroke"/>'
    body = f'<defs>{mark}</defs><path d="{ZIGZAG}" {PEN}/>'
    use = f'<use href="#m" fill="none" stroke="{stroke}"/>'
    assert len(_strokes(tmp_path, body + use)) == n_strokes


@pytest.mark.parametrize(
    ("clip", "kept"),
    [
        # of a line from (20, 50) to (120, 50) with a box of its own, 100 x 60, from (20, 20)
        ('style="clip-path:inset(0 40px 0 30px)"', (30, 60)),
        ('style="clip-path:inset(0 40%)"', (40, 60)),
        ('style="clip-path:circle(20px at 50px 30px)"', (30, 70)),
        ('style="clip-path:ellipse(25% 50%)"', (25, 75)),
        ('style="clip-path:polygon(0 0, 50px 0, 50px 100%, 0 100%)"', (0, 50)),
        ('style="clip-path:circle(farthest-side at 0 30px)"', (0, 100)),
        ('style="clip-path:ellipse(closest-side farthest-side at 30% 50%)"', (0, 60)),
        ('style="clip-path:inset(0 25px round 9px)"', (25, 75)),
        ('style="clip-path:inset(0 40px 28px 0 round 20px / 16px)"', (10, 50)),
        ("style=\"clip-path:path('M10 0H35V99H10Z')\"", (10, 35)),
        ("style=\"clip-path:path(nonzero,'M10,0 L35,0 35,99 10,99Z')\"", (10, 35)),
        ('style="clip-path:xywh(10px 0 50px 100%)"', (10, 60)),
        ('style="clip-path:rect(0 80px 60px 20px)"', (20, 80)),
        ('clip-path="url(#box)"', (50, 100)),
        ('clip-path="url(#group)"', None),
        ('clip-path="url(#unpainted)"', (20, 80)),
        ('mask="url(#area)"', (0, 50)),
        ('mask="url(#alpha)"', (20, 80)),
        ('mask="url(#half)"', (0, 50)),
    ],
)
def test_clips_are_of_the_box_of_what_they_clip(tmp_path, clip, kept):
    regions = (
        '<clipPath id="box" clipPathUnits="objectBoundingBox"><rect x=".5" width="1" height="1"/>'
        '</clipPath><clipPath id="group"><g><rect width="99" height="99"/></g></clipPath>'
        '<clipPath id="unpainted"><rect x="40" width="60" height="150" fill="none" opacity="0"/>'
        '</clipPath><mask id="area" x="0" width=".5"><rect width="200" height="150" fill="white"/>'
        '</mask><mask id="alpha" mask-type="alpha"><rect x="40" width="60" height="150"/></mask>'
        '<mask id="half" maskContentUnits="objectBoundingBox"><rect x="-1" width="1.5" height="1" '
        'fill="white"/></mask>'
    )
    line = f'<g {clip}><path d="M20 50H120" {PEN}/><path d="M20 20V80" fill="none"/></g>'
    pen = 'fill="none" stroke="black" stroke-width=".1"'
    document = f'{regions}{line}<path d="M20 140H180M20 145H180" {pen}/>'
    strokes = [stroke for stroke in _read(tmp_path, document).strokes if np.ptp(stroke[1]) == 0]
    scale = np.ptp(strokes[-1][0]) / 160
    if kept is None:
        assert len(strokes) == 2
    else:
        left = (strokes[0][0] - strokes[-1][0].min()) / scale
        assert (left.min(), left.max()) == pytest.approx(kept, abs=3)


@pytest.mark.parametrize(
    ("body", "seen"),
    [
        ('<use href="#p" x="60" y="9" clip-path="url(#c)"/>', (60, 100)),
        # the box is 0 to 100, its centre stays where it is, and then all moves
        ('<use href="#p" x="60" y="9" style="transform:scale(.5);transform-box:fill-box;'
         'transform-origin:50%"/>', (55, 105)),
        ('<svg x="60" y="9" width="100" height="50" viewBox="0 0 200 100" clip-path="url(#c)">'
         '<path d="M0 0H200" stroke="black" stroke-width=".1"/></svg>', (60, 80)),
    ],
)  # fmt: skip
def test_clips_and_boxes_are_in_the_units_of_the_contents(tmp_path, body, seen):
    pen = 'fill="none" stroke="black" stroke-width=".1"'
    defs = (
        '<clipPath id="c"><rect width="40" height="9"/></clipPath>'
        f'<defs><path id="p" d="M0 0H100" {pen}/></defs>'
    )
    line, mark = _read(tmp_path, f'{defs}{body}<path d="M20 140H180" {pen}/>').strokes
    assert (line[0] - mark[0].min()) / np.ptp(mark[0]) * 160 + 20 == pytest.approx(seen, abs=1)


def test_lines_end_at_the_edge_of_the_page_and_of_a_clip(tmp_path):
    line = '<path d="M20 50H5000" fill="none" stroke="black" stroke-width="0.01"/>'
    drawing = _read(tmp_path, f'{line}<path d="M20 50V140" {PEN}/>')
    assert np.ptp(drawing.points, axis=0).tolist() == [255, 127]  # 180 to 90 units
    clip = '<clipPath id="c"><rect x="20" y="0" width="45" height="150"/></clipPath>'
    clipped = _read(
        tmp_path, f'{clip}<g clip-path="url(#c)">{line}</g><path d="M20 50V140" {PEN}/>'
    )
    assert np.ptp(clipped.points, axis=0).tolist() == [128, 255]


def test_a_page_may_have_its_drawing_knocked_out(tmp_path):
    mask = (
        '<mask id="m"><rect width="200" height="150" fill="white"/>'
        f'<path d="{ZIGZAG}" fill="none" stroke="black" stroke-width="4"/></mask>'
    )
    page = '<rect width="200" height="150" mask="url(#m)"/>'
    (stroke,) = _read(tmp_path, mask + page).strokes
    assert np.ptp(stroke[0]) == pytest.approx(0.955 * np.ptp(stroke[1]), rel=0.02)


def test_a_symbol_may_have_its_own_box(tmp_path):
    path = f'<path d="M9 9H19V29" {PEN}/>'
    symbol = f'<symbol id="s" x="10" y="20" width="50" height="60">{path}</symbol>'
    assert _strokes(tmp_path, symbol + '<use href="#s"/>') == [[[19, 29, 29], [29, 29, 49]]]


def test_a_symbol_is_fitted_into_the_box_of_its_use(tmp_path):
    body = (
        '<symbol id="c" viewBox="0 0 200 150"><path d="M0 0L200 150"/></symbol>'
        '<use xlink:href="#c" x="5" y="5" width="27" height="24"/><path d="M2 2H35V32H2Z"/>'
    )
    inner, frame = _read(tmp_path, body, f'viewBox="0 0 40 35" {PEN}').strokes
    scale = np.ptp(frame[0]) / 33
    assert np.ptp(inner[0]) == pytest.approx(27 * scale, abs=1)
    assert inner[0].min() - frame[0].min() == pytest.approx(3 * scale, abs=1)
    # 27 x 20.25 in the middle of 27 x 24
    assert inner[1].min() - frame[1].min() == pytest.approx((3 + (24 - 20.25) / 2) * scale, abs=1)


@pytest.mark.parametrize(
    "moved",
    [
        'style="transform: translate(10px, 20px) scale(2)"',
        'style="transform:scale(2);transform-origin:-10px -20px"',
        'transform="scale(2)" transform-origin="-10 -20"',
        'transform="matrix(2 0 0 2 10 20)"',
        'style="transform:matrix3d(2,0,0,0, 0,2,0,0, 0,0,1,0, 10,20,0,1)"',
        'style="transform:translate3d(10px, 20px, 0) scale(200%)"',
        'style="transform:translate(10px, 20px) scale(2)"',
        'style="transform-box:fill-box;transform-origin:50% 100%;'
        'transform:translate(20px, 50px) scale(2)"',
    ],
)
def test_style_may_transform_about_an_origin(tmp_path, moved):
    body = f'<g {moved}><path d="M0 0L20 30" {PEN}/></g>'
    assert _strokes(tmp_path, body) == [[[10, 50], [20, 80]]]


def test_a_switch_shows_its_first_fitting_child(tmp_path):
    body = (
        '<switch><foreignObject requiredExtensions="http://ns.adobe.com/AdobeIllustrator/10.0/"/>'
        f'<path systemLanguage="de" d="M0 0h9"/><g><path d="{ZIGZAG}" {PEN}/></g>'
        '<path d="M0 0h9"/></switch>'
    )
    assert _strokes(tmp_path, body) == STROKES


def test_the_error_for_a_document_without_lines_names_its_picture_or_text(tmp_path):
    picture = '<image width="8" height="8" xlink:href="data:image/png;base64,iVBORw0KGgo="/>'
    on_a_ground = f'<rect width="200" height="150" fill="#dde"/>{picture}'
    within_html = (
        '<foreignObject width="9" height="9"><div><img src="a.png"/></div></foreignObject>'
    )
    for body in (picture, on_a_ground, within_html):
        with pytest.raises(FormatError, match="holds a picture, not lines; save it as PNG"):
            _read(tmp_path, body)
    with pytest.raises(FormatError, match="the document holds text, not lines"):
        _read(tmp_path, "<text>cat</text>")


def _ribbon(centre: list[tuple[float, float]], width: float) -> str:
    """The outline of a stroke with round ends, as perfect-freehand exports it."""
    points = np.array(centre)
    tangent = np.gradient(points, axis=0)
    normal = np.stack([-tangent[:, 1], tangent[:, 0]], 1)
    normal *= width / 2 / np.linalg.norm(normal, axis=1, keepdims=True)
    turn = np.exp(-1j * np.linspace(0, np.pi, 12))
    caps = [
        points[end] + np.stack([cap.real, cap.imag], 1)
        for end, sign in ((-1, 1), (0, -1))
        for cap in [sign * complex(*normal[end]) * turn]
    ]
    outline = np.concatenate([points + normal, caps[0], (points - normal)[::-1], caps[1]])
    return "M" + "L".join(f"{x:.2f} {y:.2f}" for x, y in outline) + "Z"


@pytest.mark.parametrize("width", [1, 4, 8, 16])
def test_ribbons_are_thinned_to_lines(tmp_path, width):
    angles = np.linspace(0.3, 5.5, 60)
    arc = [(100 + 80 * math.cos(a), 100 + 80 * math.sin(a)) for a in angles]
    line = [(60 + 2 * i, 100.0 + 0.01 * i) for i in range(40)]
    body = f'<path d="{_ribbon(arc, width)}"/><path d="{_ribbon(line, width)}"/>'
    drawing = _read(tmp_path, body, 'viewBox="0 0 256 256"')
    assert len(drawing.strokes) == 2
    scale = 255 / max(np.ptp(drawing.points, axis=0))
    curve, straight = drawing.strokes
    assert np.ptp(straight[0]) == pytest.approx(78 / 160 * 255 / scale, abs=10)
    assert np.ptp(straight[1]) <= 3
    middle = (curve.max(axis=1) + curve.min(axis=1)) / 2
    distances = np.hypot(*(curve - middle[:, None]))
    assert distances.std() < 0.15 * distances.mean()


CIRCLE = [(100 + 60 * math.cos(a), 100 + 60 * math.sin(a)) for a in np.linspace(0.3, 5.5, 60)]


def test_of_shapes_as_narrow_as_ribbons_only_dabs_are_thinned(tmp_path):
    page = 'viewBox="0 0 256 256"'
    ribbon = f'<path d="{_ribbon(CIRCLE, 12)}"/>'
    dashes = '<path d="M96 94h8v12h-8zM80 94h8v12h-8z"/>'
    dashes_read = _read(tmp_path, ribbon + dashes, page).strokes[1:]
    assert [np.ptp(dash[0]) for dash in dashes_read] == [0, 0]  # upright
    assert [np.ptp(dash[1]) for dash in dashes_read] == pytest.approx([255 / 120 * 4] * 2, abs=1)
    plus = '<path d="M96 88h8v8h8v8h-8v8h-8v-8h-8v-8h8z"/>'
    (cross,) = _read(tmp_path, ribbon + plus, page).strokes[1:]
    assert cross.shape[1] == 13
    rounded = (
        '<path d="M105 90h-5v-5a5 5 0 0 0-10 0v5h-5a5 5 0 0 0 0 10h5v5a5 5 0 0 0 10 0v-5h5'
        'a5 5 0 0 0 0-10z"/>'
    )
    (cross,) = _read(tmp_path, ribbon + rounded, page).strokes[1:]
    assert np.ptp(cross, axis=1) == pytest.approx([255 / 120 * 30] * 2, abs=2)


def test_short_ribbons_are_thinned_too(tmp_path):
    """A square of 20 with a wall of 5, and a bar of 20 by 6, beside a longer ribbon."""
    ribbon = f'<path d="{_ribbon(CIRCLE, 6)}"/>'
    square = '<path d="M90 80h20v20h-20zm5 5v10h10v-10z"/><path d="M90 110h20v6h-20z"/>'
    _, frame, bar = _read(tmp_path, ribbon + square, 'viewBox="0 0 256 256"').strokes
    assert np.ptp(frame, axis=1) == pytest.approx([255 / 120 * 15] * 2, abs=2)
    assert np.ptp(bar, axis=1) == pytest.approx([255 / 120 * 14, 0], abs=2)


@pytest.mark.parametrize(("stroke", "n_strokes"), [("black", 1), ("red", 2)])
def test_ribbons_may_have_a_stroke_of_their_own_colour(tmp_path, stroke, n_strokes):
    """As Inkscape's "stroke to path" leaves them where the document sets a stroke."""
    angles = np.linspace(0, 2 * np.pi, 60)
    outer, inner = (
        "M" + "L".join(f"{100 + r * math.cos(a):.2f} {100 + r * math.sin(a):.2f}" for a in angles)
        for r in (62, 58)
    )
    ring = f'<path d="{outer}Z{inner}Z" fill-rule="evenodd" stroke="{stroke}" stroke-width="4"/>'
    assert len(_read(tmp_path, ring, 'viewBox="0 0 256 256"').strokes) == n_strokes


def test_blobs_much_wider_than_the_ribbons_are_shapes(tmp_path):
    """Beside a line 6 wide, a dot 8 wide is a dot; a head 20 wide is a circle."""
    body = (
        f'<path d="{_ribbon(CIRCLE, 6)}"/><circle cx="80" cy="90" r="4"/>'
        '<circle cx="110" cy="90" r="10"/>'
    )
    _, dot, head = _read(tmp_path, body, 'viewBox="0 0 256 256"').strokes
    assert np.ptp(dot, axis=1) == pytest.approx([0, 0], abs=1)
    assert np.ptp(head, axis=1) == pytest.approx([255 / 120 * 20] * 2, abs=1)


def test_how_far_apart_the_outlines_of_a_shape_are_does_not_make_it_a_ribbon(tmp_path):
    """A ring with a wall of 2 on a page of 20; from its outer outline to its inner one it is 6."""
    ring = '<path d="M10 11a4 4 0 1 0-4-4 4 4 0 0 0 4 4zm0-6a2 2 0 1 1-2 2 2 2 0 0 1 2-2z"/>'
    line = '<path d="M3 20h19v1h-19z"/>'  # thinned: 18 long
    outer, inner, _ = _read(tmp_path, ring + line, 'viewBox="0 0 24 24"').strokes
    assert np.ptp(outer, axis=1) == pytest.approx([255 / 18 * 8] * 2, abs=2)
    assert np.ptp(inner, axis=1) == pytest.approx([255 / 18 * 4] * 2, abs=2)


def test_small_shapes_made_of_overlapping_pieces_are_seen(tmp_path):
    """As the stars of flags are, on a canvas of 256 pixels."""
    page = '<rect width="256" height="256" fill="navy"/>'
    frame = '<path d="M20 20H220V220H20Z" fill="none" stroke="red"/>'
    bars = '<path d="M100 104h12v4h-12z" fill="gold"/><path d="M104 100h4v12h-4z" fill="gold"/>'
    _, *arms = _read(tmp_path, page + frame + bars, 'viewBox="0 0 256 256"').strokes
    points = np.concatenate(arms, axis=1)
    assert np.ptp(points, axis=1) == pytest.approx([255 / 200 * 12] * 2, abs=1)


def test_drops_in_one_path_stay_shapes(tmp_path):
    drops = "".join(f"M{x} 20l8 16a9 9 0 1 1 -16 0z" for x in (20, 60, 100, 140))
    strokes = _read(tmp_path, f'<path d="{drops}"/>').strokes
    assert len(strokes) == 4
    assert [np.ptp(stroke[0]) for stroke in strokes] == pytest.approx([255 / 138 * 18] * 4, abs=2)


def test_white_inside_a_dark_shape_is_not_thinned(tmp_path):
    shapes = '<path d="M20 20h160v12h-160z"/><path d="M24 23h152v6h-152z" fill="#fff"/>'
    (outer, inner) = _read(tmp_path, shapes).strokes
    assert outer.shape[1] == inner.shape[1] == 5


def test_filled_shapes_are_not_thinned(tmp_path):
    (square,) = _read(tmp_path, '<rect x="20" y="20" width="25" height="25"/>').strokes
    assert square.shape[1] == 5
    (heart,) = _read(
        tmp_path, '<path d="M100 130L30 70A35 35 0 0 1 100 40A35 35 0 0 1 170 70Z"/>'
    ).strokes
    assert np.ptp(heart[0]) > 200


HOSTILE_SHEETS = {
    "long": "a{fill:red}" * 30_000,
    "many rules": "".join(f"*[x='{i}']{{fill:red}}" for i in range(9000)),
    "descendants": " ".join("g" * 12) + " x{fill:red}" * 1,
    "brackets": "a{fill:" + "(" * 50_000 + "}",
    "siblings": "g ~ g ~ g ~ g ~ x{fill:red}",
}


@pytest.mark.parametrize("name", HOSTILE_SHEETS)
def test_style_sheets_made_to_do_harm_are_bounded(tmp_path, monkeypatch, name):
    monkeypatch.setattr(cascade, "MAX_STEPS", 200_000)
    groups = "<g>" * 100 + "</g>" * 100 + "<g/>" * 2000 + "<x/>" * 50
    body = f"<style>{HOSTILE_SHEETS[name]}</style>{groups}<g>{'<g>' * 50}<x/>{'</g>' * 50}</g>"
    try:
        strokes = _strokes(tmp_path, f'{body}<path d="{ZIGZAG}" {PEN}/>')
    except FormatError as error:
        assert "the style sheets have" in str(error)  # noqa: PT017 - either is right
    else:
        assert strokes == STROKES


def test_clips_inside_clips_and_in_circles_end(tmp_path):
    clips = "".join(
        f'<clipPath id="c{i}" clip-path="url(#c{(i + 1) % 9})">'
        f'<rect clip-path="url(#c{(i + 2) % 9})" width="200" height="150"/></clipPath>'
        for i in range(9)
    )
    body = f'{clips}<path d="{ZIGZAG}" clip-path="url(#c0)" {PEN}/>'
    assert len(_read(tmp_path, body).strokes) >= 1


def test_the_error_for_a_picture_used_as_a_pattern_names_the_picture(tmp_path):
    """As Figma exports pictures."""
    path = tmp_path / "figma.svg"
    path.write_text(
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        'viewBox="0 0 9 9"><rect width="9" height="9" fill="url(#pattern0)"/><defs>'
        '<pattern id="pattern0" width="1" height="1"><use xlink:href="#image0"/></pattern>'
        '<image id="image0" width="9" height="9" xlink:href="data:image/png;base64,AAAA"/>'
        "</defs></svg>"
    )
    with pytest.raises(FormatError, match="the document holds a picture, not lines"):
        list(read_drawings(path))


def test_the_error_for_a_sprite_sheet_says_that_it_only_defines_symbols(tmp_path):
    path = tmp_path / "sprite.svg"
    path.write_text(
        '<svg xmlns="http://www.w3.org/2000/svg"><symbol id="a"><path d="M0 0h9v9"/></symbol></svg>'
    )
    with pytest.raises(FormatError, match="only defines symbols"):
        list(read_drawings(path))


@pytest.mark.parametrize("value", ["opacity(0)", "opacity(0%)", "blur(2px) opacity( 0.01 )"])
def test_a_filter_can_make_shapes_invisible(tmp_path, value):
    body = f'<path d="{ZIGZAG}" {PEN}/><path d="M0 0L200 150" {PEN} style="filter:{value}"/>'
    assert _read(tmp_path, body).to_lists() == STROKES


def test_a_filter_that_lets_half_through_hides_nothing(tmp_path):
    body = f'<path d="{ZIGZAG}" {PEN} filter="opacity(50%)"/>'
    assert _read(tmp_path, body).to_lists() == STROKES


@pytest.mark.parametrize(
    "pieces", [("M0 0H90V150H0Z", "M90 0H200V150H90Z"), ("M0 0H200L0 150Z", "M200 0V150H0Z")]
)
def test_shapes_of_one_colour_that_fill_the_page_are_its_ground(tmp_path, pieces):
    body = "".join(f'<path fill="#222" d="{piece}"/>' for piece in pieces)
    pen = PEN.replace("black", "white")
    assert _strokes(tmp_path, f'{body}<path d="{ZIGZAG}" {pen}/>') == STROKES


def test_shapes_of_two_colours_that_fill_the_page_are_no_ground(tmp_path):
    body = '<path fill="navy" d="M0 0H90V150H0Z"/><path fill="gold" d="M90 0H200V150H90Z"/>'
    assert len(_strokes(tmp_path, body)) == 2


@pytest.mark.parametrize(
    "conditions", ['requiredExtensions=""', 'requiredExtensions="x"', 'systemLanguage="de"']
)
def test_elements_whose_conditions_fail_are_not_drawn(tmp_path, conditions):
    body = f'<rect {conditions} x="50" y="40" width="99" height="60"/><path d="{ZIGZAG}"/>'
    assert _strokes(tmp_path, body, f"{PAGE} {PEN}") == STROKES


@pytest.mark.parametrize("size", ['width="0"', 'viewBox="0 0 0 0"', 'height="0%"'])
def test_a_nested_document_without_size_is_not_drawn(tmp_path, size):
    body = f'<svg {size}><rect x="50" y="40" width="99" height="60"/></svg><path d="{ZIGZAG}"/>'
    assert _strokes(tmp_path, body, f"{PAGE} {PEN}") == STROKES


def test_a_symbol_without_a_size_fills_the_page(tmp_path):
    symbol = '<symbol id="s" viewBox="0 0 400 300"><path d="M20 40L60 80"/></symbol>'
    assert _strokes(tmp_path, f'{symbol}<use href="#s"/>', f"{PAGE} {PEN}") == [
        [[10, 30], [20, 40]]
    ]


@pytest.mark.parametrize("size", ['width="100%" height="100%"', 'width="100"', 'height="50%"'])
def test_the_page_is_the_view_box_whatever_size_is_given(tmp_path, size):
    ground = '<rect width="200" height="150" fill="pink" stroke="none"/>'
    body = f'{ground}<path d="{ZIGZAG}"/>'
    assert _strokes(tmp_path, body, f"{PAGE} {PEN} {size}") == STROKES


def test_a_page_as_flat_as_a_line_is_read(tmp_path):
    """Its picture is one pixel high."""
    page = 'viewBox="0 0 1000000000 .5" transform="rotate(10)"'
    assert len(_read(tmp_path, '<circle cx="30" r="9"/>', page).strokes) == 1


def test_holes_in_what_covers_the_page_are_the_drawing(tmp_path):
    (shape,) = _strokes(tmp_path, '<path d="M0 0H200V150H0ZM50 40V120H150V40Z"/>')
    assert shape == [[50, 50, 150, 150, 50], [40, 120, 120, 40, 40]]


def test_a_fill_has_the_outline_of_its_clip(tmp_path):
    clip = '<clipPath id="c"><path d="M50 40V120H150Z"/></clipPath>'
    body = f'{clip}<rect width="200" height="150" clip-path="url(#c)"/>'
    (shape,) = _strokes(tmp_path, body)
    assert shape == [[50, 50, 150, 50], [40, 120, 120, 40]]


def test_what_is_half_masked_is_seen(tmp_path):
    mask = '<mask id="m"><rect width="200" height="150" fill="#777" stroke="none"/></mask>'
    body = f'{mask}<g mask="url(#m)"><path d="{ZIGZAG}"/></g>'
    assert _strokes(tmp_path, body, f"{PAGE} {PEN}") == STROKES


def test_cairo_masks_by_the_opacity_of_a_black_rectangle(tmp_path):
    white = "0 0 0 0 1 " * 3
    mask = (
        f'<filter id="a"><feColorMatrix values="{white}0 0 0 1 0"/></filter><mask id="m">'
        '<g filter="url(#a)"><rect width="200" height="150" fill-opacity=".8"/></g></mask>'
    )
    body = f'{mask}<g mask="url(#m)"><path d="{ZIGZAG}" {PEN}/></g>'
    assert _strokes(tmp_path, body) == STROKES


def test_light_through_several_parts_of_a_mask_adds_up(tmp_path):
    mask = (
        '<mask id="m"><g stroke="none"><rect width="200" height="150" fill="white"/>'
        '<rect width="200" height="150" fill="black" opacity=".5"/></g></mask>'
    )
    body = f'{mask}<g mask="url(#m)"><path d="{ZIGZAG}"/></g>'
    assert _strokes(tmp_path, body, f"{PAGE} {PEN}") == STROKES


@pytest.mark.parametrize("ground", ["white", "#121212"])
@pytest.mark.parametrize("data", ["M100 0V150", "M110 0V150M101 0V150"])
@pytest.mark.parametrize("pen_px", [0.5, 4])
def test_a_line_in_the_colour_of_the_page_erases(tmp_path, ground, data, pen_px):
    ink = "black" if ground == "white" else "white"
    body = (
        f'<rect width="200" height="150" fill="{ground}"/><g fill="none" stroke-width="{pen_px}">'
        f'<path stroke="{ink}" d="M0 40L200 60"/>'
        f'<path stroke="{ground}" stroke-width="20" d="{data}"/></g>'
    )
    left, right = _read(tmp_path, body).strokes
    scale = 255 / 200
    assert left[0].max() == pytest.approx(90 * scale, abs=4)
    assert right[0].min() == pytest.approx((110 if "101" not in data else 120) * scale, abs=4)


def test_light_lines_on_a_dark_shape_erase_nothing(tmp_path):
    whiskers = '<path d="M60 70L20 60M80 100Q100 120 120 100" stroke="white" stroke-width="3"/>'
    body = f'<circle cx="100" cy="75" r="60"/>{whiskers}'
    assert len(_read(tmp_path, body).strokes) == 3
    road = '<path d="M10 20L190 130" stroke-width="30"/><path d="M40 38L160 112" stroke="white"/>'
    assert len(_read(tmp_path, f'<g stroke="black">{road}</g>').strokes) == 2


def test_dense_lines_of_one_colour_erase_nothing(tmp_path):
    lines = [f'<path d="M{40 + 3 * i} 40L{50 + 3 * i} 110"/>' for i in range(30)]
    lines += [f'<path d="M40 {40 + 3 * i}L140 {45 + 3 * i}"/>' for i in range(24)]
    body = f'<g stroke="black" stroke-width="2">{"".join(lines)}</g>'
    body += '<path stroke="red" d="M10 10L190 20"/>'
    assert len(_read(tmp_path, body).strokes) == 55


@pytest.mark.parametrize(
    "rules",
    [
        "".join(f'<path stroke="#40bfff" d="M0 {y}H200"/>' for y in range(10, 150, 20)),
        f'<path stroke="#ddd" d="{"".join(f"M{x} 0V150" for x in range(10, 200, 20))}"/>',
        "".join(f'<rect width="200" y="{y}" height=".5" fill="#bbf"/>' for y in range(10, 150, 20)),
        # dots, and lines in two directions, with a margin
        f'<path stroke="#bbb" stroke-linecap="round" d="{DOTS}"/>',
        f'<path stroke="#bbb" d="{"".join(f"M{x} 5L{x - 140} 145" for x in range(145, 200, 10))}'
        f'{"".join(f"M5 {y}H195" for y in range(5, 150, 20))}"/>',
    ],
)
def test_the_rules_of_the_paper_are_no_drawing(tmp_path, rules):
    margin = '<path stroke="red" d="M20 0V150"/>'
    body = f'{rules}{margin}<path d="{ZIGZAG}" {PEN}/>'
    assert _strokes(tmp_path, body) == STROKES


@pytest.mark.parametrize(
    "lines",
    [
        # the stripes of a flag, the bars before a face, the strings of a harp
        "".join(f'<path stroke="red" stroke-width="6" d="M0 {y}H200"/>' for y in range(8, 150, 20)),
        f'<path {PEN} d="{ZIGZAG}"/>'
        + "".join(f'<path stroke="#555" d="M{x} 0V150"/>' for x in range(25, 200, 25)),
        "".join(f'<path stroke="#999" d="M{x} 5V145"/>' for x in range(25, 200, 25)),
        f'<path stroke="#999" d="{"".join(f"M{x} 5V145" for x in range(25, 200, 25))}"/>',
        # the spots of a ladybird
        f'<path stroke="red" stroke-linecap="round" transform="scale(.5)" d="{DOTS}"/>',
    ],
)
def test_parallel_lines_of_a_drawing_in_a_colour_of_their_own_are_seen(tmp_path, lines):
    assert len(_strokes(tmp_path, f'{lines}<path d="{ZIGZAG}" {PEN}/>')) >= 8


def test_lines_across_the_page_in_the_colour_of_the_drawing_belong_to_it(tmp_path):
    rules = "".join(f'<path d="M0 {y}H200"/>' for y in range(10, 150, 20))
    attributes = f"{PAGE} {PEN}"
    assert len(_strokes(tmp_path, f'{rules}<path d="{ZIGZAG}"/>', attributes)) == 8
    assert len(_strokes(tmp_path, rules, attributes)) == 7


@pytest.mark.parametrize(
    ("body", "is_hidden"),
    [
        ("<!-- <style>path{display:none}</style> -->", False),
        ("<style><!-- path{display:none} --></style>", False),
        ("<style>circle{fill:red}<!-- path{display:none} --></style>", False),
        ("<style><![CDATA[<!-- path{display:none} -->]]></style>", True),
        ("<style>&lt;!-- path{display:none} --&gt;</style>", True),
        ("<style><!-- note -->path{display:none}</style>", True),
    ],
)
def test_comments_of_xml_are_no_style_sheets_but_marks_of_css_do_not_matter(
    tmp_path, body, is_hidden
):
    """Chromium shows the path in the first three and none in the others."""
    other = '<polyline points="0 0 200 0 200 150" fill="none" stroke="black"/>'
    found = _strokes(tmp_path, f'{body}<path d="{ZIGZAG}" {PEN}/>{other}')
    assert len(found) == (1 if is_hidden else 2)


@pytest.mark.parametrize(
    "attributes",
    [
        'filter="url(#none)"',
        'filter="url(#blur)"',
        'style="filter:blur(2px) drop-shadow(4px 4px 2px red)"',
        'style="filter:nonsense(3)"',
    ],
)
def test_filters_leave_a_line_as_it_is(tmp_path, attributes):
    blur = '<filter id="blur"><feGaussianBlur stdDeviation="2"/></filter>'
    assert _strokes(tmp_path, f'{blur}<path d="{ZIGZAG}" {PEN} {attributes}/>') == STROKES
