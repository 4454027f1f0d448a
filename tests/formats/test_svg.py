from __future__ import annotations

import gzip
import re
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sketches import make_drawings

from garabato.drawing import Drawing
from garabato.errors import FormatError, InputError
from garabato.formats import read_drawings, write_drawings, xml_tree
from garabato.formats.svg import tree

NAMESPACE = 'xmlns="http://www.w3.org/2000/svg"'


def _file(folder: Path, body: str, attributes: str = NAMESPACE) -> Path:
    path = folder / "cat.svg"
    path.write_text(f"<svg {attributes}>{body}</svg>", encoding="utf-8")
    return path


def _strokes(folder: Path, body: str, attributes: str = NAMESPACE) -> list[list[list[float]]]:
    (drawing,) = read_drawings(_file(folder, body, attributes), strict=True)
    return drawing.to_lists()


def _problem(path: Path) -> str:
    with pytest.raises(FormatError) as caught:
        list(read_drawings(path))
    assert str(path) in str(caught.value)
    return str(caught.value)


def test_lines_on_googles_grid_stay_as_they_are(tmp_path):
    paths = '<path d="M0 0L9 3L255 7"/><path d="M4 5h0" stroke-linecap="round"/>'
    body = f'<g fill="none" stroke="black">{paths}</g>'
    assert _strokes(tmp_path, body) == [[[0, 9, 255], [0, 3, 7]], [[4, 4], [5, 5]]]


def test_others_are_simplified_to_the_grid(tmp_path):
    body = '<polyline points="1000,1000 1255,1000 1510,1000 1510,1510" fill="none" stroke="red"/>'
    assert _strokes(tmp_path, body) == [[[0, 255, 255], [0, 0, 255]]]


def test_a_stroke_in_pieces_from_point_to_point_is_one_stroke(tmp_path):
    def pieces(start, steps):
        corners = np.cumsum([start, *steps], axis=0).tolist()
        return "".join(
            f'<path d="M{a} {b}L{c} {d}" stroke-width="{1 + i % 5}"/>'
            for i, ((a, b), (c, d)) in enumerate(pairwise(corners))
        )

    hook = pieces((0, 0), [(0, 17)] * 15 + [(17, 0)] * 15)
    dash = pieces((0, 128), [(17, 0)] * 3)
    for ground in ("", '<path d="M200 0h9" stroke="red"/>'):
        body = f'<g fill="none" stroke="black">{ground}{hook}{dash}</g>'
        whole = [len(xs) for xs, _ in _strokes(tmp_path, body)]
        assert whole[-2:] == [31, 4]
    few = f'<g fill="none" stroke="black">{dash}</g>'  # lines of a hand or an icon stay as they are
    assert len(_strokes(tmp_path, few)) == 3


@pytest.mark.parametrize(
    ("shape", "strokes"),
    [
        ('<line x1="1" y1="2" x2="3" y2="4" stroke="black"/>', [[[1, 3], [2, 4]]]),
        ('<rect x="1" y="2" width="10" height="20"/>', [[[1, 11, 11, 1, 1], [2, 2, 22, 22, 2]]]),
        ('<polygon points="0,0 9,0 9,9"/>', [[[0, 9, 9, 0], [0, 0, 9, 0]]]),
        ('<polyline points="0,0 9,0 9,9"/>', [[[0, 9, 9], [0, 0, 9]]]),
    ],
)
def test_basic_shapes_become_strokes_along_their_outlines(tmp_path, shape, strokes):
    assert _strokes(tmp_path, shape) == strokes


def test_circles_and_ellipses_are_round(tmp_path):
    (xs, ys), = _strokes(tmp_path, '<ellipse cx="500" cy="90" rx="400" ry="200"/>')  # fmt: skip
    distances = np.hypot((np.array(xs) - 127.5) / 127.5, (np.array(ys) - 63.75) / 63.75)
    np.testing.assert_allclose(distances, 1, atol=0.03)
    assert (xs[0], ys[0]) == (xs[-1], ys[-1])
    assert len(xs) > 10


def test_a_rounded_rectangle_has_round_corners_within_its_sides(tmp_path):
    (xs, ys), = _strokes(tmp_path, '<rect width="255" height="255" rx="60"/>')  # fmt: skip
    assert (min(xs), max(xs), min(ys), max(ys)) == (0, 255, 0, 255)
    corners = [
        (x, y) for x, y in zip(xs, ys, strict=True) if min(x, 255 - x) < 60 > min(y, 255 - y)
    ]
    assert corners
    for x, y in corners:
        assert np.hypot(60 - min(x, 255 - x), 60 - min(y, 255 - y)) == pytest.approx(60, abs=2.5)


