"""The arrays a drawing is kept in, their limits, and what people give as strokes -> arrays."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from garabato.errors import DrawingError

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]
ByteArray = npt.NDArray[np.uint8]
BoolArray = npt.NDArray[np.bool_]

#: Coordinates beyond this are refused: float32 holds whole numbers exactly up to here.
MAX_COORDINATE = 2.0**24
#: Coordinates nearer to 0 count as 0: scaled to 255, float32 could not hold what lies so close.
LEAST_COORDINATE = 2.0**-60
#: A drawing with more points than this is refused (real ones have some 50, raw ones some 500).
MAX_POINTS = 200_000

#: Google's published recipe ends with coordinates 0..255 and Ramer-Douglas-Peucker at 2.0.
GRID = 255.0
SIMPLIFY_EPSILON = 2.0


def as_rows(strokes: Sequence[Any]) -> Sequence[Any]:
    """Strokes given as lists of points `[(x, y), ...]` as `(xs, ys)`; others as they are.

    A stroke with one or more than three rows, all of two or three numbers, is a list of points,
    and then so are the others of its drawing. A drawing whose every stroke could be either is
    read as `(xs, ys)` with optional times, as long as the third rows are times. Raises
    DrawingError for a drawing that mixes both forms.
    """
    shapes = [_row_lengths(stroke) for stroke in strokes]
    points = [len(set(shape)) == 1 and shape[0] in (2, 3) for shape in shapes]
    rows = [len(shape) in (2, 3) and shape[0] == shape[1] for shape in shapes]
    has_points = [a and not b for a, b in zip(points, rows, strict=True)]
    has_rows = [b and not a for a, b in zip(points, rows, strict=True)]
    if not any(has_points):
        if any(has_rows) or not all(points) or _has_times(strokes, shapes):
            return strokes
    elif any(has_rows):
        number = 1 + has_rows.index(True)
        raise DrawingError(
            f"stroke {number} is a pair (xs, ys), but another one is a list of points (x, y); "
            "give all strokes in one form"
        )
    if not all(points):
        return strokes
    return [[[point[0] for point in s], [point[1] for point in s]] for s in strokes]


def _row_lengths(stroke: Any) -> list[int]:
    """The length of each row; nothing for strokes that have no rows."""
    try:
        return [-1 if isinstance(row, str | bytes | dict) else len(row) for row in stroke]
    except TypeError:
        return []


def _has_times(strokes: Sequence[Any], shapes: Sequence[Sequence[int]]) -> bool:
    """Whether third rows of strokes with two points are times: from 0 on, never falling."""
    times = [s[2] for s, shape in zip(strokes, shapes, strict=True) if len(shape) == 3]
    if not times or any(len(row) != 2 for row in times):
        return True
    return all(row[0] <= row[1] for row in times) and (len(shapes[0]) != 3 or strokes[0][2][0] == 0)


def pack_strokes(strokes: Iterable[Sequence[Any]]) -> tuple[FloatArray, IntArray]:
    """Strokes as given by people -> (points, stroke_starts); strokes without points are dropped."""
    columns: list[npt.NDArray[np.float64]] = []
    n_points = 0
    for number, stroke in enumerate(as_rows(list(strokes)), start=1):
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
            column[np.abs(column) < LEAST_COORDINATE] = 0
            columns.append(column)
    starts = np.cumsum([0] + [len(column) for column in columns]).astype(np.int64)
    if not columns:
        return np.zeros((0, 2), np.float32), starts
    return np.concatenate(columns).astype(np.float32), starts
