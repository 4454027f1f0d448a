"""Elements with `offset-path` stand where chromium shows them."""

from __future__ import annotations

import numpy as np
import pytest

from garabato.formats.stream import Input
from garabato.formats.svg.format import NAMESPACE
from garabato.formats.svg.walk import read_document
from garabato.formats.xml_tree import parse_xml

ANGLE = "M0 0h30v20"


def _points(style: str, more: str = "", d: str = ANGLE) -> list[list[float]]:
    """Where the corners of a path are with this style."""
    document = (
        f'<svg xmlns="{NAMESPACE}" viewBox="0 0 200 150">{more}'
        f'<path d="{d}" fill="none" stroke="black" {style}/></svg>'
    )
    root = parse_xml(Input.from_bytes(document.encode(), "a.svg", "svg"), NAMESPACE)
    (item,) = read_document(root).items
    return np.round(item.points, 6).tolist()


RIGHT, DOWN = "offset-path:path('M100 20h60');", "offset-path:path('M100 20v60');"
SQUARE = "offset-path:path('M100 20h40v40h-40z');"


@pytest.mark.parametrize(
    ("style", "points"),
    [
        (RIGHT, [[100, 20], [130, 20], [130, 40]]),
        (f"{RIGHT}offset-distance:50%", [[130, 20], [160, 20], [160, 40]]),
        (f"{RIGHT}offset-distance:900px", [[160, 20], [190, 20], [190, 40]]),
        (f"{RIGHT}offset-distance:-9px", [[100, 20], [130, 20], [130, 40]]),
        (f"{DOWN}offset-distance:30px", [[100, 50], [100, 80], [80, 80]]),
        (f"{DOWN}offset-distance:30px;offset-rotate:0deg", [[100, 50], [130, 50], [130, 70]]),
        (f"{DOWN}offset-distance:30px;offset-rotate:reverse", [[100, 50], [100, 20], [120, 20]]),
        (f"{DOWN}offset-rotate:auto -90deg", [[100, 20], [130, 20], [130, 40]]),
        # 137.5 % and -62.5 % of the 160 px around the square: 60 px from its first corner
        (f"{SQUARE}offset-distance:137.5%", [[140, 40], [140, 70], [120, 70]]),
        (f"{SQUARE}offset-distance:-62.5%", [[140, 40], [140, 70], [120, 70]]),
        (f"{RIGHT}offset-distance:10px;offset-anchor:30px 20px", [[80, 0], [110, 0], [110, 20]]),
        (f"{RIGHT}offset-distance:10px;transform:scale(2)", [[110, 20], [170, 20], [170, 60]]),
        # the origin of the box, 15 10, is on the path; by default, the anchor is that origin
        (f"{RIGHT}transform-box:fill-box;transform-origin:center",
         [[85, 10], [115, 10], [115, 30]]),
        ("offset-path:path('M100,20 L160,20')", [[100, 20], [130, 20], [130, 40]]),
        ("offset-path:path(evenodd, 'M100,20L160,20')", [[100, 20], [130, 20], [130, 40]]),
        # the jump between two lines has no length
        ("offset-path:path('M0 0h50M100 100h50');offset-distance:75%",
         [[125, 100], [155, 100], [155, 120]]),
        ("offset-path:circle(40px at 100px 70px);offset-rotate:0deg",
         [[140, 70], [170, 70], [170, 90]]),
        ("offset:path('M100 20v60') 30px 0deg", [[100, 50], [130, 50], [130, 70]]),
        ("offset:path('M100 20v60') 50%", [[100, 50], [100, 80], [80, 80]]),
        ("offset:path('M100 20h60') / 30px 20px", [[70, 0], [100, 0], [100, 20]]),
        ("offset-path:path('M90 30L90 30');offset-distance:50%", [[90, 30], [120, 30], [120, 50]]),
        # these move nothing
        ("offset-path:url(#none)", [[0, 0], [30, 0], [30, 20]]),
        ("offset-path:path('')", [[0, 0], [30, 0], [30, 20]]),
        ("offset-path:none;offset-distance:50%", [[0, 0], [30, 0], [30, 20]]),
    ],
)  # fmt: skip
def test_an_element_stands_on_its_motion_path(style, points):
    assert _points(f'style="{style}"') == points


def test_a_motion_path_may_be_a_shape_of_the_document():
    shape = '<defs><rect id="r" x="50" y="25" width="40" height="40"/></defs>'
    style = 'style="offset-path:url(#r);offset-distance:50px"'
    assert _points(style, shape) == [[90, 35], [90, 65], [70, 65]]


def test_a_style_sheet_may_set_a_motion_path_but_an_attribute_may_not():
    sheet = "<style>path{offset-path:path('M100 20h60')}</style>"
    assert _points("", sheet) == [[100, 20], [130, 20], [130, 40]]
    attribute = "offset-path=\"path('M100 20h60')\""
    assert _points(attribute) == [[0, 0], [30, 0], [30, 20]]
    assert _points("", sheet) == _points(attribute.replace("100", "5"), sheet)


def test_an_anchor_lies_in_the_reference_box():
    """The centre of the box of the element itself is 65 60, and goes to 100 20."""
    style = f'style="{RIGHT}transform-box:fill-box;offset-anchor:center"'
    assert _points(style, d="M50 50h30v20") == [[85, 10], [115, 10], [115, 30]]
