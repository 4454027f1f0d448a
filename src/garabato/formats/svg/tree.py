"""The elements of an SVG document: their declarations and references, within limits.

Raises FormatError, without the file's name, for documents that exceed one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple
from urllib.parse import unquote, urlsplit
from xml.etree.ElementTree import Element

from garabato.drawing import MAX_POINTS, IntArray
from garabato.errors import FormatError
from garabato.formats.svg._paths import flatten
from garabato.formats.svg.cascade import Cascade
from garabato.formats.svg.geometry import IDENTITY, Matrix, Size
from garabato.formats.svg.items import Clip, Item, Points, Rectangle
from garabato.formats.svg.style import URL, Style, inherit
from garabato.formats.xml_tree import MAX_CHARACTERS, MAX_ELEMENTS

#: Percentages refer to this size in a document that doesn't give its own.
DEFAULT_SIZE: Size = (300.0, 150.0)
SHAPES = {"path", "polyline", "polygon", "line", "rect", "circle", "ellipse"}
#: Blend modes in which white changes nothing, and those in which black changes nothing.
DARKENING = {"multiply", "darken", "color-burn"}
LIGHTENING = {"screen", "lighten", "color-dodge", "plus-lighter"}
#: How deeply boxes, clips, masks and patterns may be nested.
MAX_NESTED = 4


class Context(NamedTuple):
    """What surrounds an element; percentages refer to the size `whole`.

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
    blend: str = ""  # the `mix-blend-mode`, if it is one of DARKENING or LIGHTENING


#: Methods of `walk._Walker` that clips and paints call: what is inside an element, the items
#: of some elements, and the bounding box of an element in its own units.
Enter = Callable[[Element, Mapping[str, str], Context], Context | None]
Walk = Callable[[list[tuple[Element, Context]]], list[Item]]
Box = Callable[[Element, Context], Rectangle | None]


def fragment_of(address: str) -> str:
    """The id that a browser looks for at an address such as "#id"."""
    return unquote(urlsplit(address.strip()).fragment)


def elements_by_id(root: Element) -> dict[str, Element]:
    """The elements by id; of several with one id, the first, as in browsers."""
    return {one.attrib["id"]: one for one in reversed([*root.iter()]) if one.get("id")}


class Tree:
    """A document whose elements can be looked up, and how much of its limits is left."""

    def __init__(self, root: Element) -> None:
        self.root = root
        #: How many boxes, clips, masks and patterns are being painted, one inside the other.
        self.n_nested = 0
        self._cascade = Cascade(root)
        self.has_animation = self._cascade.has_animation
        self._n_elements_left = MAX_ELEMENTS
        self._n_characters_left = MAX_CHARACTERS
        self._n_points_left = MAX_POINTS
        self._by_id: dict[str, Element] | None = None
        self._parents: dict[Element, Element] | None = None
        start = Context(IDENTITY, DEFAULT_SIZE, Style(), 1.0, Clip(), 0)
        #: The context of an element that is examined apart from its place, such as a pattern.
        self.start = self.declared(root, start)[1]

    def declared(self, element: Element, context: Context) -> tuple[Mapping[str, str], Context]:
        """What is declared for an element, and `context` with its custom properties."""
        self._n_elements_left -= 1
        if self._n_elements_left < 0:
            raise FormatError(
                f"the document has more than {MAX_ELEMENTS:,} elements, repeated ones included"
            )
        for value in element.attrib.values():
            self._n_characters_left -= len(value)
        if self._n_characters_left < 0:
            raise FormatError(
                f"the document has more than {MAX_CHARACTERS // 2**20} MiB of attributes, "
                "repeated ones included"
            )
        declared = self._cascade.declared(element)
        declared, variables = self._cascade.resolved(declared, context.variables)
        if variables is not context.variables:
            context = context._replace(variables=variables)
        return declared, context

    def flattened(self, data: str, matrix: Matrix) -> tuple[Points, IntArray, Rectangle]:
        """The polylines of path data, and their bounds."""
        points, starts, bounds, is_complete = flatten(
            data.encode("ascii", "replace"), tuple(map(float, matrix)), self._n_points_left
        )
        if not is_complete:
            raise FormatError(f"the drawing has more than {MAX_POINTS:,} points")
        self._n_points_left -= len(points)
        return points, starts, bounds

    def target(self, element: Element) -> Element | None:
        """The element of this document that a `href` points to."""
        href = element.get("href", "").strip()
        return self.element(href) if href.startswith("#") else None

    def referenced(self, value: str) -> Element | None:
        """The element of this document that a CSS value refers to, which begins with url(#id)."""
        match = URL.match(value.strip())
        return self.element(f"#{match[1]}") if match else None

    def element(self, address: str) -> Element | None:
        """The first element with the id of an address "#id"; None if there is none."""
        if self._by_id is None:
            self._by_id = elements_by_id(self.root)
        return self._by_id.get(fragment_of(address))

    def inherited_style(self, element: Element) -> Style:
        """What an element inherits where it stands, not where it is used."""
        if self._parents is None:
            self._parents = {child: parent for parent in self.root.iter() for child in parent}
        ancestors = []
        while (parent := self._parents.get(element)) is not None:
            ancestors.append(parent)
            element = parent
        style = Style()
        for ancestor in reversed(ancestors):
            start = self.start._replace(style=style)
            style = inherit(style, self.declared(ancestor, start)[0], 1.0)
        return style
