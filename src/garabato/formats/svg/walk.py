"""An SVG document -> the shapes it paints, in order, with their paint and clips."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from functools import reduce
from itertools import pairwise
from xml.etree.ElementTree import Element

import numpy as np

from garabato.drawing import IntArray
from garabato.formats.svg.clips import Clips, within
from garabato.formats.svg.geometry import (
    IDENTITY,
    Matrix,
    attribute_transform,
    is_flat,
    length,
    multiply,
    numbers,
    origin,
    page_size,
    scale_of,
    shape_path,
    transform,
    view_box,
)
from garabato.formats.svg.items import (
    WHITE,
    Clip,
    Document,
    Item,
    Points,
    Rectangle,
    bounds_of,
    vertices,
    without_gaps,
)
from garabato.formats.svg.paints import Paints
from garabato.formats.svg.style import (
    BLACK,
    MIN_ALPHA,
    Colour,
    Style,
    inherit,
    opacity_of,
    parse_colour,
)
from garabato.formats.svg.tree import DARKENING, LIGHTENING, MAX_NESTED, SHAPES, Context, Tree
from garabato.formats.xml_tree import MAX_DEPTH

_GROUPS = {"svg", "g", "a", "switch", "use"}
_RENDERED = SHAPES | _GROUPS | {"image", "text", "foreignObject"}
_MARKED = {"path", "polyline", "polygon", "line"}
_CURVED = re.compile("[CcSsQqTtAa]")
#: What an element's bounding box in its own units does not depend on, for all elements and for
#: some, and the values of `transform-box` that stand for that box.
_PLACING = {"transform", "clip-path", "mask", "mask-image", "style", "class"}
_AREAS = {"use": {"x", "y"}, "svg": {"x", "y", "width", "height", "viewBox"}}
_OWN_BOXES = {"fill-box", "content-box", "border-box", "stroke-box"}
#: An outline no wider than this share of its length has no inside.
_FLAT = 1e-9
_SIZED = {"width", "height", "viewBox"}
_FILTER_OPACITY = re.compile(r"\bopacity\(([^()]*)\)")


def read_document(root: Element) -> Document:
    """What the document of this root paints. Raises FormatError for too much."""
    return _Walker(root).document()


class _Walker:
    def __init__(self, root: Element) -> None:
        self._page: Rectangle | None = None
        self._background: Colour | None = None
        self._n_pictures = self._n_texts = 0
        self._tree = Tree(root)
        self._paints = Paints(self._tree, self._enter, self._walk)
        self._clips = Clips(self._tree, self._enter, self._walk, self._box)

    def document(self) -> Document:
        items = self._walk([(self._tree.root, self._tree.start)])
        n_pictures = self._n_pictures + self._paints.n_pictures
        return Document(items, self._page, self._background, n_pictures, self._n_texts)

    def _walk(self, waiting: list[tuple[Element, Context]]) -> list[Item]:
        """All items of these elements, a stack: the last element is painted first."""
        found: list[Item] = []
        while waiting:
            element, context = waiting.pop()
            name = element.tag
            if name not in _RENDERED:
                continue
            declared, context = self._tree.declared(element, context)
            inside = self._enter(element, declared, context)
            if inside is None:
                continue
            if name in SHAPES:
                found += self._shape(name, declared, inside)
                waiting += self._markers(name, declared, inside)
            elif name in _GROUPS:
                waiting += self._children(element, declared, inside)
            elif inside.style.is_visible:
                is_picture = name == "image" or element.find(".//img") is not None
                self._n_pictures += is_picture
                self._n_texts += not is_picture
        return found

    def _enter(
        self, element: Element, declared: Mapping[str, str], context: Context
    ) -> Context | None:
        """The context inside an element; None where nothing of it is seen."""
        if not _is_supported(element):
            return None
        if declared.get("display", "").strip().lower() == "none" or context.depth > MAX_DEPTH:
            return None
        alpha = context.opacity
        if not context.is_clip:
            alpha *= opacity_of(declared.get("opacity"))
            for value in _FILTER_OPACITY.findall(declared.get("filter", "")):
                alpha *= opacity_of(value)
        if alpha < MIN_ALPHA:
            return None
        matrix = self._moved(element, declared, context)
        if element.tag == "use":
            x, y = (length(declared.get("xy"[i]), context.whole[i]) for i in (0, 1))
            matrix = multiply(matrix, (1, 0, 0, 1, x, y))
        if is_flat(matrix):
            return None
        inside = context._replace(
            matrix=matrix,
            style=inherit(context.style, declared, math.hypot(*context.whole) / math.sqrt(2)),
            opacity=alpha,
            depth=context.depth + 1,
        )
        if element.tag in ("svg", "symbol") and context.depth:
            inside = self._in_viewport(declared, inside, is_shifted=True)
        if "id" in element.attrib:
            inside = inside._replace(within=context.within | {element.attrib["id"]})
        blend = declared.get("mix-blend-mode", "").strip().lower()
        if blend in DARKENING | LIGHTENING:
            inside = inside._replace(blend=blend)
        for name in ("clip-path", "mask", "mask-image"):
            if name in declared:
                inside = inside._replace(clip=self._clips.clipped(element, declared[name], inside))
        return inside

    def _moved(self, element: Element, declared: Mapping[str, str], context: Context) -> Matrix:
        """The matrix inside an element, by its `transform`."""
        text = declared.get("transform")
        if text is None:
            return context.matrix
        box: Rectangle = (0.0, 0.0, *context.whole)
        if declared.get("transform-box", "").strip() in _OWN_BOXES:
            box = self._box(element, context) or (0.0, 0.0, 0.0, 0.0)
        left, top, right, bottom = box
        size = right - left, bottom - top
        is_css = text != element.get("transform")
        x, y = origin(declared.get("transform-origin", "0 0"), size)
        x, y = x + left, y + top
        parts: list[Matrix] = [
            context.matrix,
            (1.0, 0.0, 0.0, 1.0, x, y),
            transform(text, size) if is_css else attribute_transform(text),
            (1.0, 0.0, 0.0, 1.0, -x, -y),
        ]
        return reduce(multiply, parts)

    def _box(self, element: Element, context: Context) -> Rectangle | None:
        """The bounding box of an element in its own units, without its clips and transforms."""
        if element is self._tree.root and self._page:
            return self._page
        if self._tree.n_nested > MAX_NESTED:
            return None
        placing = _PLACING | _AREAS.get(element.tag, set())
        declared, _ = self._tree.declared(element, context)
        bare = Element(element.tag, {k: v for k, v in declared.items() if k not in placing})
        bare.extend(element)
        style = Style(fill=BLACK)
        inside = Context(IDENTITY, context.whole, style, 1.0, Clip(), context.depth, is_clip=True)
        self._tree.n_nested += 1
        items = self._walk([(bare, inside)])
        self._tree.n_nested -= 1
        points = [item.points for item in items]
        return bounds_of(np.concatenate(points)) if points else None

    def _shape(self, name: str, declared: Mapping[str, str], context: Context) -> list[Item]:
        style = context.style
        if not style.is_visible:
            return []
        stroke = fill = None
        width = style.stroke_width
        if context.is_clip:
            fill = WHITE
        else:
            if width > 0:
                alpha = style.stroke_opacity * context.opacity
                stroke = self._paints.colour(style.stroke, style, alpha)
            if name != "line":
                fill = self._paints.colour(style.fill, style, style.fill_opacity * context.opacity)
        if context.blend:
            fill, stroke = _glaze(fill, context.blend), _glaze(stroke, context.blend)
        if stroke is None and fill is None:
            return []
        points, starts, bounds = self._tree.flattened(
            shape_path(name, declared, context.whole), context.matrix
        )
        if len(points) == 0:
            return []
        if fill and not context.is_clip and not _has_area(points, starts):
            fill = None
            if stroke is None:
                return []
        if not (context.is_clip or context.blend):
            fill = self._paints.shaded(fill, style.fill, points, context)
            stroke = self._paints.shaded(stroke, style.stroke, points, context)
        scale = scale_of(context.matrix)
        if declared.get("vector-effect") == "non-scaling-stroke":
            scale = 1.0
        width *= scale
        is_even_odd = (style.clip_rule if context.is_clip else style.fill_rule) == "evenodd"
        item = Item(points, starts, bounds, fill, stroke, width, is_even_odd, context.clip)
        if stroke is None or style.dashes == "none" or self._tree.has_animation:
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
        self, name: str, declared: Mapping[str, str], context: Context
    ) -> list[tuple[Element, Context]]:
        """The contents of the markers on a line, as a stack: the last one is painted first."""
        style = context.style
        texts = style.marker_start, style.marker_mid, style.marker_end
        if context.is_clip or style.is_marker or not style.is_visible or set(texts) == {"none"}:
            return []
        if name not in _MARKED:
            return []
        markers = list(map(self._tree.referenced, texts))
        path = shape_path(name, declared, context.whole)
        points, starts, _ = self._tree.flattened(path, IDENTITY)
        if len(points) == 0:
            return []
        is_curved = name == "path" and _CURVED.search(path)
        found: list[tuple[Element, Context]] = []
        for at, position, angle in vertices(points, starts, has_mid=not is_curved):
            marker = markers[at]
            if marker is not None and marker.tag == "marker":
                found += self._marker(marker, at == 0, position, angle, context)
        return found[::-1]

    def _marker(
        self,
        marker: Element,
        is_start: bool,
        position: tuple[float, float],
        angle: float,
        context: Context,
    ) -> list[tuple[Element, Context]]:
        """What a marker paints at a vertex where the line has the direction `angle`."""
        own, context = self._tree.declared(marker, context)
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
        inner = self._paints.with_context(self._tree.inherited_style(marker), style)
        matrix = multiply(context.matrix, placed)
        context = context._replace(matrix=matrix, style=inner._replace(is_marker=True))
        inside = self._enter(marker, sized, context)
        if inside is None:
            return []
        inside = self._in_viewport(sized, inside, is_shifted=False)
        return [(child, inside) for child in marker]

    def _children(
        self, element: Element, declared: Mapping[str, str], context: Context
    ) -> list[tuple[Element, Context]]:
        if element.tag == "svg" and context.depth == 1:
            context = self._on_page(declared, context)
        elif element.tag == "use":
            return self._used(element, declared, context)
        elif element.tag == "switch":
            rendered = (child for child in element if child.tag in _RENDERED)
            chosen = next(filter(_is_supported, rendered), None)
            return [] if chosen is None else [(chosen, context)]
        return [(child, context) for child in reversed(element)]

    def _on_page(self, declared: Mapping[str, str], context: Context) -> Context:
        """The context inside the outermost `svg`, in units of its view box (of y, if stretched)."""
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
            self._page = (left, top, left + size[0] / d, top + size[1] / d)
        colour = parse_colour(declared.get("background-color", declared.get("background", "")))
        if colour is not None and colour[3] > 0.5:
            self._background = colour
        matrix = multiply(context.matrix, (a / d, 0.0, 0.0, 1.0, 0.0, 0.0))
        clip = within(context.clip, self._page, context.matrix) if self._page else context.clip
        return context._replace(matrix=matrix, whole=whole, clip=clip)

    def _in_viewport(
        self, declared: Mapping[str, str], context: Context, *, is_shifted: bool
    ) -> Context:
        """The context inside a nested `svg`, `symbol` or marker: its view box, and a clip to it."""
        box, size, whole = view_box(declared, context.whole)
        x = length(declared.get("x"), context.whole[0]) if is_shifted else 0.0
        y = length(declared.get("y"), context.whole[1]) if is_shifted else 0.0
        matrix = multiply(context.matrix, (1, 0, 0, 1, x, y))
        clip = context.clip
        if declared.get("overflow", "hidden").strip().lower() not in ("visible", "auto"):
            clip = within(clip, (0.0, 0.0, *size), matrix)
        return context._replace(matrix=multiply(matrix, box), whole=whole, clip=clip)

    def _used(
        self, use: Element, declared: Mapping[str, str], context: Context
    ) -> list[tuple[Element, Context]]:
        target = self._tree.target(use)
        if target is None or target.get("id") in context.within:
            return []  # browsers don't draw an element within itself
        style = context.style
        if not style.is_marker:  # what paints the `use` is for `context-fill` and `context-stroke`
            style = self._paints.with_context(style, style)
        context = context._replace(style=style)
        if target.tag not in ("symbol", "svg"):
            return [(target, context)]
        own, context = self._tree.declared(target, context)
        sized = {**own, **{k: v for k, v in use.attrib.items() if k in ("width", "height")}}
        inside = self._enter(target, sized, context)
        return [] if inside is None else [(child, inside) for child in reversed(target)]


def _is_supported(element: Element) -> bool:
    """Whether an element's own conditions hold, in a browser whose language is English."""
    if "requiredExtensions" in element.attrib:
        return False
    languages = element.get("systemLanguage")
    return languages is None or any(
        language.strip().lower().startswith("en") for language in languages.split(",")
    )


def _glaze(colour: Colour | None, blend: str) -> Colour | None:
    """The black or white that looks about like `colour` when blended; None if it is invisible.

    Source: https://www.w3.org/TR/compositing-1/#blending.
    """
    if colour is None:
        return None
    brightness = sum(colour[:3]) / (3 * 255)
    is_dark = blend in DARKENING
    alpha = colour[3] * (1 - brightness if is_dark else brightness)
    return None if alpha < MIN_ALPHA else (*(BLACK if is_dark else WHITE)[:3], alpha)


def _has_area(points: Points, starts: IntArray) -> bool:
    """Whether a fill can be visible: a straight line, even one there and back, has no inside."""
    if len(points) > 4 * (len(starts) - 1):
        return True
    for a, b in pairwise(starts.tolist()):
        steps = points[a + 1 : b] - points[a]
        longest = steps[np.argmax(np.hypot(*steps.T))]
        off = np.abs(steps @ (-longest[1], longest[0]))  # the distances from it, times its length
        if not (off <= _FLAT * (longest @ longest)).all():  # nor NaN
            return True
    return False
