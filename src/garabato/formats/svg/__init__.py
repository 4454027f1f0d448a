"""SVG: the lines of paths and basic shapes, transformed, curves flattened.

Fills count as their outlines, invisible things and white backgrounds not at all; text and pictures
inside are passed over. Styles are read from attributes, not from style sheets. Documents that
declare entities are refused, external ones are never fetched. Source:
https://www.w3.org/TR/SVG11/.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any
from xml.etree.ElementTree import Element, ParseError, TreeBuilder

import numpy as np
import numpy.typing as npt

from garabato.drawing import MAX_POINTS, Drawing, DrawingBatch
from garabato.errors import DrawingError, InputError
from garabato.formats.stream import Input, Writable
from garabato.formats.svg._geometry import Matrix, Size, length, shape_path, transform, view_box
from garabato.formats.svg._paths import TooManyPointsError, flatten

MAX_BYTES = 16 * 2**20
#: Elements looked at, those that `use` repeats counted each time.
MAX_ELEMENTS = 20_000
#: Characters of attributes looked at, counted in the same way.
MAX_CHARACTERS = 16 * 2**20
MAX_DEPTH = 256
_SHAPES = {"path", "polyline", "polygon", "line", "rect", "circle", "ellipse"}
_GROUPS = {"svg", "g", "a", "switch", "use", "symbol"}
_WHITE = {"white", "#fff", "#ffffff", "rgb(255,255,255)", "rgb(100%,100%,100%)"}
_HREFS = ("href", "{http://www.w3.org/1999/xlink}href")
#: Assumed where the document says nothing of its size.
_DEFAULT_SIZE: Size = (300.0, 150.0)

Stroke = list[npt.NDArray[np.float64]]  # [xs, ys]


def looks_like(head: bytes) -> bool:
    """True if `head`, the first bytes of a file, begins an XML document."""
    if head[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        return b"<" in head
    return head.removeprefix(codecs.BOM_UTF8).lstrip().startswith(b"<")


def read(source: Input) -> Iterator[DrawingBatch]:
    """One batch of the one drawing a document is.

    A drawing of whole numbers 0..255 stays as it is; any other is simplified by Google's recipe
    (`Drawing.simplified`).
    """
    root = _parse(source)
    if _local_name(root) != "svg":
        raise source.error(f"the document is <{_local_name(root)}>; <svg> was expected")
    walk = _Walk(root)
    try:
        with np.errstate(all="ignore"):
            drawing = Drawing(walk.strokes())
            if drawing.on_grid() is not drawing:
                drawing = drawing.simplified()
    except TooManyPointsError:
        raise source.error(f"the drawing has more than {MAX_POINTS:,} points") from None
    except DrawingError as error:
        raise source.error(str(error)) from None
    except _TooManyElementsError:
        raise source.error(
            f"the document has more than {MAX_ELEMENTS:,} elements, or more than "
            f"{MAX_CHARACTERS // 2**20} MiB of attributes, with what is repeated"
        ) from None
    except (ArithmeticError, ValueError) as error:
        raise source.error(f"a number is too large or too small ({error})") from error
    if drawing.is_empty:
        raise source.error("the document has no lines: no visible path, line or other shape")
    yield DrawingBatch.from_drawings([drawing])


def write(file: Writable, drawings: Iterable[Drawing]) -> int:
    """Write the one drawing an SVG document can be, on the grid of 0..255; returns 1.

    Raises InputError for bitmaps, for none and for more than one.
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
            '<svg xmlns="http://www.w3.org/2000/svg" viewBox="-6 -6 267 267" fill="none" '
            'stroke="black" stroke-width="4" stroke-linecap="round" stroke-linejoin="round">\n'
            + "".join(paths)
            + "</svg>\n"
        ).encode()
    )
    return 1


class _TooManyElementsError(Exception):
    pass


class _BoundedBuilder(TreeBuilder):
    """Builds the tree of a document of bounded size and depth."""

    def __init__(self) -> None:
        super().__init__()
        self._n_elements = 0
        self._depth = 0

    def start(self, tag: Any, attrs: Any) -> Element:
        self._n_elements += 1
        self._depth += 1
        if self._n_elements > MAX_ELEMENTS or self._depth > MAX_DEPTH:
            raise _TooManyElementsError
        return super().start(tag, attrs)

    def end(self, tag: Any) -> Element:
        self._depth -= 1
        return super().end(tag)


def _parse(source: Input) -> Element:
    from defusedxml import DefusedXmlException
    from defusedxml.ElementTree import DefusedXMLParser

    data = source.read_whole(MAX_BYTES)
    # A DOCTYPE is common and harmless; entities are refused, nothing external is ever fetched.
    parser = DefusedXMLParser(target=_BoundedBuilder(), forbid_dtd=False)
    try:
        parser.feed(data)
        root: Element = parser.close()
    except DefusedXmlException as error:
        raise source.error(
            f"the document declares entities or external parts ({error}), which are refused; "
            "save it without them (as plain SVG)"
        ) from error
    except _TooManyElementsError:
        raise source.error(
            f"the document has more than {MAX_ELEMENTS:,} elements or more than {MAX_DEPTH} "
            "inside each other"
        ) from None
    except ParseError as error:
        line, column = error.position
        problem = str(error).partition(":")[0]
        raise source.error(
            f"broken XML ({problem})", f"line {line}, column {column + 1}"
        ) from error
    except (LookupError, ValueError) as error:
        raise source.error(f"broken XML ({error})") from error
    return root


