"""InkML and Xournal++."""

from __future__ import annotations

import gzip

import pytest

from garabato import read_drawings
from garabato.errors import FormatError
from garabato.formats import ReadReport


def ink(*traces: str, more: str = "") -> str:
    inner = "\n".join(f'<trace id="t{n}">{text}</trace>' for n, text in enumerate(traces))
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<ink xmlns="http://www.w3.org/2003/InkML">{more}{inner}</ink>'
    )


def write(path, content):
    path.write_text(content)
    return path


def lists(path):
    return [d.to_lists() for d in read_drawings(path, strict=True)]


def test_the_traces_of_an_inkml_file_are_one_drawing(tmp_path):
    path = write(tmp_path / "x.inkml", ink("10 0, 110 0, 110 100", "10 100, 20 100"))
    assert lists(path) == [[[[0, 255, 255], [0, 0, 255]], [[0, 26], [255, 255]]]]


def test_values_may_be_differences_and_differences_of_these(tmp_path):
    """The example of the recommendation: 1125 18432,'23'43,"7"-8,3-5,7 -3 ..."""
    path = write(tmp_path / "x.inkml", ink("""1125 18432,'23'43,"7"-8,3-5,7 -3"""))
    # 1125, 1148 (+23), 1178 (+30), 1211 (+33), 1251 (+40); 18432, 18475, 18510, 18540, 18567
    with_absolute = ink("1125 18432, 1148 18475, 1178 18510, 1211 18540, 1251 18567")
    assert lists(path) == lists(write(tmp_path / "y.inkml", with_absolute))


def test_channels_stand_where_the_trace_format_says(tmp_path):
    trace_format = (
        '<traceFormat><channel name="T" type="integer"/><channel name="Y" type="decimal"/>'
        '<channel name="X" type="decimal"/></traceFormat>'
    )
    path = write(tmp_path / "x.inkml", ink("0 0 0, 10 0 100, 20 50 100", more=trace_format))
    assert lists(path) == [[[[0, 255, 255], [0, 0, 128]]]]


def test_inkml_without_a_channel_y_is_refused(tmp_path):
    trace_format = '<traceFormat><channel name="X"/><channel name="T"/></traceFormat>'
    path = write(tmp_path / "x.inkml", ink("0 0, 10 100", more=trace_format))
    with pytest.raises(FormatError, match="must have the channels X and Y, not X, T"):
        lists(path)


def test_axes_may_point_to_the_left_or_upwards_and_numbers_be_hexadecimal(tmp_path):
    trace_format = (
        '<traceFormat><channel name="x"/><channel name="y" orientation="-ve"/></traceFormat>'
    )
    path = write(tmp_path / "x.inkml", ink("0 -0, #FF -0, #FF -#FF", more=trace_format))
    assert lists(path) == [[[[0, 255, 255], [0, 0, 255]]]]


@pytest.mark.parametrize(
    ("x", "y", "width"),
    [  # 100 wide and 100 high in the numbers of the file
        ('units="mm"', 'units="cm"', 26),  # 10 : 100
        ('units="in"', 'units="cm"', 255),  # 254 : 100
        ('type="integer" units="cm"', 'type="integer" units="cm"', 128),  # 100/2000 : 100/1000
        ('units="cm"', 'units="cm"', 255),  # decimals are in cm, whatever the pen resolves
        ('units="mm"', 'units="parsec"', 255),
        ('units="mm"', "", 255),
    ],
)
def test_x_and_y_may_have_different_units(tmp_path, x, y, width):
    more = (
        f'<traceFormat><channel name="X" {x}/><channel name="Y" {y}/></traceFormat>'
        '<channelProperty channel="X" name="resolution" value="2000" units="1/cm"/>'
        '<channelProperty channel="Y" name="resolution" value="1000" units="1/cm"/>'
    )
    path = write(tmp_path / "x.inkml", ink("0 0, 100 0, 100 100", more=more))
    height = 100 if 'units="in"' in x else 255  # 100 of 254 are 100.4 of 255
    assert lists(path) == [[[[0, width, width], [0, 0, height]]]]


