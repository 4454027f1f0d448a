"""PDF files made by matplotlib (paths) and Pillow (a scan)."""

from __future__ import annotations

import zlib

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.backends.backend_pdf import PdfPages
from PIL import Image, ImageDraw

from garabato.errors import FormatError
from garabato.formats import ReadReport, read_drawings

pytest.importorskip("pypdfium2", reason="needs the extra `pdf`")


def page_with(*lines, size=(4, 4), **options):
    """A page of 4 x 4 inches, 0..1 along both axes, with lines [(x, y), ...]."""
    figure = plt.figure(figsize=size)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, 1), ylim=(0, 1))
    axes.axis("off")
    for line in lines:
        xs, ys = zip(*line, strict=True)
        axes.plot(xs, ys, color="black", **options)
    return figure


def write(path, *figures):
    with PdfPages(path) as pages:
        for figure in figures:
            pages.savefig(figure)
            plt.close(figure)
    return path


def test_the_lines_of_a_page_are_the_strokes_the_right_way_up(tmp_path):
    hook = [(0.2, 0.9), (0.2, 0.1), (0.6, 0.1)]  # an L, y upwards
    path = write(tmp_path / "hook.pdf", page_with(hook))
    (drawing,) = read_drawings(path, strict=True)
    (stroke,) = drawing.strokes
    assert stroke.T.tolist() == pytest.approx(np.array([[0, 0], [0, 255], [127.5, 255]]), abs=1)
    assert drawing.key_id is None


def test_each_page_is_a_drawing_and_a_blank_one_is_reported(tmp_path):
    cross = ([(0.1, 0.1), (0.9, 0.9)], [(0.1, 0.9), (0.9, 0.1)])
    path = write(tmp_path / "book.pdf", page_with(*cross), page_with(), page_with(cross[0]))
    report = ReadReport()
    drawings = list(read_drawings(path, report=report))
    assert [len(drawing.strokes) for drawing in drawings] == [2, 1]
    assert [drawing.key_id for drawing in drawings] == ["book-1", "book-3"]
    ((problem, found),) = report.problems.items()
    assert problem.startswith("the page has no lines")
    assert found.positions == [f"{path}, page 2"]


def test_the_error_for_a_page_of_text_names_the_page(tmp_path):
    figure = page_with()
    figure.text(0.5, 0.5, "a cat")
    path = write(tmp_path / "text.pdf", figure)
    with pytest.raises(FormatError, match=r"text.pdf, page 1: the page holds text, not lines"):
        list(read_drawings(path))


def test_the_error_for_an_encrypted_file_says_how_to_save_it(tmp_path):
    path = write(tmp_path / "locked.pdf", page_with([(0, 0), (1, 1)]))
    key = b"(" + b"x" * 32 + b")"
    encrypt = b"/Encrypt << /Filter /Standard /V 1 /R 2 /P -4 /O " + key + b" /U " + key + b" >>"
    identity = b" /ID [<00><00>]"
    path.write_bytes(path.read_bytes().replace(b"/Root", encrypt + identity + b" /Root"))
    with pytest.raises(FormatError, match=r"an encrypted PDF; save it without a password"):
        list(read_drawings(path))


def test_curves_become_polylines(tmp_path):
    figure = page_with()
    figure.axes[0].add_patch(plt.Circle((0.5, 0.5), 0.4, fill=False, color="black"))
    (drawing,) = read_drawings(write(tmp_path / "o.pdf", figure))
    (stroke,) = drawing.strokes
    distances = np.hypot(stroke[0] - 127.5, stroke[1] - 127.5)
    assert distances == pytest.approx(127.5, abs=3)
    assert len(distances) > 10


def test_a_scan_is_read_as_a_picture(tmp_path):
    scan = Image.new("RGB", (600, 600), "white")
    ImageDraw.Draw(scan).line([(100, 100), (500, 500)], fill="black", width=9)
    scan.save(tmp_path / "scan.pdf")
    (drawing,) = read_drawings(tmp_path / "scan.pdf")
    assert drawing.bitmap is not None
    size = len(drawing.bitmap)
    corner = size // 8
    assert drawing.bitmap[:corner, :corner].max() > 128
    assert drawing.bitmap[-corner:, -corner:].max() > 128
    assert drawing.bitmap[:corner, -corner:].max() == 0


