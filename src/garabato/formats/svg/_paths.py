"""SVG path data -> polylines (curves and arcs flattened) -> filled pixels.

Source: https://www.w3.org/TR/SVG11/paths.html; arcs follow its appendix F.6. As specified there,
path data are read up to their first error.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from garabato.drawing import IntArray
from garabato.host.kernels import Kernels, inner_kernel, kernel

#: Straight pieces for a Bezier curve and for half a circle.
_N_PIECES = 16
#: An arc whose ends are closer than this, in radii, becomes a line: its circle needs more precision
#: than floats have.
_MIN_CHORD = 1e-12

_PLUS, _COMMA, _MINUS, _POINT, _ZERO, _NINE = 43, 44, 45, 46, 48, 57
_SPACE, _TAB, _RETURN = 32, 9, 13
_LOWER = 32  # set in the codes of lower-case letters
_M, _Z, _L, _H, _V, _C, _S, _Q, _T, _A, _E = (ord(letter) for letter in "MZLHVCSQTAE")


def flatten(
    data: bytes, matrix: tuple[float, ...], max_points: int
) -> tuple[npt.NDArray[np.float64], IntArray, tuple[float, float, float, float], bool]:
    """Path data -> (points (P, 2) float64, starts (S + 1,) int64, bounds, is_complete).

    Subpath s is `points[starts[s]:starts[s + 1]]`, two or more points; a closed one ends where it
    began. `matrix` is SVG's (a, b, c, d, e, f), applied to all points. `bounds` are (left, top,
    right, bottom). `is_complete` is False if the path has more than `max_points` points, of which
    none are returned.
    """
    (run,) = _FLATTEN_KERNELS.choose(len(data))
    return run(data, matrix, max_points)  # type: ignore[no-any-return]


def winding_numbers(
    points: npt.NDArray[np.float64], starts: IntArray, height: int, width: int
) -> npt.NDArray[np.int32]:
    """How often closed polygons wind around the centre of each pixel: (height, width) int32.

    `points` (P, 2) in pixels, polygon s `points[starts[s]:starts[s + 1]]`. A pixel is inside
    if its number is not 0 (nonzero rule) or odd (even-odd rule).
    """
    n_rows = float(np.abs(np.diff(points[:, 1].clip(0, height))).sum())
    (run,) = _WINDING_KERNELS.choose(len(points) + n_rows)
    return np.cumsum(run(points, starts, height, width), axis=1, dtype=np.int32)


@inner_kernel
def read_number(data, at):  # type: ignore[no-untyped-def]
    """The index behind the number at `at`, or -1 if there is none, and the number."""
    sign = 1.0
    if at < len(data) and (data[at] == _PLUS or data[at] == _MINUS):
        sign = -1.0 if data[at] == _MINUS else 1.0
        at += 1
    value = 0.0
    n_digits, exponent = 0, 0
    while at < len(data) and _ZERO <= data[at] <= _NINE:
        value = value * 10.0 + (data[at] - _ZERO)
        n_digits += 1
        at += 1
    if at < len(data) and data[at] == _POINT:
        at += 1
        while at < len(data) and _ZERO <= data[at] <= _NINE:
            if value < 1e17:  # further digits are beyond a float's precision
                value = value * 10.0 + (data[at] - _ZERO)
                exponent -= 1
            n_digits += 1
            at += 1
    if n_digits == 0:
        return -1, 0.0
    if at < len(data) and data[at] & ~_LOWER == _E:
        behind, power = at + 1, 0
        is_negative = False
        if behind < len(data) and (data[behind] == _PLUS or data[behind] == _MINUS):
            is_negative = data[behind] == _MINUS
            behind += 1
        first = behind
        while behind < len(data) and _ZERO <= data[behind] <= _NINE:
            power = min(power * 10 + (data[behind] - _ZERO), 99_999)
            behind += 1
        if behind > first:
            exponent += -power if is_negative else power
            at = behind
    if value == 0.0 or exponent == 0:
        return at, sign * value
    if exponent < 0:  # dividing is exact for short numbers: 0.1 is 1 / 10
        return at, sign * (value / 10.0**-exponent if exponent > -300 else 0.0)
    return at, sign * (value * 10.0**exponent if exponent < 309 else math.inf)


@kernel
def _winding_changes(points, starts, height, width):  # type: ignore[no-untyped-def]
    """By how much the winding number of each pixel differs from that of its left neighbour."""
    changes = np.zeros((height, width), np.int32)
    for s in range(len(starts) - 1):
        first, last = starts[s], starts[s + 1]
        for i in range(first, last):
            j = i + 1 if i + 1 < last else first
            x0, y0, x1, y1 = points[i, 0], points[i, 1], points[j, 0], points[j, 1]
            step = 1
            if y0 > y1:
                x0, y0, x1, y1, step = x1, y1, x0, y0, -1
            # rows whose centre lies in [y0, y1)
            top = max(0, math.ceil(min(max(y0 - 0.5, -1.0), height + 1.0)))
            bottom = min(height, math.ceil(min(max(y1 - 0.5, -1.0), height + 1.0)))
            if top < bottom:
                slope = (x1 - x0) / (y1 - y0)
                for row in range(top, bottom):
                    x = x0 + (row + 0.5 - y0) * slope
                    column = math.ceil(min(max(x - 0.5, 0.0), width + 0.0))
                    if column < width:
                        changes[row, column] += step
    return changes


#: Python takes this many rows of edges in about 0.2 s. Compiling takes 2 s.
_WINDING_KERNELS = Kernels(_winding_changes, interpreted_work=100_000)


@kernel
def _flatten(data, matrix, max_points):  # type: ignore[no-untyped-def]
    points = np.empty((64, 2), np.float64)
    starts = np.zeros(8, np.int64)
    values = np.empty(7, np.float64)
    # Typed zeros: for literals, numba would compile the functions called below once more.
    n = np.int64(0)  # points
    n_paths = np.int64(0)  # finished subpaths
    at = np.int64(0)
    command = 0
    x = y = start_x = start_y = handle_x = handle_y = 0.0
    handle_of = 0  # the last curve command, for the smooth ones
    has_begun = is_closed = False
    while True:
        at = _skip_blanks(data, at)
        if at == len(data):
            break
        upper = data[at] & ~_LOWER
        if upper in (_M, _Z, _L, _H, _V, _C, _S, _Q, _T, _A):
            command = data[at]
            at += 1
        elif command == 0 or command & ~_LOWER == _Z:
            break
        elif command & ~_LOWER == _M:  # further points of a moveto are linetos
            command = _L | (command & _LOWER)
        upper = command & ~_LOWER
        if not has_begun and upper != _M:
            break
        n_values = _n_values(upper)
        at = _read_values(data, at, upper, n_values, values)
        if at < 0:
            break
        is_relative = command & _LOWER != 0
        base_x = x if is_relative else 0.0
        base_y = y if is_relative else 0.0
        if upper == _M:
            n, n_paths, starts = _finish_subpath(n, n_paths, starts)
            x, y = base_x + values[0], base_y + values[1]
            start_x, start_y = x, y
            points = _with_room(points, n + 1)
            points[n, 0], points[n, 1] = x, y
            n += 1
            has_begun, is_closed = True, False
        else:
            if is_closed and upper != _Z:  # what follows a closepath begins where it ended
                n, n_paths, starts = _finish_subpath(n, n_paths, starts)
                points = _with_room(points, n + 1)
                points[n, 0], points[n, 1] = start_x, start_y
                n += 1
                is_closed = False
            points = _with_room(points, n + 2 * _N_PIECES + 2)
            if upper == _Z:
                if not is_closed and (x != start_x or y != start_y or n - starts[n_paths] == 1):
                    points[n, 0], points[n, 1] = start_x, start_y
                    n += 1
                x, y = start_x, start_y
                is_closed = True
            elif upper in (_L, _H, _V):
                if upper == _L:
                    x, y = base_x + values[0], base_y + values[1]
                elif upper == _H:
                    x = base_x + values[0]
                else:
                    y = base_y + values[0]
                points[n, 0], points[n, 1] = x, y
                n += 1
            elif upper == _A:
                end_x, end_y = base_x + values[5], base_y + values[6]
                n = _add_arc(points, n, x, y, end_x, end_y, values)
                x, y = end_x, end_y
            else:
                mirrored_x, mirrored_y = x, y
                if handle_of == upper or (
                    (upper == _S and handle_of == _C) or (upper == _T and handle_of == _Q)
                ):
                    mirrored_x, mirrored_y = 2 * x - handle_x, 2 * y - handle_y
                pen = _Pen(x, y, base_x, base_y, mirrored_x, mirrored_y)
                n, x, y, handle_x, handle_y = _add_curve(points, n, upper, pen, values)
        is_curve = upper in (_C, _S, _Q, _T)
        handle_of = upper if is_curve else 0
        if n > max_points:
            return points[:0].copy(), starts[:1].copy(), (0.0, 0.0, 0.0, 0.0), False
    n, n_paths, starts = _finish_subpath(n, n_paths, starts)
    a, b, c, d, e, f = matrix
    left = top = math.inf
    right = bottom = -math.inf
    for i in range(n):
        x, y = points[i]
        moved_x, moved_y = a * x + c * y + e, b * x + d * y + f
        points[i, 0], points[i, 1] = moved_x, moved_y
        left, top = min(left, moved_x), min(top, moved_y)
        right, bottom = max(right, moved_x), max(bottom, moved_y)
    bounds = (left, top, right, bottom)
    return points[:n].copy(), starts[: n_paths + 1].copy(), bounds, True


#: Python reads this many characters of path data in about 0.2 s. Compiling takes 6 s.
_FLATTEN_KERNELS = Kernels(_flatten, interpreted_work=50_000)


@inner_kernel
def _skip_blanks(data, at):  # type: ignore[no-untyped-def]
    while at < len(data):
        byte = data[at]
        if not (byte in (_SPACE, _COMMA) or _TAB <= byte <= _RETURN):
            break
        at += 1
    return at


@inner_kernel
def _n_values(command):  # type: ignore[no-untyped-def]
    if command == _Z:
        return 0
    if command in (_H, _V):
        return 1
    if command == _C:
        return 6
    if command in (_S, _Q):
        return 4
    return 7 if command == _A else 2


@inner_kernel
def _read_values(data, at, command, n_values, values):  # type: ignore[no-untyped-def]
    """Fill `values`; returns the index behind them, or -1 if one is missing."""
    for i in range(n_values):
        at = _skip_blanks(data, at)
        if command == _A and (i == 3 or i == 4):  # flags need no separator
            if at == len(data) or not (data[at] == _ZERO or data[at] == _ZERO + 1):
                return -1
            values[i] = data[at] - _ZERO
            at += 1
        else:
            at, values[i] = read_number(data, at)
            if at < 0:
                return -1
    return at


@inner_kernel
def _finish_subpath(n, n_paths, starts):  # type: ignore[no-untyped-def]
    """End the current subpath. A subpath of a single point is dropped."""
    if n - starts[n_paths] < 2:
        return starts[n_paths], n_paths, starts
    n_paths += 1
    if n_paths == len(starts):
        grown = np.zeros(2 * len(starts), np.int64)
        for i in range(len(starts)):
            grown[i] = starts[i]
        starts = grown
    starts[n_paths] = n
    return n, n_paths, starts


@inner_kernel
def _with_room(points, n):  # type: ignore[no-untyped-def]
    if n <= len(points):
        return points
    grown = np.empty((2 * n, 2), np.float64)
    for i in range(len(points)):
        grown[i, 0], grown[i, 1] = points[i, 0], points[i, 1]
    return grown


@inner_kernel
def _add_arc(points, n, x, y, end_x, end_y, values):  # type: ignore[no-untyped-def]
    """Add an elliptical arc (rx, ry, rotation, large, sweep); a line if no circle fits."""
    rx, ry, degrees = abs(values[0]), abs(values[1]), values[2]
    large, sweep = values[3] != 0, values[4] != 0
    points[n, 0], points[n, 1] = end_x, end_y
    is_arc = (x != end_x or y != end_y) and rx > 0 and ry > 0
    if not (is_arc and math.isfinite(rx) and math.isfinite(ry) and math.isfinite(degrees)):
        return n + 1
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    # in the frame of a unit circle: rotated back, then squeezed by the radii
    half_x, half_y = (x - end_x) / 2, (y - end_y) / 2
    u = (cos * half_x + sin * half_y) / rx
    v = (cos * half_y - sin * half_x) / ry
    distance = math.hypot(u, v)
    if not (distance > _MIN_CHORD and math.isfinite(distance)):
        return n + 1
    if distance > 1:  # radii too small to reach: enlarge them until they do
        rx, ry, u, v = rx * distance, ry * distance, u / distance, v / distance
        distance = 1.0
    off = math.sqrt(max(0.0, 1 / (distance * distance) - 1))
    if large != sweep:
        off = -off
    centre_u, centre_v = off * -v, off * u
    first = math.atan2(v - centre_v, u - centre_u)
    angle = math.atan2(-v - centre_v, -u - centre_u) - first
    if sweep and angle < 0:
        angle += 2 * math.pi
    elif not sweep and angle > 0:
        angle -= 2 * math.pi
    n_pieces = max(1, math.ceil(_N_PIECES * abs(angle) / math.pi))
    middle_x, middle_y = (x + end_x) / 2, (y + end_y) / 2
    for i in range(1, n_pieces):
        turned = first + angle * i / n_pieces
        u = (centre_u + math.cos(turned)) * rx
        v = (centre_v + math.sin(turned)) * ry
        points[n, 0] = cos * u - sin * v + middle_x
        points[n, 1] = sin * u + cos * v + middle_y
        n += 1
    points[n, 0], points[n, 1] = end_x, end_y
    return n + 1


class _Pen(NamedTuple):
    """Where a curve begins, what its values are relative to, and the last handle mirrored."""

    x: float
    y: float
    base_x: float
    base_y: float
    mirrored_x: float
    mirrored_y: float


@inner_kernel
def _add_curve(points, n, command, pen, values):  # type: ignore[no-untyped-def]
    """Add a Bezier curve; returns (n, end x, end y, x and y of its last handle)."""
    x, y, base_x, base_y, mirrored_x, mirrored_y = pen
    if command in (_C, _S):
        first_x, first_y, used = mirrored_x, mirrored_y, 0
        if command == _C:
            first_x, first_y, used = base_x + values[0], base_y + values[1], 2
        handle_x, handle_y = base_x + values[used], base_y + values[used + 1]
        end_x, end_y = base_x + values[used + 2], base_y + values[used + 3]
        second_x, second_y = handle_x, handle_y
    else:
        handle_x, handle_y, used = mirrored_x, mirrored_y, 0
        if command == _Q:
            handle_x, handle_y, used = base_x + values[0], base_y + values[1], 2
        end_x, end_y = base_x + values[used], base_y + values[used + 1]
        # the cubic of the same curve
        first_x, first_y = x + (handle_x - x) * 2 / 3, y + (handle_y - y) * 2 / 3
        second_x = end_x + (handle_x - end_x) * 2 / 3
        second_y = end_y + (handle_y - end_y) * 2 / 3
    for i in range(1, _N_PIECES):
        t = i / _N_PIECES
        s = 1 - t
        p, q, r, u = s * s * s, 3 * s * s * t, 3 * s * t * t, t * t * t
        points[n, 0] = p * x + q * first_x + r * second_x + u * end_x
        points[n, 1] = p * y + q * first_y + r * second_y + u * end_y
        n += 1
    points[n, 0], points[n, 1] = end_x, end_y
    return n + 1, end_x, end_y, handle_x, handle_y
