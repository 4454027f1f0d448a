"""Handwriting files: InkML (W3C) and Xournal++ (.xopp).

    <ink><trace>10 0, 9 14, 8 28</trace> ...</ink>                        InkML: one drawing
    <xournal><page><layer><stroke>10 0 9 14 ...</stroke> ...</xournal>    Xournal++: one a page

Sources: https://www.w3.org/TR/InkML/ and https://xournalpp.github.io/developer/file-format/.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from garabato.drawing import MAX_POINTS, Drawing, DrawingBatch
from garabato.formats.stream import Input, Reject, in_batches, simplified_drawing
from garabato.formats.xml_tree import parse_xml, root_name

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

MAX_BYTES = 64 * 2**20
MAX_ELEMENTS = 1_000_000
_INKML = "http://www.w3.org/2003/InkML"
#: One value of a point: a prefix (!, ' or ") and a number, T, F, * or ?.
_VALUE = re.compile(
    r"""\s*([!'"]?)\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|-?\#[\da-fA-F]+|[TF*?])\s*"""
)
Points = npt.NDArray[np.float64]
_LABELS = ("truth", "label", "category")


def looks_like(head: bytes) -> bool:
    """True if `head` begins an InkML or Xournal++ document."""
    return root_name(head) in ("ink", "xournal")


def read(source: Input, reject: Reject) -> Iterator[DrawingBatch]:
    """Yield the drawings of a file. A stroke that cannot be read is rejected, the others kept.

    Raises FormatError if the document is damaged or has no stroke.
    """
    root = parse_xml(source, _INKML, max_bytes=MAX_BYTES, max_elements=MAX_ELEMENTS)
    if root.tag == "xournal":
        yield from in_batches(_xournal_pages(root, source, reject))
    else:
        yield from in_batches(_inkml_drawing(root, source, reject))


def _xournal_pages(root: Element, source: Input, reject: Reject) -> Iterator[Drawing]:
    pages = [element for element in root if element.tag == "page"]
    for number, page in enumerate(pages, start=1):
        strokes: list[tuple[Element, Points]] = []
        for index, stroke in enumerate(page.iter("stroke"), start=1):
            try:
                numbers = np.array((stroke.text or "").split(), np.float64)
                if len(numbers) % 2:
                    raise ValueError
            except ValueError:
                position = f"page {number}, stroke {index}"
                reject(source.error("the stroke is not a list of pairs x y", position))
                continue
            if len(numbers):
                strokes.append((stroke, numbers.reshape(-1, 2)))
        seen = _seen_strokes(page.find("background"), strokes)
        key_id = f"{source.stem}-{number}" if len(pages) > 1 else None
        yield from simplified_drawing(seen, source, reject, f"page {number}", key_id=key_id)


def _seen_strokes(
    background: Element | None, strokes: list[tuple[Element, Points]]
) -> Iterable[Points]:
    """The strokes, without what is hidden by others in the colour of the page: whitened out."""
    from garabato.formats.svg.items import WHITE, Clip, Document, Item, bounds_of
    from garabato.formats.svg.painting import visible_lines
    from garabato.formats.svg.style import BLACK, parse_colour

    paper = "" if background is None else background.get("color", "")
    ground = (parse_colour(paper) if paper.startswith("#") else None) or WHITE
    colours = [
        ground if stroke.get("tool") == "eraser" else parse_colour(stroke.get("color", "")) or BLACK
        for stroke, _ in strokes
    ]
    if ground not in colours:
        return [points for _, points in strokes]
    items = [
        Item(points, np.array([0, len(points)]), None, colour, _width(stroke), False, Clip(),
             bounds_of(points))
        for (stroke, points), colour in zip(strokes, colours, strict=True)
    ]  # fmt: skip
    return visible_lines(Document(items, None, ground, 0, 0))


def _width(stroke: Element) -> float:
    """The width of a stroke, which may be followed by a width for each of its points."""
    try:
        return float(stroke.get("width", "").split()[0])
    except (ValueError, IndexError):
        return 1.0


def _inkml_drawing(root: Element, source: Input, reject: Reject) -> Iterator[Drawing]:
    x, y, signs = _axes(root)
    traces = list(root.iter("trace"))
    if sum(1 + (trace.text or "").count(",") for trace in traces) > MAX_POINTS + len(traces):
        raise source.error(f"the drawing has more than {MAX_POINTS:,} points")
    strokes = []
    for number, trace in enumerate(traces, start=1):
        if trace.get("type") == "penUp":
            continue
        try:
            strokes.append(_trace(trace.text or "", x, y) * signs)
        except ValueError as error:
            reject(source.error(str(error), f"trace {number}"))
    labels = [
        (annotation.text or "").strip()
        for annotation in root
        if annotation.tag == "annotation" and annotation.get("type") in _LABELS
    ]
    category = next(iter(labels), None) or None
    yield from simplified_drawing(strokes, source, reject, None, category=category)


def _axes(root: Element) -> tuple[int, int, tuple[int, int]]:
    """The indices of x and y among the values of a point, and their signs.

    From the first traceFormat, or 0, 1 and (1, 1). An axis may point to the left or upwards.
    """
    for trace_format in root.iter("traceFormat"):
        channels = {
            (channel.get("name") or "").upper(): (index, channel.get("orientation"))
            for index, channel in enumerate(trace_format.iter("channel"))
        }
        if "X" in channels and "Y" in channels:
            (x, x_sense), (y, y_sense) = channels["X"], channels["Y"]
            return x, y, (-1 if x_sense == "-ve" else 1, -1 if y_sense == "-ve" else 1)
    return 0, 1, (1, 1)


def _trace(text: str, x: int, y: int) -> Points:
    """The (n, 2) points of a trace: absolute values, or differences of first or second order.

    A prefix applies to its value and the following ones of the same channel: `!` marks absolute
    values, `'` differences to the previous value, `"` differences of differences.
    """
    points: list[tuple[float, float]] = []
    modes: dict[int, str] = {}
    value: dict[int, float] = {}
    step: dict[int, float] = {}
    for point in text.split(","):
        if not point.strip():
            continue
        at = channel = 0
        while at < len(point):
            found = _VALUE.match(point, at)
            if found is None:
                raise ValueError("the trace is not a list of points x y, x y, ...")
            at = found.end()
            mode = modes[channel] = found[1] or modes.get(channel, "!")
            if channel in (x, y) and found[2] not in "TF*?":
                is_hex = "#" in found[2]
                number = int(found[2].replace("#", ""), 16) if is_hex else float(found[2])
                if mode == "!":
                    step[channel] = number - value.get(channel, number)
                    value[channel] = number
                else:
                    step[channel] = number + (step.get(channel, 0.0) if mode == '"' else 0.0)
                    value[channel] = value.get(channel, 0.0) + step[channel]
            elif channel in (x, y) and found[2] != "*":
                raise ValueError("a coordinate of the trace is not a number")
            channel += 1
        if channel <= max(x, y) or x not in value or y not in value:
            raise ValueError("a point of the trace has no x and y")
        points.append((value[x], value[y]))
    return np.array(points, np.float64).reshape(-1, 2)
