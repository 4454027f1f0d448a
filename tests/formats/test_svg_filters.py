"""Filters with `feFlood` paint the rectangles that chromium shows."""

from __future__ import annotations

import pytest

from garabato.formats.stream import Input
from garabato.formats.svg.format import NAMESPACE
from garabato.formats.svg.items import Document
from garabato.formats.svg.painting import visible_lines
from garabato.formats.svg.tree import TooMuchError
from garabato.formats.svg.walk import read_document
from garabato.formats.xml_tree import parse_xml

RED, BLACK, WHITE = (255.0, 0.0, 0.0), (0.0, 0.0, 0.0), (255.0, 255.0, 255.0)
#: The box of the line is 50 20 100 100; a filter's area is a tenth wider on each side.
LINE, AREA = (50.0, 20.0, 150.0, 120.0), (40.0, 10.0, 160.0, 130.0)
FLOOD = '<feFlood flood-color="red" result="a"/>'


def _document(primitives: str, attributes: str = "", body: str = "") -> Document:
    line = '<path filter="url(#f)" d="M50 20L150 120" fill="none" stroke="black"/>'
    text = (
        f'<svg xmlns="{NAMESPACE}" viewBox="0 0 200 150">'
        f'<filter id="f" {attributes}>{primitives}</filter>{body or line}</svg>'
    )
    source = Input.from_bytes(text.encode(), "a.svg", "svg")
    return read_document(parse_xml(source, NAMESPACE))


def _painted(primitives: str, attributes: str = "", body: str = "") -> list[tuple]:
    """The bounds and the colour of each item."""
    items = _document(primitives, attributes, body).items
    return [(item.bounds, (item.fill or item.stroke)[:3]) for item in items]


@pytest.mark.parametrize(
    ("primitives", "painted"),
    [
        (FLOOD, [(AREA, RED)]),
        ('<feFlood flood-color="red" flood-opacity="0"/>', []),
        ('<feFlood style="flood-color:red"/>', [(AREA, RED)]),
        ("<feFlood/>", [(AREA, BLACK)]),
        ('<feFlood flood-color="red" x="60" y="30" width="20" height="10"/>',
         [((60, 30, 80, 40), RED)]),
        ('<feFlood flood-color="red" x="60" width="900"/>', [((60, 10, 160, 130), RED)]),
        ('<feFlood flood-color="red" x="900" width="9"/>', []),
        # below and above the line
        (f'{FLOOD}<feMerge><feMergeNode in="a"/><feMergeNode in="SourceGraphic"/></feMerge>',
         [(AREA, RED), (LINE, BLACK)]),
        (f'{FLOOD}<feMerge><feMergeNode in="SourceGraphic"/><feMergeNode/></feMerge>',
         [(LINE, BLACK), (AREA, RED)]),
        (f'{FLOOD}<feComposite in="SourceGraphic"/>', [(AREA, RED), (LINE, BLACK)]),
        (f'{FLOOD}<feBlend in="SourceGraphic" in2="a"/>', [(AREA, RED), (LINE, BLACK)]),
        (f'{FLOOD}<feComposite in="SourceGraphic" operator="atop"/>',
         [(AREA, RED), (LINE, BLACK)]),
        (f'<feFlood/>{FLOOD}<feBlend in2="SourceGraphic"/>', [(LINE, BLACK), (AREA, RED)]),
        # the line in the flood's colour, and cut out of it
        (f'{FLOOD}<feComposite in2="SourceGraphic" operator="in"/>', [(LINE, RED)]),
        (f'{FLOOD}<feComposite in2="SourceAlpha" operator="atop"/>', [(LINE, RED)]),
        (f'{FLOOD}<feComposite in2="SourceAlpha" operator="out"/>', [(AREA, RED), (LINE, WHITE)]),
        (f'{FLOOD}<feComposite in2="SourceAlpha" operator="xor"/>', [(AREA, RED), (LINE, WHITE)]),
        (f'{FLOOD}<feComposite in="SourceAlpha" operator="in"/>', [(LINE, BLACK)]),
        (f'{FLOOD}<feComposite in="SourceAlpha" operator="out"/>', []),
        # shadows, as Figma and Inkscape make them, are not lines
        ('<feFlood flood-opacity="0" result="a"/><feOffset in="SourceAlpha" dy="4"/>'
         '<feGaussianBlur stdDeviation="2"/><feBlend in2="a" result="b"/>'
         '<feBlend in="SourceGraphic" in2="b"/>', [(LINE, BLACK)]),
        (f'{FLOOD}<feComposite in2="SourceGraphic" operator="in"/><feOffset dx="9"/>'
         '<feComposite in="SourceGraphic"/>', [(LINE, BLACK)]),
        # an outline in the flood's colour
        (f'<feMorphology operator="dilate" radius="2" result="b"/>{FLOOD}'
         '<feComposite in2="b" operator="in"/><feComposite in2="SourceGraphic" operator="out"/>',
         [(LINE, RED)]),
        # the same rectangle twice
        (f'{FLOOD}<feFlood/><feMerge><feMergeNode in="a"/><feMergeNode/></feMerge>',
         [(AREA, BLACK)]),
        # not read
        (f'{FLOOD}<feTurbulence/>', [(LINE, BLACK)]),
        (f'{FLOOD}{"<feOffset/>" * 64}', [(LINE, BLACK)]),
        (f'{FLOOD}<feMerge>{"<feMergeNode/>" * 65}</feMerge>', [(LINE, BLACK)]),
    ],
)  # fmt: skip
def test_a_flood_is_a_rectangle_that_is_combined_with_the_line(primitives, painted):
    assert _painted(primitives) == painted


