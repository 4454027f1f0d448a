"""The arrays of a drawing and their limits, and the conversion of strokes to arrays."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Sized
from numbers import Number
from typing import Any

import numpy as np
import numpy.typing as npt

from garabato.errors import DrawingError

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]
ByteArray = npt.NDArray[np.uint8]
BoolArray = npt.NDArray[np.bool_]

#: The largest coordinate: float32 represents integers exactly up to here.
MAX_COORDINATE = 2.0**24
#: Smaller coordinates become 0: float32 could not represent them once scaled to 255.
MIN_COORDINATE = 2.0**-60
#: The most points of a drawing (typical ones have about 50, raw ones about 500).
MAX_POINTS = 200_000
#: A stroke has rows of xs and ys, and perhaps of times and pressures, which are not read.
MAX_ROWS = 4

#: Google's published simplification: coordinates 0..255, Ramer-Douglas-Peucker with 2.0 px.
GRID = 255.0
SIMPLIFY_EPSILON = 2.0


def as_rows(strokes: Sequence[Any]) -> Sequence[Any]:
    """Convert strokes given as lists of points `[(x, y), ...]` to `(xs, ys)`.

    The rows of a stroke of points have two to four numbers: x, y, and optionally time and pressure.
    Other strokes have two to four rows, one for each of these. If the form of one stroke is
    certain, the other strokes of its drawing must have it too, with as many numbers per point. If
    every stroke could be either form, they are `(xs, ys)` with optional times, unless the third
    rows can't be times or only some strokes have them. Raises DrawingError for a drawing that mixes
    both forms.
    """
    shapes = [_row_lengths(stroke) for stroke in strokes]
    has_pressures = any(len(shape) == 4 and shape[0] > 4 for shape in shapes)
    forms = [_possible_forms(shape, has_pressures) for shape in shapes]
    width = 2
    if {"points"} in forms:
        width = shapes[forms.index({"points"})][0]
    elif not all("points" in possible for possible in forms) or _has_times(strokes, shapes):
        return strokes
    for number, (shape, possible) in enumerate(zip(shapes, forms, strict=True), start=1):
        if "points" not in possible or shape[:1] not in ([], [0], [width]):
            kind = "a pair (xs, ys)" if "rows" in possible else "not a list of points (x, y)"
            raise DrawingError(
                f"stroke {number} is {kind}, but another one is a list of points (x, y); "
                "give all strokes in one form"
            )
    return [[[point[0] for point in s], [point[1] for point in s]] for s in strokes]


def pack_strokes(strokes: Iterable[Sequence[Any]]) -> tuple[FloatArray, IntArray]:
    """Strokes in any accepted form -> (points, stroke_starts); drops strokes without points."""
    numbers: list[int] = []
    all_xs: list[npt.NDArray[np.float64]] = []
    all_ys: list[npt.NDArray[np.float64]] = []
    n_points = 0
    if not isinstance(strokes, Iterable):
        raise DrawingError(
            f"strokes must be a list of pairs (xs, ys), not {type(strokes).__name__}"
        )
    strokes = [list(stroke) if isinstance(stroke, Iterator) else stroke for stroke in strokes]
    for number, stroke in enumerate(as_rows(strokes), start=1):
        n_rows = len(stroke) if isinstance(stroke, Sized) else 1
        if n_rows == 0:
            continue
        if not 2 <= n_rows <= MAX_ROWS or isinstance(stroke, Mapping):
            raise _wrong_form(number, stroke, "a pair (xs, ys)")
        try:
            xs = np.asarray(stroke[0], np.float64)
            ys = np.asarray(stroke[1], np.float64)
        except (TypeError, ValueError):
            raise DrawingError(f"stroke {number} has coordinates that are not numbers") from None
        except OverflowError:  # an integer of more than 308 digits
            raise DrawingError(f"stroke {number} has a coordinate beyond 2^24") from None
        if xs.ndim != 1 or ys.ndim != 1:
            raise _wrong_form(number, stroke, "a pair of flat lists (xs, ys)")
        if len(xs) != len(ys):
            raise DrawingError(f"stroke {number} has {len(xs)} xs but {len(ys)} ys")
        n_points += len(xs)
        if n_points > MAX_POINTS:
            raise DrawingError(f"the drawing has more than {MAX_POINTS:,} points")
        if len(xs):
            numbers.append(number)
            all_xs.append(xs)
            all_ys.append(ys)
    starts = np.cumsum([0, *map(len, all_xs)], dtype=np.int64)
    points = np.empty((n_points, 2))
    if numbers:
        np.concatenate(all_xs, out=points[:, 0])
        np.concatenate(all_ys, out=points[:, 1])
    sizes = np.abs(points)
    is_bad = ~(sizes <= MAX_COORDINATE)  # true for NaN, too
    if is_bad.any():
        at = int(np.argmax(is_bad.any(axis=1)))
        number = numbers[int(np.searchsorted(starts, at, "right")) - 1]
        if not np.isfinite(points[at]).all():
            raise DrawingError(f"stroke {number} has a coordinate that is NaN or infinite")
        raise DrawingError(f"stroke {number} has a coordinate beyond 2^24")
    points[sizes < MIN_COORDINATE] = 0
    return points.astype(np.float32), starts


def ranges(firsts: IntArray, counts: IntArray) -> IntArray:
    """firsts[0], firsts[0] + 1, ... (counts[0] of them), firsts[1], ...: (sum of counts,)."""
    before = np.cumsum(counts) - counts
    joined: IntArray = np.arange(counts.sum()) + np.repeat(firsts - before, counts)
    return joined


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
    """Whether third rows of strokes with two points are times: in all strokes, not decreasing."""
    times = [s[2] for s, shape in zip(strokes, shapes, strict=True) if len(shape) == 3]
    if not times or any(len(row) != 2 for row in times):
        return True
    if [2, 2] in shapes:  # a stroke without times
        return False
    try:
        return all(row[0] <= row[1] for row in times) and (len(shapes[0]) != 3 or times[0][0] == 0)
    except (TypeError, ValueError):  # not numbers
        return False


def _wrong_form(number: int, stroke: Any, right_form: str) -> DrawingError:
    if isinstance(stroke, Iterable) and all(isinstance(row, Number) for row in stroke):
        return DrawingError(
            f"stroke {number} is a list of numbers, not {right_form}; a drawing is a list of "
            "strokes, [(xs, ys), ...], even if it has only one"
        )
    return DrawingError(f"stroke {number} is not {right_form}")
