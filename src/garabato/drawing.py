"""What a drawing is: strokes, and what is known of them.

`Drawing` is one drawing; `DrawingBatch` holds many in flat columns, which is what parsers fill,
Parquet stores and the renderer reads, so that millions of drawings never become Python lists.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, overload

import numpy as np
import numpy.typing as npt

from garabato.errors import DrawingError

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]
ByteArray = npt.NDArray[np.uint8]

#: Coordinates beyond this are refused: float32 holds whole numbers exactly up to here.
MAX_COORDINATE = 2.0**24
#: A drawing with more points than this is refused (real ones have some 50, raw ones some 500).
MAX_POINTS = 200_000

#: Google's published recipe ends with coordinates 0..255 and Ramer-Douglas-Peucker at 2.0.
GRID = 255.0
SIMPLIFY_EPSILON = 2.0


@dataclass(frozen=True, slots=True, eq=False, init=False)
class Drawing:
    """One drawing: strokes (or, where strokes are lost, a bitmap), and what is known of it.

    `strokes` is a sequence of `(xs, ys)` pairs in any units, y pointing down; anything beyond the
    second element of a stroke (the times of Google's raw format) is ignored.
    `bitmap` is an `(H, W)` uint8 image, ink 255, for drawings that exist only as pictures.

    Attributes: `points` (P, 2) float32; `stroke_starts` (S + 1,) int64, the rows of `points` where
    strokes begin, closed by P. Raises DrawingError, naming the stroke, for unequal lengths, NaN or
    infinity, coordinates beyond 2^24 or more than 200,000 points. Drawings compare by identity.
    """

    points: FloatArray
    stroke_starts: IntArray
    key_id: str | None
    category: str | None
    country: str | None
    recognized: bool | None
    timestamp: str | None
    bitmap: ByteArray | None

    def __init__(
        self,
        strokes: Iterable[Sequence[Any]] = (),
        *,
        key_id: str | None = None,
        category: str | None = None,
        country: str | None = None,
        recognized: bool | None = None,
        timestamp: str | None = None,
        bitmap: ByteArray | None = None,
    ) -> None:
        points, starts = _pack(strokes)
        if bitmap is not None:
            bitmap = np.asarray(bitmap)
            if bitmap.ndim != 2 or bitmap.dtype != np.uint8:
                raise DrawingError(
                    f"a bitmap is an (H, W) uint8 array, this one is {bitmap.shape} {bitmap.dtype}"
                )
            if len(points):
                raise DrawingError("a drawing has strokes or a bitmap, not both")
        for name, value in (
            ("points", points),
            ("stroke_starts", starts),
            ("key_id", None if key_id is None else str(key_id)),
            ("category", category),
            ("country", country),
            ("recognized", recognized),
            ("timestamp", timestamp),
            ("bitmap", bitmap),
        ):
            object.__setattr__(self, name, value)

    @classmethod
    def from_points(cls, points: FloatArray, stroke_starts: IntArray, **known: Any) -> Drawing:
        """A drawing over ready arrays (shapes as the attributes'), which are trusted."""
        drawing = cls(**known)
        object.__setattr__(drawing, "points", points)
        object.__setattr__(drawing, "stroke_starts", stroke_starts)
        return drawing

    @property
    def strokes(self) -> list[FloatArray]:
        """One (2, n) float32 view a stroke: the xs, then the ys."""
        starts = self.stroke_starts
        return [self.points[a:b].T for a, b in pairwise(starts)]

    @property
    def is_empty(self) -> bool:
        """True where there is neither a point nor an inked pixel."""
        if self.bitmap is not None:
            return not self.bitmap.any()
        return len(self.points) == 0

    @property
    def known(self) -> dict[str, Any]:
        """key_id, category, country, recognized and timestamp, as keyword arguments."""
        return {
            "key_id": self.key_id,
            "category": self.category,
            "country": self.country,
            "recognized": self.recognized,
            "timestamp": self.timestamp,
        }

    def replace(self, **known: Any) -> Drawing:
        """The same strokes or bitmap, with other things known of it."""
        merged = self.known | known
        if self.bitmap is not None:
            return Drawing(bitmap=self.bitmap, **merged)
        return Drawing.from_points(self.points, self.stroke_starts, **merged)

    def to_lists(self) -> list[list[list[float]]]:
        """Strokes as JSON takes them: `[[[x, ...], [y, ...]], ...]`, whole numbers as ints."""
        rounded = np.rint(self.points)
        whole = bool((rounded == self.points).all())
        values = rounded.astype(np.int64) if whole else self.points
        starts = self.stroke_starts
        return [[values[a:b, 0].tolist(), values[a:b, 1].tolist()] for a, b in pairwise(starts)]

    def normalised(self) -> Drawing:
        """Aligned to the top left, scaled so that the longer side is 255 (aspect kept).

        A drawing of no extent (dots in one place) is moved, not scaled.
        """
        if len(self.points) == 0:
            return self
        low = self.points.min(axis=0)
        extent = float((self.points.max(axis=0) - low).max())
        scale = GRID / extent if extent > 0 else 1.0
        points = ((self.points - low) * np.float32(scale)).astype(np.float32)
        return Drawing.from_points(points, self.stroke_starts, **self.known)

    def on_grid(self) -> Drawing:
        """As stored: whole numbers 0..255. Drawings already on the grid are returned as is."""
        points = self.points
        if len(points) == 0:
            return self
        if points.min() >= 0 and points.max() <= GRID and (np.rint(points) == points).all():
            return self
        moved = self.normalised()
        return Drawing.from_points(np.rint(moved.points), moved.stroke_starts, **self.known)

    def simplified(self, epsilon: float = SIMPLIFY_EPSILON) -> Drawing:
        """Google's published recipe for the simplified files, from raw device coordinates.

        Align to the top left, scale to 255, resample at 1 px, Ramer-Douglas-Peucker with
        `epsilon` (px), round to whole numbers.
        """
        from garabato._simplify import resample_and_simplify

        moved = self.normalised()
        points, starts = resample_and_simplify(
            moved.points, moved.stroke_starts, spacing_px=1.0, epsilon_px=epsilon
        )
        return Drawing.from_points(np.rint(points), starts, **self.known)

    def first_part(self, fraction: float) -> Drawing:
        """What had been drawn when `fraction` (0..1] of the ink was on the paper.

        Ink is measured by length; the stroke under the pen is cut where the ink runs out. A
        drawing of dots only keeps that fraction of its dots.
        """
        if not 0 < fraction <= 1:
            raise DrawingError(f"the part of a drawing to keep is in (0, 1], not {fraction}")
        points, starts = self.points, self.stroke_starts
        if fraction == 1 or len(points) == 0:
            return self
        steps = np.zeros(len(points), np.float64)
        steps[1:] = np.hypot(*np.diff(points.astype(np.float64), axis=0).T)
        steps[starts[:-1]] = 0.0
        ink = np.cumsum(steps)
        if ink[-1] == 0:
            n_kept = max(1, round(fraction * (len(starts) - 1)))
            return Drawing.from_points(points[: starts[n_kept]], starts[: n_kept + 1], **self.known)
        target = fraction * ink[-1]
        last = int(np.searchsorted(ink, target))  # the point at or beyond the cut; ink[0] == 0
        share = (target - ink[last - 1]) / (ink[last] - ink[last - 1])
        cut = points[last - 1] + np.float32(share) * (points[last] - points[last - 1])
        kept = np.concatenate([points[:last], cut[None]]).astype(np.float32)
        n_strokes = int(np.searchsorted(starts, last, side="right"))
        new_starts = np.append(starts[:n_strokes], len(kept))
        return Drawing.from_points(kept, new_starts, **self.known)


@dataclass(frozen=True, slots=True, eq=False)
class DrawingBatch:
    """Many drawings in flat columns; `batch[i]` is a Drawing over views of them.

    `points` (P, 2) float32, `stroke_starts` (S + 1,) int64 rows of `points`, `drawing_starts`
    (N + 1,) int64 rows of `stroke_starts`. `bitmaps` (N, H, W) uint8, ink 255, for drawings that
    exist only as pictures (their strokes are empty). The known columns have length N.
    """

    points: FloatArray
    stroke_starts: IntArray
    drawing_starts: IntArray
    key_ids: Sequence[str | None] = ()
    categories: Sequence[str | None] = ()
    countries: Sequence[str | None] = ()
    recognized: Sequence[bool | None] = ()
    timestamps: Sequence[str | None] = ()
    bitmaps: ByteArray | None = None

    def __post_init__(self) -> None:
        for name in _KNOWN_COLUMNS:
            if not getattr(self, name):
                object.__setattr__(self, name, [None] * len(self))

    @classmethod
    def from_drawings(cls, drawings: Iterable[Drawing]) -> DrawingBatch:
        """Pack drawings, all with strokes or all with bitmaps of one size."""
        drawings = list(drawings)
        bitmaps = None
        with_bitmap = [drawing.bitmap for drawing in drawings if drawing.bitmap is not None]
        if with_bitmap:
            if len(with_bitmap) < len(drawings) or len({b.shape for b in with_bitmap}) > 1:
                raise DrawingError(
                    "a batch is all strokes or all bitmaps of one size; split the drawings by kind"
                )
            bitmaps = np.stack(with_bitmap)
        n_points = np.array([len(d.points) for d in drawings], np.int64)
        n_strokes = np.array([len(d.stroke_starts) - 1 for d in drawings], np.int64)
        first_points = np.concatenate([[0], np.cumsum(n_points)]).astype(np.int64)
        starts = [
            d.stroke_starts[:-1] + first
            for d, first in zip(drawings, first_points[:-1], strict=True)
        ]
        empty = np.zeros((0, 2), np.float32)
        return cls(
            points=np.concatenate([d.points for d in drawings]) if drawings else empty,
            stroke_starts=np.concatenate([*starts, first_points[-1:]]).astype(np.int64),
            drawing_starts=np.concatenate([[0], np.cumsum(n_strokes)]).astype(np.int64),
            key_ids=[d.key_id for d in drawings],
            categories=[d.category for d in drawings],
            countries=[d.country for d in drawings],
            recognized=[d.recognized for d in drawings],
            timestamps=[d.timestamp for d in drawings],
            bitmaps=bitmaps,
        )

    def __len__(self) -> int:
        return len(self.drawing_starts) - 1

    def __iter__(self) -> Iterator[Drawing]:
        if self.bitmaps is not None:
            return (self[i] for i in range(len(self)))
        return self._iter_strokes()

    def _iter_strokes(self) -> Iterator[Drawing]:
        """`self[i]` for all i; their starts are made all at once, which is many times faster."""
        n = len(self)
        n_starts = np.diff(self.drawing_starts) + 1  # each has its own, closed one
        rows = np.arange(self.drawing_starts[-1] + n) - np.repeat(np.arange(n), n_starts)
        first_points = self.stroke_starts[self.drawing_starts]
        starts = self.stroke_starts[rows] - np.repeat(first_points[:-1], n_starts)
        cuts = (self.drawing_starts + np.arange(n + 1)).tolist()
        known = [getattr(self, column) for column in _KNOWN_COLUMNS]
        points, point_cuts = self.points, first_points.tolist()
        for i, values in enumerate(zip(*known, strict=True)):
            drawing = object.__new__(Drawing)
            _set_points(drawing, points[point_cuts[i] : point_cuts[i + 1]])
            _set_stroke_starts(drawing, starts[cuts[i] : cuts[i + 1]])
            for set_value, value in zip(_set_known, values, strict=True):
                set_value(drawing, value)
            _set_bitmap(drawing, None)
            yield drawing

    @overload
    def __getitem__(self, which: int) -> Drawing: ...
    @overload
    def __getitem__(self, which: slice | IntArray) -> DrawingBatch: ...
    def __getitem__(self, which: int | slice | IntArray) -> Drawing | DrawingBatch:
        if isinstance(which, int | np.integer):
            return self._one(int(which))
        return self.take(np.arange(len(self))[which])

    def _one(self, i: int) -> Drawing:
        i = range(len(self))[i]
        known = {name: getattr(self, column)[i] for name, column in _KNOWN.items()}
        if self.bitmaps is not None:
            return Drawing(bitmap=self.bitmaps[i], **known)
        first, last = self.drawing_starts[i], self.drawing_starts[i + 1]
        starts = self.stroke_starts[first : last + 1]
        return Drawing.from_points(self.points[starts[0] : starts[-1]], starts - starts[0], **known)

    def take(self, rows: IntArray) -> DrawingBatch:
        """The drawings at `rows` (n,) in that order, copied."""
        rows = np.asarray(rows, np.int64)
        stroke_rows, drawing_starts = _ranges(self.drawing_starts, rows)
        point_rows, stroke_starts = _ranges(self.stroke_starts, stroke_rows)
        columns = {
            name: [values[i] for i in rows]
            for name in _KNOWN_COLUMNS
            for values in (getattr(self, name),)
        }
        return DrawingBatch(
            points=self.points[point_rows],
            stroke_starts=stroke_starts,
            drawing_starts=drawing_starts,
            bitmaps=None if self.bitmaps is None else self.bitmaps[rows],
            **columns,
        )

    def normalised(self) -> DrawingBatch:
        """All drawings as `Drawing.normalised` gives them: at the top left, longer side 255."""
        firsts, n_points = self._inked()
        if len(firsts) == 0:
            return self
        low = np.minimum.reduceat(self.points, firsts, axis=0)
        extent = (np.maximum.reduceat(self.points, firsts, axis=0) - low).max(axis=1)
        with np.errstate(divide="ignore"):
            scale = np.where(extent > 0, GRID / extent.astype(np.float64), 1.0)
        moved = self.points - np.repeat(low, n_points, axis=0)
        moved *= np.repeat(scale.astype(np.float32), n_points)[:, None]
        return replace(self, points=moved)

    def on_grid(self) -> DrawingBatch:
        """All drawings as `Drawing.on_grid` gives them: whole numbers 0..255."""
        firsts, n_points = self._inked()
        if len(firsts) == 0:
            return self
        fits = (self.points >= 0) & (self.points <= GRID) & (np.rint(self.points) == self.points)
        ready = np.logical_and.reduceat(fits.all(axis=1), firsts)
        if ready.all():
            return self
        moved = np.rint(self.normalised().points)
        stays = np.repeat(ready, n_points)[:, None]
        return replace(self, points=np.where(stays, self.points, moved))

    def _inked(self) -> tuple[IntArray, IntArray]:
        """The first point of each drawing that has any, and how many it has."""
        starts = self.stroke_starts[self.drawing_starts]
        n_points = np.diff(starts)
        return starts[:-1][n_points > 0], n_points[n_points > 0]

    def replace(self, **columns: Any) -> DrawingBatch:
        """The same batch with some columns replaced."""
        return replace(self, **columns)

    @staticmethod
    def concatenate(batches: Sequence[DrawingBatch]) -> DrawingBatch:
        """All drawings of `batches`, in order; all with strokes or all with bitmaps."""
        if not batches:
            return DrawingBatch.from_drawings([])
        if len({b.bitmaps is None for b in batches if len(b)}) > 1:
            raise DrawingError(
                "a batch is all strokes or all bitmaps of one size; split the drawings by kind"
            )
        n_points = np.cumsum([0] + [len(b.points) for b in batches])
        n_strokes = np.cumsum([0] + [len(b.stroke_starts) - 1 for b in batches])
        stroke_starts = [b.stroke_starts[:-1] + n for b, n in zip(batches, n_points, strict=False)]
        drawing_starts = [
            b.drawing_starts[:-1] + n for b, n in zip(batches, n_strokes, strict=False)
        ]
        bitmaps = [b.bitmaps for b in batches if b.bitmaps is not None]
        return DrawingBatch(
            points=np.concatenate([b.points for b in batches]),
            stroke_starts=np.concatenate([*stroke_starts, n_points[-1:]]).astype(np.int64),
            drawing_starts=np.concatenate([*drawing_starts, n_strokes[-1:]]).astype(np.int64),
            bitmaps=np.concatenate(bitmaps) if bitmaps else None,
            **{
                name: [value for b in batches for value in getattr(b, name)]
                for name in _KNOWN_COLUMNS
            },
        )


#: Drawing's attribute -> DrawingBatch's column.
_KNOWN = {
    "key_id": "key_ids",
    "category": "categories",
    "country": "countries",
    "recognized": "recognized",
    "timestamp": "timestamps",
}
_KNOWN_COLUMNS = tuple(_KNOWN.values())

# Setters of the frozen class's slots, for drawings made by the million.
_set_points, _set_stroke_starts, _set_bitmap = (
    getattr(Drawing, name).__set__ for name in ("points", "stroke_starts", "bitmap")
)
_set_known = [getattr(Drawing, name).__set__ for name in _KNOWN]


def _ranges(starts: IntArray, rows: IntArray) -> tuple[IntArray, IntArray]:
    """Members of the ranges `starts[r]:starts[r + 1]` for r in rows, and their new starts."""
    lengths = starts[rows + 1] - starts[rows]
    new_starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    members = np.arange(new_starts[-1]) + np.repeat(starts[rows] - new_starts[:-1], lengths)
    return members, new_starts


def _pack(strokes: Iterable[Sequence[Any]]) -> tuple[FloatArray, IntArray]:
    """Strokes as given by people -> (points, stroke_starts); strokes without points are dropped."""
    columns: list[npt.NDArray[np.float64]] = []
    n_points = 0
    for number, stroke in enumerate(strokes, start=1):
        if len(stroke) < 2:
            raise DrawingError(f"stroke {number} is not a pair (xs, ys)")
        try:
            xs = np.asarray(stroke[0], np.float64)
            ys = np.asarray(stroke[1], np.float64)
        except (TypeError, ValueError):
            raise DrawingError(f"stroke {number} has coordinates that are not numbers") from None
        if xs.ndim != 1 or ys.ndim != 1:
            raise DrawingError(f"stroke {number} is not a pair of flat lists (xs, ys)")
        if len(xs) != len(ys):
            raise DrawingError(f"stroke {number} has {len(xs)} xs but {len(ys)} ys")
        n_points += len(xs)
        if n_points > MAX_POINTS:
            raise DrawingError(f"the drawing has more than {MAX_POINTS:,} points")
        column = np.stack([xs, ys], axis=1)
        if not np.isfinite(column).all():
            raise DrawingError(f"stroke {number} has a coordinate that is NaN or infinite")
        if len(column) and np.abs(column).max() > MAX_COORDINATE:
            raise DrawingError(f"stroke {number} has a coordinate beyond 2^24")
        if len(column):
            columns.append(column)
    starts = np.cumsum([0] + [len(column) for column in columns]).astype(np.int64)
    if not columns:
        return np.zeros((0, 2), np.float32), starts
    return np.concatenate(columns).astype(np.float32), starts