def test_transforms_are_applied_from_the_outside_in(tmp_path):
    body = '<g transform="translate(10 20)"><line transform="scale(2)" x2="5" y2="5"/></g>'
    with_stroke = body.replace("<line", '<line stroke="black"')
    assert _strokes(tmp_path, with_stroke) == [[[10, 20], [20, 30]]]


def test_preserve_aspect_ratio_none_stretches_the_drawing(tmp_path):
    attributes = f'{NAMESPACE} viewBox="0 0 10 10" width="200" height="100"'
    line = '<line x2="10" y2="10" stroke="black"/>'
    assert _strokes(tmp_path, line, attributes) == [[[0, 10], [0, 10]]]
    attributes += ' preserveAspectRatio="none"'
    assert _strokes(tmp_path, line, attributes) == [[[0, 20], [0, 10]]]


def test_inner_documents_have_their_own_box(tmp_path):
    body = (
        '<svg x="50" y="60" width="100" height="100" viewBox="0 0 10 10">'
        '<line x2="100%" y2="5" stroke="black"/></svg>'
    )
    assert _strokes(tmp_path, body) == [[[50, 150], [60, 110]]]


def test_use_repeats_what_it_points_to(tmp_path):
    body = (
        '<defs><path id="a" d="M0 0h9"/></defs>'
        '<symbol id="s"><path d="M0 0v9"/></symbol>'
        '<g stroke="black"><use href="#a" x="5" y="6"/>'
        '<use xmlns:x="http://www.w3.org/1999/xlink" x:href="#s" transform="translate(1 2)"/></g>'
    )
    assert _strokes(tmp_path, body) == [[[5, 14], [6, 6]], [[1, 1], [2, 11]]]


@pytest.mark.parametrize(
    "invisible",
    [
        '<rect width="100%" height="100%" fill="white"/>',
        '<rect width="9" height="9" style="fill: none"/>',
        '<rect width="9" height="9" fill="red" fill-opacity="0"/>',
        '<rect width="9" height="9" fill="none" stroke="red" stroke-opacity=".0"/>',
        '<rect width="9" height="9" opacity=".0"/>',
        '<rect width="9" height="9" opacity="0%"/>',
        '<g opacity=".1"><rect width="9" height="9" fill-opacity=".1"/></g>',
        '<rect width="9" height="9" fill="rgba(9, 9, 9, 0)"/>',
        '<rect width="9" height="9" fill="rgb(9 9 9 / 0%)"/>',
        '<rect width="9" height="9" fill="hsla(120,50%,50%,.0)"/>',
        '<rect width="9" height="9" fill="#12345600"/>',
        '<rect width="9" height="9" fill="#1230"/>',
        '<rect width="9" height="9" fill="transparent"/>',
        '<g color="transparent"><rect width="9" height="9" fill="currentColor"/></g>',
        '<rect width="9" height="9" fill="red" style="fill: none !important"/>',
        '<rect width="9" height="9" fill="none" stroke="red" stroke-width="0"/>',
        '<rect width="9" height="9" fill="url(#nowhere)"/>',
        '<rect width="9" height="9" fill="url(#nowhere) none"/>',
        '<rect width="9" height="9" style="visibility:collapse"/>',
        '<style>rect{display:none}</style><rect width="9" height="9"/>',
        '<switch><foreignObject width="9" height="9"/><rect width="9" height="9"/></switch>',
        '<switch><rect systemLanguage="xx" width="9" height="9"/></switch>',
        '<rect width="9" height="9" fill="none"/>',
        '<g display="none"><rect width="9" height="9"/></g>',
        '<rect width="9" height="9" style="display:none"/>',
        '<g visibility="hidden"><rect width="9" height="9"/></g>',
        '<rect width="9" height="9" opacity="0"/>',
        '<defs><rect width="9" height="9"/></defs>',
        '<clipPath><rect width="9" height="9"/></clipPath>',
        "<text>hello</text>",
        '<image href="http://example.org/a.png" width="9" height="9"/>',
        "<!-- <path d='M0 0h9'/> -->",
        '<rect width="0" height="9"/>',
        '<circle r="0"/>',
        '<use href="#nowhere"/>',
        '<use href="http://example.org/a.svg#b"/>',
    ],
)
def test_what_is_not_seen_is_not_drawn(tmp_path, invisible):
    line = '<line x2="9" y2="5" stroke="black"/>'
    assert _strokes(tmp_path, invisible + line) == [[[0, 9], [0, 5]]]
    assert re.search("the document (has no|holds)", _problem(_file(tmp_path, invisible)))


