"""DrawingBatch: many drawings in flat arrays."""

from __future__ import annotations

import hashlib
import math
import time
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from garabato.drawing.arrays import GRID, BoolArray, ByteArray, FloatArray, IntArray, ranges
from garabato.drawing.drawing import Details, Drawing, list_drawings
from garabato.errors import DrawingError

if TYPE_CHECKING:
    import pyarrow as pa

_MIXED = "a batch is all strokes or all bitmaps of one size; split the drawings by kind"
#: Drawing's attribute -> DrawingBatch's column.
COLUMN_OF = {
    "key_id": "key_ids",
    "category": "categories",
    "country": "countries",
    "recognized": "recognized",
    "timestamp": "timestamps",
    "traced": "traced",
    "details": "details",
}
_METADATA_COLUMNS = tuple(COLUMN_OF.values())

# Setters of the frozen class's slots, to create drawings by the million.
_set_points, _set_stroke_starts, _set_bitmap = (
    getattr(Drawing, name).__set__ for name in ("points", "stroke_starts", "bitmap")
)
_set_metadata = [getattr(Drawing, name).__set__ for name in COLUMN_OF]

# Content ids: the key_ids of drawings that come without one. Galleries store these ids, so the
# hashed bytes, those of `garabato.gallery.stroke_codec`, must never change.
_PREFIX = "content-"


