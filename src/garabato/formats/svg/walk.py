"""An SVG document -> the shapes it paints, in order, with their paint and clips."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from itertools import pairwise
from types import MappingProxyType
from typing import NamedTuple
from xml.etree.ElementTree import Element

import numpy as np

from garabato.drawing import MAX_POINTS, IntArray
from garabato.formats.svg._paths import flatten
from garabato.formats.svg.cascade import Cascade
from garabato.formats.svg.geometry import (
    IDENTITY,
    Matrix,
    Size,
    attribute_transform,
    basic_shape_path,
    length,
    multiply,
    numbers,
    origin,
    own_transforms,
    page_size,
    scale_of,
    shape_path,
    transform,
    view_box,
)
from garabato.formats.svg.gradients import Stop, as_white, mean_colour, shaded
from garabato.formats.svg.items import (
    WHITE,
    Clip,
    Document,
    Item,
    Points,
    Rectangle,
    bounds_of,
    intersection,
    rectangle_of,
)
from garabato.formats.svg.lines import vertices, without_gaps
from garabato.formats.svg.style import (
    BLACK,
    CURRENT_COLOUR,
    Colour,
    Paint,
    Style,
    inherit,
    inherited,
    opacity_or,
    paint,
    parse_colour,
)
from garabato.formats.xml_tree import MAX_CHARACTERS, MAX_DEPTH, MAX_ELEMENTS

#: What is fainter is not seen.
LEAST_ALPHA = 0.02
#: Clip paths and masks whose contents are clipped and masked in turn.
_MAX_NESTED_CLIPS = 4
#: The size of which percentages are in a document that doesn't say how big it is.
DEFAULT_SIZE: Size = (300.0, 150.0)
_SHAPES = {"path", "polyline", "polygon", "line", "rect", "circle", "ellipse"}
_GROUPS = {"svg", "g", "a", "switch", "use"}
_RENDERED = _SHAPES | _GROUPS | {"image", "text", "foreignObject"}
_MARKED = {"path", "polyline", "polygon", "line"}
_CURVED = re.compile("[CcSsQqTtAa]")
_CLIPPING = _SHAPES | {"use", "text"}
#: Attributes that a bounding box does not depend on, and the boxes that transforms may be of.
_PLACING = {"transform", "style", "clip-path", "mask", "class"}
_OWN_BOXES = {"fill-box", "content-box", "border-box", "stroke-box"}
_AREA = ("x", "y", "width", "height")
#: Blend modes in which white, and those in which black changes nothing.
_DARKENING = {"multiply", "darken", "color-burn"}
_LIGHTENING = {"screen", "lighten", "color-dodge", "plus-lighter"}
#: Outlines that are flatter than this, for their length, have no inside.
_FLAT = 1e-9
_SIZED = {"width", "height", "viewBox"}
_BASIC_SHAPE = re.compile(r"(inset|xywh|rect|circle|ellipse|polygon|path)\(")
_FILTER_OPACITY = re.compile(r"\bopacity\(([^()]*)\)")
_URL = re.compile(r"url\(\s*['\"]?#([^'\")]*)['\"]?\s*\)(.*)", re.DOTALL)


class TooMuchError(Exception):
    """The document, with all that it repeats, exceeds a limit; the text says which."""


def read_document(root: Element) -> Document:
    """Raises TooMuchError and StyleTooComplexError."""
    walk = _Walk(root)
    items = walk.items()
    return Document(items, walk.page, walk.background, walk.n_pictures, walk.n_texts)


class _Context(NamedTuple):
    """What an element is inside of; `whole` is the size of which percentages are.

    Inside a `clipPath` shapes count by their outline, however they are painted. `within` has the
    ids of its ancestors, including those by `use`.
    """

    matrix: Matrix
    whole: Size
    style: Style
    opacity: float
    clip: Clip
    depth: int
    is_clip: bool = False
    variables: Mapping[str, str] = MappingProxyType({})
    within: frozenset[str] = frozenset()
    blend: str = ""  # the `mix-blend-mode`, if it is one of _DARKENING or _LIGHTENING


class _Walk:
    def __init__(self, root: Element) -> None:
        self.root = root
        self.page: Rectangle | None = None
        self.background: Colour | None = None
        self.n_pictures = self.n_texts = 0
        self._cascade = Cascade(root)
        self._n_elements_left = MAX_ELEMENTS
        self._n_characters_left = MAX_CHARACTERS
        self._n_points_left = MAX_POINTS
        self._n_nested_clips = 0
        self._by_id: dict[str, Element] | None = None
        self._parents: dict[Element, Element] | None = None
        self._regions: dict[tuple[str, Matrix, Size], Clip] = {}
        self._pattern_colours: dict[str, Colour | None] = {}
        self._stops: dict[str, list[Stop]] = {}

    def items(self) -> list[Item]:
        start = _Context(IDENTITY, DEFAULT_SIZE, Style(), 1.0, Clip(), 0)
        self._root_variables = self._declared(self.root, start)[1].variables
        return self._walk([(self.root, start)])

    def _walk(self, waiting: list[tuple[Element, _Context]]) -> list[Item]:
        """All items of these elements, the last of which comes first."""
        found: list[Item] = []
        while waiting:
            element, context = waiting.pop()
            name = element.tag
            if name not in _RENDERED:
                continue
            declared, context = self._declared(element, context)
            if context.depth and declared.get("display", "").strip().lower() == "contents":
                if name not in _GROUPS:
                    continue
                declared = inherited(declared)
            inside = self._enter(element, declared, context)
            if inside is None:
                continue
            if name in _SHAPES:
                found += self._shape(name, declared, inside)
                waiting += self._markers(name, declared, inside)
            elif name in _GROUPS:
                waiting += self._children(element, declared, inside)
            elif inside.style.is_visible:
                self.n_pictures += name == "image"
                self.n_texts += name == "text"
        return found

    def _declared(self, element: Element, context: _Context) -> tuple[Mapping[str, str], _Context]:
        """What is declared for an element, and `context` with its custom properties."""
        self._n_elements_left -= 1
        if self._n_elements_left < 0:
            raise TooMuchError(
                f"the document has more than {MAX_ELEMENTS:,} elements, repeated ones included"
            )
        for value in element.attrib.values():
            self._n_characters_left -= len(value)
        if self._n_characters_left < 0:
            raise TooMuchError(
                f"the document has more than {MAX_CHARACTERS // 2**20} MiB of attributes, "
                "repeated ones included"
            )
        declared = self._cascade.declared(element)
        declared, variables = self._cascade.resolved(declared, context.variables)
        if variables is not context.variables:
            context = context._replace(variables=variables)
        return declared, context

    def _enter(
        self, element: Element, declared: Mapping[str, str], context: _Context
    ) -> _Context | None:
        """The context inside an element; None where nothing of it is seen."""
        if not _is_supported(element):
            return None
        if declared.get("display", "").strip().lower() == "none" or context.depth > MAX_DEPTH:
            return None
        alpha = context.opacity
        if not context.is_clip:
            alpha *= opacity_or(declared.get("opacity"), 1.0)
            for value in _FILTER_OPACITY.findall(declared.get("filter", "")):
                alpha *= opacity_or(value, 1.0)
        if alpha < LEAST_ALPHA:
            return None
        whole = context.whole
        matrix = self._moved(element, declared, context)
        if scale_of(matrix) == 0:
            return None
        style = inherit(context.style, declared, math.hypot(*whole) / math.sqrt(2))
        inside = _Context(matrix, whole, style, alpha, context.clip, context.depth + 1)
        within = (
            context.within | {element.attrib["id"]} if "id" in element.attrib else context.within
        )
        blend = declared.get("mix-blend-mode", "").strip().lower()
        if blend not in _DARKENING | _LIGHTENING:
            blend = context.blend
        inside = inside._replace(
            is_clip=context.is_clip, variables=context.variables, within=within, blend=blend
        )
        for name in ("clip-path", "mask", "mask-image"):
            if name in declared:
                inside = inside._replace(clip=self._clipped(element, declared[name], inside))
        return inside

    def _moved(self, element: Element, declared: Mapping[str, str], context: _Context) -> Matrix:
        """The matrix inside an element, by its transforms."""
        if declared.keys().isdisjoint(("transform", "translate", "rotate", "scale")):
            return context.matrix
        whole = context.whole
        translate, rotate, scale = (
            declared.get(name, "").strip() for name in ("translate", "rotate", "scale")
        )
        left, top, size = 0.0, 0.0, whole
        is_of_box = declared.get("transform-box", "").strip() in _OWN_BOXES
        if is_of_box:
            left, top, right, bottom = self._box(element, context) or (0.0, 0.0, 0.0, 0.0)
            size = right - left, bottom - top
        text = declared.get("transform", "")
        is_css = text != element.get("transform")
        inner = multiply(
            own_transforms(translate, rotate, scale, size),
            transform(text, size) if is_css else attribute_transform(text),
        )
        if "transform-origin" in declared or is_of_box:
            x, y = origin(declared.get("transform-origin", "0 0"), size)
            x, y = x + left, y + top
            inner = multiply(multiply((1, 0, 0, 1, x, y), inner), (1, 0, 0, 1, -x, -y))
        return multiply(context.matrix, inner)

    def _box(self, element: Element, context: _Context) -> Rectangle | None:
        """The bounding box of an element in its own units, without its clips and transforms."""
        if self._n_nested_clips > _MAX_NESTED_CLIPS:
            return None
        bare = Element(element.tag, {k: v for k, v in element.attrib.items() if k not in _PLACING})
        bare.extend(element)
        style = Style(fill=BLACK)
        inside = _Context(IDENTITY, context.whole, style, 1.0, Clip(), context.depth, is_clip=True)
        self._n_nested_clips += 1
        items = self._walk([(bare, inside)])
        self._n_nested_clips -= 1
        points = [item.points for item in items]
        return bounds_of(np.concatenate(points)) if points else None

    def _shape(self, name: str, declared: Mapping[str, str], context: _Context) -> list[Item]:
        style = context.style
        if not style.is_visible:
            return []
        stroke = fill = None
        width = style.stroke_width
        if context.is_clip:
            fill = WHITE
        else:
            if width > 0:
                stroke = self._colour(style.stroke, style, style.stroke_opacity * context.opacity)
            if name != "line":
                fill = self._colour(style.fill, style, style.fill_opacity * context.opacity)
        if context.blend:
            fill, stroke = _glaze(fill, context.blend), _glaze(stroke, context.blend)
        if stroke is None and fill is None:
            return []
        points, starts, bounds = self._flattened(name, declared, context)
        if len(points) == 0:
            return []
        if fill and not context.is_clip and not _has_area(points, starts):
            fill = None
            if stroke is None:
                return []
        if not (context.is_clip or context.blend):
            fill = self._shaded(fill, style.fill, points, context)
            stroke = self._shaded(stroke, style.stroke, points, context)
        scale = scale_of(context.matrix)
        if declared.get("vector-effect") == "non-scaling-stroke":
            scale = 1.0
        width *= scale
        is_even_odd = (style.clip_rule if context.is_clip else style.fill_rule) == "evenodd"
        item = Item(points, starts, fill, stroke, width, is_even_odd, context.clip, bounds)
        if stroke is None or style.dashes == "none" or self._cascade.has_animation:
            return [item]
        offset = length(style.dash_offset, context.whole[0])
        whole_length = length(declared.get("pathLength"), 1.0, 0.0)
        seen, seen_starts = without_gaps(
            points, starts, style.dashes, offset, scale, whole_length,
            has_caps=style.line_cap != "butt",
        )  # fmt: skip
        if seen is points:
            return [item]
        items = [item._replace(stroke=None)] if fill else []
        if len(seen):
            bounds = bounds_of(seen)
            items.append(item._replace(points=seen, starts=seen_starts, fill=None, bounds=bounds))
        return items

    def _markers(
        self, name: str, declared: Mapping[str, str], context: _Context
    ) -> list[tuple[Element, _Context]]:
        """The contents of the markers on a line, the last of which comes first."""
        style = context.style
        texts = style.marker_start, style.marker_mid, style.marker_end
        if context.is_clip or style.is_marker or not style.is_visible or set(texts) == {"none"}:
            return []
        if name not in _MARKED:
            return []
        markers = []
        for text in texts:
            match = _URL.match(text.strip())
            marker = self._element(match[1]) if match else None
            markers.append(marker if marker is not None and marker.tag == "marker" else None)
        points, starts, _ = self._flattened(name, declared, context._replace(matrix=IDENTITY))
        if len(points) == 0:
            return []
        is_curved = name == "path" and _CURVED.search(shape_path(name, declared, context.whole))
        found: list[tuple[Element, _Context]] = []
        for at, position, angle in vertices(points, starts, has_mid=not is_curved):
            marker = markers[at]
            if marker is not None:
                found += self._marker(marker, at == 0, position, angle, context)
        return found[::-1]

    def _marker(
        self,
        marker: Element,
        is_start: bool,
        position: tuple[float, float],
        angle: float,
        context: _Context,
    ) -> list[tuple[Element, _Context]]:
        """What a marker paints at a vertex where the line has the direction `angle`."""
        own, context = self._declared(marker, context)
        style = context.style
        orient = own.get("orient", "0").strip()
        if orient == "auto-start-reverse":
            angle += 180 if is_start else 0
        elif orient != "auto":
            angle = 0.0
        turn = f" rotate({orient})" if not orient.startswith("auto") else f" rotate({angle})"
        unit = 1.0 if own.get("markerUnits") == "userSpaceOnUse" else style.stroke_width
        sized = {
            **{key: value for key, value in own.items() if key != "display"},
            "width": own.get("markerWidth", "3"),
            "height": own.get("markerHeight", "3"),
        }
        a, _, _, d, e, f = view_box(sized, context.whole)[0]
        x, y = a * length(own.get("refX"), 1.0) + e, d * length(own.get("refY"), 1.0) + f
        placed = transform(
            f"translate({position[0]} {position[1]}){turn} scale({unit}) translate({-x} {-y})"
        )
        inner = self._with_context(self._inherited_style(marker), style)._replace(is_marker=True)
        context = context._replace(matrix=multiply(context.matrix, placed), style=inner)
        inside = self._enter(marker, sized, context)
        if inside is None:
            return []
        inside = self._in_viewport(sized, inside, is_shifted=False)
        return [(child, inside) for child in marker]

    def _with_context(self, style: Style, outer: Style) -> Style:
        """`style` inside of what is painted in the style `outer`."""
        return style._replace(
            context_fill=self._colour(outer.fill, outer, 1.0),
            context_stroke=self._colour(outer.stroke, outer, 1.0),
        )

    def _flattened(
        self, name: str, declared: Mapping[str, str], context: _Context
    ) -> tuple[Points, IntArray, Rectangle]:
        text = shape_path(name, declared, context.whole)
        data = text.encode("ascii", "replace")
        matrix = tuple(map(float, context.matrix))
        points, starts, bounds, is_complete = flatten(data, matrix, self._n_points_left)
        if not is_complete:
            raise TooMuchError(f"the drawing has more than {MAX_POINTS:,} points")
        self._n_points_left -= len(points)
        return points, starts, bounds

    def _colour(self, value: Paint, style: Style, alpha: float) -> Colour | None:
        """The colour that a paint gives; None if it is not seen."""
        if value is None:
            return None
        if isinstance(value, str):
            if value == CURRENT_COLOUR:
                colour: Colour | None = style.colour
            elif value.startswith("context-"):
                colour = style.context_fill if value == "context-fill" else style.context_stroke
            else:
                colour = self._served(value, style)
            if colour is None:
                return None
        else:
            colour = value
        alpha *= colour[3]
        return None if alpha < LEAST_ALPHA else (colour[0], colour[1], colour[2], alpha)

    def _served(self, text: str, style: Style) -> Colour | None:
        """The colour of a paint server: a gradient's is the mean of its stops."""
        match = _URL.match(text)
        server = self._element(match[1]) if match else None
        if match is None or server is None:
            fallback = paint(match[2].strip()) if match and match[2].strip() else None
            if fallback == CURRENT_COLOUR:
                return style.colour
            return fallback if isinstance(fallback, tuple) else None
        if server.tag == "pattern":
            return self._pattern_colour(match[1], server)
        return mean_colour(self._stops_of(match[1], server, style))

    def _pattern_colour(self, name: str, pattern: Element) -> Colour | None:
        if name not in self._pattern_colours:
            colour = (128.0, 128.0, 128.0, 1.0) if self._is_pattern_seen(pattern) else None
            if self._holds_picture(pattern):
                self.n_pictures += 1
                colour = None
            self._pattern_colours[name] = colour
        return self._pattern_colours[name]

    def _stops_of(self, name: str, server: Element, style: Style) -> list[Stop]:
        if name not in self._stops:
            elements = [part for part in self._chain(server)[-1] if part.tag == "stop"]
            self._stops[name] = [self._stop(element, style) for element in elements[:64]]
        return self._stops[name]

    def _stop(self, element: Element, style: Style) -> Stop:
        context = _Context(IDENTITY, DEFAULT_SIZE, style, 1.0, Clip(), 0)
        declared, _ = self._declared(element, context._replace(variables=self._root_variables))
        text = declared.get("stop-color", "black").strip()
        is_current = text.lower() == CURRENT_COLOUR
        colour = (style.colour if is_current else parse_colour(text)) or BLACK
        alpha = colour[3] * opacity_or(declared.get("stop-opacity"), 1.0)
        offset = min(max(length(element.get("offset"), 1.0), 0.0), 1.0)
        return Stop(offset, (*colour[:3], alpha))

    def _shaded(
        self, colour: Colour | None, value: Paint, points: Points, context: _Context
    ) -> Colour | None:
        """`colour`, the mean of a gradient if `value` is one, as it shades a shape of `points`."""
        match = _URL.match(value) if isinstance(value, str) else None
        server = self._element(match[1]) if match else None
        if colour is None or match is None or server is None or not server.tag.endswith("Gradient"):
            return colour
        attributes: dict[str, str] = {}
        for element in self._chain(server)[::-1]:
            attributes |= element.attrib
        a, b, c, d, e, f = context.matrix
        box = bounds_of(np.linalg.solve(np.array([[a, c], [b, d]]), (points - (e, f)).T).T)
        return shaded(
            colour, self._stops[match[1]], attributes, server.tag == "radialGradient",
            context.matrix, box, context.whole,
        )  # fmt: skip

    def _chain(self, server: Element) -> list[Element]:
        """A paint server, and those it refers to up to the one that has its stops or shapes."""
        chain = [server]
        while (
            not len(chain[-1])
            and len(chain) < 8
            and ((target := self._target(chain[-1])) is not None)
        ):
            chain.append(target)
        return chain

    def _is_pattern_seen(self, pattern: Element) -> bool:
        """Whether a pattern paints anything."""
        if self._n_nested_clips > _MAX_NESTED_CLIPS:
            return False
        pattern = self._chain(pattern)[-1]
        start = _Context(IDENTITY, DEFAULT_SIZE, self._inherited_style(pattern), 1.0, Clip(), 1)
        start = start._replace(variables=self._root_variables)
        inside = self._enter(pattern, *self._declared(pattern, start))
        self._n_nested_clips += 1
        is_seen = inside is not None and bool(self._walk([(part, inside) for part in pattern]))
        self._n_nested_clips -= 1
        return is_seen

    def _holds_picture(self, pattern: Element) -> bool:
        """Whether a pattern paints a picture, which is how Figma exports them."""
        parts = [pattern, *list(pattern)[:64]]
        targets = [self._target(part) for part in parts if part.tag in ("use", "pattern")]
        return any(
            part.tag == "image" or any(child.tag == "image" for child in part)
            for part in (*parts, *targets)
            if part is not None
        )

    def _children(
        self, element: Element, declared: Mapping[str, str], context: _Context
    ) -> list[tuple[Element, _Context]]:
        if element.tag == "svg":
            if context.depth == 1:
                context = self._on_page(declared, context)
            else:
                context = self._in_viewport(declared, context, is_shifted=True)
        elif element.tag == "use":
            return self._used(element, declared, context)
        elif element.tag == "switch":
            rendered = (child for child in element if child.tag in _RENDERED)
            chosen = next(filter(_is_supported, rendered), None)
            return [] if chosen is None else [(chosen, context)]
        return [(child, context) for child in reversed(element)]

    def _on_page(self, declared: Mapping[str, str], context: _Context) -> _Context:
        """Inside the outermost `svg`, whose units are kept but for what distorts."""
        width, height = page_size(declared)
        shown = numbers(declared.get("viewBox", ""))
        sized = {key: value for key, value in declared.items() if key not in _SIZED}
        has_box = len(shown) == 4 and shown[2] > 0 and shown[3] > 0
        default = context.whole
        if has_box:  # a size that is not given keeps its proportions
            sized["viewBox"] = declared["viewBox"]
            scale = width / shown[2] if width else height / shown[3] if height else 1.0
            default = (shown[2] * scale, shown[3] * scale)
        size = width or default[0], height or default[1]
        box, size, whole = view_box(sized, size)
        a, _, _, d, e, f = box
        if has_box or (width and height):
            left, top = -e / d, -f / d
            self.page = (left, top, left + size[0] / d, top + size[1] / d)
        colour = parse_colour(declared.get("background-color", declared.get("background", "")))
        if colour is not None and colour[3] > 0.5:
            self.background = colour
        matrix = multiply(context.matrix, (a / d, 0.0, 0.0, 1.0, 0.0, 0.0))
        clip = self._within(context.clip, self.page, context.matrix) if self.page else context.clip
        return context._replace(matrix=matrix, whole=whole, clip=clip)

    def _in_viewport(
        self, declared: Mapping[str, str], context: _Context, *, is_shifted: bool
    ) -> _Context:
        """Inside a nested `svg` or a `symbol`: its own view box, and nothing outside of it."""
        box, size, whole = view_box(declared, context.whole)
        x = length(declared.get("x"), context.whole[0]) if is_shifted else 0.0
        y = length(declared.get("y"), context.whole[1]) if is_shifted else 0.0
        matrix = multiply(context.matrix, (1, 0, 0, 1, x, y))
        clip = context.clip
        if declared.get("overflow", "hidden").strip().lower() not in ("visible", "auto"):
            clip = self._within(clip, (0.0, 0.0, *size), matrix)
        return context._replace(matrix=multiply(matrix, box), whole=whole, clip=clip)

    def _used(
        self, use: Element, declared: Mapping[str, str], context: _Context
    ) -> list[tuple[Element, _Context]]:
        target = self._target(use)
        if target is None or target.get("id") in context.within:
            return []  # browsers don't draw an element within itself
        x = length(declared.get("x"), context.whole[0])
        y = length(declared.get("y"), context.whole[1])
        style = context.style
        if not style.is_marker:  # what paints the `use` is for `context-fill` and `context-stroke`
            style = self._with_context(style, style)
        context = context._replace(matrix=multiply(context.matrix, (1, 0, 0, 1, x, y)), style=style)
        if target.tag not in ("symbol", "svg"):
            return [(target, context)]
        own, context = self._declared(target, context)
        inside = self._enter(target, own, context)
        if inside is None:
            return []
        sized: dict[str, str] = {**own}
        for key in ("width", "height"):
            if key in use.attrib:
                sized[key] = use.attrib[key]
        inside = self._in_viewport(sized, inside, is_shifted=True)
        return [(child, inside) for child in reversed(target)]

    def _target(self, element: Element) -> Element | None:
        """The element of this document that a `href` points to."""
        href = element.get("href", "").strip()
        return self._element(href[1:]) if href.startswith("#") else None

    def _element(self, identifier: str) -> Element | None:
        if self._by_id is None:
            self._by_id = {}
            for element in self.root.iter():
                if element.get("id"):
                    self._by_id.setdefault(element.attrib["id"], element)
        return self._by_id.get(identifier)

    def _clipped(self, element: Element, value: str, inside: _Context) -> Clip:
        """The clip of `inside`, and the region of its element's own `clip-path` or `mask`."""
        value = value.strip()
        clip, matrix, whole = inside.clip, inside.matrix, inside.whole
        if _BASIC_SHAPE.match(value):
            box = (0.0, 0.0, *whole) if "view-box" in value else self._box(element, inside)
            if box is None:
                return clip
            left, top, right, bottom = box
            data = basic_shape_path(value, (right - left, bottom - top))
            matrix = multiply(matrix, (1, 0, 0, 1, left, top))
            return clip if data is None else self._with_region(clip, data, value, matrix)
        match = _URL.match(value)
        region = self._element(match[1]) if match else None
        if match is None or region is None or region.tag not in ("clipPath", "mask"):
            return clip
        if self._n_nested_clips > _MAX_NESTED_CLIPS:
            return clip
        own, inside = self._declared(region, inside)
        kind = "clipPathUnits" if region.tag == "clipPath" else "maskContentUnits"
        is_of_box = own.get(kind) == "objectBoundingBox"
        has_area = region.tag == "mask" and not own.keys().isdisjoint(_AREA)
        area: Rectangle | None = None
        box = None
        if is_of_box or (has_area and own.get("maskUnits") != "userSpaceOnUse"):
            box = self._box(element, inside) or (0.0, 0.0, 0.0, 0.0)
        if has_area:
            area = _mask_area(own, box if own.get("maskUnits") != "userSpaceOnUse" else None, whole)
        if is_of_box and box is not None:
            left, top, right, bottom = box
            matrix = multiply(matrix, (right - left, 0.0, 0.0, bottom - top, left, top))
            whole = (1.0, 1.0)
        key = (match[1], matrix, whole)
        if key not in self._regions:
            self._n_nested_clips += 1
            self._regions[key] = self._region(region, own, matrix, whole)
            self._n_nested_clips -= 1
        found = self._regions[key]
        clip = Clip(intersection(clip.rectangle, found.rectangle), clip.regions + found.regions)
        return clip if area is None else self._within(clip, area, inside.matrix)

    def _with_region(self, clip: Clip, data: str, value: str, matrix: Matrix) -> Clip:
        encoded = data.encode("ascii", "replace")
        points, starts, bounds, is_complete = flatten(
            encoded, tuple(map(float, matrix)), self._n_points_left
        )
        if not is_complete or not len(points):
            return clip._replace(regions=(*clip.regions, ()))
        item = Item(points, starts, WHITE, None, 0.0, "evenodd" in value, Clip(), bounds)
        return clip._replace(regions=(*clip.regions, (item,)))

    def _region(
        self, element: Element, declared: Mapping[str, str], matrix: Matrix, whole: Size
    ) -> Clip:
        is_clip = element.tag == "clipPath"
        style = self._inherited_style(element)
        context = _Context(
            matrix, whole, style, 1.0, Clip(), 1, is_clip, variables=self._root_variables
        )
        inside = self._enter(element, {**declared, "opacity": "1", "display": "inline"}, context)
        if inside is None:
            return Clip(None, ((),))
        children = [
            (child, inside) for child in reversed(element) if not is_clip or child.tag in _CLIPPING
        ]
        if any(child.tag == "text" for child, _ in children):
            return Clip()  # letters are not read, and may show all
        items = self._walk(children)
        if is_clip and len(items) == 1 and not items[0].clip.regions:
            rectangle = rectangle_of(items[0])
            if rectangle is not None:
                return Clip(intersection(rectangle, items[0].clip.rectangle))
        if declared.get("mask-type", "").strip().lower() == "alpha":
            items = [
                item._replace(fill=as_white(item.fill), stroke=as_white(item.stroke))
                for item in items
            ]
        return Clip(None, (tuple(items),))

    def _inherited_style(self, element: Element) -> Style:
        """What an element inherits where it stands, not where it is used."""
        if self._parents is None:
            self._parents = {child: parent for parent in self.root.iter() for child in parent}
        ancestors = []
        while (parent := self._parents.get(element)) is not None:
            ancestors.append(parent)
            element = parent
        style = Style()
        for ancestor in reversed(ancestors):
            start = _Context(IDENTITY, DEFAULT_SIZE, style, 1.0, Clip(), 0)
            start = start._replace(variables=self._root_variables)
            style = inherit(style, self._declared(ancestor, start)[0], 1.0)
        return style

    def _within(self, clip: Clip, rectangle: Rectangle, matrix: Matrix) -> Clip:
        """`clip`, and a rectangle that `matrix` puts on the page."""
        left, top, right, bottom = rectangle
        a, b, c, d, e, f = matrix
        if b == 0 and c == 0:
            xs, ys = sorted((a * left + e, a * right + e)), sorted((d * top + f, d * bottom + f))
            placed: Rectangle | None = (xs[0], ys[0], xs[1], ys[1])
            return clip._replace(rectangle=intersection(clip.rectangle, placed))
        corners = np.array([(left, top), (right, top), (right, bottom), (left, bottom)])
        points = corners @ np.array([[a, b], [c, d]]) + (e, f)
        bounds = bounds_of(points)
        item = Item(points, np.array([0, 4]), WHITE, None, 0.0, False, Clip(), bounds)
        placed = rectangle_of(item)
        if placed is None:
            return clip._replace(regions=(*clip.regions, (item,)))
        return clip._replace(rectangle=intersection(clip.rectangle, placed))