@pytest.mark.parametrize("value", ["0", "-1", "nan", "inf", "1e-300", "high", ""])
def test_an_impossible_resolution_is_ignored(tmp_path, value):
    more = (
        '<traceFormat><channel name="X" type="integer" units="cm"/>'
        '<channel name="Y" units="cm"/></traceFormat>'
        f'<channelProperty channel="X" name="resolution" value="{value}" units="1/cm"/>'
    )
    path = write(tmp_path / "x.inkml", ink("0 0, 255 0, 255 255", more=more))
    assert lists(path) == [[[[0, 255, 255], [0, 0, 255]]]]


@pytest.mark.parametrize(
    "more",
    [
        "<definitions><trace>0 0, 999 999</trace></definitions>",
        '<trace type="penUp">0 0, 999 999</trace>',
    ],
    ids=["definition", "pen above the paper"],
)
def test_traces_that_leave_no_ink_are_not_drawn(tmp_path, more):
    path = write(tmp_path / "x.inkml", ink("0 0, 255 9", more=more))
    assert lists(path) == [[[[0, 255], [0, 9]]]]


def test_a_star_repeats_a_value_and_other_channels_may_be_true_false_or_unknown(tmp_path):
    path = write(tmp_path / "x.inkml", ink("10 0 T, 110 0 F, * 100 ?"))
    assert lists(path) == [[[[0, 255, 255], [0, 0, 255]]]]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_inkml_is_recognised_behind_comments_and_a_doctype(tmp_path, encoding):
    start = f'<?xml version="1.0" encoding="{encoding}"?>\n<!-- by hand --><!DOCTYPE ink>\n'
    path = tmp_path / "x.inkml"
    path.write_bytes((start + ink("0 0, 255 9").partition("\n")[2]).encode(encoding))
    assert lists(path) == [[[[0, 255], [0, 9]]]]


def test_the_label_of_an_inkml_file_is_its_category(tmp_path):
    label = '<annotation type="writer">W1</annotation><annotation type="truth"> cat </annotation>'
    (drawing,) = read_drawings(write(tmp_path / "x.inkml", ink("0 0, 9 9", more=label)))
    assert drawing.category == "cat"


@pytest.mark.parametrize("number", ["1e999", "#" + "F" * 400, "1e12", "16777217"])
def test_only_the_trace_with_a_coordinate_out_of_range_is_rejected(tmp_path, number):
    path = write(tmp_path / "x.inkml", ink("0 0, 255 9", f"0 0, {number} 1"))
    report = ReadReport()
    (drawing,) = read_drawings(path, report=report)
    assert drawing.to_lists() == [[[0, 255], [0, 9]]]
    (place,) = report.problems["a coordinate of the trace is more than 2^24"].positions
    assert place == f"{path}, trace 2"


@pytest.mark.parametrize("bad", ["nonsense", "1, 2", "? 3, 4 5", "0x12 3", "1 2\n" * 30])
def test_a_bad_trace_is_counted_and_the_others_are_read(tmp_path, bad):
    path = write(tmp_path / "x.inkml", ink("0 0, 9 9", bad))
    report = ReadReport()
    assert [len(d.strokes) for d in read_drawings(path, report=report)] == [1]
    (counted,) = report.problems.values()
    assert counted.positions == [f"{path}, trace 2"]


XOPP = """<?xml version="1.0" standalone="no"?>
<xournal creator="xournalpp 1.2.3" fileversion="4">
<title>Xournal++ document - see https://xournalpp.github.io/</title>
<page width="595.27" height="841.88">
<background type="solid" color="#ffffffff" style="lined"/>
<layer>
<stroke tool="pen" color="#000000ff" width="1.41 1.2 1.3">100 100 200 100 200 200</stroke>
<stroke tool="eraser" color="#ffffffff" width="8.5">0 300 500 300</stroke>
<text font="Sans" size="12" x="9" y="9" color="#000000ff">cat</text>
</layer>
</page>
<page width="595.27" height="841.88"><background type="solid"/><layer>
<stroke tool="pen" color="#000000ff" width="1.41">0 50 50 0</stroke>
<stroke tool="pen" color="#000000ff" width="1.41">1 2 3</stroke>
</layer></page>
<page width="595.27" height="841.88"><background type="solid"/><layer/></page>
</xournal>
"""


