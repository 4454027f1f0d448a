from __future__ import annotations

import xml.etree.ElementTree as ET

import numpy as np

from garabato.drawing import Drawing, DrawingBatch

LINE = Drawing([[[0, 10], [0, 10]]], category="a <b>")
BITMAP = Drawing(bitmap=np.eye(28, dtype=np.uint8) * 255)


def test_a_notebook_shows_a_drawing_as_svg_that_stands_alone():
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
