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
#: A stroke has rows of xs and ys, and perhaps of times and pressures, which are not read.
MAX_ROWS = 4

#: Google's published recipe ends with coordinates 0..255 and Ramer-Douglas-Peucker at 2.0.
GRID = 255.0
SIMPLIFY_EPSILON = 2.0


def as_rows(strokes: Sequence[Any]) -> Sequence[Any]:
    """Strokes given as lists of points `[(x, y), ...]` as `(xs, ys)`; others as they are.

    A stroke of points has rows of two to four numbers: x, y, and perhaps time and pressure. A
    stroke of rows has two to four rows, one for each of them. If the form of one stroke is
    certain, the others of its drawing have it too, with as many numbers for each point. A drawing
    whose every stroke could be either is read as `(xs, ys)` with optional times, as long as the
    third rows are times. Raises DrawingError for a drawing that mixes both forms.
    """
    shapes = [_row_lengths(stroke) for stroke in strokes]
    has_pressures = any(len(shape) == 4 and shape[0] > 4 for shape in shapes)
    forms = [_possible_forms(shape, has_pressures) for shape in shapes]
    if {"points"} in forms:
        width = shapes[forms.index({"points"})][0]
        for number, (shape, possible) in enumerate(zip(shapes, forms, strict=True), start=1):
            if "points" not in possible or shape[:1] not in ([], [0], [width]):
                kind = "a pair (xs, ys)" if "rows" in possible else "not a list of points (x, y)"
                raise DrawingError(
                    f"stroke {number} is {kind}, but another one is a list of points (x, y); "
                    "give all strokes in one form"
                )
    elif not all("points" in possible for possible in forms) or _has_times(strokes, shapes):
        return strokes
    return [[[point[0] for point in s], [point[1] for point in s]] for s in strokes]


def _row_lengths(stroke: Any) -> list[int]:
    """The length of each row; -1 for anything that is not a row."""
    try:
        return [-1 if isinstance(row, str | bytes | dict) else len(row) for row in stroke]
    except TypeError:
        return [-1]


def _possible_forms(shape: Sequence[int], has_pressures: bool) -> set[str]:
    """What a stroke with rows of these lengths may be: {"points"}, {"rows"}, both or nothing.

    Four short rows are points, unless a long stroke of the drawing has four rows, too.
    """
    if max(shape, default=0) == 0:  # no points at all
        return {"points", "rows"}
    forms = set()
    if len(set(shape)) == 1 and shape[0] in (2, 3, 4):
        forms.add("points")
    if (
        len(shape) in (2, 3, 4)
        and shape[0] == shape[1]
        and (len(shape) < 4 or shape[0] > 3 or has_pressures)
    ):
        forms.add("rows")
    return forms


def _has_times(strokes: Sequence[Any], shapes: Sequence[Sequence[int]]) -> bool:
    """Whether third rows of strokes with two points are times: from 0 on, never falling."""
    times = [s[2] for s, shape in zip(strokes, shapes, strict=True) if len(shape) == 3]
    if not times or any(len(row) != 2 for row in times):
        return True
    return all(row[0] <= row[1] for row in times) and (len(shapes[0]) != 3 or times[0][0] == 0)


def pack_strokes(strokes: Iterable[Sequence[Any]]) -> tuple[FloatArray, IntArray]:
    """Strokes as given by people -> (points, stroke_starts); strokes without points are dropped."""
    columns: list[npt.NDArray[np.float64]] = []
    n_points = 0
    for number, stroke in enumerate(as_rows(list(strokes)), start=1):
        if len(stroke) == 0:
            continue
        if not 2 <= len(stroke) <= MAX_ROWS:
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
