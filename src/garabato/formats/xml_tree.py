"""XML documents parsed with bounds on size, depth and entities; nothing external is fetched.

Uses expat directly, so that the limits are checked while the document is read, before its tree is
in memory. Prefixes of the document's own namespace are dropped; elements of other namespaces keep
theirs ("sodipodi:namedview").
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Mapping
from xml.etree.ElementTree import Element
from xml.parsers import expat

from garabato.errors import FormatError
from garabato.formats.stream import Input

MAX_BYTES = 16 * 2**20
MAX_ELEMENTS = 20_000
MAX_DEPTH = 256
#: Characters of text and attributes, after entities and default attributes are filled in.
MAX_CHARACTERS = 16 * 2**20
#: The longest text that an entity may expand to, and how deeply entities may be nested.
MAX_ENTITY_CHARACTERS = 4096
MAX_ENTITY_DEPTH = 4
MAX_ENTITIES = 256
#: Encodings in which an entity reference is a "&", so that references can be counted.
_COUNTABLE_ENCODINGS = {"", "utf-8", "utf-16", "us-ascii", "iso-8859-1", "windows-1252"}
_UTF16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)

#: What may come before the first element: a declaration, comments, a DOCTYPE with its entities.
#: Each is atomic: trying all ways to end a hundred comments would take forever.
_FIRST_TAG = re.compile(
    r"\ufeff?\s*+(?:(?><\?.*?\?>|<!--.*?-->|<!DOCTYPE[^\[>]*(?:\[.*?\]\s*)?>)\s*+)*+"
    r"<(?:[\w.-]+:)?([\w.-]+)",
    re.DOTALL | re.IGNORECASE,
)


def root_name(head: bytes) -> str | None:
    """The local name of the first element of a document; None if `head` does not reach it."""
    is_utf16 = head.startswith(_UTF16_MARKS)
    found = _FIRST_TAG.match(head.decode("utf-16" if is_utf16 else "utf-8", "replace"))
    return found[1] if found else None


def parse_xml(
    source: Input, namespace: str, *, max_bytes: int = MAX_BYTES, max_elements: int = MAX_ELEMENTS
) -> Element:
    """Parse a document of the vocabulary `namespace` and return its root.

    Tags are local names ("path"). Attributes keep their names, except that "xlink:href" becomes
    "href" and "xml:lang" "lang".

    Raises FormatError for broken XML (with line and column) and for documents that exceed a limit.
    """
    data = source.read_whole(max_bytes)
    if data[:1].isspace() and data.lstrip().startswith(b"<?xml"):  # the declaration must be first
        data = data.lstrip()
    builder = _Builder(data, namespace, max_elements)
    try:
        return builder.parse()
    except FormatError as error:
        raise source.error(error.problem) from None
    except expat.ExpatError as error:
        problem = str(error).partition(":")[0]
        hint = "; save it as UTF-8" if builder.is_not_utf8() else ""
        raise source.error(
            f"broken XML ({problem}){hint}", f"line {error.lineno}, column {error.offset + 1}"
        ) from error
    except (LookupError, ValueError) as error:
        raise source.error(f"the encoding cannot be read ({error}); save it as UTF-8") from error


class _Builder:
    def __init__(self, data: bytes, namespace: str, max_elements: int) -> None:
        self._data = data
        self._namespace = namespace
        self._max_elements = max_elements
        self._prefixes: dict[str, str] = {}
        self._entities: dict[str, str] = {}
        self._encoding = ""
        self._open: list[Element] = []
        self._root: Element | None = None
        self._n_elements = 0
        self._n_characters = 0

    def parse(self) -> Element:
        parser = expat.ParserCreate()
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        parser.XmlDeclHandler = self._declaration
        parser.EntityDeclHandler = self._declare_entity
        parser.EndDoctypeDeclHandler = self._check_entities
        parser.Parse(self._data, True)
        assert self._root is not None  # expat refuses documents without elements
        return self._root

    def is_not_utf8(self) -> bool:
        """Whether the text should be UTF-8 by its declaration, or has none, and is not."""
        if self._encoding not in ("", "utf-8") or self._data.startswith(_UTF16_MARKS):
            return False
        return "\ufffd" in self._data.decode("utf-8", "replace")

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        self._n_elements += 1
        if self._n_elements > self._max_elements or len(self._open) >= MAX_DEPTH:
            raise FormatError(
                f"the document has more than {self._max_elements:,} elements, or elements nested "
                f"more than {MAX_DEPTH} deep"
            )
        self._count(sum(map(len, attributes.values())))
        if any(":" in name for name in attributes):
            attributes = self._with_local_names(attributes)
        element = Element(self._local_name(tag) if ":" in tag else tag, attributes)
        if self._open:
            self._open[-1].append(element)
        elif self._root is None:
            self._root = element
        self._open.append(element)

    def _end(self, _: str) -> None:
        self._open.pop()

    def _text(self, text: str) -> None:
        self._count(len(text))
        if self._open and not text.isspace():
            element = self._open[-1]
            element.text = (element.text or "") + text if len(element) == 0 else element.text

    def _count(self, n_characters: int) -> None:
        self._n_characters += n_characters
        if self._n_characters > MAX_CHARACTERS:
            raise FormatError(
                f"the document has more than {MAX_CHARACTERS // 2**20} MiB of text and attributes"
            )

    def _with_local_names(self, attributes: dict[str, str]) -> dict[str, str]:
        for name, value in attributes.items():
            if name.startswith("xmlns:"):
                self._prefixes[name[6:]] = value
        local = {name: value for name, value in attributes.items() if ":" not in name}
        for name, value in attributes.items():
            if name.endswith((":href", ":lang")):
                local.setdefault(name[-4:], value)
        return local

    def _local_name(self, tag: str) -> str:
        prefix, _, local = tag.partition(":")
        return local if self._prefixes.get(prefix) == self._namespace else tag

    def _declaration(self, _: str, encoding: str | None, __: int) -> None:
        self._encoding = (encoding or "").lower()

    def _declare_entity(
        self, name: str, is_parameter: int, value: str | None, *external: str | None
    ) -> None:
        if is_parameter or value is None or len(self._entities) >= MAX_ENTITIES:
            raise FormatError(
                "the document declares external or parameter entities, or too many; "
                "save it without them"
            )
        self._entities.setdefault(name, value)

    def _check_entities(self) -> None:
        """Refuse entities that expand far: expat's own limit allows a hundredfold."""
        if not self._entities:
            return
        longest = max(_expanded_length(name, self._entities, 0) for name in self._entities)
        is_countable = self._encoding in _COUNTABLE_ENCODINGS
        if not is_countable or longest * self._data.count(b"&") > MAX_CHARACTERS:
            raise FormatError(
                "the entities that the document declares expand too far; save it without them"
            )


def _expanded_length(name: str, entities: Mapping[str, str], depth: int) -> int:
    if depth > MAX_ENTITY_DEPTH:
        raise FormatError(
            f"the document's entities are nested more than {MAX_ENTITY_DEPTH} deep, or refer "
            "to themselves; save it without them"
        )
    value = entities.get(name, "")
    n = len(value)
    for piece in value.split("&")[1:]:
        n += _expanded_length(piece.partition(";")[0], entities, depth + 1)
        if n > MAX_ENTITY_CHARACTERS:
            break
    if n > MAX_ENTITY_CHARACTERS:
        raise FormatError(
            f"an entity of the document stands for more than {MAX_ENTITY_CHARACTERS:,} "
            "characters; save it without entities"
        )
    return n