def test_each_page_of_a_xournal_file_that_has_strokes_is_a_drawing(tmp_path):
    path = tmp_path / "notes.xopp"
    path.write_bytes(gzip.compress(XOPP.encode()))
    report = ReadReport()
    first, second = read_drawings(path, report=report)
    assert first.to_lists() == [[[0, 255, 255], [0, 0, 255]]]
    assert second.to_lists() == [[[0, 255], [255, 0]]]
    assert (first.key_id, second.key_id) == ("notes-1", "notes-2")
    (counted,) = report.problems.values()
    assert counted.positions == [f"{path}, page 2, stroke 2"]


@pytest.mark.parametrize(
    ("page", "white"),
    [
        ("#ffffffff", 'tool="eraser" color="#ffffffff"'),
        ("#ffffffff", 'tool="pen" color="white"'),
        ("#ffffffff", 'tool="pen" color="#ffffffff"'),
        ("#000000ff", 'tool="pen" color="black"'),
        ("#ffff80ff", 'tool="eraser" color="#ffffffff"'),
        ("white", 'tool="eraser" color="white"'),
    ],
)
def test_what_is_whitened_out_is_not_read(tmp_path, page, white):
    """A red box, and a line through it that is painted over."""
    path = write(
        tmp_path / "x.xopp",
        f'<xournal><page width="600" height="800"><background type="solid" color="{page}"/><layer>'
        '<stroke tool="pen" color="#ff0000ff" width="1.4 1 1.2">100 100 300 300</stroke>'
        f'<stroke {white} width="20">80 80 320 320</stroke>'
        '<stroke tool="pen" color="red" width="1.4">100 100 300 100 300 300 100 300 100 100'
        "</stroke></layer></page></xournal>",
    )
    (drawing,) = read_drawings(path)
    assert drawing.to_lists() == [[[0, 255, 255, 0, 0], [0, 0, 255, 255, 0]]]


INK = '<stroke tool="pen" color="black" width="2">0 0 90 90</stroke>'
BESIDE = '<stroke tool="pen" color="red" width="2">0 0 100 0 100 50</stroke>'
DOT = '<stroke tool="pen" color="blue" width="2">0 50</stroke>'
WHITE_INK = '<stroke tool="pen" color="#ffffffff" width="2">0 50 100 50</stroke>'
WHITEOUT = '<stroke tool="eraser" color="#ffffffff" width="9">0 0 90 90</stroke>'
PLAIN = '<background type="solid" color="#ffffffff" style="plain"/>'
PDF = '<background type="pdf" domain="absolute" filename="a.pdf" pageno="1"/>'
PICTURE = '<background type="pixmap" domain="absolute" filename="a.png"/>'
YELLOW = '<background type="solid" color="yellow" style="plain"/>'


def pages(path, *contents):
    inner = "".join(
        f'<page width="600" height="800">{background}<layer>{"".join(strokes)}</layer></page>'
        for background, *strokes in contents
    )
    return write(path, f"<xournal>{inner}</xournal>")


@pytest.mark.parametrize("background", [PLAIN, PDF, ""])
@pytest.mark.parametrize(
    "strokes", [[WHITEOUT], [INK, WHITEOUT], [INK.replace("black", "white"), WHITEOUT]]
)
def test_a_page_on_which_all_is_whitened_out_is_no_drawing(tmp_path, background, strokes):
    path = pages(tmp_path / "x.xopp", [background, *strokes])
    with pytest.raises(FormatError, match="no drawing in the file"):
        lists(path)
    path = pages(tmp_path / "y.xopp", [background, BESIDE], [background, *strokes])
    assert lists(path) == [[[[0, 255, 255], [0, 0, 128]]]]


