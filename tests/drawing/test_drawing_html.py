from __future__ import annotations

import base64
import re
import xml.etree.ElementTree as ET

import cv2
import numpy as np

from garabato.drawing import Drawing, DrawingBatch
from garabato.drawing.html import drawing_svg

LINE = Drawing([[[0, 10], [0, 10]]], category="a <b>")
BITMAP = Drawing(bitmap=np.eye(28, dtype=np.uint8) * 255)


def test_a_notebook_shows_a_drawing_as_self_contained_svg():
    for drawing in (LINE, BITMAP, Drawing()):
        svg = ET.fromstring(drawing._repr_svg_())
        assert svg.tag == "{http://www.w3.org/2000/svg}svg"
        assert svg.get("stroke") == "black"
    path = ET.fromstring(LINE._repr_svg_())[0]
    assert path.get("d") == "M24 24L279 279"


def test_a_batch_prints_one_line_and_shows_its_first_drawings():
    batch = DrawingBatch.from_drawings([LINE] * 15)
    assert repr(batch) == "DrawingBatch(15 drawings, 1 category)"
    html = batch._repr_html_()
    assert html.count("<svg") == 12
    assert "the first 12" in html
    assert "a &lt;b&gt;" in html
    assert "<b>" not in html
    one = DrawingBatch.from_drawings([BITMAP])
    assert repr(one) == "DrawingBatch(1 drawing, bitmaps of 28 x 28 px)"
    assert repr(DrawingBatch.from_drawings([])) == "DrawingBatch(0 drawings)"


def test_a_drawing_as_svg_is_centred_and_shows_dots() -> None:
    # 500 x 100 becomes 255 x 51, with (303 - 51) / 2 above and below
    svg = drawing_svg(Drawing([[[0, 500], [0, 100]], [[40], [60]]]))
    assert re.findall(r'<path d="([^"]*)"', svg) == ["M24 126L279 177M44 157L44 157"]
    assert "<path" in drawing_svg(Drawing())


def test_a_drawing_on_a_page_has_its_style_and_may_have_a_label() -> None:
    assert "aria-label" not in drawing_svg(LINE)
    svg = drawing_svg(LINE, label='a "<b>"')
    assert 'role="img" aria-label="a &#34;&lt;b&gt;&#34;"' in svg
    assert "stroke" not in svg


def test_a_bitmap_as_svg_is_ink_on_white() -> None:
    bitmap = np.zeros((28, 28), np.uint8)
    bitmap[3] = 255
    svg = drawing_svg(Drawing(bitmap=bitmap))
    (png,) = re.findall(r'href="data:image/png;base64,([^"]*)"', svg)
    pixels = cv2.imdecode(np.frombuffer(base64.b64decode(png), np.uint8), cv2.IMREAD_GRAYSCALE)
    np.testing.assert_array_equal(pixels, 255 - bitmap)