@dataclass(frozen=True, slots=True, eq=False)
class DrawingBatch:
    """Many drawings in flat arrays; `batch[i]` is a Drawing that views them.

    `points` (P, 2) float32; `stroke_starts` (S + 1,) int64, rows of `points`; `drawing_starts`
    (N + 1,) int64, rows of `stroke_starts`. `bitmaps` (N, H, W) uint8, ink 255, for drawings that
    exist only as pictures and have no strokes. The metadata columns have length N, or 0 if nothing
    is known. Raises DrawingError for other lengths.
    """

    points: FloatArray
    stroke_starts: IntArray
    drawing_starts: IntArray
    key_ids: Sequence[str | None] = ()
    categories: Sequence[str | None] = ()
    countries: Sequence[str | None] = ()
    recognized: Sequence[bool | None] = ()
    timestamps: Sequence[str | None] = ()
    traced: Sequence[bool | None] = ()
    bitmaps: ByteArray | None = None
    details: Sequence[Details | None] = ()

    def __post_init__(self) -> None:
        given = self.bitmaps
        if given is not None and (given.ndim != 3 or given.dtype != np.uint8):
            raise DrawingError(
                "bitmaps must be an (N, H, W) uint8 array, ink 255, not "
                f"{given.shape} {given.dtype}"
            )
        for name in _METADATA_COLUMNS:
            n_values = len(getattr(self, name))
            if n_values == 0:
                object.__setattr__(self, name, [None] * len(self))
            elif n_values != len(self):
                raise DrawingError(f"{name} has {n_values:,} values for {len(self):,} drawings")

    def __len__(self) -> int:
        return len(self.drawing_starts) - 1

    def __repr__(self) -> str:
        n = len(self)
        parts = [f"{n:,} drawing{'s' * (n != 1)}"]
        if n_categories := len({*self.categories} - {None}):
            parts.append(f"{n_categories:,} categor{'y' if n_categories == 1 else 'ies'}")
        if self.bitmaps is not None:
            parts.append("bitmaps of {} x {} px".format(*self.bitmaps.shape[1:]))
        return f"DrawingBatch({', '.join(parts)})"

    def _repr_html_(self) -> str:
        from garabato.drawing.html import N_SHOWN, drawings_html

        first = [self[i] for i in range(min(N_SHOWN, len(self)))]
        heading = repr(self) + (f": the first {N_SHOWN}" if len(self) > N_SHOWN else "")
        return drawings_html([(d, d.category or "") for d in first], heading=heading)

    def __iter__(self) -> Iterator[Drawing]:
        if self.bitmaps is not None:
            return (self[i] for i in range(len(self)))
        return self._iter_strokes()

    @overload
    def __getitem__(self, which: int) -> Drawing: ...
    @overload
    def __getitem__(self, which: slice | IntArray | BoolArray) -> DrawingBatch: ...
    def __getitem__(self, which: int | slice | IntArray | BoolArray) -> Drawing | DrawingBatch:
        if isinstance(which, int | np.integer):
            return self._one(int(which))
        return self.take(which)

    @classmethod
    def from_drawings(cls, drawings: Drawing | Iterable[Drawing]) -> DrawingBatch:
        """Pack one or more drawings, all with strokes or all with bitmaps of one size."""
        drawings = list_drawings(drawings)
        bitmaps = None
        with_bitmap = [drawing.bitmap for drawing in drawings if drawing.bitmap is not None]
        if with_bitmap:
            if len(with_bitmap) < len(drawings) or len({b.shape for b in with_bitmap}) > 1:
                raise DrawingError(_MIXED)
            bitmaps = np.stack(with_bitmap)
        n_strokes = [len(d.stroke_starts) - 1 for d in drawings]
        empty = np.zeros((0, 2), np.float32)
        return cls(
            points=np.concatenate([d.points for d in drawings]) if drawings else empty,
            stroke_starts=_joined_starts([(d.stroke_starts, len(d.points)) for d in drawings]),
            drawing_starts=np.cumsum([0, *n_strokes], dtype=np.int64),
            bitmaps=bitmaps,
            **{column: [getattr(d, name) for d in drawings] for name, column in COLUMN_OF.items()},
        )

    @classmethod
    def from_bitmaps(cls, bitmaps: ByteArray, **metadata: Any) -> DrawingBatch:
        """A batch of bitmaps (N, H, W) uint8, ink 255; `metadata` are other fields of a batch."""
        return cls(
            points=np.zeros((0, 2), np.float32),
            stroke_starts=np.zeros(1, np.int64),
            drawing_starts=np.zeros(len(bitmaps) + 1, np.int64),
            bitmaps=np.asarray(bitmaps),
            **metadata,
        )

    @classmethod
    def from_arrow(cls, table: Any) -> DrawingBatch:
        """The drawings of a table with the columns of `to_arrow`; metadata may be missing.

        `table` is an Arrow table or a frame of pandas, polars or another library that exports to
        Arrow. Raises DrawingError, naming the column.
        """
        from garabato.drawing.arrow import from_any_table

        return from_any_table(table)

    def to_arrow(self) -> pa.Table:
        """An Arrow table: key_id, category, country, recognized, timestamp, traced and strokes.

        `strokes` is list<struct<x: list, y: list>>, of uint8 if all coordinates are whole numbers
        0..255, otherwise float32. Bitmaps are a column `bitmap` of bytes, by rows. `.to_pandas()`
        and `polars.from_arrow` take the table.
        """
        from garabato.drawing.arrow import to_any_table

        return to_any_table(self)

    def take(self, rows: slice | IntArray | BoolArray) -> DrawingBatch:
        """The drawings at `rows` (n,) in that order, copied; or those where a mask (N,) is True."""
        rows = np.arange(len(self))[rows]
        stroke_rows, drawing_starts = _ranges(self.drawing_starts, rows)
        point_rows, stroke_starts = _ranges(self.stroke_starts, stroke_rows)
        numbers = rows.tolist()  # lists are indexed faster by these
        columns = {
            name: [values[i] for i in numbers]
            for name in _METADATA_COLUMNS
            for values in (getattr(self, name),)
        }
        return DrawingBatch(
            points=self.points[point_rows],
            stroke_starts=stroke_starts,
            drawing_starts=drawing_starts,
            bitmaps=None if self.bitmaps is None else self.bitmaps[rows],
            **columns,
        )

    @property
    def bitmap_shape(self) -> tuple[int, ...] | None:
        """(H, W) of each bitmap, None for strokes. Only batches with the same can be joined."""
        return None if self.bitmaps is None else self.bitmaps.shape[1:]

    @property
    def has_ink(self) -> BoolArray:
        """(N,) bool: whether a drawing has a point or an inked pixel."""
        if self.bitmaps is not None:
            return np.asarray(self.bitmaps.any(axis=(1, 2)), np.bool_)
        return np.asarray(self.n_points > 0, np.bool_)

    @property
    def has_order(self) -> BoolArray:
        """(N,) bool: whether a drawing has its strokes as drawn, not as traced from a picture."""
        if self.bitmaps is not None:
            return np.zeros(len(self), np.bool_)
        return ~np.array(self.traced, np.bool_)

    @property
    def n_points(self) -> IntArray:
        """(N,) int64: the number of points of each drawing."""
        return np.diff(self.stroke_starts[self.drawing_starts])

    def content_ids(self) -> list[str]:
        """An id for each drawing, from its strokes on the grid or its bitmap.

        Stored drawings without a key_id get it as key_id.
        """
        if self.bitmaps is not None:
            return content_ids_of_bitmaps(self.bitmaps)
        on_grid = self.on_grid()
        return content_ids_of_strokes(on_grid.points, self.stroke_starts, self.drawing_starts)

    def with_key_ids(self) -> DrawingBatch:
        """The same batch; drawings without a key_id get their content id as key_id."""
        rows = [row for row, key_id in enumerate(self.key_ids) if not key_id]
        if not rows:
            return self
        key_ids = list(self.key_ids)
        for row, content_id in zip(rows, self[np.array(rows)].content_ids(), strict=True):
            key_ids[row] = content_id
        return replace(self, key_ids=key_ids)

    def normalised(self) -> DrawingBatch:
        """All drawings aligned to the top left, longer side 255 (see `Drawing.normalised`)."""
        low, high = self.boxes()
        extents = (high - low).max(axis=1)
        scale = np.divide(GRID, extents, out=np.ones_like(extents), where=extents > 0)
        points = self.points - np.repeat(low, self.n_points, axis=0)
        points *= np.repeat(scale, self.n_points)[:, None]
        return replace(self, points=points)

    def on_grid(self) -> DrawingBatch:
        """All drawings with integer coordinates 0..255 (see `Drawing.on_grid`)."""
        points = self.points
        fits = ((points >= 0) & (points <= GRID) & (np.rint(points) == points)).all(axis=1)
        if fits.all():
            return self
        row_of_point = np.repeat(np.arange(len(self)), self.n_points)
        moves = np.bincount(row_of_point[~fits], minlength=len(self)) > 0
        moved = np.rint(self.normalised().points)
        return replace(self, points=np.where(moves[row_of_point, None], moved, points))

    def boxes(self) -> tuple[FloatArray, FloatArray]:
        """Lowest and highest x and y of each drawing, two (N, 2) float32; 0 without points."""
        low, high = np.zeros((2, len(self), 2), np.float32)
        rows = np.flatnonzero(self.n_points)
        if len(rows):  # reduceat cannot handle empty ranges
            firsts = self.stroke_starts[self.drawing_starts[rows]]
            low[rows] = np.minimum.reduceat(self.points, firsts, axis=0)
            high[rows] = np.maximum.reduceat(self.points, firsts, axis=0)
        return low, high

    @property
    def extents(self) -> FloatArray:
        """(N,) float32: the longer side of each drawing; 0 for dots and empty drawings."""
        low, high = self.boxes()
        return np.asarray((high - low).max(axis=1))

    def replace(self, **columns: Any) -> DrawingBatch:
        """The same batch with some columns replaced."""
        return replace(self, **columns)

    @staticmethod
    def concatenate(batches: Sequence[DrawingBatch]) -> DrawingBatch:
        """All drawings of `batches`, in order; all with strokes or all with bitmaps of one size."""
        if not batches:
            return DrawingBatch.from_drawings([])
        batches = [b for b in batches if len(b)] or batches[:1]
        if len({b.bitmap_shape for b in batches}) > 1:
            raise DrawingError(_MIXED)
        bitmaps = [b.bitmaps for b in batches if b.bitmaps is not None]
        return DrawingBatch(
            points=np.concatenate([b.points for b in batches]),
            stroke_starts=_joined_starts([(b.stroke_starts, len(b.points)) for b in batches]),
            drawing_starts=_joined_starts(
                [(b.drawing_starts, len(b.stroke_starts) - 1) for b in batches]
            ),
            bitmaps=np.concatenate(bitmaps) if bitmaps else None,
            **{
                name: [value for b in batches for value in getattr(b, name)]
                for name in _METADATA_COLUMNS
            },
        )

    def _iter_strokes(self) -> Iterator[Drawing]:
        """`self[i]` for all i, many times faster because all starts are computed at once."""
        n = len(self)
        n_starts = np.diff(self.drawing_starts) + 1  # each drawing has an end, too
        rows = np.arange(self.drawing_starts[-1] + n) - np.repeat(np.arange(n), n_starts)
        first_points = self.stroke_starts[self.drawing_starts]
        starts = self.stroke_starts[rows] - np.repeat(first_points[:-1], n_starts)
        cuts = (self.drawing_starts + np.arange(n + 1)).tolist()
        metadata = [getattr(self, column) for column in _METADATA_COLUMNS]
        points, point_cuts = self.points, first_points.tolist()
        for i, values in enumerate(zip(*metadata, strict=True)):
            drawing = object.__new__(Drawing)
            _set_points(drawing, points[point_cuts[i] : point_cuts[i + 1]])
            _set_stroke_starts(drawing, starts[cuts[i] : cuts[i + 1]])
            for set_value, value in zip(_set_metadata, values, strict=True):
                set_value(drawing, value)
            _set_bitmap(drawing, None)
            yield drawing

    def _one(self, i: int) -> Drawing:
        i = range(len(self))[i]
        metadata = {name: getattr(self, column)[i] for name, column in COLUMN_OF.items()}
        if self.bitmaps is not None:
            return Drawing(bitmap=self.bitmaps[i], **metadata)
        first, last = self.drawing_starts[i], self.drawing_starts[i + 1]
        starts = self.stroke_starts[first : last + 1]
        return Drawing.from_points(
            self.points[starts[0] : starts[-1]], starts - starts[0], **metadata
        )