def test_a_scan_with_a_line_below_it_is_read_whole(tmp_path):
    figure = page_with([(0, 0.02), (1, 0.02)])
    scan = np.full((100, 100), 255, np.uint8)
    scan[20:80, 48:52] = 0
    figure.axes[0].imshow(scan, cmap="gray", extent=(0, 1, 0, 1), zorder=-1)
    (drawing,) = read_drawings(write(tmp_path / "scan.pdf", figure))
    assert drawing.bitmap is not None
    height, width = drawing.bitmap.shape
    assert drawing.bitmap[: height // 2, width // 3 : 2 * width // 3].max() > 128


def test_a_small_picture_leaves_the_lines_as_strokes(tmp_path):
    figure = page_with([(0.2, 0.9), (0.8, 0.3)])
    figure.axes[0].imshow(np.zeros((2, 2)), extent=(0, 0.1, 0, 0.1))
    figure.axes[0].set(xlim=(0, 1), ylim=(0, 1))
    (drawing,) = read_drawings(write(tmp_path / "logo.pdf", figure))
    assert len(drawing.strokes) == 1


def test_pieces_of_a_stroke_as_wide_as_the_pressure_are_one_stroke(tmp_path):
    angles = np.linspace(0, np.pi, 30_001)
    points = 50 + 40 * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    pieces = b"".join(
        b"%.2f w %.3f %.3f m %.3f %.3f l S\n" % (1 + i % 7 / 10, *points[i], *points[i + 1])
        for i in range(30_000)
    )
    path = tmp_path / "arch.pdf"
    path.write_bytes(pdf_of(pieces + b"10 45 m 90 45 l S\n", 1))
    arch, line = next(iter(read_drawings(path, strict=True))).strokes
    ends = arch[:, [0, -1]].T.tolist()
    assert ends == pytest.approx(np.array([[255, 127.5], [0, 127.5]]), abs=1)
    assert arch.min(axis=1).tolist() == [0, 0]
    assert line.tolist() == pytest.approx(np.array([[0, 255], [143.4, 143.4]]), abs=1)


def test_what_is_drawn_on_a_page_as_an_annotation_is_read(tmp_path):
    ink = b"/Subtype /Ink /C [0 0 0] /Rect [9 9 91 91] /InkList [[10 10 10 90 90 90]]"
    highlight = b"/Subtype /Highlight /C [1 0 0] /Rect [0 0 50 9] /QuadPoints [0 9 50 9 0 0 50 0]"
    page = b"/Annots [<< /Type /Annot %s >> << /Type /Annot %s >>] /Contents" % (highlight, ink)
    path = tmp_path / "marked.pdf"
    path.write_bytes(pdf_of(b"", 1).replace(b"/Contents", page))
    (drawing,) = read_drawings(path, strict=True)
    (stroke,) = drawing.strokes
    assert stroke.T.tolist() == [[10, 90], [10, 90], [10, 10], [90, 10]]  # PDFium moves there first


@pytest.mark.parametrize("clip", [b"0 0 50 100 re W n", b"0 0 m 50 0 l 50 100 l 0 100 l h W* n"])
def test_what_is_clipped_away_is_not_drawn(tmp_path, clip):
    page = b"0 0 100 100 re W n q %s 10 10 m 90 10 l S 60 20 m 60 80 l S Q 10 90 m 90 90 l S" % clip
    path = tmp_path / "clipped.pdf"
    path.write_bytes(pdf_of(page, 1))
    cut, whole = next(iter(read_drawings(path, strict=True))).strokes
    assert cut.T.tolist() == pytest.approx(np.array([[0, 255], [127.5, 255]]), abs=3)
    assert whole.T.tolist() == [[0, 0], [255, 0]]


@pytest.mark.parametrize("n_bytes", [10, 500])
def test_a_truncated_file_is_an_error_that_names_it(tmp_path, n_bytes):
    whole = write(tmp_path / "whole.pdf", page_with([(0, 0), (1, 1)])).read_bytes()
    path = tmp_path / "cut.pdf"
    path.write_bytes(whole[:n_bytes])
    with pytest.raises(FormatError, match=r"cut.pdf: a truncated or damaged PDF"):
        list(read_drawings(path))


def pdf_of(content, n_filters=0, catalog=b"", page=b"", more=()):
    """A page whose content stream is compressed `n_filters` times; `more` are objects 5, 6, ..."""
    for _ in range(n_filters):
        content = zlib.compress(content, 9)
    filters = b"/FlateDecode " * n_filters
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R %s >>" % catalog,
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 100 100] /Contents 4 0 R %s >>" % page,
        b"<< /Length %d /Filter [%s] >>\nstream\n%s\nendstream" % (len(content), filters, content),
        *more,
    ]
    parts = (b"%d 0 obj\n%s\nendobj\n" % numbered for numbered in enumerate(objects, 1))
    return b"%PDF-1.4\n" + b"".join(parts) + b"trailer << /Root 1 0 R /Size 5 >>\n%%EOF\n"


@pytest.mark.parametrize("n_filters", [1, 2])
def test_a_small_file_that_expands_to_gigabytes_is_refused_unread(tmp_path, n_filters):
    line = b"10 10 m 90 90 l S\n"
    path = tmp_path / "lines.pdf"
    path.write_bytes(pdf_of(line, n_filters))
    (drawing,) = read_drawings(path, strict=True)
    assert drawing.strokes[0].T.tolist() == [[10, 90], [90, 10]]
    path.write_bytes(pdf_of(line * 4_000_000, n_filters))  # 72 MB
    with pytest.raises(FormatError, match=r"lines.pdf: the PDF grows more than 200 times"):
        list(read_drawings(path))


def test_a_hidden_layer_is_not_drawn(tmp_path):
    content = (
        b"/OC /ink BDC 10 10 m 90 90 l S EMC /OC /draft BDC 5 95 m 95 5 l S EMC 20 10 m 20 90 l S"
    )
    path = tmp_path / "layers.pdf"
    path.write_bytes(
        pdf_of(
            content,
            catalog=b"/OCProperties << /OCGs [5 0 R 6 0 R] /D << /OFF [6 0 R] >> >>",
            page=b"/Resources << /Properties << /ink 5 0 R /draft 6 0 R >> >>",
            more=[b"<< /Type /OCG /Name (ink) >>", b"<< /Type /OCG /Name (draft) >>"],
        )
    )
    (drawing,) = read_drawings(path, strict=True)
    assert [stroke.T.tolist() for stroke in drawing.strokes] == [
        [[10, 90], [90, 10]],
        [[20, 90], [20, 10]],
    ]
