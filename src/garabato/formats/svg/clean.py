"""SVG documents without anything that runs or is fetched, so that they can be stored and served.

The lists below say what is kept: shapes, groups, gradients, text and their paint. Scripts,
event handlers, animations, `foreignObject`, embedded pictures, foreign vocabularies, entities and
every reference outside the document are left out. Links become groups.
"""

from __future__ import annotations

import re
from xml.etree.ElementTree import Element
from xml.sax.saxutils import escape, quoteattr

from garabato.formats.stream import Input
from garabato.formats.svg import NAMESPACE
from garabato.formats.svg.tree import elements_by_id, fragment_of
from garabato.formats.xml_tree import MAX_DEPTH, parse_xml

#: Elements that a browser may draw after all `<use>` are filled in.
MAX_DRAWN_ELEMENTS = 20_000
#: The longest chain of elements, each inside the one before or drawn by it as a `<use>`.
_MAX_CHAIN = 2 * MAX_DEPTH
#: Elements whose text is kept.
_WITH_TEXT = frozenset(("title", "desc", "text", "tspan", "style"))
_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_FUNCTION = re.compile(r"([\w-]*)\(\s*([\"']?#)?")
_AT_RULE = re.compile(r"@(?!media\b)")


def clean_svg(content: bytes) -> bytes:
    """The document in UTF-8 without anything that runs or is fetched.

    Raises FormatError if it cannot be read (see `xml_tree`), is not an SVG, or draws more than
    20,000 elements.
    """
    source = Input.from_bytes(content, "SVG", "svg")
    root = parse_xml(source, NAMESPACE)
    if root.tag != "svg":
        raise source.error(f"the document is <{root.tag[:40]}>; <svg> was expected")
    _clean(root)
    if _n_drawn(root, elements_by_id(root), {}, set()) > MAX_DRAWN_ELEMENTS:
        raise source.error(f"the document draws more than {MAX_DRAWN_ELEMENTS:,} elements")
    root.attrib = {"xmlns": NAMESPACE, **root.attrib}
    parts: list[str] = []
    _write(root, parts)
    return "".join(parts).encode()


def _clean(element: Element) -> None:
    """Remove what is not kept from an element and all in it."""
    element.attrib = {
        name: value
        for name, value in element.attrib.items()
        if name in _ATTRIBUTES and _is_harmless(value) and (name != "href" or value[:1] == "#")
    }
    if element.tag not in _WITH_TEXT:
        element.text = None
    for link in element.findall("a"):
        link.tag = "tspan" if element.tag in ("text", "tspan") else "g"
    element[:] = [
        child
        for child in element
        if child.tag in _ELEMENTS and (child.tag != "style" or _is_harmless(child.text or ""))
    ]
    for child in element:
        _clean(child)


def _n_drawn(
    element: Element, by_id: dict[str, Element], known: dict[int, int], above: set[int]
) -> int:
    """How many elements this one draws, including those that `<use>` stands for. A cycle of
    references, or a long chain of them, counts as too many."""
    own = id(element)
    if own in above or len(above) > _MAX_CHAIN:
        return MAX_DRAWN_ELEMENTS + 1
    if own not in known:
        above.add(own)
        n = 1
        for child in element:
            n += _n_drawn(child, by_id, known, above)
        target = by_id.get(fragment_of(element.get("href", "")))
        if element.tag == "use" and target is not None:
            n += _n_drawn(target, by_id, known, above)
        above.discard(own)
        known[own] = min(n, MAX_DRAWN_ELEMENTS + 1)
    return known[own]


def _write(element: Element, parts: list[str]) -> None:
    parts.append(f"<{element.tag}")
    parts += [f" {name}={quoteattr(value)}" for name, value in element.attrib.items()]
    if not (element.text or len(element)):
        parts.append("/>")
        return
    parts.append(f">{escape(element.text or '')}")
    for child in element:
        _write(child, parts)
    parts.append(f"</{element.tag}>")


def _is_harmless(css: str) -> bool:
    """Whether CSS, or the value of an attribute, fetches nothing: all its functions are known, and
    `url()` names a part of the document."""
    if "(" not in css and "@" not in css and "\\" not in css:
        return True
    css = _COMMENT.sub("", css)
    if "\\" in css or "/*" in css or _AT_RULE.search(css):
        return False
    return all(
        bool(is_local) if name == "url" else name in _FUNCTIONS or name == ""
        for name, is_local in _FUNCTION.findall(css.lower())
    )


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_FUNCTIONS = _words(
    """
    rgb rgba hsl hsla translate translatex translatey scale scalex scaley rotate skewx skewy
    matrix var calc min max clamp not is where nth-child nth-of-type
    """
)
_ATTRIBUTES = _words(
    """
    id class style d points x y x1 y1 x2 y2 cx cy r rx ry fx fy fr dx dy width height viewBox
    preserveAspectRatio transform pathLength offset href version role lang fill fill-opacity
    fill-rule stroke stroke-width stroke-opacity stroke-linecap stroke-linejoin
    stroke-miterlimit stroke-dasharray stroke-dashoffset opacity color clip-path clip-rule
    mask display visibility overflow paint-order vector-effect shape-rendering stop-color
    stop-opacity gradientUnits gradientTransform spreadMethod patternUnits patternContentUnits
    patternTransform clipPathUnits maskUnits maskContentUnits mask-type marker-start
    marker-mid marker-end markerUnits markerWidth markerHeight refX refY orient font-family
    font-size font-style font-weight font-stretch font-variant letter-spacing word-spacing
    text-anchor text-decoration text-rendering dominant-baseline alignment-baseline
    baseline-shift writing-mode mix-blend-mode isolation transform-origin aria-label
    aria-hidden
    """
)
_ELEMENTS = _words(
    """
    svg g path rect circle ellipse line polyline polygon defs use symbol clipPath mask marker
    linearGradient radialGradient stop pattern title desc text tspan style switch
    """
)
