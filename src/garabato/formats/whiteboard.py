"""Excalidraw (.excalidraw, .excalidrawlib) and tldraw (.tldr) files: what was drawn on a canvas.

Freehand strokes, lines and arrows, and the outlines of rectangles, diamonds and ellipses; text,
pictures and whatever is deleted or invisible are left out. Excalidraw: one drawing per file (or
copy of the clipboard), or one for each item of a library. tldraw: one drawing per page, of files
(`records`) and snapshots (`store`); not of its first version, whose files tldraw itself converts.
Sources: https://docs.excalidraw.com/docs/codebase/json-schema and
https://github.com/tldraw/tldraw/tree/main/packages/tlschema.
"""

from __future__ import annotations

import base64
import binascii
import math
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from garabato.drawing import Drawing, DrawingBatch
from garabato.errors import FormatError
from garabato.formats.json_document import load_object
from garabato.formats.stream import Input, in_batches, simplified_drawing

MAX_BYTES = 64 * 2**20
#: Keys that only these programs write, in whatever order.
_START = re.compile(
    rb'\s*\{.*?"(?:type"\s*:\s*"excalidraw'
    rb'|(?:tldrawFileFormatVersion|appState|typeName|childIndex)"\s*:)',
    re.DOTALL,
)
#: Points an ellipse is drawn with.
_ELLIPSE_POINTS = 32
#: tldraw's shapes -> their outlines, where they are not rectangles.
_GEO = {
    "ellipse": "ellipse", "oval": "ellipse", "cloud": "ellipse",
    "diamond": "diamond", "rhombus": "diamond", "triangle": "triangle",
}  # fmt: skip
#: In a box of size 1.
_CORNERS = {
    "rectangle": [(0, 0), (1, 0), (1, 1), (0, 1), (0, 0)],
    "diamond": [(0.5, 0), (1, 0.5), (0.5, 1), (0, 0.5), (0.5, 0)],
    "triangle": [(0.5, 0), (1, 1), (0, 1), (0.5, 0)],
}
#: Groups within groups; deeper ones go round in circles.
_MAX_DEPTH = 32

Points = npt.NDArray[np.float64]
Json = dict[str, Any]
#: The shapes of a page, each with the groups around it, from the inside.
Page = list[list[Json]]


def looks_like(head: bytes) -> bool:
    """True if `head` begins a file of Excalidraw or tldraw."""
    return _START.match(head) is not None


def read(source: Input) -> Iterator[DrawingBatch]:
    """Yield the drawings of a file. A shape that cannot be read is rejected; the others are kept.

    Raises FormatError if the file is damaged or has no drawn shape.
    """
    document = load_object(source, MAX_BYTES)
    if str(document.get("type")).startswith("excalidraw") or "elements" in document:
        if document.get("type") == "excalidrawlib":
            drawings = _library_items(document, source)
        else:
            drawings = _scene(document, source)
    else:
        inner = document.get("document")
        if isinstance(inner, dict) and "pages" in inner:
            raise source.error(
                "a file of tldraw's first version; open it at tldraw.com and save it again"
            )
        drawings = _tldraw_drawings(_tldraw_pages(document), source)
    yield from in_batches(drawings)


# Excalidraw


def _library_items(document: Json, source: Input) -> Iterator[Drawing]:
    """Version 2 has objects with `elements`, version 1 plain lists of elements."""
    items = document.get("libraryItems", document.get("library"))
    for number, item in enumerate(items if isinstance(items, list) else [], start=1):
        scene = item if isinstance(item, dict) else {"elements": item}
        key_id = f"{source.stem}-{number}"
        yield from _scene(scene, source, key_id=key_id, within=f"item {number}, ")


def _scene(
    scene: Json, source: Input, *, key_id: str | None = None, within: str = ""
) -> Iterator[Drawing]:
    state = scene.get("appState")
    background = state.get("viewBackgroundColor") if isinstance(state, dict) else None
    unseen = {"transparent", _plain_colour(background or "#fff")}
    strokes: list[Points] = []
    for number, element in enumerate(_objects(scene.get("elements")), start=1):
        colours = [element.get("strokeColor"), element.get("backgroundColor", "transparent")]
        if element.get("isDeleted") or element.get("opacity") == 0:
            continue
        if all(_plain_colour(colour) in unseen for colour in colours):
            continue
        try:
            strokes += _excalidraw_strokes(element)
        except FormatError as error:
            source.reject(source.error(error.problem, f"{within}element {number}"))
    position = within.removesuffix(", ") or None
    yield from simplified_drawing(strokes, source, position, key_id=key_id)


def _plain_colour(colour: Any) -> str:
    text = str(colour).strip().lower()
    return "#ffffff" if text in ("white", "#fff", "#ffffffff") else text


def _excalidraw_strokes(element: Json) -> list[Points]:
    kind = element.get("type")
    if kind in ("freedraw", "draw", "line", "arrow"):
        points = _points(element.get("points"))
    elif kind in ("rectangle", "diamond", "ellipse"):
        points = _outline(kind, _number(element, "width"), _number(element, "height"))
    else:
        return []
    if len(points) == 0:
        return []
    return [
        _turned(points, _number(element, "angle", 0.0))
        + np.array([_number(element, "x"), _number(element, "y")])
    ]


# tldraw