@pytest.mark.parametrize("background", [PLAIN, PDF, PICTURE, YELLOW, ""])
def test_a_page_of_white_ink_alone_shows_it(tmp_path, background):
    path = pages(tmp_path / "x.xopp", [background, WHITE_INK, WHITEOUT.replace("90 90", "9 9")])
    assert lists(path) == [[[[0, 255], [0, 0]]]]


def test_the_yellow_of_paper_is_paler_than_that_of_ink(tmp_path):
    path = pages(tmp_path / "x.xopp", [YELLOW, INK.replace("black", "yellow"), BESIDE])
    assert lists(path) == [[[[0, 230], [0, 230]], [[0, 255, 255], [0, 0, 128]]]]


@pytest.mark.parametrize("background", [PDF, PICTURE, YELLOW, ""])
@pytest.mark.parametrize("more", [[], [INK, WHITEOUT]])
def test_white_ink_is_seen_on_pictures_and_coloured_paper(tmp_path, background, more):
    path = pages(tmp_path / "x.xopp", [background, *more, WHITE_INK, BESIDE])
    assert lists(path) == [[[[0, 255], [128, 128]], [[0, 255, 255], [0, 0, 128]]]]


def test_what_is_drawn_where_it_was_whitened_out_is_seen(tmp_path):
    again = BESIDE.replace("100 0 ", "80 80 ")
    path = pages(tmp_path / "x.xopp", [PLAIN, INK, WHITEOUT, again])
    assert lists(path) == [[[[0, 204, 255], [0, 204, 128]]]]


def test_a_line_is_cut_where_a_whiteout_eraser_crosses_it(tmp_path):
    """From x = 0 to 200; the eraser is 40 wide and leaves 0..80 and 120..200."""
    line = '<stroke tool="pen" color="black" width="2">0 0 200 0</stroke>'
    across = '<stroke tool="eraser" color="#ffffffff" width="40">100 -50 100 50</stroke>'
    (drawing,) = lists(pages(tmp_path / "x.xopp", [PLAIN, line, across]))
    (left, _), (right, _) = drawing
    assert [*left, *right] == pytest.approx([0, 80 / 200 * 255, 120 / 200 * 255, 255], abs=4)


@pytest.mark.parametrize("background", [PLAIN, PDF])
def test_dots_are_kept_unless_they_are_whitened_out(tmp_path, background):
    path = pages(tmp_path / "x.xopp", [background, INK, DOT, WHITEOUT, BESIDE])
    assert lists(path) == [[[[0], [128]], [[0, 255, 255], [0, 0, 128]]]]
    whiteout = '<stroke tool="eraser" color="#ffffffff" width="9">0 50</stroke>'
    path = pages(tmp_path / "y.xopp", [background, BESIDE, DOT, whiteout])
    assert lists(path) == [[[[0, 255, 255], [0, 0, 128]]]]
    path = pages(tmp_path / "z.xopp", [background, DOT, WHITEOUT])
    assert lists(path) == [[[[0], [0]]]]


@pytest.mark.parametrize("text", ["1 2 3", "a b", "nan 0 9 9", "0 0 1e300 0", ""])
def test_a_damaged_whiteout_stroke_is_ignored(tmp_path, text):
    damaged = f'<stroke tool="eraser" color="#ffffffff" width="9">{text}</stroke>'
    path = pages(tmp_path / "x.xopp", [PLAIN, INK, WHITEOUT, BESIDE, damaged])
    assert lists(path) == [[[[0, 255, 255], [0, 0, 128]]]]


@pytest.mark.parametrize("width", ["", "thick", "nan", "-9", "0"])
def test_a_whiteout_stroke_of_unknown_width_is_thin(tmp_path, width):
    whiteout = WHITEOUT.replace('"9"', f'"{width}"')
    path = pages(tmp_path / "x.xopp", [PLAIN, INK, DOT, whiteout, BESIDE])
    assert lists(path) == [[[[0], [128]], [[0, 255, 255], [0, 0, 128]]]]