@pytest.mark.parametrize(
    ("attributes", "flood", "area"),
    [
        ('x="0" y="0" width="1" height="1"', "", LINE),
        ('x="0" y="0" width="100%" height="50%" filterUnits="userSpaceOnUse"', "",
         (0, 0, 200, 75)),
        ('primitiveUnits="objectBoundingBox"', 'x="0" y=".5" width=".5" height=".25"',
         (50, 70, 100, 95)),
    ],
)  # fmt: skip
def test_areas_refer_to_the_box_of_the_element_or_to_the_page(attributes, flood, area):
    assert _painted(f'<feFlood flood-color="red" {flood}/>', attributes) == [(area, RED)]


def test_a_filter_takes_a_group_with_its_transform_and_opacity():
    body = (
        '<g filter="url(#f)" transform="translate(10 5)" opacity="0.5" fill="none" stroke="blue">'
        '<path d="M0 0h100"/><path d="M0 50h100"/></g>'
    )
    (flood,) = _document(FLOOD, 'x="0" y="0" width="1" height="1"', body).items
    assert flood.bounds == (10, 5, 110, 55)
    assert flood.fill == (*RED, 0.5)


def test_a_box_includes_what_is_not_painted():
    body = (
        '<g filter="url(#f)"><rect x="10" y="20" width="100" height="50" fill="none"/>'
        '<path d="M50 30h9v9" stroke="blue" stroke-dasharray="2"/></g>'
    )
    (flood,) = _document(FLOOD, 'x="0" y="0" width="1" height="1"', body).items
    assert flood.bounds == (10, 20, 110, 70)


@pytest.mark.parametrize(
    ("sheet", "attributes"),
    [
        ("path{d:path('M50 20h100v100')}", ""),
        ("", "style=\"d:path('M50 20h100v100')\""),
        ("path{d:path('M0 0h100v100');translate:50px 20px}", ""),
        ("path{d:path('M0 0h100v100')}", 'transform="translate(50 20)"'),
    ],
)
def test_a_box_has_the_geometry_of_style_sheets(sheet, attributes):
    body = f'<style>{sheet}</style><path filter="url(#f)" d="M0 0h9v9" {attributes}/>'
    assert _painted(FLOOD, body=body) == [(AREA, RED)]


def test_a_line_in_the_colour_of_a_flood_stays_as_faint_as_it_is():
    tinted = f'{FLOOD}<feComposite in2="SourceGraphic" operator="in"/>'
    body = '<g filter="url(#f)" opacity="0.5"><path d="M0 0h9v9" stroke="blue" fill="none"/></g>'
    (line,) = _document(tinted, body=body).items
    assert line.stroke == (*RED, 0.5)


def test_a_matrix_that_only_rounding_keeps_from_being_flat_shows_nothing():
    body = (
        '<path filter="url(#f)" transform="matrix(.8 1.5 2.4 4.5 0 0)" d="M0 0h9v9" stroke="blue"/>'
    )
    assert _document(FLOOD, body=body).items == []


def test_as_many_floods_are_painted_as_a_document_may_have_elements():
    body = '<path filter="url(#f)" d="M0 0h9v9" stroke="blue"/>' * 500
    with pytest.raises(TooMuchError, match="20,000 elements"):
        _document(FLOOD * 50, body=body)


def test_an_element_that_paints_nothing_is_flooded():
    body = '<rect filter="url(#f)" x="50" y="20" width="100" height="100" fill="none"/>'
    assert _painted(FLOOD, body=body) == [(AREA, RED)]


def test_the_current_colour_is_that_of_the_filter():
    body = '<g color="red"><path filter="url(#f)" d="M50 20L150 120"/></g>'
    assert _painted('<feFlood flood-color="currentColor"/>', body=body) == [(AREA, BLACK)]
    assert _painted('<feFlood color="red" flood-color="currentColor"/>') == [(AREA, RED)]


def test_the_box_of_a_document_is_its_page():
    text = (
        f'<svg xmlns="{NAMESPACE}" width="99" viewBox="100 50 200 100" filter="url(#f)">'
        f'<filter id="f" x="0" y="0" width=".5" height="1">{FLOOD}</filter></svg>'
    )
    source = Input.from_bytes(text.encode(), "a.svg", "svg")
    (flood,) = read_document(parse_xml(source, NAMESPACE)).items
    assert flood.bounds == (100, 50, 200, 150)


def test_an_area_moves_with_a_use():
    body = (
        '<defs><path id="p" d="M0 0h50v50" stroke="blue"/></defs>'
        '<use filter="url(#f)" href="#p" x="60" y="30"/>'
    )
    page = 'x="0" y="0" width="30" height="20" filterUnits="userSpaceOnUse"'
    box = 'x="0" y="0" width="1" height="1"'
    assert _painted(FLOOD, page, body) == [((60, 30, 90, 50), RED)]
    assert _painted(FLOOD, box, body) == [((60, 30, 110, 80), RED)]


def test_white_lines_on_a_flooded_page_are_the_drawing():
    body = '<path filter="url(#f)" d="M50 20L150 120" fill="none" stroke="white"/>'
    page = 'x="0" y="0" width="200" height="150" filterUnits="userSpaceOnUse"'
    (line,) = visible_lines(_document(f'{FLOOD}<feComposite in="SourceGraphic"/>', page, body))
    assert line.tolist() == [[50, 20], [150, 120]]


def test_filters_within_filters_end():
    body = '<g filter="url(#f)">' * 200 + '<path d="M50 20L150 120" stroke="blue"/>' + "</g>" * 200
    assert _painted(FLOOD, 'x="0" y="0" width="1" height="1"', body) == [(LINE, RED)]
