"""Excalidraw (.excalidraw, .excalidrawlib) and tldraw (.tldr) files: what was drawn on a canvas.

Freehand strokes, lines and arrows, and the outlines of rectangles, diamonds and ellipses; text,
pictures and whatever was deleted are left out. Excalidraw: one drawing a file, or one for each
item of a library. tldraw: one drawing a page.
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
from garabato.errors import DrawingError
from garabato.formats.json_document import load_object
from garabato.formats.stream import Input, Reject, in_batches

MAX_BYTES = 64 * 2**20
_START = re.compile(
    rb'(?:\xef\xbb\xbf)?\s*\{[^{\[]*?"(?:type"\s*:\s*"excalidraw(?:lib)?"|tldrawFileFormatVersion")'
)
#: Points an ellipse is drawn with.
_ELLIPSE_POINTS = 32
#: Groups within groups; deeper ones go round in circles.
_MAX_DEPTH = 32

Points = npt.NDArray[np.float64]
Json = dict[str, Any]


def looks_like(head: bytes) -> bool:
    """True if `head` begins a file of Excalidraw or tldraw."""
    return _START.match(head) is not None


def read(source: Input, reject: Reject) -> Iterator[DrawingBatch]:
    """Yield the drawings of a file. A shape that cannot be read is rejected; the others are kept.

    Raises FormatError if the file is damaged or has no drawn shape.
    """
    document = load_object(source, MAX_BYTES)
    if "tldrawFileFormatVersion" in document:
        drawings = _tldraw_pages(document, source, reject)
    elif document.get("type") == "excalidrawlib":
        drawings = _library_items(document, source, reject)
    else:
        drawings = _scene(_objects(document.get("elements")), source, reject, key_id=None)
    yield from in_batches(drawings)


# Excalidraw


def _library_items(document: Json, source: Input, reject: Reject) -> Iterator[Drawing]:
    """Version 2 has objects with `elements`, version 1 plain lists of elements."""
    items = document.get("libraryItems", document.get("library"))
    for number, item in enumerate(items if isinstance(items, list) else [], start=1):
        elements = item.get("elements") if isinstance(item, dict) else item
        yield from _scene(
            _objects(elements), source, reject, key_id=f"{source.stem}-{number}",
            within=f"item {number}, ",
        )  # fmt: skip


def _scene(
    elements: list[Json], source: Input, reject: Reject, *, key_id: str | None, within: str = ""
) -> Iterator[Drawing]:
    strokes: list[Points] = []
    for number, element in enumerate(elements, start=1):
        if element.get("isDeleted"):
            continue
        try:
            strokes += _excalidraw_strokes(element)
        except _ShapeError as error:
            reject(source.error(str(error), f"{within}element {number}"))
    yield from _as_drawing(strokes, key_id, source, reject)


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
    centre = (points.min(axis=0) + points.max(axis=0)) / 2
    turned = (points - centre) @ _rotation(_number(element, "angle", 0.0)).T + centre
    return [turned + np.array([_number(element, "x"), _number(element, "y")])]


# tldraw


def _tldraw_pages(document: Json, source: Input, reject: Reject) -> Iterator[Drawing]:
    records = {
        record["id"]: record
        for record in _objects(document.get("records"))
        if isinstance(record.get("id"), str)
    }
    pages: dict[str, list[Points]] = {}
    for shape_id, shape in records.items():
        if shape.get("typeName") != "shape":
            continue
        try:
            page, matrix, offset = _on_page(shape, records)
            moved = [points @ matrix.T + offset for points in _tldraw_strokes(shape)]
        except _ShapeError as error:
            reject(source.error(str(error), shape_id[:100]))
            continue
        pages.setdefault(page, []).extend(moved)
    for number, strokes in enumerate(pages.values(), start=1):
        key_id = f"{source.stem}-{number}" if len(pages) > 1 else None
        yield from _as_drawing(strokes, key_id, source, reject)


def _on_page(shape: Json, records: dict[str, Json]) -> tuple[str, Points, Points]:
    """The id of a shape's page, and the matrix and offset from the shape to the page."""
    matrix, offset = np.eye(2), np.zeros(2)
    for _ in range(_MAX_DEPTH):
        turn = _rotation(_number(shape, "rotation", 0.0))
        offset = turn @ offset + np.array([_number(shape, "x"), _number(shape, "y")])
        matrix = turn @ matrix
        parent = str(shape.get("parentId"))
        if records.get(parent, {}).get("typeName") != "shape":
            return parent, matrix, offset
        shape = records[parent]
    raise _ShapeError("the shape is in a group that contains itself")


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
        points = props.get("points")
        if isinstance(points, dict):  # by id, ordered by `index`
            ordered = sorted(_objects(list(points.values())), key=lambda p: str(p.get("index")))
            return [_points(ordered)]
        return [_points(points)] if points else []
    if kind == "arrow":
        return [_points([props.get("start"), props.get("end")])]
    if kind == "geo":
        outline = "ellipse" if props.get("geo") in ("ellipse", "oval", "cloud") else "rectangle"
        if props.get("geo") in ("diamond", "rhombus"):
            outline = "diamond"
        return [_outline(outline, _number(props, "w"), _number(props, "h"))]
    return []


