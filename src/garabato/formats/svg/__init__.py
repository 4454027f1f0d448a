"""Reading and writing SVG: a document is one drawing of lines.

What a browser shows is what counts. Outlines stand for filled shapes, centre lines for strokes and
for ribbons that are strokes drawn as fills; text and pictures are skipped. Nothing external is ever
fetched, and documents made to do harm cost bounded time and memory.

garabato does this itself because libraries either paint an SVG as pixels or parse its paths; none
tells which lines are visible.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from garabato.drawing import MAX_COORDINATE, Drawing, DrawingBatch, IntArray
from garabato.drawing.arrays import MIN_COORDINATE
from garabato.errors import InputError
from garabato.formats.stream import Input, Writable
from garabato.formats.xml_tree import parse_xml

NAMESPACE = "http://www.w3.org/2000/svg"


def looks_like(head: bytes) -> bool:
    """True if `head`, the first bytes of a file, begins an XML document."""
    if head[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        return b"<" in head
    return head.lstrip().startswith(b"<")


def read(source: Input) -> Iterator[DrawingBatch]:
    """Yield one batch with the one drawing of a document.

    Whole numbers 0..255 stay as they are; any other drawing is simplified by Google's recipe
    (`Drawing.simplified`).
    """
    from garabato.formats.svg.items import joined
    from garabato.formats.svg.painting import visible_lines
    from garabato.formats.svg.walk import read_document

    root = parse_xml(source, NAMESPACE)
    if root.tag != "svg":
        hint = "; export it from draw.io as SVG" if root.tag in ("mxfile", "mxGraphModel") else ""
        raise source.error(f"the document is <{root.tag[:40]}>; <svg> was expected{hint}")
    try:
        with np.errstate(all="ignore"):
            document = read_document(root)
            drawing = _drawing(*joined(visible_lines(document)))
            if drawing.on_grid() is not drawing:
                drawing = drawing.simplified()
    except InputError as error:
        raise source.error(str(error)) from None
    except (ArithmeticError, ValueError) as error:
        raise source.error(f"a number is too large or too small ({error})") from error
    if drawing.is_empty:
        if document.n_pictures:
            raise source.error("the document holds a picture, not lines; save it as PNG")
        if document.n_texts:
            raise source.error("the document holds text, not lines; convert the text to paths")
        if root.find(".//symbol") is not None:
            raise source.error(
                "the document only defines symbols (a sprite sheet); save each as an SVG of its own"
            )
        raise source.error("the document has no lines: no visible path, line or other shape")
    yield DrawingBatch.from_drawings([drawing])


def write(file: Writable, drawings: Iterable[Drawing]) -> int:
    """Write a document with one drawing, on the grid of 0..255; return 1.

    Raises InputError for bitmaps, for none and for more than one drawing.
    """
    several = list(drawings)
    if len(several) != 1:
        raise InputError(f"an SVG holds one drawing, not {len(several):,}; write one file each")
    drawing = several[0].on_grid()
    if drawing.bitmap is not None:
        raise InputError("an SVG holds strokes, not bitmaps")
    paths = []
    for xs, ys in drawing.to_lists():
        points = [f"{x:g} {y:g}" for x, y in zip(xs, ys, strict=True)]
        paths.append(f'<path d="M{"L".join(points if len(points) > 1 else points * 2)}"/>\n')
    file.write(
        (
            f'<svg xmlns="{NAMESPACE}" viewBox="-6 -6 267 267" fill="none" '
            'stroke="black" stroke-width="4" stroke-linecap="round" stroke-linejoin="round">\n'
            + "".join(paths)
            + "</svg>\n"
        ).encode()
    )
    return 1


def _drawing(points: npt.NDArray[np.float64], starts: IntArray) -> Drawing:
    """A drawing of these points. Raises DrawingError for coordinates that a drawing can't have."""
    if not np.abs(points).max(initial=0) <= MAX_COORDINATE:  # nor NaN
        return Drawing(
            [list(points[a:b].T) for a, b in pairwise(starts)]
        )  # raises, naming the stroke
    points[np.abs(points) < MIN_COORDINATE] = 0
    return Drawing.from_points(points.astype(np.float32), starts)
