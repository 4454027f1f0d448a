"""SVG path data to polylines: all commands, curves and arcs flattened.

Source: https://www.w3.org/TR/SVG11/paths.html, arcs after its appendix F.6. As asked there, path
data are followed up to their first error. Points are complex numbers, x + iy.
"""

from __future__ import annotations

import cmath
import math
import re

import numpy as np

#: Pieces a Bezier curve, and half a circle, become.
_N_PIECES = 16
#: Arcs whose ends are closer than this, in radii, are lines: floats hold no more of their circle.
_LEAST_CHORD = 1e-12

_BLANK = re.compile(r"[\s,]*")
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
_T = np.linspace(0, 1, _N_PIECES + 1)[1:]


class TooManyPointsError(Exception):
    """The path needs more points than were allowed."""


def flatten(data: str, max_points: int) -> list[list[complex]]:
    """The subpaths of `data`, each a list of two or more points; a closed one ends where it began.

    Raises TooManyPointsError for more than `max_points` points.
    """
    with np.errstate(all="ignore"):
        path = _Path(data, max_points)
        path.follow()
    return [polyline for polyline in path.polylines if len(polyline) > 1]


def numbers(text: str) -> list[float]:
    """All numbers of a list separated by blanks and commas, up to the first thing that is none."""
    found = []
    at = _skip(text, 0)
    while match := _NUMBER.match(text, at):
        found.append(float(match[0]))
        at = _skip(text, match.end())
    return found


def _skip(text: str, at: int) -> int:
    return _BLANK.match(text, at).end()  # type: ignore[union-attr]


class _EndOfPathError(Exception):
    """Path data ended, or something in them is not understood."""


class _Path:
    def __init__(self, data: str, max_points: int) -> None:
        self.data = data
        self.at = 0
        self.n_points_left = max_points
        self.polylines: list[list[complex]] = []
        self.here = 0j
        self.start = 0j
        self.is_closed = False
        self.handle: complex | None = None  # of the last curve, for the smooth commands
        self.handle_of = ""

    def follow(self) -> None:
        """Follow all commands, repeating the last one while numbers follow it."""
        command = ""
        try:
            while not self._is_at_end():
                letter = self.data[self.at]
                if letter in "MmZzLlHhVvCcSsQqTtAa":
                    self.at += 1
                    command = letter
                elif command in ("", "Z", "z"):
                    return
                elif command in "Mm":  # more points of a moveto are linetos
                    command = "L" if command == "M" else "l"
                if not self.polylines and command not in "Mm":
                    return
                getattr(self, f"_{command.upper()}")(self.here if command.islower() else 0j)
                if command.upper() not in "CSQT":
                    self.handle = None
        except _EndOfPathError:
            return

    # One method a command; `origin` is the current point for relative commands.

    def _M(self, origin: complex) -> None:  # noqa: N802 - named as the command
        self.here = self.start = origin + self._point()
        self.is_closed = False
        self.polylines.append([])
        self._add([self.here])

    def _Z(self, _: complex) -> None:  # noqa: N802
        if self.here != self.start or len(self.polylines[-1]) == 1:
            self._add([self.start])
        self.here = self.start
        self.is_closed = True

    def _L(self, origin: complex) -> None:  # noqa: N802
        self._line_to(origin + self._point())

    def _H(self, origin: complex) -> None:  # noqa: N802
        self._line_to(complex(origin.real + self._number(), self.here.imag))

    def _V(self, origin: complex) -> None:  # noqa: N802
        self._line_to(complex(self.here.real, origin.imag + self._number()))

    def _C(self, origin: complex) -> None:  # noqa: N802
        self._cubic(origin + self._point(), origin + self._point(), origin + self._point())

    def _S(self, origin: complex) -> None:  # noqa: N802
        self._cubic(self._mirrored("C"), origin + self._point(), origin + self._point())

    def _Q(self, origin: complex) -> None:  # noqa: N802
        self._quadratic(origin + self._point(), origin + self._point())

    def _T(self, origin: complex) -> None:  # noqa: N802
        self._quadratic(self._mirrored("Q"), origin + self._point())

    def _A(self, origin: complex) -> None:  # noqa: N802
        radii = abs(self._number()), abs(self._number())
        rotation = math.radians(self._number())
        large, sweep = self._flag(), self._flag()
        end = origin + self._point()
        self._curve_to(_arc(self.here, end, radii, rotation, large, sweep), end)

    # What the commands do.

    def _add(self, points: list[complex]) -> None:
        self.n_points_left -= len(points)
        if self.n_points_left < 0:
            raise TooManyPointsError
        if self.is_closed:  # what follows a Z without a moveto begins where the Z went
            self.is_closed = False
            self.polylines.append([self.start])
        self.polylines[-1] += points

    def _line_to(self, end: complex) -> None:
        self._add([end])
        self.here = end

    def _curve_to(self, points: list[complex], end: complex) -> None:
        self._add([*points[:-1], end])
        self.here = end

    def _cubic(self, a: complex, b: complex, end: complex) -> None:
        s = 1 - _T
        points = s**3 * self.here + 3 * s**2 * _T * a + 3 * s * _T**2 * b + _T**3 * end
        self._curve_to(points.tolist(), end)
        self.handle, self.handle_of = b, "C"

    def _quadratic(self, a: complex, end: complex) -> None:
        s = 1 - _T
        points = s**2 * self.here + 2 * s * _T * a + _T**2 * end
        self._curve_to(points.tolist(), end)
        self.handle, self.handle_of = a, "Q"

    def _mirrored(self, kind: str) -> complex:
        """The last curve's handle on the other side of the current point."""
        if self.handle is None or self.handle_of != kind:
            return self.here
        return 2 * self.here - self.handle

    def _is_at_end(self) -> bool:
        self.at = _skip(self.data, self.at)
        return self.at == len(self.data)

    def _number(self) -> float:
        self.at = _skip(self.data, self.at)
        match = _NUMBER.match(self.data, self.at)
        if match is None:
            raise _EndOfPathError
        self.at = match.end()
        return float(match[0])

    def _point(self) -> complex:
        return complex(self._number(), self._number())

    def _flag(self) -> bool:
        """A single 0 or 1, which need not be set apart from what follows."""
        self.at = _skip(self.data, self.at)
        flag = self.data[self.at : self.at + 1]
        if flag not in ("0", "1"):
            raise _EndOfPathError
        self.at += 1
        return flag == "1"


