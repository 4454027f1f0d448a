"""The gallery of an exported page: files that its JavaScript reads."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import orjson
import pyarrow as pa

from garabato.analysis.category import summarize_category
from garabato.analysis.map import Progress, map_gallery
from garabato.drawing import Drawing, DrawingBatch, FloatArray
from garabato.errors import InputError
from garabato.gallery import Gallery
from garabato.gallery.explore import has_own_categories
from garabato.render import with_strokes

#: Bits of a component of an embedding. Fewer than 16 change scores by about 0.001, and so the order
#: of hits; galleries with categories of their own, such as icon sets, find as much with 8.
_BITS, _BITS_OF_OWN_CATEGORIES = 16, 8
#: Typical drawings, odd drawings and confusable categories on a category page.
_N_SHOWN = 4
#: Fewer drawings are all shown as typical ones: icon sets have thousands of such categories.
_MIN_TO_SUMMARIZE = _N_SHOWN + 1
#: Characters of an SVG that a data URL may have as they are.
_PLAIN_IN_URLS = " =:/;,.-+'()!?"
#: The level from which on compressing takes longer and saves little.
_LEVEL = 19


@dataclass(frozen=True, slots=True, eq=False)
class WebGallery:
    """The drawings of a page and their embeddings (N, D) float32, in the same order.

    `embedding_bits` is the precision in which `write` stores the embeddings.
    """

    drawings: list[Drawing]
    embeddings: FloatArray
    embedding_bits: int

    @classmethod
    def of(cls, gallery: Gallery, *, per_category: int, known: Collection[str]) -> WebGallery:
        """Up to `per_category` drawings of each category (and without one), evenly spaced.

        `known` are the categories of the encoder. Raises InputError if the gallery is empty.
        """
        key_ids: dict[str | None, list[str]] = {}
        for piece in gallery.scan():
            metadata = zip(piece.drawings.categories, piece.drawings.key_ids, strict=True)
            for category, key_id in metadata:
                key_ids.setdefault(category, []).append(str(key_id))
        chosen = {key for keys in key_ids.values() for key in _spread(sorted(keys), per_category)}
        drawings: list[Drawing] = []
        pieces: list[FloatArray] = []
        for piece in gallery.scan(with_originals=True):
            rows = [i for i, key_id in enumerate(piece.drawings.key_ids) if key_id in chosen]
            drawings += list(with_strokes(piece.drawings.take(np.array(rows, np.int64))))
            pieces.append(piece.embeddings[rows])
        if not drawings:
            raise InputError(
                f"the gallery {gallery.uri} is empty; add drawings before exporting a page"
            )
        has_own = has_own_categories(Counter(drawing.category for drawing in drawings), known)
        bits = _BITS_OF_OWN_CATEGORIES if has_own else _BITS
        return cls(drawings, np.concatenate(pieces), bits)

    def fill(self, gallery: Gallery) -> None:
        gallery.add(DrawingBatch.from_drawings(self.drawings), embeddings=self.embeddings)

    def write(self, folder: Path) -> None:
        """Write gallery.json.zst, embeddings.bin.zst and strokes.bin.zst."""
        categories = _names(drawing.category for drawing in self.drawings)
        countries = _names(drawing.country for drawing in self.drawings)
        columns: dict[str, Any] = {
            "categories": list(categories),
            "countries": list(countries),
            "key_id": [drawing.key_id for drawing in self.drawings],
            "category": [_number(categories, drawing.category) for drawing in self.drawings],
            "country": [_number(countries, drawing.country) for drawing in self.drawings],
            "recognized": [drawing.recognized for drawing in self.drawings],
        }
        if any(drawing.traced for drawing in self.drawings):
            columns["traced"] = [drawing.traced for drawing in self.drawings]
        for name in ("title", "tags", "link"):
            values = [getattr(drawing.details, name, None) or None for drawing in self.drawings]
            if any(values):
                columns[name] = values
        originals = [_data_url(drawing) for drawing in self.drawings]
        if any(originals):
            columns["original"] = originals
        (folder / "gallery.json.zst").write_bytes(compress(orjson.dumps(columns)))
        largest = np.abs(self.embeddings).max(axis=1, keepdims=True)
        scaled = np.rint(self.embeddings / largest * (2 ** (self.embedding_bits - 1) - 1))
        integers = scaled.astype("i1" if self.embedding_bits <= 8 else "<i2")
        (folder / "embeddings.bin.zst").write_bytes(compress(integers.tobytes()))
        strokes = b"".join(pack_strokes(drawing) for drawing in self.drawings)
        (folder / "strokes.bin.zst").write_bytes(compress(strokes))

    def write_views(self, folder: Path, gallery: Gallery, progress: Progress) -> None:
        """Write category_pages.json.zst and map.json.zst, from a gallery with the same drawings."""
        row_of = {drawing.key_id: row for row, drawing in enumerate(self.drawings)}

        def rows(drawings: Sequence[Drawing]) -> list[int]:
            return [row_of[drawing.key_id] for drawing in drawings]

        pages: dict[str, Any] = {}
        categories = _names(drawing.category for drawing in self.drawings)
        n_drawings = Counter(drawing.category for drawing in self.drawings)
        for category, number in categories.items():
            if n_drawings[category] < _MIN_TO_SUMMARIZE:
                continue
            progress("comparing categories", number + 1, len(categories))
            summary = summarize_category(gallery, category, n_typical=_N_SHOWN, n_odd=_N_SHOWN)
            pages[category] = {
                "n_drawings": summary.n_drawings,
                "typical": rows(summary.typical),
                "odd": rows(summary.odd),
                "confused_with": summary.confusions(),
            }
        (folder / "category_pages.json.zst").write_bytes(compress(orjson.dumps(pages)))
        projection = map_gallery(gallery, progress=progress)
        number_of = {key_id: i for i, key_id in enumerate(projection.key_ids)}
        order = [number_of[str(drawing.key_id)] for drawing in self.drawings]
        positions = {"x": projection.x[order].tolist(), "y": projection.y[order].tolist()}
        (folder / "map.json.zst").write_bytes(compress(orjson.dumps(positions)))


def pack_strokes(drawing: Drawing) -> bytes:
    """Encode a drawing: number of strokes; for each, number of points and their differences.

    All are variable-length integers (LEB128); differences are zigzag-encoded: 0, -1, 1, -2, ...
    """
    packed = bytearray()
    strokes = drawing.on_grid().strokes
    _pack(packed, len(strokes))
    for stroke in strokes:
        points = stroke.T.astype(np.int64)
        _pack(packed, len(points))
        for step in np.diff(points, axis=0, prepend=0).ravel().tolist():
            _pack(packed, 2 * step if step >= 0 else -2 * step - 1)
    return bytes(packed)


def compress(content: bytes) -> bytes:
    """One frame of Zstandard."""
    packed: bytes = pa.Codec("zstd", _LEVEL).compress(content, asbytes=True)
    return packed


def _spread(items: Sequence[str], n: int) -> list[str]:
    """`n` evenly spaced items, or all if there are fewer."""
    if len(items) <= n:
        return list(items)
    return [items[i * len(items) // n] for i in range(n)]


def _names(values: Iterable[str | None]) -> dict[str, int]:
    """Name -> its index among the sorted names."""
    return {name: i for i, name in enumerate(sorted({v for v in values if v is not None}))}


def _number(numbers: Mapping[str, int], name: str | None) -> int:
    """The index of a name, -1 without one."""
    return -1 if name is None else numbers[name]


def _data_url(drawing: Drawing) -> str | None:
    """The original file for an <img>, which runs no script and loads no other file."""
    if drawing.details is None or drawing.details.original is None:
        return None
    media_type, content = drawing.details.original_type, drawing.details.original
    if media_type == "image/svg+xml":  # as text it compresses better
        return f"data:{media_type},{quote(content, safe=_PLAIN_IN_URLS)}"
    return f"data:{media_type};base64,{base64.b64encode(content).decode()}"


def _pack(packed: bytearray, value: int) -> None:
    while value > 127:
        packed.append(value & 127 | 128)
        value >>= 7
    packed.append(value)