def _tldraw_pages(document: Json) -> list[Page]:
    """Pages of records, which are a list in a file, and by id in the `store` of a snapshot."""
    inner = document.get("document")
    store = document.get("store", inner.get("store") if isinstance(inner, dict) else None)
    found = list(store.values()) if isinstance(store, dict) else document.get("records")
    records = {
        record["id"]: record
        for record in _objects(found or document.get("shapes"))
        if isinstance(record.get("id"), str)
    }
    pages: dict[str, Page] = {}
    for shape in records.values():
        if shape.get("typeName") == "shape" and shape.get("opacity") != 0:
            with_groups = _with_groups(shape, records)
            pages.setdefault(str(with_groups[-1].get("parentId")), []).append(with_groups)
    return list(pages.values())


def _tldraw_drawings(pages: list[Page], source: Input) -> Iterator[Drawing]:
    for number, page in enumerate(pages, start=1):
        strokes: list[Points] = []
        for with_groups in page:
            try:
                strokes += _strokes_on_page(with_groups)
            except FormatError as error:
                source.reject(source.error(error.problem, with_groups[0]["id"][:100]))
        key_id = f"{source.stem}-{number}" if len(pages) > 1 else None
        yield from simplified_drawing(strokes, source, f"page {number}", key_id=key_id)


def _with_groups(shape: Json, records: dict[str, Json]) -> list[Json]:
    """A shape and the groups around it, from the inside; too many if one contains itself."""
    found = [shape]
    while len(found) <= _MAX_DEPTH:
        parent = records.get(str(found[-1].get("parentId")), {})
        if parent.get("typeName") != "shape":
            break
        found.append(parent)
    return found


def _strokes_on_page(with_groups: list[Json]) -> list[Points]:
    if len(with_groups) > _MAX_DEPTH:
        raise FormatError("the shape is in a group that contains itself")
    strokes = _tldraw_strokes(with_groups[0])
    for one in with_groups:
        turn = _rotation(_number(one, "rotation", 0.0))
        offset = (_number(one, "x"), _number(one, "y"))
        strokes = [points @ turn.T + offset for points in strokes]
    return strokes


def _tldraw_strokes(shape: Json) -> list[Points]:
    props = shape.get("props")
    if not isinstance(props, dict):
        return []
    kind = shape.get("type")
    if kind in ("draw", "highlight"):
        scale = [_number(props, "scaleX", 1.0), _number(props, "scaleY", 1.0)]
        segments = [_segment(segment) for segment in _objects(props.get("segments"))]
        return [np.concatenate(segments) * scale] if segments else []
    if kind == "line":
        points = props.get("points", props.get("handles"))  # "handles" up to tldraw 2.1
        if isinstance(points, dict):  # by id, ordered by `index`
            ordered = sorted(_objects(list(points.values())), key=lambda p: str(p.get("index")))
            return [_points(ordered)]
        return [_points(points)] if points else []
    if kind == "arrow":
        return [_points([props.get("start"), props.get("end")])]
    if kind == "geo":
        outline = _GEO.get(str(props.get("geo")), "rectangle")
        return [_outline(outline, _number(props, "w"), _number(props, "h"))]
    return []


def _segment(segment: Json) -> Points:
    """The points of a part of a stroke: a list of {x, y}, or since tldraw 4.2 text in base 64.

    A point has two numbers if `dim` is 2, else three (the third is the pressure). `path` is the
    first point as float32, then the steps to the next ones as float16. `points`, if it is text, has
    each point as float16.
    """
    path, points = segment.get("path"), segment.get("points")
    n_numbers = 2 if segment.get("dim") == 2 else 3
    if isinstance(path, str):
        content = _decoded(path)
        first = _floats(content[: 4 * n_numbers], "<f4", n_numbers)
        steps = _floats(content[4 * n_numbers :], "<f2", n_numbers)
        return np.cumsum(np.concatenate([first, steps]), axis=0)
    return _floats(_decoded(points), "<f2", 3) if isinstance(points, str) else _points(points)


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise FormatError("the path of the shape is not Base64") from None


def _floats(content: bytes, kind: str, n_numbers: int) -> Points:
    """(n, 2): the first two of each `n_numbers` numbers."""
    numbers = np.dtype(kind).itemsize * n_numbers
    if len(content) % numbers:
        raise FormatError("the path of the shape is cut off")
    return np.frombuffer(content, kind).astype(np.float64).reshape(-1, n_numbers)[:, :2]


# Both


def _objects(value: Any) -> list[Json]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _number(record: Json, key: str, default: float | None = None) -> float:
    value = record.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise FormatError(f'"{key}" of the shape is not a number')
    return float(value)


def _points(value: Any) -> Points:
    """(n, 2) from [[x, y], ...] or [{"x": x, "y": y}, ...]."""
    try:
        pairs = [
            (point["x"], point["y"]) if isinstance(point, dict) else (point[0], point[1])
            for point in value
        ]
        points = np.array(pairs, np.float64).reshape(-1, 2)
        if not np.isfinite(points).all():
            raise ValueError
    except (TypeError, ValueError, KeyError, IndexError, OverflowError):
        raise FormatError("the points of the shape are not pairs of numbers") from None
    return points


def _outline(kind: str, width: float, height: float) -> Points:
    if kind == "ellipse":
        angles = np.linspace(0, 2 * np.pi, _ELLIPSE_POINTS + 1)
        corners = np.stack([np.cos(angles), np.sin(angles)], axis=1) / 2 + 0.5
    else:
        corners = np.array(_CORNERS[kind])
    return corners * (width, height)


def _turned(points: Points, angle: float) -> Points:
    """Points turned around the centre of their bounds."""
    centre = (points.min(axis=0) + points.max(axis=0)) / 2
    turned: Points = (points - centre) @ _rotation(angle).T + centre
    return turned


def _rotation(angle: float) -> Points:
    return np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