def test_white_lines_are_read(tmp_path):
    body = '<rect width="99" height="99" fill="black"/><path d="M9 9h50" stroke="white"/>'
    assert len(_strokes(tmp_path, body)) == 2
    assert len(_strokes(tmp_path, '<path d="M1 1h9" stroke="white"/>')) == 1


def test_documents_are_recognised_whatever_their_name_and_encoding(tmp_path):
    line = '<path d="M0 0h9" stroke="red"/>'
    text = f'<?xml version="1.0" encoding="utf-16"?><svg {NAMESPACE}>{line}</svg>'
    path = tmp_path / "picture"
    for data in (
        text.encode("utf-16"),
        b"\xef\xbb\xbf  \n<!-- hi --><svg><path d='M0 0h9' stroke='red'/></svg>",
        gzip.compress(b"<svg><path d='M0 0h9' stroke='red'/></svg>"),
    ):
        path.write_bytes(data)
        (drawing,) = read_drawings(path, strict=True)
        assert drawing.to_lists() == [[[0, 9], [0, 0]]]


def test_a_document_with_a_public_doctype_is_read(tmp_path):
    doctype = (
        '<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" '
        '"http://www.w3.org/Graphics/SVG/1.1/DTD/svg11.dtd">'
    )
    path = tmp_path / "cat.svg"
    path.write_text(f"{doctype}<svg><path d='M0 0h9' stroke='red'/></svg>")
    assert len(list(read_drawings(path))) == 1


def _with_doctype(folder: Path, declared: str, body: str = "<path d='M0 0h9V9'/>") -> Path:
    path = folder / "cat.svg"
    path.write_text(f"<!DOCTYPE svg [{declared}]><svg>{body}</svg>")
    return path


def test_short_entities_are_expanded(tmp_path):
    declared = '<!ENTITY ns "http://example.org/"><!ENTITY l "M0 0h"><!ENTITY p "&l;9">'
    path = _with_doctype(tmp_path, declared, '<g xmlns:i="&ns;"><path d="&p;" stroke="red"/></g>')
    (drawing,) = read_drawings(path, strict=True)
    assert drawing.to_lists() == [[[0, 9], [0, 0]]]


_TEN = "&a;" * 10
_CHAIN = "".join(f'<!ENTITY e{i} "&e{i + 1};">' for i in range(9)) + '<!ENTITY e9 "x">'


@pytest.mark.parametrize(
    ("declared", "problem"),
    [
        ('<!ENTITY a SYSTEM "file:///etc/passwd">', "external or parameter entities"),
        ('<!ENTITY % a SYSTEM "http://example.org/a.dtd"> %a;', "external or parameter entities"),
        ("<!ENTITY % a \"<!ENTITY b 'c'>\"> %a;", "external or parameter entities"),
        (f'<!ENTITY a "{"x" * 1000}"><!ENTITY b "{_TEN}">', "more than 4,096 characters"),
        (_CHAIN, "nested more than 4 deep"),
        ('<!ENTITY a "&b;"><!ENTITY b "&a;">', "nested more than 4 deep, or refer to themselves"),
        ("".join(f'<!ENTITY e{i} "x">' for i in range(300)), "or too many"),
    ],
)
def test_other_entities_are_refused_in_plain_words(tmp_path, declared, problem):
    message = _problem(_with_doctype(tmp_path, declared))
    assert problem in message
    assert "Error" not in message
    assert "(name=" not in message


def test_entities_that_expand_far_are_refused_before_they_do(tmp_path):
    path = _with_doctype(tmp_path, f'<!ENTITY a "{"1" * 4000}">', f'<g id="{"&a;" * 100_000}"/>')
    assert "the entities that the document declares expand too far" in _problem(path)


def test_default_attributes_of_a_doctype_count_towards_the_size_limit(tmp_path):
    declared = f'<!ATTLIST g d CDATA "{"x" * 100_000}">'
    path = _with_doctype(tmp_path, declared, "<g/>" * 1000)
    assert "MiB of text and attributes" in _problem(path)