def regrouped(
    batches: Iterable[DrawingBatch], n: int, *, max_s: float = math.inf
) -> Iterator[DrawingBatch]:
    """The same drawings in batches of at most `n`, each of strokes or of one bitmap size.

    No batch waits longer than `max_s` for more drawings, and for the batch that is being read.
    """
    held: list[DrawingBatch] = []
    full_from_s = 0.0
    for batch in batches:
        for first in range(0, len(batch), n):
            part = batch[first : first + n]
            n_held = sum(map(len, held))
            if held and (
                held[0].bitmap_shape != part.bitmap_shape
                or n_held + len(part) > n
                or time.monotonic() >= full_from_s
            ):
                yield DrawingBatch.concatenate(held)
                held = []
            if not held:
                full_from_s = time.monotonic() + max_s
            held.append(part)
    if held:
        yield DrawingBatch.concatenate(held)


def content_ids_of_strokes(
    points: FloatArray, stroke_starts: IntArray, drawing_starts: IntArray
) -> list[str]:
    """The ids of drawings on the grid, given as the arrays of a `DrawingBatch`."""
    starts = stroke_starts[drawing_starts]
    xs, ys = (points[starts[0] : starts[-1], axis].astype(np.uint8).tobytes() for axis in (0, 1))
    cuts, first_strokes = (starts - starts[0]).tolist(), drawing_starts.tolist()
    n_points = np.diff(stroke_starts)
    ids = []
    for i in range(len(cuts) - 1):
        lengths = n_points[first_strokes[i] : first_strokes[i + 1]]
        largest = max(len(lengths), int(lengths.max(initial=0)))
        width = 1 if largest < 2**8 else 2 if largest < 2**16 else 4
        digest = _digest(bytes([width]))
        digest.update(np.concatenate([[len(lengths)], lengths]).astype(f"<u{width}").tobytes())
        digest.update(xs[cuts[i] : cuts[i + 1]])
        digest.update(ys[cuts[i] : cuts[i + 1]])
        ids.append(_PREFIX + digest.hexdigest())
    return ids


def content_ids_of_bitmaps(bitmaps: ByteArray) -> list[str]:
    """The ids of bitmaps (N, H, W) uint8."""
    head = b"\0" + np.array(bitmaps.shape[1:], "<u4").tobytes()
    return [
        _PREFIX + _digest(head + zlib.compress(bitmap.tobytes())).hexdigest() for bitmap in bitmaps
    ]


def _joined_starts(parts: Sequence[tuple[IntArray, int]]) -> IntArray:
    """The starts, closed by the end, of rows that follow each other: each part's, and its rows."""
    firsts = np.cumsum([0, *(n_rows for _, n_rows in parts)], dtype=np.int64)
    moved = [starts[:-1] + n for (starts, _), n in zip(parts, firsts[:-1], strict=True)]
    return np.concatenate([*moved, firsts[-1:]]).astype(np.int64)


def _ranges(starts: IntArray, rows: IntArray) -> tuple[IntArray, IntArray]:
    """Members of the ranges `starts[r]:starts[r + 1]` for r in rows, and their new starts."""
    lengths = starts[rows + 1] - starts[rows]
    new_starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return ranges(starts[rows], lengths), new_starts


def _digest(content: bytes) -> hashlib.blake2b:
    return hashlib.blake2b(content, digest_size=12)