def _glaze(colour: Colour | None, blend: str) -> Colour | None:
    """The black or white that looks about like `colour` when blended; None if it is not seen.

    Source: https://www.w3.org/TR/compositing-1/#blending.
    """
    if colour is None:
        return None
    brightness = sum(colour[:3]) / (3 * 255)
    is_dark = blend in _DARKENING
    alpha = colour[3] * (1 - brightness if is_dark else brightness)
    return None if alpha < LEAST_ALPHA else (*(BLACK if is_dark else WHITE)[:3], alpha)


def _has_area(points: Points, starts: IntArray) -> bool:
    """Whether a fill may be seen: a line has no inside, nor has one that goes there and back."""
    if len(points) > 4 * (len(starts) - 1):
        return True
    for a, b in pairwise(starts.tolist()):
        steps = points[a + 1 : b] - points[a]
        longest = steps[np.argmax(np.hypot(*steps.T))]
        off = np.abs(steps @ (-longest[1], longest[0]))  # the distances from it, times its length
        if not (off <= _FLAT * (longest @ longest)).all():  # nor NaN
            return True
    return False


def _is_supported(element: Element) -> bool:
    """Whether an element's own conditions hold, in a browser whose language is English."""
    if "requiredExtensions" in element.attrib:
        return False
    languages = element.get("systemLanguage")
    return languages is None or any(
        language.strip().lower().startswith("en") for language in languages.split(",")
    )


def _mask_area(declared: Mapping[str, str], box: Rectangle | None, whole: Size) -> Rectangle:
    """Where a mask may show anything, in units of the masked element."""
    left, top, right, bottom = box or (0.0, 0.0, 1.0, 1.0)
    unit = (1.0, 1.0) if box else whole
    x, y, width, height = (
        length(declared.get(name), unit[i % 2], default * unit[i % 2])
        for i, (name, default) in enumerate(zip(_AREA, (-0.1, -0.1, 1.2, 1.2), strict=True))
    )
    sx, sy = right - left, bottom - top
    return left + x * sx, top + y * sy, left + (x + width) * sx, top + (y + height) * sy