def _arc(
    start: complex, end: complex, radii: tuple[float, float], rotation: float, large: bool,
    sweep: bool,
) -> list[complex]:  # fmt: skip
    """Points of an elliptical arc behind `start`, ending near `end`."""
    rx, ry = radii
    if start == end or rx == 0 or ry == 0 or not all(map(math.isfinite, (rx, ry, rotation))):
        return [end]
    turn = cmath.rect(1, rotation)
    # in the frame of a unit circle: rotated back, then squeezed by the radii
    half = (start - end) / 2 / turn
    x, y = half.real / rx, half.imag / ry
    distance = math.hypot(x, y)
    if not _LEAST_CHORD < distance < math.inf:
        return [end]
    if distance > 1:  # radii too small to reach: enlarge them until they do
        rx, ry, x, y = rx * distance, ry * distance, x / distance, y / distance
        distance = 1.0
    off = math.sqrt(max(0.0, 1 / distance**2 - 1)) * (1 if large == sweep else -1)
    centre = complex(off * -y, off * x)
    first, last = cmath.phase(complex(x, y) - centre), cmath.phase(-complex(x, y) - centre)
    angle = last - first
    if sweep and angle < 0:
        angle += 2 * math.pi
    elif not sweep and angle > 0:
        angle -= 2 * math.pi
    n = max(1, math.ceil(_N_PIECES * abs(angle) / math.pi))
    angles = first + angle * np.linspace(0, 1, n + 1)[1:]
    xs, ys = centre.real + np.cos(angles), centre.imag + np.sin(angles)
    points: list[complex] = ((xs * rx + 1j * ys * ry) * turn + (start + end) / 2).tolist()
    return points