@pytest.mark.parametrize("text", ["nan 0 9 9", "0 0 1e300 0"])
def test_a_stroke_beyond_all_bounds_is_counted_and_the_others_are_read(tmp_path, text):
    path = pages(tmp_path / "x.xopp", [PLAIN, BESIDE, f'<stroke tool="pen">{text}</stroke>'])
    report = ReadReport()
    (drawing,) = read_drawings(path, report=report)
    assert drawing.to_lists() == [[[0, 255, 255], [0, 0, 128]]]
    (counted,) = report.problems.values()
    assert counted.positions == [f"{path}, page 1, stroke 2"]


def test_white_ink_on_a_page_of_unknown_colour_is_read(tmp_path):
    stroke = '<stroke tool="pen" color="white" width="2">0 50 50 0</stroke>'
    path = write(tmp_path / "x.xopp", f"<xournal><page><layer>{stroke}</layer></page></xournal>")
    (drawing,) = read_drawings(path)
    assert drawing.to_lists() == [[[0, 255], [255, 0]]]


def test_broken_xml_is_told_with_its_position(tmp_path):
    path = write(tmp_path / "x.inkml", ink("0 0, 9 9")[:-3])
    with pytest.raises(FormatError, match=r"x.inkml, line 2, column \d+: broken XML"):
        list(read_drawings(path))


def test_entities_that_expand_far_are_refused(tmp_path):
    levels = [f'<!ENTITY e{i} "{f"&e{i - 1};" * 10}">' for i in range(1, 5)]
    bomb = f'<!DOCTYPE ink [<!ENTITY e0 "1 1,">{"".join(levels)}]><ink><trace>&e4;</trace></ink>'
    with pytest.raises(FormatError, match="stands for more than 4,096 characters"):
        list(read_drawings(write(tmp_path / "x.inkml", bomb)))


def test_external_entities_are_refused(tmp_path):
    document = (
        '<!DOCTYPE ink [<!ENTITY a SYSTEM "file:///etc/hostname">]><ink><trace>&a;</trace></ink>'
    )
    with pytest.raises(FormatError, match="external"):
        list(read_drawings(write(tmp_path / "x.inkml", document)))


def test_a_file_without_a_stroke_is_an_error(tmp_path):
    with pytest.raises(FormatError, match="there is no drawing in the file"):
        list(read_drawings(write(tmp_path / "x.inkml", ink())))


def test_a_drawing_of_too_many_points_is_refused_as_a_whole(tmp_path):
    traces = [", ".join(f"{i % 97} {i % 89}" for i in range(1_000))] * 201
    inkml = write(tmp_path / "x.inkml", ink(*traces))
    xopp = tmp_path / "x.xopp"
    strokes = "".join(f"<stroke>{trace.replace(',', '')}</stroke>" for trace in traces)
    write(xopp, f"<xournal><page><layer>{strokes}</layer></page></xournal>")
    for path in (inkml, xopp):
        with pytest.raises(FormatError, match="more than 200,000 points"):
            list(read_drawings(path, report=ReadReport()))
    assert len(lists(write(inkml, ink(*traces[:200])))) == 1


def test_one_file_may_have_too_many_points_only_on_one_page(tmp_path):
    full = "<stroke>" + "0 0 9 9 " * 100_001 + "</stroke>"
    pages = "".join(f"<page><layer>{s}</layer></page>" for s in (full, "<stroke>0 0 9 9</stroke>"))
    report = ReadReport()
    path = write(tmp_path / "x.xopp", f"<xournal>{pages}</xournal>")
    assert [d.key_id for d in read_drawings(path, report=report)] == ["x-2"]
    assert report.lines() == [
        "1 unreadable: the drawing has more than 200,000 points",
        f"  {path}, page 1",
    ]
