"""Drawing: one drawing and its metadata."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from dataclasses import replace as replace_fields
from itertools import pairwise
from typing import Any, cast

import numpy as np

from garabato.drawing._simplify import resample_and_simplify
from garabato.drawing.arrays import (
    GRID,
    SIMPLIFY_EPSILON,
    ByteArray,
    FloatArray,
    IntArray,
    pack_strokes,
)
from garabato.errors import DrawingError, InputError

_HOW_TO_READ = "read the drawings of a file with garabato.read_drawings"

#: The most bytes an original file may have.
MAX_ORIGINAL_BYTES = 2**16
SVG_TYPE = "image/svg+xml"
_MAGIC = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
)
_SVG_TAG = re.compile(r"<(?:[\w.-]+:)?svg\b")


@dataclass(frozen=True, slots=True)
class Details:
    """The title, tags, link, path and original file of a drawing; few drawings have any.

    `link` is an http(s) address, `source_path` the path of the file as its owner writes it.
    `original` is that file: an SVG, PNG, JPEG, GIF or WebP of at most 64 KiB. `original_type` is
    its media type; it is also set if the original is stored in a gallery but was not loaded.
    Raises DrawingError that names the field.
    """

    title: str | None = None
    tags: tuple[str, ...] = ()
    link: str | None = None
    source_path: str | None = None
    original_type: str | None = None
    original: bytes | None = None

    def __post_init__(self) -> None:
        tags = (self.tags,) if isinstance(self.tags, str) else tuple(self.tags)
        for tag in tags:
            if not isinstance(tag, str):
                raise DrawingError(f"tags must be text, not {tag!r}")
        object.__setattr__(self, "tags", tags)
        for name in ("title", "link", "source_path"):
            value = getattr(self, name)
            if value is not None and not isinstance(value, str):
                raise DrawingError(f"{name} must be text, not {value!r}")
        if self.link is not None and not self.link.startswith(("http://", "https://")):
            raise DrawingError(
                f"link must be an http:// or https:// address, not {self.link[:80]!r}"
            )
        if self.original is not None:
            object.__setattr__(self, "original_type", media_type_of(self.original))


DETAIL_NAMES = tuple(field.name for field in fields(Details))


def media_type_of(content: bytes) -> str:
    """The media type of an original file. Raises DrawingError if it is not allowed."""
    if not isinstance(content, bytes):
        wrong = type(content).__name__
        raise DrawingError(f"original must be the content of a file, as bytes, not {wrong}")
    if len(content) > MAX_ORIGINAL_BYTES:
        raise DrawingError(
            f"original has {len(content):,} bytes; at most {MAX_ORIGINAL_BYTES:,} are allowed"
        )
    for magic, media_type in _MAGIC:
        if content.startswith(magic):
            return media_type
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "image/webp"
    is_utf16 = content[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
    text = content.decode("utf-16" if is_utf16 else "utf-8-sig", "replace")
    if text.lstrip().startswith("<") and _SVG_TAG.search(text):  # InkML is XML, too
        return SVG_TYPE
    raise DrawingError("original is not an SVG, PNG, JPEG, GIF or WebP file")


@dataclass(frozen=True, slots=True, eq=False, init=False)
class Drawing:
    """A drawing: strokes, or a bitmap if it exists only as a picture, and its metadata.

    `strokes` is a sequence of `(xs, ys)` pairs in any units, y pointing down; further elements of a
    stroke, such as the times in Google's raw format, are ignored. `bitmap` is an (H, W) uint8
    image, ink 255. `traced` is True if the strokes were traced from a picture, so that the order in
    which they were drawn is unknown. `title`, `tags`, `link` (http or https), `source_path` and
    `original` (an SVG or a small picture, as bytes) are the `details`, None if all are missing.

    Attributes: `points` (P, 2) float32; `stroke_starts` (S + 1,) int64, the rows of `points` where
    strokes begin, followed by P. Raises DrawingError, naming the stroke, for unequal lengths, NaN
    or infinity, coordinates beyond 2^24 or more than 200,000 points. Drawings compare by identity.
    """

    points: FloatArray
    stroke_starts: IntArray
    key_id: str | None
    category: str | None
    country: str | None
    recognized: bool | None
    timestamp: str | None
    traced: bool | None
    bitmap: ByteArray | None
    details: Details | None

    def __init__(
        self,
        strokes: Iterable[Sequence[Any]] = (),
        *,
        key_id: str | None = None,
        category: str | None = None,
        country: str | None = None,
        recognized: bool | None = None,
        timestamp: str | None = None,
        traced: bool | None = None,
        bitmap: ByteArray | None = None,
        title: str | None = None,
        tags: Iterable[str] = (),
        link: str | None = None,
        source_path: str | None = None,
        original: bytes | None = None,
        details: Details | None = None,
    ) -> None:
        if title or tags or link or source_path or original:
            details = Details(
                title, cast("tuple[str, ...]", tags), link, source_path, original=original
            )
        points, starts = pack_strokes(strokes)
        if bitmap is not None:
            bitmap = np.asarray(bitmap)
            if bitmap.ndim != 2 or bitmap.dtype != np.uint8 or bitmap.size == 0:
                raise DrawingError(
                    f"a bitmap must be an (H, W) uint8 array with pixels, not {bitmap.shape} "
                    f"{bitmap.dtype}"
                )
            if len(points):
                raise DrawingError("a drawing has strokes or a bitmap, not both")
        for name, value in (
            ("points", points),
            ("stroke_starts", starts),
            ("key_id", None if key_id is None else str(key_id)),
            ("category", category),
            ("country", country),
            ("recognized", _boolean("recognized", recognized)),
            ("timestamp", timestamp),
            ("traced", _boolean("traced", traced)),
            ("bitmap", bitmap),
            ("details", details),
        ):
            object.__setattr__(self, name, value)

    def __repr__(self) -> str:
        known = self.metadata | {"title": self.title, "details": None}
        metadata = [f"{name}={value!r}" for name, value in known.items() if value is not None]
        if self.bitmap is not None:
            ink = ["bitmap of {} x {} px".format(*self.bitmap.shape)]
        else:
            sizes = (("stroke", len(self.stroke_starts) - 1), ("point", len(self.points)))
            ink = [f"{n} {name}" if n == 1 else f"{n} {name}s" for name, n in sizes]
        return f"Drawing({', '.join([*metadata, *ink])})"

    def _repr_svg_(self) -> str:
        from garabato.drawing.html import drawing_svg

        return str(drawing_svg(self, size_px=160))

    @classmethod
    def from_points(
        cls,
        points: FloatArray,
        stroke_starts: IntArray,
        *,
        key_id: str | None = None,
        category: str | None = None,
        country: str | None = None,
        recognized: bool | None = None,
        timestamp: str | None = None,
        traced: bool | None = None,
        details: Details | None = None,
    ) -> Drawing:
        """A drawing of `points` and `stroke_starts` (see `Drawing`), which are not checked."""
        drawing = object.__new__(cls)
        put = object.__setattr__  # one by one, for speed: galleries make 50,000 drawings a second
        put(drawing, "points", points)
        put(drawing, "stroke_starts", stroke_starts)
        put(drawing, "key_id", None if key_id is None else str(key_id))
        put(drawing, "category", category)
        put(drawing, "country", country)
        put(drawing, "recognized", _boolean("recognized", recognized))
        put(drawing, "timestamp", timestamp)
        put(drawing, "traced", _boolean("traced", traced))
        put(drawing, "bitmap", None)
        put(drawing, "details", details)
        return drawing

    @property
    def strokes(self) -> list[FloatArray]:
        """A (2, n) float32 view for each stroke: the xs, then the ys."""
        starts = self.stroke_starts
        return [self.points[a:b].T for a, b in pairwise(starts)]

    @property
    def bitmap_shape(self) -> tuple[int, ...] | None:
        """(H, W) of the bitmap, None for strokes. Drawings of one batch have the same."""
        return None if self.bitmap is None else self.bitmap.shape

    @property
    def is_empty(self) -> bool:
        """Whether the drawing has neither a point nor an inked pixel."""
        if self.bitmap is not None:
            return not self.bitmap.any()
        return len(self.points) == 0

    @property
    def title(self) -> str | None:
        """The title, if known."""
        return None if self.details is None else self.details.title

    @property
    def tags(self) -> tuple[str, ...]:
        """The tags; empty if there are none."""
        return () if self.details is None else self.details.tags

    @property
    def metadata(self) -> dict[str, Any]:
        """key_id, category, country, recognized, timestamp; traced and details if known."""
        metadata: dict[str, Any] = {
            "key_id": self.key_id,
            "category": self.category,
            "country": self.country,
            "recognized": self.recognized,
            "timestamp": self.timestamp,
        }
        for name in ("traced", "details"):
            if (value := getattr(self, name)) is not None:
                metadata[name] = value
        return metadata

    def replace(self, **metadata: Any) -> Drawing:
        """The same strokes or bitmap with other metadata, such as `category` or `title`."""
        changed = {name: metadata.pop(name) for name in DETAIL_NAMES if name in metadata}
        merged = self.metadata | metadata
        if changed:
            merged["details"] = replace_fields(merged.get("details") or Details(), **changed)
        if self.bitmap is not None:
            return Drawing(bitmap=self.bitmap, **merged)
        return Drawing.from_points(self.points, self.stroke_starts, **merged)

    def to_lists(self) -> list[list[list[float]]]:
        """Strokes for JSON: `[[[x, ...], [y, ...]], ...]`, whole numbers as ints."""
        rounded = np.rint(self.points)
        whole = bool((rounded == self.points).all())
        values = rounded.astype(np.int64) if whole else self.points
        xs, ys = values.T.tolist()  # lists are cut faster than arrays
        return [[xs[a:b], ys[a:b]] for a, b in pairwise(self.stroke_starts.tolist())]

    def to_dict(self) -> dict[str, Any]:
        """For JSON: metadata and `to_lists`. Unknown fields are left out, except the category."""
        document = {
            name: value
            for name, value in self.metadata.items()
            if name != "details" and (value is not None or name == "category")
        }
        if self.tags:
            document["tags"] = list(self.tags)
        for name in ("title", "link", "source_path", "original_type"):
            if (value := getattr(self.details, name, None)) is not None:
                document[name] = value
        return document | {"drawing": self.to_lists()}

    def normalised(self) -> Drawing:
        """Aligned to the top left, scaled so that the longer side is 255 (aspect kept).

        A drawing without extent (dots in one place) is moved only.
        """
        if len(self.points) == 0:
            return self
        low = self.points.min(axis=0)
        extent = float((self.points.max(axis=0) - low).max())
        scale = GRID / extent if extent > 0 else 1.0
        points = ((self.points - low) * np.float32(scale)).astype(np.float32)
        return Drawing.from_points(points, self.stroke_starts, **self.metadata)

    def on_grid(self) -> Drawing:
        """With integer coordinates 0..255, as stored. Drawings on the grid are not changed."""
        points = self.points
        if len(points) == 0:
            return self
        if points.min() >= 0 and points.max() <= GRID and (np.rint(points) == points).all():
            return self
        moved = self.normalised()
        return Drawing.from_points(np.rint(moved.points), moved.stroke_starts, **self.metadata)

    def simplified(self, epsilon: float = SIMPLIFY_EPSILON) -> Drawing:
        """Simplify as Google did for its simplified files, from raw device coordinates.

        Align to the top left, scale to 255, resample at 1 px, Ramer-Douglas-Peucker with
        `epsilon` (px), round to integers.
        """
        moved = self.normalised()
        points, starts = resample_and_simplify(
            moved.points, moved.stroke_starts, spacing_px=1.0, epsilon_px=epsilon
        )
        return Drawing.from_points(np.rint(points), starts, **self.metadata)

    def first_part(self, fraction: float) -> Drawing:
        """The first `fraction`, in (0, 1], of the ink, in drawing order.

        Ink is measured by length; the last stroke is cut. A drawing of dots keeps that fraction of
        its dots.
        """
        if not 0 < fraction <= 1:
            raise DrawingError(f"fraction must be in (0, 1], not {fraction}")
        points, starts = self.points, self.stroke_starts
        if fraction == 1 or len(points) == 0:
            return self
        steps = np.zeros(len(points), np.float64)
        steps[1:] = np.hypot(*np.diff(points.astype(np.float64), axis=0).T)
        steps[starts[:-1]] = 0.0
        ink = np.cumsum(steps)
        if ink[-1] == 0:
            n_kept = max(1, round(fraction * (len(starts) - 1)))
            return Drawing.from_points(
                points[: starts[n_kept]], starts[: n_kept + 1], **self.metadata
            )
        target = fraction * ink[-1]
        last = int(np.searchsorted(ink, target))  # the first point at or beyond the cut
        share = (target - ink[last - 1]) / (ink[last] - ink[last - 1])
        cut = points[last - 1] + np.float32(share) * (points[last] - points[last - 1])
        kept = np.concatenate([points[:last], cut[None]]).astype(np.float32)
        n_strokes = int(np.searchsorted(starts, last, side="right"))
        new_starts = np.append(starts[:n_strokes], len(kept))
        return Drawing.from_points(kept, new_starts, **self.metadata)


def list_drawings(drawings: Drawing | Iterable[Drawing], first: int = 1) -> list[Drawing]:
    """One or more drawings as a list.

    Raises InputError for anything else, such as a file name; it names the drawing by its number,
    counted from `first`.
    """
    return list(iter_drawings(drawings, first))


def iter_drawings(drawings: Drawing | Iterable[Drawing], first: int = 1) -> Iterator[Drawing]:
    """One or more drawings, one after the other; checked as in `list_drawings`."""
    given = [drawings] if isinstance(drawings, Drawing) else drawings
    if not isinstance(given, Iterable):
        raise InputError(f"expected drawings, not {type(given).__name__}; {_HOW_TO_READ}")
    for number, drawing in enumerate(given, start=first):
        if not isinstance(drawing, Drawing):
            wrong = type(drawing).__name__
            fix = "pass its attribute `drawing`" if hasattr(drawing, "drawing") else _HOW_TO_READ
            raise InputError(f"drawing {number} is of type {wrong}, not Drawing; {fix}")
        yield drawing


def _boolean(name: str, value: object) -> bool | None:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, np.bool_):  # from pandas, for instance
        return bool(value)
    raise DrawingError(f"{name} must be True, False or None, not {value!r}")