def _segment(segment: Json) -> Points:
    """The points of a part of a stroke: a list of {x, y}, or since tldraw 4.2 `path` in base 64.

    A path is its first point as float32, then the steps to the next ones as float16; each has two
    numbers if `dim` is 2, else three (the third is the pressure).
    """
    path = segment.get("path")
    if not isinstance(path, str):
        return _points(segment.get("points"))
    n_numbers = 2 if segment.get("dim") == 2 else 3
    try:
        content = base64.b64decode(path + "=" * (-len(path) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise _ShapeError("the path of the shape is not base 64") from None
    n_first = 4 * n_numbers
    if len(content) < n_first or (len(content) - n_first) % (2 * n_numbers):
        raise _ShapeError("the path of the shape is cut off")
    first = np.frombuffer(content[:n_first], "<f4").astype(np.float64)
    steps = np.frombuffer(content[n_first:], "<f2").astype(np.float64).reshape(-1, n_numbers)
    return np.cumsum(np.concatenate([first[None], steps])[:, :2], axis=0)


# Both


class _ShapeError(Exception):
    """A shape that cannot be read."""


def _as_drawing(
    strokes: list[Points], key_id: str | None, source: Input, reject: Reject
) -> Iterator[Drawing]:
    kept = [(points[:, 0], points[:, 1]) for points in strokes if len(points)]
    if not kept:
        return
    try:
        yield Drawing(kept, key_id=key_id).simplified()
    except DrawingError as error:
        reject(source.error(str(error), key_id))


def _objects(value: Any) -> list[Json]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _number(record: Json, key: str, default: float | None = None) -> float:
    value = record.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise _ShapeError(f'"{key}" of the shape is not a number')
    return float(value)


def _points(value: Any) -> Points:
    """(n, 2) from [[x, y], ...] or [{"x": x, "y": y}, ...]."""
    try:
        pairs = [
            (point["x"], point["y"]) if isinstance(point, dict) else (point[0], point[1])
            for point in value
        ]
        points = np.array(pairs, np.float64).reshape(-1, 2)
    except (TypeError, ValueError, KeyError, IndexError, OverflowError):
        raise _ShapeError("the points of the shape are not pairs of numbers") from None
    if not np.isfinite(points).all():
        raise _ShapeError("the points of the shape are not pairs of numbers")
    return points


def _outline(kind: str, width: float, height: float) -> Points:
    if kind == "ellipse":
        angles = np.linspace(0, 2 * np.pi, _ELLIPSE_POINTS + 1)
        corners = np.stack([np.cos(angles), np.sin(angles)], axis=1) / 2 + 0.5
    elif kind == "diamond":
        corners = np.array([[0.5, 0], [1, 0.5], [0.5, 1], [0, 0.5], [0.5, 0]])
    else:
        corners = np.array([[0.0, 0], [1, 0], [1, 1], [0, 1], [0, 0]])
    return corners * (width, height)


def _rotation(angle: float) -> Points:
    return np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