def test_the_error_for_broken_xml_names_line_and_column(tmp_path):
    path = tmp_path / "cat.svg"
    path.write_text("<svg>\n<path></svg>")
    assert "line 2, column 9: broken XML (mismatched tag)" in _problem(path)


@pytest.mark.parametrize("encoding", ["shift_jis", "gb2312", "klingon", "utf-8", ""])
def test_the_error_for_another_encoding_says_to_save_as_utf8(tmp_path, encoding):
    path = tmp_path / "cat.svg"
    declaration = f'<?xml version="1.0" encoding="{encoding}"?>' if encoding else ""
    path.write_bytes(declaration.encode() + "<svg><title>ネコ</title></svg>".encode("shift_jis"))
    assert _problem(path).endswith("; save it as UTF-8")


def test_the_error_for_another_xml_document_names_its_root_element(tmp_path):
    path = tmp_path / "cat.svg"
    path.write_text("<math><mi/></math>")
    assert "the document is <math>; <svg> was expected" in _problem(path)
    path.write_text('<mxGraphModel dx="1"><root/></mxGraphModel>')
    assert _problem(path).endswith("<svg> was expected; export it from draw.io as SVG")


def test_use_that_multiplies_without_end_is_stopped(tmp_path, monkeypatch):
    monkeypatch.setattr(tree, "MAX_ELEMENTS", 1000)
    levels = '<path id="u0" d="M0 0h9" stroke="red"/>' + "".join(
        f'<g id="u{i + 1}">{f"""<use href="#u{i}"/>""" * 10}</g>' for i in range(9)
    )
    assert "more than 1,000 elements" in _problem(_file(tmp_path, levels))


@pytest.mark.parametrize(
    "body",
    [
        '<g id="a"><path d="M0 0h9" stroke="red"/><use href="#a" y="3"/><use href="#a" y="6"/></g>',
        '<g id="a"><path d="M0 0h9" stroke="red"/><use href="#b" y="3"/></g>'
        '<defs><g id="b"><use href="#a"/></g></defs>',
        '<path d="M0 0h9" stroke="red"/><use id="a" href="#a"/>',
    ],
)
def test_use_within_what_it_points_to_is_not_drawn(tmp_path, body):
    assert _strokes(tmp_path, body) == [[[0, 9], [0, 0]]]


def test_too_many_elements_points_levels_and_bytes_are_refused(tmp_path, monkeypatch):
    assert "more than 20,000 elements" in _problem(_file(tmp_path, "<g/>" * 20_001))
    assert "nested more than 256" in _problem(_file(tmp_path, "<g>" * 300 + "</g>" * 300))
    monkeypatch.setattr(tree, "MAX_POINTS", 2000)
    assert "more than 2,000 points" in _problem(_file(tmp_path, f'<path d="M0 0{"h1" * 2000}"/>'))
    assert "bigger than the" in _problem(_file(tmp_path, " " * xml_tree.MAX_BYTES))


def test_absurd_numbers_are_refused(tmp_path):
    assert "beyond 2^24" in _problem(_file(tmp_path, '<path d="M0 0h1e30" stroke="red"/>'))
    far = '<path d="M0 0L1e308 1e308" stroke="red" transform="matrix(1e9 0 1e9 1e9 0 0)"/>'
    assert "NaN or infinite" in _problem(_file(tmp_path, far))
    assert "NaN or infinite" in _problem(_file(tmp_path, '<path d="M0 0h1e999" stroke="red"/>'))


def test_lines_without_end_cost_no_more_than_others(tmp_path):
    """Each took 0.3 s: NaN became the farthest whole number, and each pixel there was painted."""
    path = _file(
        tmp_path, '<path d="M0 0L1e9999 5" stroke="black"/>' * 50, f'{NAMESPACE} viewBox="0 0 9 9"'
    )
    before = time.process_time()
    assert "no lines" in _problem(path)
    assert time.process_time() - before < 3


def test_points_equal_in_float32_become_a_dot(tmp_path):
    assert _strokes(tmp_path, '<path d="M0 0h1e-40" stroke="red"/>') == [[[0, 0], [0, 0]]]