def _local_name(element: Element) -> str:
    return str(element.tag).rpartition("}")[2]


@dataclass(frozen=True, slots=True)
class _Place:
    """What an element inherits: its matrix, the size of percentages, how it is painted."""

    matrix: Matrix
    whole: Size
    fill: str = "black"
    stroke: str = "none"
    is_visible: bool = True
    depth: int = 0


class _Walk:
    """Goes through a document in the order of painting and takes its lines."""

    def __init__(self, root: Element) -> None:
        self.root = root
        self.n_elements_left = MAX_ELEMENTS
        self.n_characters_left = MAX_CHARACTERS
        self.n_points_left = MAX_POINTS
        self._by_id: dict[str, Element] | None = None

    def strokes(self) -> list[Stroke]:
        """All lines, in user units of the outermost element."""
        found: list[Stroke] = []
        places = [(self.root, _Place(np.eye(3), _DEFAULT_SIZE))]
        while places:
            element, place = places.pop()
            self.n_elements_left -= 1
            if self.n_elements_left < 0:
                raise _TooManyElementsError
            name = _local_name(element)
            if name not in _SHAPES and name not in _GROUPS:
                continue
            inside = self._enter(element, place)
            if inside is None:
                continue
            if name in _SHAPES:
                found += self._shape(name, element, inside)
            else:
                places += self._children(name, element, inside)
        return found

    def _enter(self, element: Element, place: _Place) -> _Place | None:
        self.n_characters_left -= sum(map(len, element.attrib.values()))
        if self.n_characters_left < 0:
            raise _TooManyElementsError
        return _placed(element, place)

    def _shape(self, name: str, element: Element, place: _Place) -> list[Stroke]:
        has_stroke = place.stroke not in ("none", "transparent")
        has_fill = place.fill not in ("none", "transparent", *_WHITE)
        if not place.is_visible or not (has_stroke or has_fill):
            return []
        strokes: list[Stroke] = []
        for polyline in flatten(shape_path(name, element.attrib, place.whole), self.n_points_left):
            self.n_points_left -= len(polyline)
            column = np.array(polyline)
            points = np.stack([column.real, column.imag, np.ones(len(column))])
            strokes.append(list((place.matrix @ points)[:2]))
        return strokes

    def _children(self, name: str, element: Element, place: _Place) -> list[tuple[Element, _Place]]:
        if name == "symbol" or place.depth > MAX_DEPTH:
            return []
        if name == "svg":
            box, whole = view_box(element.attrib, place.whole)
            if place.depth == 1:  # of the outermost box only what distorts matters
                box = np.diag([box[0, 0] / box[1, 1], 1.0, 1.0])
            else:
                box = _shift(element, place.whole) @ box
            place = replace(place, matrix=place.matrix @ box, whole=whole)
        if name == "use":
            target = self._target(element)
            if target is None:
                return []
            place = replace(place, matrix=place.matrix @ _shift(element, place.whole))
            if _local_name(target) == "symbol":
                inside = self._enter(target, place)
                return [] if inside is None else [(child, inside) for child in reversed(target)]
            return [(target, place)]
        return [(child, place) for child in reversed(element)]

    def _target(self, use: Element) -> Element | None:
        """The element of this document that a `use` repeats."""
        href = next((use.get(key, "") for key in _HREFS if key in use.attrib), "")
        if self._by_id is None:
            self._by_id = {e.get("id", ""): e for e in self.root.iter() if e.get("id")}
        return self._by_id.get(href[1:]) if href.startswith("#") else None


def _shift(element: Element, whole: Size) -> Matrix:
    matrix: Matrix = np.eye(3)
    matrix[:2, 2] = length(element.get("x"), whole[0]), length(element.get("y"), whole[1])
    return matrix


def _placed(element: Element, place: _Place) -> _Place | None:
    """What is inherited inside `element`; None where it is not displayed."""
    style = {
        key.strip(): value.strip().lower()
        for key, _, value in (part.partition(":") for part in element.get("style", "").split(";"))
    }

    def painted(key: str, inherited: str) -> str:
        value = style.get(key) or element.get(key, "").strip().lower()
        return inherited if value in ("", "inherit", "currentcolor") else value.replace(" ", "")

    moved = element.get("transform")
    if painted("display", "") == "none" or painted("opacity", "") in ("0", "0.0", "0%"):
        return None
    return replace(
        place,
        matrix=place.matrix @ transform(moved) if moved else place.matrix,
        fill=painted("fill", place.fill),
        stroke=painted("stroke", place.stroke),
        is_visible=painted("visibility", "visible" if place.is_visible else "hidden") == "visible",
        depth=place.depth + 1,
    )
