"""Handwriting files: InkML (W3C) and Xournal++ (.xopp).

    <ink><trace>10 0, 9 14, 8 28</trace> ...</ink>                        InkML: one drawing
    <xournal><page><layer><stroke>10 0 9 14 ...</stroke> ...</xournal>    Xournal++: one per page

Sources: https://www.w3.org/TR/InkML/ and https://xournalpp.github.io/developer/file-format/.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from garabato.drawing import MAX_COORDINATE, MAX_POINTS, Drawing, DrawingBatch
from garabato.formats.stream import Input, in_batches, simplified_drawing
from garabato.formats.xml_tree import parse_xml, root_name

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

    from garabato.formats.svg.style import Colour

MAX_BYTES = 64 * 2**20
MAX_ELEMENTS = 1_000_000
#: Values of a point: pens know their place, time, pressure, tilt, turn and buttons.
_MAX_CHANNELS = 32
_INKML = "http://www.w3.org/2003/InkML"
#: One value of a point: a prefix (!, ' or ") and a number, T, F, * or ?.
_VALUE = re.compile(
    r"""\s*([!'"]?)\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|-?\#[\da-fA-F]+|[TF*?])\s*"""
)
#: InkML's units of length, in cm.
_UNITS_CM = {"m": 100.0, "cm": 1.0, "mm": 0.1, "in": 2.54, "pt": 2.54 / 72, "pc": 2.54 / 6}
Points = npt.NDArray[np.float64]
_LABELS = ("truth", "label", "category")


def looks_like(head: bytes) -> bool:
    """True if `head` begins an InkML or Xournal++ document."""
    return root_name(head) in ("ink", "xournal")


def read(source: Input) -> Iterator[DrawingBatch]:
    """Yield the drawings of a file. A stroke that cannot be read is rejected, the others kept.

    Raises FormatError if the document is damaged or has no stroke.
    """
    root = parse_xml(source, _INKML, max_bytes=MAX_BYTES, max_elements=MAX_ELEMENTS)
    if root.tag == "xournal":
        yield from in_batches(_xournal_pages(root, source))
    else:
        yield from in_batches(_inkml_drawing(root, source))


def _xournal_pages(root: Element, source: Input) -> Iterator[Drawing]:
    pages = [element for element in root if element.tag == "page"]
    for number, page in enumerate(pages, start=1):
        strokes: list[tuple[Element, Points]] = []
        for index, stroke in enumerate(page.iter("stroke"), start=1):
            try:
                points = _pairs(stroke.text or "")
            except ValueError:
                if stroke.get("tool") != "eraser":
                    position = f"page {number}, stroke {index}"
                    problem = "the stroke is not a list of pairs x y, numbers of at most 2^24"
                    source.reject(source.error(problem, position))
                continue
            if len(points):
                strokes.append((stroke, points))
        seen = _visible_strokes(page.find("background"), strokes)
        key_id = f"{source.stem}-{number}" if len(pages) > 1 else None
        yield from simplified_drawing(seen, source, f"page {number}", key_id=key_id)


def _pairs(text: str) -> Points:
    numbers = np.array(text.split(), np.float64)
    if len(numbers) % 2 or not (np.abs(numbers) <= MAX_COORDINATE).all():
        raise ValueError
    return numbers.reshape(-1, 2)


def _visible_strokes(
    background: Element | None, strokes: list[tuple[Element, Points]]
) -> list[Points]:
    """The strokes in ink, without what later whiteout erasers or strokes in the page's colour hide.

    If all ink is in the page's colour, it is read: otherwise the page would show nothing.
    """
    from garabato.formats.svg.canvas import CANVAS_PX, Canvas
    from garabato.formats.svg.items import WHITE, Item, bounds_of, cut
    from garabato.formats.svg.style import BLACK, parse_colour

    ground = _page_colour(background)
    colours = [
        None if stroke.get("tool") == "eraser" else parse_colour(stroke.get("color", "")) or BLACK
        for stroke, _ in strokes
    ]
    if not set(colours) - {None, ground}:
        ground = None
    hides = [colour in (None, ground) for colour in colours]
    inks = [points for (_, points), hiding in zip(strokes, hides, strict=True) if not hiding]
    if len(inks) in (0, len(strokes)):
        return inks
    left, top, right, bottom = bounds_of(np.concatenate(inks))
    canvas = Canvas((left - 1, top - 1, right + 1, bottom + 1), WHITE)  # a dot has no extent
    px = (max(right - left, bottom - top) + 2) / CANVAS_PX
    is_seen = np.ones((canvas.height, canvas.width), bool)
    seen: list[list[Points]] = []
    for (stroke, points), hiding in zip(strokes[::-1], hides[::-1], strict=True):
        if hiding:
            line = np.concatenate([points, points[-1:]])  # OpenCV paints no line of one point
            width = _width(stroke) + 2 * px  # pixels are rounded
            starts = np.array([0, len(line)])
            item = Item(line, starts, bounds_of(line), stroke=WHITE, stroke_width=width)
            is_seen &= ~canvas.stroke_mask(item)
        else:
            seen.append(cut(points, canvas.to_px(points), is_seen))
    return [part for parts in seen[::-1] for part in parts]


def _page_colour(background: Element | None) -> Colour | None:
    """The colour of a page; None if it is not known, such as that of a picture or PDF."""
    from garabato.formats.svg.style import parse_colour

    if background is None or background.get("type") != "solid":
        return None
    colour = background.get("color", "white")
    # the other names are pale colours of Xournal's: "blue" paper is not as dark as "blue" ink
    return parse_colour(colour) if colour == "white" or colour.startswith("#") else None


def _width(stroke: Element) -> float:
    """The width of a stroke, which may be followed by a width for each of its points."""
    try:
        width = float(stroke.get("width", "").split()[0])
    except (ValueError, IndexError):
        return 1.0
    return width if width > 0 else 1.0  # NaN is not


def _inkml_drawing(root: Element, source: Input) -> Iterator[Drawing]:
    x, y, scales = _axes(root, source)
    shown = (part for part in root if part.tag != "definitions")
    traces = [trace for part in shown for trace in part.iter("trace")]
    if sum(1 + (trace.text or "").count(",") for trace in traces) > MAX_POINTS + len(traces):
        raise source.error(f"the drawing has more than {MAX_POINTS:,} points")
    strokes = []
    for number, trace in enumerate(traces, start=1):
        if trace.get("type") == "penUp":
            continue
        try:
            strokes.append(_trace(trace.text or "", x, y) * scales)
        except ValueError as error:
            source.reject(source.error(str(error), f"trace {number}"))
    labels = [
        (annotation.text or "").strip()
        for annotation in root
        if annotation.tag == "annotation" and annotation.get("type") in _LABELS
    ]
    category = next(iter(labels), None) or None
    yield from simplified_drawing(strokes, source, None, category=category)


def _axes(root: Element, source: Input) -> tuple[int, int, tuple[float, float]]:
    """The indices of x and y among the values of a point, and what to multiply them by.

    From the first traceFormat with both; without channels, 0, 1 and (1.0, 1.0). An axis may point
    to the left or upwards. If x is in another unit than y, it is converted to that of y.
    """
    names: list[str] = []
    for trace_format in root.iter("traceFormat"):
        channels = {
            (channel.get("name") or "").upper(): (index, channel)
            for index, channel in enumerate(trace_format.iter("channel"))
        }
        if "X" in channels and "Y" in channels:
            (x, x_channel), (y, y_channel) = channels["X"], channels["Y"]
            x_sign, y_sign = (
                -1.0 if channel.get("orientation") == "-ve" else 1.0
                for channel in (x_channel, y_channel)
            )
            return x, y, (x_sign * _ratio(x_channel, y_channel, root), y_sign)
        names += filter(None, channels)
    if names:
        raise source.error(f"traceFormat must have the channels X and Y, not {', '.join(names)}")
    return 0, 1, (1.0, 1.0)


def _ratio(x: Element, y: Element, root: Element) -> float:
    """The unit of the values of x over that of y; 1.0 if they are not known."""
    try:
        ratio = _unit_cm(x, root) / _unit_cm(y, root)
    except (KeyError, ValueError, ZeroDivisionError):
        return 1.0
    return ratio if 0.001 < ratio < 1000 else 1.0


def _unit_cm(channel: Element, root: Element) -> float:
    """The length in cm that 1 stands for; integers with a resolution count its steps."""
    if channel.get("type") == "integer":
        for step in root.iter("channelProperty"):
            if step.get("name") == "resolution" and step.get("channel") == channel.get("name"):
                unit = step.get("units", "").removeprefix("1/")
                return _UNITS_CM[unit] / float(step.get("value", ""))
    return _UNITS_CM[channel.get("units", "")]


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
                number = _number(found[2])
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
        if channel > _MAX_CHANNELS:
            raise ValueError(f"a point of the trace has {channel:,} values; commas separate points")
        points.append((value[x], value[y]))
    traced = np.array(points, np.float64).reshape(-1, 2)
    if not (np.abs(traced) <= MAX_COORDINATE).all():
        raise ValueError("a coordinate of the trace is more than 2^24")
    return traced


def _number(text: str) -> float:
    """A decimal number, or a hexadecimal one after "#"; infinity if it is too large."""
    if "#" not in text:
        return float(text)
    try:
        return float(int(text.replace("#", ""), 16))
    except OverflowError:
        return math.inf