@pytest.mark.parametrize(
    "transform", ["skewX(1e999)", "skewY(-1e999)", "rotate(1e999)", "rotate(1e999 1 2)"]
)
def test_a_turn_by_an_infinite_angle_is_no_turn(tmp_path, transform):
    line = f'<line x2="9" y2="5" stroke="black" transform="{transform}"/>'
    assert _strokes(tmp_path, line) == [[[0, 9], [0, 5]]]


_MEGABYTE = 2**20


@pytest.mark.parametrize(
    "attributes",
    [
        'transform="' + "scale(" * (_MEGABYTE // 6) + '"',
        'transform="' + "scale(1" * (_MEGABYTE // 7) + '"',
        'transform="scale' + " " * _MEGABYTE + '"',
        'width="' + "1" * _MEGABYTE + '!"',
        'width="1' + " " * _MEGABYTE + '!"',
        'width="1e' + "1" * _MEGABYTE + '!"',
    ],
    ids=lambda attributes: attributes[:20],
)
def test_a_megabyte_of_nonsense_in_an_attribute_is_passed_over_at_once(tmp_path, attributes):
    path = _file(tmp_path, f'<svg {attributes}><path d="M1 2h9" stroke="red"/></svg>')
    code = (
        "import sys; from garabato.formats import *; print(len(list(read_drawings(sys.argv[1]))))"
    )
    command = [sys.executable, "-c", code, str(path)]
    # It takes a second; what looks at it again and again takes hours.
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=120, check=True)
    assert done.stdout == "1\n"


@pytest.mark.parametrize(
    "attribute",
    [f'transform="{"scale(1)" * 99}"', f'd="M0 0{" " * 999}"', f'style="{" " * 999}"'],
)
def test_attributes_are_not_looked_at_again_and_again(tmp_path, monkeypatch, attribute):
    monkeypatch.setattr(tree, "MAX_CHARACTERS", 100_000)
    uses = '<use href="#a"/>' * 999
    body = f'<path id="a" {attribute}/>{uses}<path d="M0 0h9"/>'
    assert "of attributes, repeated ones included" in _problem(_file(tmp_path, body))
    body = f'<symbol id="a" {attribute}/>{uses}<path d="M0 0h9"/>'
    assert "of attributes, repeated ones included" in _problem(_file(tmp_path, body))


def test_what_is_written_is_read_back(tmp_path):
    path = tmp_path / "out.svg"
    for drawing in [*make_drawings(["circle", "house", "star"], 3, seed=0), Drawing([[[7], [8]]])]:
        assert write_drawings(path, [drawing]) == 1
        (back,) = read_drawings(path, strict=True)
        expected = [[xs * 2, ys * 2] if len(xs) == 1 else [xs, ys] for xs, ys in drawing.to_lists()]
        assert back.to_lists() == expected


def test_a_document_is_one_drawing(tmp_path):
    path = tmp_path / "out.svg"
    with pytest.raises(InputError, match="one drawing, not 2; write one file each"):
        write_drawings(path, make_drawings(["circle"], 2, seed=0))
    with pytest.raises(InputError, match="strokes, not bitmaps"):
        write_drawings(path, [Drawing(bitmap=np.zeros((2, 2), np.uint8))])
    assert not path.exists()


_BODY = (
    '<svg viewBox="0 0 9 9" width="50%">'
    '<g id="a" transform="rotate(10)" style="fill:none;stroke:#123">'
    '<path d="M0 0c1 2 3 4 5 6a1 2 3 0 1 4 5z"/><rect x="1" width="5" height="6" rx="1"/>'
    '<circle r="3"/><use href="#b" x="3"/></g><line id="b" x2="9"/><polygon points="0,0 9,9 1,0"/>'
    "</svg>"
)


@settings(max_examples=300)
@given(st.data())
def test_mutated_documents_are_read_or_refused(tmp_path_factory, data):
    mutated = bytearray(_BODY.encode())
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(mutated) - 1))
        piece = data.draw(
            st.sampled_from(
                [b"<", b">", b'"', b"1e99", b"-", b"%", b"nan", b"\0", b"\xff", b"0", b""]
            )
        )
        mutated[at : at + data.draw(st.integers(0, 3))] = piece
    path = tmp_path_factory.mktemp("mutated") / "cat.svg"
    path.write_bytes(b"<svg>" + bytes(mutated[5:]))
    try:
        drawings = list(read_drawings(path))
    except FormatError:
        return
    for drawing in drawings:
        assert np.isfinite(drawing.points).all()
        assert drawing.points.min() >= 0
        assert drawing.points.max() <= 255
